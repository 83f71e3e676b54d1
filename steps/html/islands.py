"""Islands: the pieces of a client's page that no model may touch.

Images, videos, embeds, figures, tables, links, anchors and shortcodes are cut out of the old
source as numbered islands (``[[island:n]]``); the text around them is rewritten, and at the
end :func:`restore` puts the exact bytes back. Losing one is an error, not a warning.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from orchestrator.errors import PermanentError
from steps.html import dom, markers
from steps.html.island_finder import ADDRESS, Kind, find
from steps.html.scan import Token, scan

_STANDS_ALONE = dom.BLOCKS | {"form", "center", "noscript"}
_FIRST = re.compile(r"\s*<(?:(?P<comment>!--\s*wp:)|(?P<tag>[a-z][a-z0-9]*))", re.IGNORECASE)
_HINT_LENGTH = 80


@dataclass(frozen=True, slots=True)
class Island:
    """A piece of the client's source, and what a writer should know about it."""

    number: str
    source: str
    kind: Kind
    hint: str = ""


def extract(source: str) -> tuple[str, list[Island]]:
    """*source* with a marker in the place of each island, and the islands in order."""
    parts, found, at = [], [], 0
    for number, span in enumerate(find(source), start=1):
        piece = span.inserted or source[span.start : span.end]
        found.append(Island(str(number), piece, span.kind, hint(piece, span.kind)))
        parts += [source[at : span.start], markers.island(number)]
        at = span.end
    return "".join([*parts, source[at:]]), found


def hint(source: str, kind: Kind) -> str:
    """What an island shows, in a few words: its text, else what it points to."""
    return f"{kind}: {_shows(source)}"


def _shows(source: str) -> str:
    tokens = scan(source)
    told = " ".join(_told(token, source) for token in tokens).split()
    points_to = (token.get("src") or token.get("href") or token.get("id") for token in tokens)
    shown = " ".join(told) or next(filter(None, points_to), source)
    return shown[:_HINT_LENGTH]


def _told(token: Token, source: str) -> str:
    if token.kind == "text":
        return source[token.start : token.end]
    return token.get("alt") or token.get("title")


def is_block(source: str) -> bool:
    """Whether an island stands between paragraphs rather than inside one."""
    first = _FIRST.match(source)
    if not first:
        return bool(ADDRESS.fullmatch(source.strip()))
    return bool(first["comment"]) or first["tag"].lower() in _STANDS_ALONE


def is_link(source: str) -> bool:
    """Whether an island is a link with words to click on."""
    tokens = scan(source)
    return bool(tokens) and tokens[0].name == "a" and any(token.kind == "text" for token in tokens)


def is_anchor(source: str) -> bool:
    """Whether an island only marks a place, with nothing to see."""
    return [token.kind for token in scan(source)] == ["start", "end"] and not is_link(source)


def homes(sections: Iterable[tuple[str, str]]) -> dict[str, str]:
    """For each island's number the heading of the section that holds it.

    :param sections: pairs of a section's heading and its HTML.
    """
    return {number: heading for heading, markup in sections for number in markers.islands(markup)}


def restore(markup: str, islands: Mapping[str, str], homes: Mapping[str, str] | None = None) -> str:
    """*markup* with every island put back, byte for byte; runs after the sanitiser.

    A marker that is there twice counts once; one that stands in an attribute counts not at
    all. A lost island goes to the end of its section.

    :param islands: number -> source.
    :param homes: number -> heading of its section, from :func:`homes`.
    :raises PermanentError: an island is lost and its section is not there either.
    """
    left = dict(islands)
    return "".join(_pieces(_mend(markup, islands, homes or {}), left))


def _mend(markup: str, islands: Mapping[str, str], homes: Mapping[str, str]) -> str:
    tokens = scan(markup)
    texts = (markup[token.start : token.end] for token in tokens if token.kind == "text")
    there = {number for run in texts for number in markers.islands(run)}
    inserted: dict[int, str] = {}
    lost = [number for number in islands if number not in there]
    for number in lost:
        at = _section_end(markup, tokens, homes.get(number, ""))
        if at is None:
            raise PermanentError(
                "ai",
                f"the article lost parts {_named(lost, islands)} of the old page and their "
                "sections: retry the job from generating-article",
            )
        inserted[at] = inserted.get(at, "") + f"<p>{markers.island(number)}</p>"
    for at in sorted(inserted, reverse=True):
        markup = markup[:at] + inserted[at] + markup[at:]
    return markup


def _named(lost: Iterable[str], islands: Mapping[str, str]) -> str:
    return ", ".join(f"{number} ({_shows(islands[number])})" for number in lost)


def _section_end(markup: str, tokens: list[Token], heading: str) -> int | None:
    """The offset at which the section under the h2 *heading* ends, if there is one."""
    wanted, found = " ".join(heading.split()).casefold(), False
    for index, token in enumerate(tokens):
        if not found and (token.kind, token.name) == ("start", "h2"):
            found = bool(wanted) and _heading(markup, tokens[index:]) == wanted
        elif found and (token.name == "section" or (token.kind, token.name) == ("start", "h2")):
            return token.start
    return len(markup) if found else None


def _heading(markup: str, tokens: list[Token]) -> str:
    parts = []
    for token in tokens[1:]:
        if token.name == "h2":
            break
        parts.append(markup[token.start : token.end] if token.kind == "text" else "")
    return " ".join(dom.text(dom.parse(markers.strip("".join(parts)))).split()).casefold()


def _pieces(markup: str, left: dict[str, str]) -> Iterator[str]:
    """The source piece by piece; paragraphs open up around islands that are blocks."""
    tokens = scan(markup)
    index, in_paragraph = 0, False
    while index < len(tokens):
        token, run = tokens[index], tokens[index : index + 3]
        if _is_only_islands(run, markup, left):
            yield _filled(markup[run[1].start : run[1].end], left, in_paragraph=False)
            index += 3
            continue
        piece = markup[token.start : token.end]
        if token.kind == "text":
            yield _filled(piece, left, in_paragraph=in_paragraph)
        else:
            yield markers.ISLAND.sub("", piece)
        if token.name in dom.BLOCKS:
            in_paragraph = (token.kind, token.name) == ("start", "p")
        index += 1


def _is_only_islands(run: list[Token], markup: str, left: Mapping[str, str]) -> bool:
    """Whether these three tokens are a paragraph with nothing in it but islands, one a block."""
    if [(token.kind, token.name) for token in run] != [("start", "p"), ("text", ""), ("end", "p")]:
        return False
    inner = markup[run[1].start : run[1].end]
    blocks = any(is_block(left.get(number, "")) for number in markers.islands(inner))
    return blocks and not markers.ISLAND.sub("", inner).strip()


def _filled(run: str, left: dict[str, str], *, in_paragraph: bool) -> str:
    def put(match: re.Match[str]) -> str:
        source = left.pop(match[1], "")
        return f"</p>{source}<p>" if in_paragraph and is_block(source) else source

    return markers.ISLAND.sub(put, run)
