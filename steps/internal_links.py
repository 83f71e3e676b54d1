"""Step 7, Internal Links: the body put together, its claims resolved, its links set."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from orchestrator.models import ExistingPage
from orchestrator.step import Json, Step, StepContext
from steps.fixes.structure import SECTION_ID
from steps.html import assemble, dom, markers
from steps.language import prose
from steps.language.lexical import plain
from steps.links import linking
from steps.links.linking import Candidate
from steps.links.pages import linkable, slug_of, targets
from steps.links.spots import Spot, spots
from steps.models import (
    AutofixOutput,
    BlueprintOutput,
    ContentOutput,
    InternalLink,
    LinksOutput,
    Placement,
    ReferencesOutput,
    SectionKind,
)

SLUG = "internal-links"

MAX_CONTEXT = 300  #: characters of the sentence told with a link

_PLACEMENT: Mapping[SectionKind, Placement] = {
    "introduction": "intro",
    "faq": "faq",
    "conclusion": "conclusion",
}


async def run(ctx: StepContext) -> Mapping[str, Json]:
    """The whole body with citations, references and links; nothing outside is asked."""
    blueprint = BlueprintOutput.model_validate(await ctx.output("article-blueprint"))
    content = ContentOutput.model_validate(await ctx.output("generating-article"))
    fixed = AutofixOutput.model_validate(await ctx.output("auto-fix"))
    found = ReferencesOutput.model_validate(await ctx.output("references"))
    root = assemble.body(content.title, fixed.sections, found.references)
    kinds = {section.id: section.kind for section in blueprint.sections}
    pages = linkable(ctx.request.existing_pages, blueprint.slug, content.islands.values())
    links = set_links(root, pages, kinds, ctx.request.keyword)
    output = LinksOutput(html=assemble.finished(root), internal_links=links)
    return output.model_dump(mode="json", by_alias=True)


STEP: Step = Step(
    name="Internal Links",
    slug=SLUG,
    version=1,
    timeout=30.0,
    run=run,
    needs=("article-blueprint", "generating-article", "auto-fix", "references"),
)


def set_links(
    root: dom.Element,
    pages: Sequence[ExistingPage],
    kinds: Mapping[str, SectionKind],
    subject: str = "",
) -> list[InternalLink]:
    """Set the links into the tree; returns them in article order.

    :param subject: the article's keyword.
    """
    there = [spot for spot in spots(root) if _kind(spot, kinds) != "takeaways"]
    places = [spot.place for spot in there]
    quota = linking.link_quota(prose.word_count(dom.text(root)), len(pages))
    chosen = linking.select(targets(pages, subject), places, quota)
    chosen.sort(key=lambda one: (one.place, one.start))
    links = [_described(one, there[one.place], pages[one.target], kinds) for one in chosen]
    for one, link in reversed(list(zip(chosen, links, strict=True))):
        _set(one, there[one.place], link)
    return links


def _kind(spot: Spot, kinds: Mapping[str, SectionKind]) -> SectionKind:
    around = (node.get(SECTION_ID) for node in spot.block.iterancestors())
    return kinds.get(next((name for name in around if name), ""), "body")


def _described(
    one: Candidate, spot: Spot, page: ExistingPage, kinds: Mapping[str, SectionKind]
) -> InternalLink:
    start, end = prose.sentence_at(spot.block_text, spot.offset + one.start)
    sentence = markers.remove(spot.block_text[start:end], markers.MARKER)
    return InternalLink(
        anchor_text=spot.slot.value[one.start : one.end],
        target_slug=slug_of(page),
        context=plain(sentence, MAX_CONTEXT),
        placement=_PLACEMENT.get(_kind(spot, kinds), "body"),
        url=str(page.url),
    )


def _set(one: Candidate, spot: Spot, link: InternalLink) -> None:
    made = dom.element("a", link.anchor_text, href=link.url)
    dom.split_text(spot.slot, one.end, made)
    spot.slot.value = spot.slot.value[: one.start]
