"""Refresh mode: the old page taken apart, and its parts dealt out to the new plan."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from html import unescape
from urllib.parse import urldefrag

from orchestrator.errors import PermanentError
from orchestrator.models import SubmitRequest
from orchestrator.services import Post, PostRequest
from orchestrator.step import Json, StepContext
from steps.html import dom, islands, markers
from steps.html.facts import facts as facts_of
from steps.html.island_finder import find
from steps.html.islands import Island
from steps.html.own_site import own_site
from steps.html.parts import kind_of
from steps.html.sanitise import safe_url
from steps.html.scan import Token, scan
from steps.language.lexical import content_stems
from steps.language.text import words
from steps.models import Section

SAME_SECTION = 0.34
"""Share of a heading's subject words that two sections of one subject have in common: with
three words in a heading, one must agree."""

CHUNK_WORDS = 300
"""An old page without headings is dealt out in pieces when it is longer than this; the
rubric's limit for text without a subheading."""

_KEPT = frozenset(
    {"h1", "h2", "h3", "h4", "h5", "h6", "p", "ul", "ol", "li", "dl", "dt", "dd", "blockquote"}
    | {"strong", "em", "b", "i", "u", "s", "code", "pre", "br", "sub", "sup", "q", "cite"}
    | {"mark", "table", "thead", "tbody", "tr", "td", "th"}
)


@dataclass(frozen=True, slots=True)
class OldSection:
    """A part of the old page under one heading; ``""`` is what stands before the first."""

    heading: str
    html: str


@dataclass(frozen=True, slots=True)
class OldPage:
    """The old page as the writers get it.

    :param originals: a section of the plan -> the old text that belongs there, with markers.
    :param unlinked: the number of a link that is no island any more -> the words it had.
    """

    islands: Mapping[str, Island]
    originals: Mapping[str, str]
    unlinked: Mapping[str, str] = field(default_factory=dict)

    @property
    def sources(self) -> dict[str, str]:
        """Every island's source, by its number."""
        return {number: island.source for number, island in self.islands.items()}

    def sources_of(self, section_id: str) -> dict[str, str]:
        """The islands that belong to a section of the plan: number -> source."""
        numbers = markers.islands(self.originals.get(section_id, ""))
        return {n: self.islands[n].source for n in numbers if n in self.islands}

    def hints(self, section_id: str) -> dict[str, str]:
        """What the markers of a section stand for."""
        numbers = markers.islands(self.originals.get(section_id, ""))
        return {number: self.islands[number].hint for number in numbers}

    def facts(self, section_id: str, locale: str) -> list[str]:
        """What the old text of a section of the plan states, the words of its links included."""
        links = {n: one.source for n, one in self.islands.items() if one.kind == "link"}
        original = markers.spelled_out(self.originals.get(section_id, ""), links)
        return facts_of(original, locale)

    def without_links(self, dead: Collection[str]) -> OldPage:
        """The page with the links to these addresses unlinked: their words are text again.

        What stands in a link beside words (a picture) stays an island; a link within another
        island is part of its bytes and stays.
        """
        gone = {
            number: _inside_link(island.source)
            for number, island in self.islands.items()
            if island.kind == "link" and set(addresses([island.source])) & set(dead)
        }
        shown = {n: inner for n, inner in gone.items() if find(inner)}
        kept = {
            number: replace(island, source=shown.get(number, island.source))
            for number, island in self.islands.items()
            if number in shown or number not in gone
        }
        words_left = {number: inner for number, inner in gone.items() if number not in shown}
        return replace(self, islands=kept, unlinked=words_left)


def addresses(sources: Iterable[str]) -> list[str]:
    """Where the links in these pieces of source lead, each address once, fragments dropped."""
    tokens = (token for source in sources for token in scan(source) if token.name == "a")
    urls = (urldefrag(token.get("href").strip())[0] for token in tokens)
    return [url for url in dict.fromkeys(urls) if safe_url(url)]


def _inside_link(source: str) -> str:
    """What a link holds, behind the anchor it was, if it was one."""
    tokens = scan(source)
    end = tokens[-1].start if tokens[-1].kind == "end" else len(source)
    anchor = f"<span {tokens[0].as_written('id')}></span>" if tokens[0].get("id") else ""
    return anchor + source[tokens[0].end : end]


def _sent(request: SubmitRequest) -> str:
    """The old page that came with the request; "" when it is to be read from WordPress."""
    content = request.existing_content or ""
    return content if content.strip() else ""


async def source(ctx: StepContext) -> str:
    """The old page's HTML: sent with the request, else read from WordPress once for the job.

    :raises PermanentError: the request has neither ``existingContent`` nor ``postId``.
    """
    request = ctx.request
    if sent := _sent(request):
        return sent
    if request.post_id is None:
        raise PermanentError(
            "wordpress", "refresh mode needs existingContent or postId: send one of them"
        )
    return (await _post(ctx, request.post_id)).content


async def own_urls(ctx: StepContext) -> list[str]:
    """Addresses of the client's own site, as far as they are known: its pages and the old post.

    An old page that was sent without any pages tells itself whose it is, if anything does.
    """
    request = ctx.request
    urls = [str(page.url) for page in request.existing_pages]
    if request.mode != "refresh":
        return urls
    if sent := _sent(request):
        site = "" if urls else own_site(sent)
        return [site] if site else urls
    link = (await _post(ctx, request.post_id)).link if request.post_id is not None else ""
    return [*urls, link] if link else urls


async def _post(ctx: StepContext, post_id: int) -> Post:
    wanted = PostRequest(post_id=post_id, idempotency_key=ctx.key("post"))

    async def read() -> Json:
        return (await ctx.services.get_post(wanted)).model_dump(mode="json")

    return Post.model_validate(await ctx.shared("post", read))


def take_apart(html: str, plan: Sequence[Section]) -> OldPage:
    """The old page, its islands out, its sections given to those of *plan*.

    No part of it is left without a home.
    """
    marked, found = islands.extract(html)
    homes: dict[str, list[str]] = {}
    for old, section in assign(split(marked), plan):
        heading = f"<h2>{old.heading}</h2>" if old.heading else ""
        homes.setdefault(section.id, []).append(heading + old.html)
    return OldPage(
        islands={island.number: island for island in found},
        originals={section_id: "\n".join(parts) for section_id, parts in homes.items()},
    )


# -- splitting ---------------------------------------------------------------------------


def split(marked: str) -> list[OldSection]:
    """The sections of a page whose islands are out; attributes and layout tags are dropped.

    It is split at the highest heading level that occurs more than once, else at its h2.
    """
    tokens = [token for token in scan(marked) if _stays(token)]
    cut = _level(tokens)
    found, heading, body = [], "", list[str]()
    index = 0
    while index < len(tokens):
        name = tokens[index].name
        if tokens[index].kind != "start" or name not in {cut, "h1"}:
            body.append(_bare(tokens[index], marked))
            index += 1
            continue
        title, carried, index = _heading(tokens, index, marked)
        if name == cut:
            found.append(OldSection(heading, "".join(body)))
            heading, body = title, []
        body.append(carried)
    found.append(OldSection(heading, "".join(body)))
    return [old for old in found if old.heading or old.html.strip()]


def _stays(token: Token) -> bool:
    return token.kind == "text" or token.name in _KEPT


def _bare(token: Token, source: str) -> str:
    if token.kind == "text":
        return source[token.start : token.end]
    return f"</{token.name}>" if token.kind == "end" else f"<{token.name}>"


def _level(tokens: Sequence[Token]) -> str:
    heads = [token.name for token in tokens if token.kind == "start"]
    return next((name for name in dom.HEADINGS[:4] if heads.count(name) > 1), "h2")


def _heading(tokens: Sequence[Token], index: int, source: str) -> tuple[str, str, int]:
    """A heading's words, the island markers it carried, and where it ends."""
    name, parts = tokens[index].name, []
    index += 1
    while index < len(tokens) and tokens[index].name not in dom.BLOCKS:
        parts.append(_bare(tokens[index], source) if tokens[index].kind == "text" else "")
        index += 1
    closed = index < len(tokens) and (tokens[index].kind, tokens[index].name) == ("end", name)
    written = "".join(parts)
    carried = "".join(map(markers.island, markers.islands(written)))
    title = " ".join(unescape(markers.strip(written)).split())
    return title, carried, index + closed


# -- dealing out -------------------------------------------------------------------------


def assign(olds: Sequence[OldSection], plan: Sequence[Section]) -> list[tuple[OldSection, Section]]:
    """Each old section with the one of *plan* it belongs to: by its heading, by kind, by
    the words of the headings, else by its place on the page. Order is kept within a section."""
    if len(olds) == 1 and len(words(olds[0].html)) > CHUNK_WORDS:
        olds = _chunks(olds[0], sum(section.kind == "body" for section in plan) + 1)
    return [
        (old, _home(old, index / max(1, len(olds) - 1), plan)) for index, old in enumerate(olds)
    ]


def _home(old: OldSection, place: float, plan: Sequence[Section]) -> Section:
    same = [one for one in plan if one.heading.casefold() == old.heading.casefold()]
    kind = "introduction" if not old.heading and place == 0 else kind_of(old.heading)
    of_kind = [section for section in plan if section.kind == kind != "body"]
    if same or of_kind:
        return [*same, *of_kind][0]
    bodies = [section for section in plan if section.kind == "body"] or list(plan)
    there = round(place * (len(bodies) - 1))
    score, _, best = max(
        (_alike(old.heading, section), -abs(n - there), n) for n, section in enumerate(bodies)
    )
    return bodies[best if score >= SAME_SECTION else there]


def _alike(heading: str, section: Section) -> float:
    """How far an old heading and a planned section speak of one thing, 0..1."""
    mine, theirs = content_stems(heading), content_stems(section.heading)
    wider = content_stems(f"{section.heading} {section.purpose} {' '.join(section.keywords)}")
    common = len(mine & theirs) / max(1, len(mine), len(theirs))
    return max(common, 0.8 * len(mine & wider) / max(1, len(mine)))


def _chunks(old: OldSection, number: int) -> list[OldSection]:
    """A page without headings in *number* pieces of about equal length, cut between blocks."""
    blocks = re.split(r"(?<=</p>)|(?<=</ul>)|(?<=</ol>)|(?<=</table>)", old.html)
    total, seen, pieces = len(words(old.html)), 0, [""] * number
    for block in blocks:
        pieces[min(number - 1, seen * number // max(1, total))] += block
        seen += len(words(block))
    return [OldSection("", piece) for piece in pieces if piece.strip()]
