"""What a refresh changed, told from the two pages themselves."""

from __future__ import annotations

import difflib
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence

from steps.html import dom
from steps.html.island_finder import ADDRESS, EMBED_CLASS, SHORTCODE
from steps.html.refresh import addresses
from steps.html.scan import Token, closings, scan
from steps.language.text import words

MAX_SECTIONS = 40  #: lines about sections; a longer list is cut and says so
MAX_NAMED = 10  #: facts that are named one by one
MAX_FACT_CHARS = 160

MEDIA = ("image", "video", "audio", "embed", "gallery")
"""What ``preservedMedia`` counts."""

_MEDIA_TAGS = {
    "img": "image", "svg": "image", "canvas": "image", "video": "video", "audio": "audio",
    "iframe": "embed", "embed": "embed", "object": "embed",
}  # fmt: skip
_SHORTCODES = {"gallery": "gallery", "playlist": "gallery", "video": "video", "audio": "audio",
               "embed": "embed"}  # fmt: skip
_EMBED_BLOCK = re.compile(r"\bwp-block-embed\b")
_SECTIONS = "h2"
_ROUGHLY_FROM = 4_000_000
"""Pairs of paragraphs from which those that repeat often are not compared: two thousand on each
side, seconds of work otherwise."""


def lines(old_html: str, new_html: str) -> list[str]:
    """Length, sections and paragraphs of the new page against those of the old.

    A section is an h2 with what stands under it. A section that both have is told with its
    words before and now if any of its paragraphs differ.
    """
    old, new = dom.parse(old_html), dom.parse(new_html)
    before, after = len(words(dom.text(old))), len(words(dom.text(new)))
    told = [f"length: {before} words before, {after} words now"]
    told += _cut(_sections(_by_heading(old), _by_heading(new)))
    return [*told, *_paragraphs(_texts(old), _texts(new))]


def kept(sources: Iterable[str]) -> Counter[str]:
    """What pieces of the old page hold: ``image``, ``embed``, ``table``, ``link``...

    A picture with its sources is one image, an embed is one however it is written, and the
    copy for readers without scripts does not count.
    """
    return sum((_held(source) for source in sources), Counter())


def in_words(counts: Mapping[str, int]) -> str:
    """The counts as a list: ``6 images, 1 table``."""
    return ", ".join(f"{n} {name if n == 1 else _plural(name)}" for name, n in counts.items())


def kept_lines(sources: Iterable[str], new_html: str) -> list[str]:
    """What stands in the new page byte for byte as it stood in the old one."""
    counts = kept(source for source in sources if source in new_html)
    return [f"kept from the old page: {in_words(counts)}"] if counts else []


def link_lines(dead: Mapping[str, str], new_html: str) -> list[str]:
    """The links that led nowhere: taken out, or left where they are part of something kept."""
    left = set(addresses([new_html]))
    return [
        f"link that leads nowhere left in a part kept as it was: {url} ({why})"
        if url in left
        else f"link removed, its words stay: {url} ({why})"
        for url, why in dead.items()
    ]


def fact_lines(old: Sequence[str], gone: Sequence[str], updated: Sequence[str]) -> list[str]:
    """How many facts of the old text stand in the new one, and which do not.

    :param gone: those of *old* that are not there.
    :param updated: facts that were outdated and are not there any more.
    """
    told = [f"facts of the old text kept: {len(old) - len(gone)} of {len(old)}"] if old else []
    for what, found in (("fact left out", gone), ("outdated fact updated", updated)):
        told += [f"{what}: {fact[:MAX_FACT_CHARS]}" for fact in found[:MAX_NAMED]]
    return told


def once_each(told: Iterable[str]) -> list[str]:
    """Lines that repeat are told once, with their number."""
    return [line if n == 1 else f"{line} ({n} times)" for line, n in Counter(told).items()]


# -- what was kept -----------------------------------------------------------------------


def _held(source: str) -> Counter[str]:
    tokens = scan(source)
    closed_by = closings(tokens)
    counts: Counter[str] = Counter()
    until = -1  # the last token of what is counted as one thing
    for index, token in enumerate(tokens):
        if index <= until:
            continue
        if token.kind == "text":
            counts.update(_in_text(source[token.start : token.end]))
        if token.kind not in {"start", "void"}:
            continue
        name = _name(token)
        counts.update([name] if name else [])
        if name in MEDIA or token.name == "noscript":
            until = closed_by[index]
    return counts


def _name(token: Token) -> str:
    is_embed = token.name == "figure" and _EMBED_BLOCK.search(token.get("class"))
    if is_embed or (token.name == "blockquote" and EMBED_CLASS.search(token.get("class"))):
        return "embed"
    if token.name == "a" and token.get("href"):
        return "link"
    if token.name == "span" and token.get("id"):
        return "anchor"
    return _MEDIA_TAGS.get(token.name, "table" if token.name == "table" else "")


def _in_text(text: str) -> Iterator[str]:
    if ADDRESS.fullmatch(text.strip()):
        yield "embed"
    for match in SHORTCODE.finditer(text):
        if match["name"] and not match["close"]:
            yield _SHORTCODES.get(match["name"].lower(), "shortcode")


def _plural(name: str) -> str:
    return {"gallery": "galleries", "audio": "audio players"}.get(name, f"{name}s")


# -- what changed ------------------------------------------------------------------------


def _by_heading(root: dom.Element) -> dict[str, list[str]]:
    """For each h2 the texts under it, in order; headings that repeat are one section."""
    found: dict[str, list[str]] = {}
    under: list[str] = []
    for node in dom.elements(root, _SECTIONS, "p", "li"):
        text = " ".join(dom.text(node).split())
        if dom.tag(node) == _SECTIONS and text:
            under = found.setdefault(text, [])
        elif text:
            under.append(text)
    return found


def _sections(old: Mapping[str, list[str]], new: Mapping[str, list[str]]) -> list[str]:
    before = {heading.casefold(): texts for heading, texts in old.items()}
    after = {heading.casefold() for heading in new}
    told = []
    for heading, texts in new.items():
        was = before.get(heading.casefold())
        if was is None:
            told.append(f"section added: {heading}")
        elif was != texts:
            told.append(f"section rewritten: {heading} ({_size(was)} words, now {_size(texts)})")
    gone = [heading for heading in old if heading.casefold() not in after]
    return [*told, *(f"section removed: {heading}" for heading in gone)]


def _size(texts: Iterable[str]) -> int:
    return sum(len(words(text)) for text in texts)


def _cut(told: list[str]) -> list[str]:
    more = len(told) - MAX_SECTIONS
    return told if more <= 0 else [*told[:MAX_SECTIONS], f"and {more} more sections"]


def _texts(root: dom.Element) -> list[str]:
    found = (" ".join(dom.text(node).split()) for node in dom.elements(root, "p", "li"))
    return [text for text in found if text]


def _paragraphs(old: Sequence[str], new: Sequence[str]) -> list[str]:
    """How many paragraphs and items are as they were, were rewritten, are new, are gone."""
    matcher = difflib.SequenceMatcher(a=old, b=new, autojunk=len(old) * len(new) > _ROUGHLY_FROM)
    counts = dict.fromkeys(("kept as they were", "rewritten", "added", "removed"), 0)
    for kind, a, b, c, d in matcher.get_opcodes():
        same = min(b - a, d - c)
        counts["kept as they were" if kind == "equal" else "rewritten"] += same
        counts["removed"] += b - a - same
        counts["added"] += d - c - same
    return [f"paragraphs {name}: {number}" for name, number in counts.items() if number]
