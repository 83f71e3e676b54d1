"""Finding the islands in a page's source: which bytes must come back as they are."""

from __future__ import annotations

import bisect
import itertools
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Literal

from steps.html import dom
from steps.html.scan import RAW, Token, closings, scan

Kind = Literal["media", "embed", "table", "link", "anchor", "shortcode", "block"]

MEDIA = frozenset({"img", "picture", "video", "audio", "svg", "canvas", "figure"})
EMBEDS = frozenset({"iframe", "embed", "object", "form", "noscript"})
TEXT_BLOCKS = frozenset(
    {"paragraph", "heading", "list", "list-item", "quote", "group", "columns", "column"}
    | {"freeform", "separator", "spacer", "more", "nextpage", "details", "cover", "media-text"}
    | {"yoast/faq-block", "rank-math/faq-block"}
)
"""WordPress blocks that hold text to rewrite; every other block is an island as a whole."""

_WRAPPERS = frozenset({"p", "div", "center", "section", "aside", "span", "a", "picture"})
_INLINE = frozenset({"span", "sup", "sub", "b", "i", "em", "strong", "small", "mark", "button"})
_NO_ANCHOR = frozenset({"tr", "td", "th", "thead", "tbody", "tfoot", "html", "body", "script"})
_BEFORE = frozenset({"ul", "ol", "dl", "table", "blockquote"})
EMBED_CLASS = re.compile(r"\b(twitter-tweet|[a-z]+-media|[a-z-]+-embed|fb-(post|video))\b")
_BLOCK = re.compile(r"<!--\s*(?P<close>/)?wp:(?P<name>[a-z][\w/-]*)(?P<rest>.*?)-->", re.DOTALL)
SHORTCODE = re.compile(
    r"\[\[[^\[\]\n]{1,200}\]\]"  # written out on purpose: [[name]], or a marker of ours
    r"|\[(?P<close>/)?(?P<name>[a-zA-Z][\w-]*+)(?:\s[^\[\]]*+|/)?\](?!\()"
)
ADDRESS = re.compile(r"https?://[^\s<>\"]+", re.IGNORECASE)
_LINE = re.compile(r"[^\n]+")
_WORD = re.compile(r"\w+")
_CELLS = frozenset({"td", "th"})
_LINE_TAGS = frozenset({"p", "div", "center", "figure", "section", "br", *dom.HEADINGS})
_DATA_CELLS = 2  #: tags; a table of fewer cells lays something out
_INLINE_WORDS = 12  #: an inline element with an id and more words than this is text
_PIECE_WORDS = 150
"""What an enclosing shortcode, a form or a link may hold and still be one thing: half of the
longest stretch of text without a subheading that the rubric allows."""


@dataclass(frozen=True, slots=True)
class Span:
    """Where an island stands: ``source[start:end]``.

    ``inserted`` is what stands for it when it is not those bytes: the anchor that keeps the
    ``id`` of an element whose text is rewritten.
    """

    start: int
    end: int
    kind: Kind
    inserted: str = ""


def find(source: str) -> list[Span]:
    """The islands of *source*: outermost, in order, never overlapping."""
    page = _Page(source)
    spans = outermost([*_elements(page), *_shortcodes(page), *_addresses(page)])
    blocks = _blocks(page)
    spans = outermost([*spans, *(span for name, span in blocks if name not in TEXT_BLOCKS)])
    wrappers = [span for _, span in blocks] + _wrappers(page)
    free, solid = _free_text(page, spans), _standing_alone(spans)
    around = [span for span in wrappers if _any_in(span, solid) and not _any_in(span, free)]
    return outermost([*spans, *around])


class _Page:
    """A source with its tokens, and what any stretch of them holds, counted once."""

    def __init__(self, source: str) -> None:
        self.source = source
        self.tokens = scan(source)
        self.closed_by = closings(self.tokens)
        self._starts = [token.start for token in self.tokens]
        self._words = self._sums(self._word_count(token) for token in self.tokens)
        self._cells = self._sums(token.name in _CELLS for token in self.tokens)
        self._heads = self._sums(token.name in {"h1", "h2"} for token in self.tokens)

    def _word_count(self, token: Token) -> int:
        if token.kind != "text":
            return 0
        return len(_WORD.findall(self.source, token.start, token.end))

    @staticmethod
    def _sums(counts: Iterable[int]) -> list[int]:
        return list(itertools.accumulate(counts, initial=0))

    def span(self, index: int) -> tuple[int, int]:
        """Where the element that begins with this token begins and ends.

        A frame or script that is never closed holds the rest of the page, as in a browser.
        """
        first, last = self.tokens[index], self.closed_by[index]
        if last == index and first.kind == "start" and first.name in RAW:
            last = len(self.tokens) - 1
        return first.start, self.tokens[last].end

    def words(self, start: int, end: int) -> int:
        """How many words a reader sees between two offsets."""
        return self._between(self._words, start, end)

    def cells(self, start: int, end: int) -> int:
        """How many tags of table cells there are."""
        return self._between(self._cells, start, end)

    def headings(self, start: int, end: int) -> int:
        """How many tags of h1 and h2 there are: what a page's own text has."""
        return self._between(self._heads, start, end)

    def _between(self, sums: list[int], start: int, end: int) -> int:
        first, last = (bisect.bisect_left(self._starts, offset) for offset in (start, end))
        return sums[last] - sums[first]

    def is_one_piece(self, start: int, end: int) -> bool:
        """Whether this is a thing of its own and not a wrapper around the page's text."""
        return not self.headings(start, end) and self.words(start, end) <= _PIECE_WORDS


def _elements(page: _Page) -> list[Span]:
    spans = []
    for index, token in enumerate(page.tokens):
        if token.kind not in {"start", "void"}:
            continue
        start, end = page.span(index)
        kind = _kind(token, page, start, end)
        if kind:
            spans.append(Span(start, end, kind))
        elif token.get("id") and token.name not in _NO_ANCHOR:
            spans.append(_anchor(token, end))
    return spans


def _kind(token: Token, page: _Page, start: int, end: int) -> Kind | None:
    name = token.name
    if name in MEDIA:
        return "media"
    if name == "form":
        return "embed" if page.is_one_piece(start, end) else None
    if name in EMBEDS or (name == "script" and token.get("type") != "application/ld+json"):
        return "embed"
    if name == "blockquote" and EMBED_CLASS.search(token.get("class")):
        return "embed"
    if name == "table":
        data = token.get("role") != "presentation" and page.cells(start, end) >= _DATA_CELLS
        return "table" if data and not page.headings(start, end) else None
    if name == "a":
        return _link_kind(token) if page.is_one_piece(start, end) else None
    short = page.words(start, end) <= _INLINE_WORDS
    return "anchor" if name in _INLINE and token.get("id") and short else None


def _link_kind(token: Token) -> Kind | None:
    href = token.get("href").strip().lower()
    if href and not href.startswith(("javascript:", "data:", "vbscript:")):
        return "link"
    return "anchor" if token.get("id") or token.get("name") else None


def _anchor(token: Token, end: int) -> Span:
    inserted = f"<span {token.as_written('id')}></span>"
    at = end if token.name in dom.HEADINGS else token.end
    at = token.start if token.name in _BEFORE else at
    return Span(at, at, "anchor", inserted)


def _shortcodes(page: _Page) -> list[Span]:
    """Shortcodes tag by tag, and as pairs where they hold a piece; ``[[…]]`` as it stands."""
    spans, opened = [], dict[str, list[int]]()
    texts = (token for token in page.tokens if token.kind == "text")
    found = (match for token in texts for match in _bracketed(page.source, token))
    for match in found:
        spans.append(Span(*match.span(), "shortcode"))
        name = match["name"]
        if name and not match["close"]:
            opened.setdefault(name, []).append(match.start())
        elif name and opened.get(name):
            start = opened[name].pop()
            if page.is_one_piece(start, match.end()):
                spans.append(Span(start, match.end(), "shortcode"))
    return spans


def _bracketed(source: str, token: Token) -> Iterator[re.Match[str]]:
    return SHORTCODE.finditer(source, token.start, token.end)


def _addresses(page: _Page) -> Iterator[Span]:
    """Addresses that stand alone on a line of their own: WordPress shows what is there."""
    for index, token in enumerate(page.tokens):
        if token.kind != "text":
            continue
        for line in _LINE.finditer(page.source, token.start, token.end):
            start, end = line.start(), line.end()
            first = start > token.start or _ends_a_line(page.tokens[index - 1 : index])
            last = end < token.end or _ends_a_line(page.tokens[index + 1 : index + 2])
            if first and last and ADDRESS.fullmatch(line[0].strip()):
                around = (start - (start > token.start), end + (end < token.end))
                yield Span(*around, "embed")


def _ends_a_line(neighbour: list[Token]) -> bool:
    """Whether the token beside a text begins or ends a line; nothing does."""
    return all(one.kind == "comment" or one.name in _LINE_TAGS for one in neighbour)


def _blocks(page: _Page) -> list[tuple[str, Span]]:
    """WordPress blocks with their names; the comments around them are part of them."""
    found, opened = [], dict[str, list[int]]()
    for token in page.tokens:
        match = token.kind == "comment" and _BLOCK.match(page.source, token.start, token.end)
        if not match:
            continue
        name = match["name"]
        if match["close"]:
            if opened.get(name):
                found.append((name, Span(opened[name].pop(), token.end, "block")))
        elif match["rest"].rstrip().endswith("/"):
            found.append((name, Span(token.start, token.end, "block")))
        else:
            opened.setdefault(name, []).append(token.start)
    return found


def _wrappers(page: _Page) -> list[Span]:
    return [
        Span(*page.span(index), "media")
        for index, token in enumerate(page.tokens)
        if token.kind == "start" and token.name in _WRAPPERS and page.closed_by[index] != index
    ]


def _any_in(span: Span, starts: list[int]) -> bool:
    at = bisect.bisect_left(starts, span.start)
    return at < len(starts) and starts[at] < span.end


def _standing_alone(spans: list[Span]) -> list[int]:
    return [span.start for span in spans if span.kind not in {"link", "anchor"}]


def _free_text(page: _Page, spans: list[Span]) -> list[int]:
    """Where text stands that belongs to no island: the offsets, in order."""
    source = page.source
    edges = [0, *(edge for span in spans for edge in (span.start, span.end)), len(source)]
    gaps = zip(edges[::2], edges[1::2], strict=True)
    texts = [(token.start, token.end) for token in page.tokens if token.kind == "text"]
    pieces = _overlaps(texts, gaps)
    return [start for start, end in pieces if source[start:end].strip()]


def _overlaps(
    runs: list[tuple[int, int]], gaps: Iterable[tuple[int, int]]
) -> Iterator[tuple[int, int]]:
    at = 0
    for start, end in gaps:
        while at < len(runs) and runs[at][1] <= start:
            at += 1
        here = at
        while here < len(runs) and runs[here][0] < end:
            yield max(runs[here][0], start), min(runs[here][1], end)
            here += 1


def _order(span: Span) -> tuple[int, bool, int]:
    """By place; at one place an anchor, which has no length, comes before what it marks."""
    return span.start, span.end > span.start, -span.end


def outermost(spans: Iterable[Span]) -> list[Span]:
    """The spans that stand in no other, in order; two that cross become one."""
    kept: list[Span] = []
    for span in sorted(spans, key=_order):
        last = kept[-1] if kept else Span(-1, -1, "block")
        if span.start >= last.end:
            kept.append(span)
        elif span.end > last.end:  # they cross: the source is malformed, keep both as one
            kept[-1] = Span(last.start, span.end, last.kind)
    return kept
