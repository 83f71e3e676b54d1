"""Step 8, Running Quality Validation: the rubric on the final HTML, one repair round at most.

Whatever the score is in the end is reported as it is.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from orchestrator.errors import ServiceError
from orchestrator.step import Json, Step, StepContext
from steps.asking.ask import TextAnswer, ask_text, cause, or_fallback, together
from steps.asking.models_used import telling
from steps.html import changes, dom, facts, fragment, islands, markers, refresh
from steps.html.sanitise import sanitise
from steps.language.years import current_year
from steps.models import (
    AutofixOutput,
    BlueprintOutput,
    ContentOutput,
    GapsOutput,
    KeywordsOutput,
    LinksOutput,
    QualityOutput,
    ReferencesOutput,
)
from steps.quality import final_repair, jsonld
from steps.quality.final_repair import Repair
from steps.rubric import Article, Assessment, assess
from steps.rubric.topics import open_gaps
from steps.sources.authority import plain_url

SLUG = "quality-validation"
TASK = "repair_section"

TIMEOUT = 30.0
"""Seconds, DESIGN section 4."""

REPAIR_WITHIN = 20.0
"""On the final attempt the repairs get this long; then the article stays as it was."""


class ValidatedOutput(QualityOutput):
    """The final article, its report, and what the result tells about it beside the score."""

    gaps_covered: int
    preserved_media: int  #: refresh mode: pictures, videos and embeds of the old page kept
    changes: list[str]  #: refresh mode: what is new against the client's old page


@dataclass(frozen=True)
class Inputs:
    """What the earlier steps made of the article."""

    ctx: StepContext
    keywords: KeywordsOutput
    gaps: GapsOutput
    blueprint: BlueprintOutput
    content: ContentOutput
    fixed: AutofixOutput
    references: ReferencesOutput
    links: LinksOutput

    @property
    def year(self) -> int:
        """The current year."""
        return current_year(self.ctx.now)

    @property
    def own_urls(self) -> list[str]:
        """Where the links of the client's old text lead."""
        pieces = [dom.parse(source) for source in self.content.islands.values()]
        links = [link.get("href") for piece in pieces for link in dom.elements(piece, "a")]
        return [link for link in links if link]

    @property
    def allowed(self) -> frozenset[str]:
        """Every address that may stand in the article, in comparable form."""
        urls = [str(page.url) for page in self.ctx.request.existing_pages]
        urls += [reference.url for reference in self.references.references]
        return frozenset(map(plain_url, urls))

    @property
    def homes(self) -> dict[str, str]:
        """For each island the heading of the section it belongs to."""
        pairs = [(_heading(part.html), part.html) for part in self.fixed.sections]
        return islands.homes(pairs)

    @property
    def facts(self) -> list[str]:
        """What the old text states and the article must keep."""
        return [fact for told in self.content.facts.values() for fact in told]

    def lost(self, told: Iterable[str], html: str) -> list[str]:
        """Those of the facts that a piece of the article has not, its islands included."""
        shown = markers.spelled_out(html, self.content.islands)
        return facts.missing(told, shown, self.ctx.request.locale)

    def keeps_facts(self, before: str, after: str) -> bool:
        """Whether a section rewritten still states every fact of the old text that it had."""
        return set(self.lost(self.facts, after)) <= set(self.lost(self.facts, before))


@dataclass(frozen=True)
class Draft:
    """A version of the article: as it is worked on, as it will be delivered, and its marks."""

    html: str
    article: Article
    assessment: Assessment


@telling
async def run(ctx: StepContext) -> Mapping[str, Json]:
    """Judge the article; repair and judge again when it does not pass; keep the better.

    :raises PermanentError: an island of the client's old page is lost.
    :raises TransientError: a repair failed and a retry is left.
    """
    inputs = await _inputs(ctx)
    best, repaired = await _best(inputs)
    output = ValidatedOutput(
        html=best.article.html,
        report=best.assessment.report,
        json_ld=dict(best.article.json_ld),
        word_count=len(best.article.words),
        repaired=repaired,
        internal_links=final_repair.still_there(inputs.links.internal_links, best.article.html),
        gaps_covered=len(inputs.gaps.gaps) - len(open_gaps(best.article, inputs.gaps.gaps)),
        preserved_media=_preserved_media(inputs, best.article.html),
        changes=await _changes(inputs, best, repaired),
    )
    return output.model_dump(mode="json", by_alias=True)


STEP = Step(
    name="Running Quality Validation",
    slug=SLUG,
    version=1,
    timeout=TIMEOUT,
    run=run,
    needs=(
        "semantic-keywords",
        "gap-analysis",
        "article-blueprint",
        "generating-article",
        "auto-fix",
        "references",
        "internal-links",
    ),
)


async def _inputs(ctx: StepContext) -> Inputs:
    return Inputs(
        ctx=ctx,
        keywords=KeywordsOutput.model_validate(await ctx.output("semantic-keywords")),
        gaps=GapsOutput.model_validate(await ctx.output("gap-analysis")),
        blueprint=BlueprintOutput.model_validate(await ctx.output("article-blueprint")),
        content=ContentOutput.model_validate(await ctx.output("generating-article")),
        fixed=AutofixOutput.model_validate(await ctx.output("auto-fix")),
        references=ReferencesOutput.model_validate(await ctx.output("references")),
        links=LinksOutput.model_validate(await ctx.output("internal-links")),
    )


# -- judging ---------------------------------------------------------------------------


def judged(inputs: Inputs, html: str) -> Draft:
    """A draft sanitised, its islands put back, and assessed as it will be delivered.

    :raises PermanentError: an island is lost.
    """
    final = islands.restore(sanitise(html), inputs.content.islands, inputs.homes)
    article = _article(inputs, final)
    return Draft(html, article, assess(article))


def _article(inputs: Inputs, html: str) -> Article:
    request, blueprint = inputs.ctx.request, inputs.blueprint
    plain = Article(
        html=html,
        keyword=request.keyword,
        title=blueprint.title,
        slug=blueprint.slug,
        meta_description=blueprint.meta_description,
        year=inputs.year,
        locale=request.locale,
        semantic_keywords=inputs.keywords.keywords,
        gaps=inputs.gaps.gaps,
        pages=request.existing_pages,
        references=inputs.references.references,
        own_urls=inputs.own_urls,
        own_markup=list(inputs.content.islands.values()),
    )
    return plain.with_json_ld(jsonld.build(html, _facts(inputs), len(plain.words)))


def _facts(inputs: Inputs) -> jsonld.Facts:
    return jsonld.Facts(
        title=inputs.blueprint.title,
        description=inputs.blueprint.meta_description,
        keywords=inputs.keywords.keywords,
        locale=inputs.ctx.request.locale,
        now=inputs.ctx.now,
        citations=[reference.url for reference in inputs.references.references],
        pages=inputs.ctx.request.existing_pages,
    )


def _heading(html: str) -> str:
    found = dom.elements(dom.parse(html), "h2")
    return " ".join(dom.text(found[0]).split()) if found else ""


# -- repair ----------------------------------------------------------------------------


async def _best(inputs: Inputs) -> tuple[Draft, list[str]]:
    """The best version of the article, and the headings of the sections rewritten for it."""
    best = judged(inputs, inputs.links.html)
    if not final_repair.needed(best.assessment):
        return best, []
    keyword = inputs.ctx.request.keyword
    best = _better(best, judged(inputs, final_repair.by_rule(best.html, keyword, inputs.allowed)))
    if not final_repair.needed(best.assessment):
        return best, []
    rewritten = await _rewritten(inputs, best)
    if not rewritten:
        return best, []
    html = final_repair.replaced(best.html, rewritten)
    other = judged(inputs, final_repair.by_rule(html, keyword, inputs.allowed))
    chosen = _better(best, other)
    return chosen, [repair.heading for repair, _ in rewritten] if chosen is other else []


def _better(one: Draft, other: Draft) -> Draft:
    """The better of two; the first when they are equal."""
    return other if final_repair.better(other.assessment, one.assessment) else one


async def _rewritten(inputs: Inputs, draft: Draft) -> list[tuple[Repair, str]]:
    """The sections that the model rewrote in an acceptable way."""
    headings = [section.heading for section in draft.article.sections]
    repairs = final_repair.plan(draft.html, draft.assessment, headings)
    answers = await together(*(_ask(inputs, repair) for repair in repairs))
    pairs = zip(repairs, answers, strict=True)
    found = ((repair, final_repair.accepted(repair, a.text)) for repair, a in pairs if a)
    return [(one, html) for one, html in found if html and inputs.keeps_facts(one.html, html)]


async def _ask(inputs: Inputs, repair: Repair) -> TextAnswer | None:
    ctx = inputs.ctx

    async def call() -> TextAnswer | None:
        return await ask_text(
            ctx,
            TASK,
            f"repair:{repair.number}",
            check=fragment.problems,
            section={"heading": repair.heading, "html": repair.html},
            problems=list(repair.problems),
            request={"keyword": ctx.request.keyword, "year": inputs.year},
        )

    return await or_fallback(ctx, call, lambda: None, "no final repair", within=REPAIR_WITHIN)


# -- refresh mode ----------------------------------------------------------------------


def _preserved_media(inputs: Inputs, html: str) -> int:
    """How many pictures, videos and embeds of the old page the article has."""
    held = changes.kept(source for source in inputs.content.islands.values() if source in html)
    return sum(held[name] for name in changes.MEDIA)


async def _changes(inputs: Inputs, best: Draft, repaired: list[str]) -> list[str]:
    """What a refresh changed against the client's old page; nothing in generate mode."""
    if inputs.ctx.request.mode != "refresh":
        return []
    html = best.article.html
    try:
        against_old = changes.lines(await refresh.source(inputs.ctx), html)
    except ServiceError as error:
        inputs.ctx.degrade(f"changes against the old page are not known: {cause(error)}")
        against_old = []
    told = [f"rewrote {heading} in the final validation" for heading in repaired]
    return [
        *against_old,
        *changes.kept_lines(inputs.content.islands.values(), html),
        *changes.link_lines(inputs.content.dead_links, html),
        *changes.fact_lines(
            inputs.facts,
            inputs.lost(inputs.facts, html),
            inputs.lost(inputs.content.outdated, html),
        ),
        *changes.once_each([*inputs.fixed.changes, *told]),
    ]
