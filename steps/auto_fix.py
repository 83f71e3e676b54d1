"""Step 5, Auto-fix: deterministic repairs, then one model repair for what still fails."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass

from orchestrator.errors import ServiceError
from orchestrator.step import Json, Step, StepContext
from steps.asking.ask import TextAnswer, ask_text, or_fallback, together
from steps.asking.models_used import telling
from steps.fixes import passes as fixes
from steps.fixes import section_checks
from steps.fixes.structure import FixContext
from steps.generating_article import landed
from steps.html import facts, fragment, markers
from steps.language.years import current_year
from steps.models import AutofixOutput, BlueprintOutput, ContentOutput, Section, SectionHtml

SLUG = "auto-fix"

WITHIN = 20.0
"""Seconds the model repairs may take on the last attempt, of the step's 30: after that the
sections stay as the deterministic repairs left them."""

MAX_FACTS_TOLD = 6  #: lost facts named to one repair


@dataclass(frozen=True, slots=True)
class Repair:
    """A section that still fails, and why."""

    section: Section
    part: SectionHtml
    problems: list[str]

    @property
    def told(self) -> str:
        """What the repair was about, for the list of changes."""
        return f"rewrote {self.section.heading}: {'; '.join(self.problems)}"


@telling
async def run(ctx: StepContext) -> Mapping[str, Json]:
    """Repair the article; degrades where a section could not be repaired by the model.

    :raises TransientError: a repair failed and retries are left.
    """
    blueprint = BlueprintOutput.model_validate(await ctx.output("article-blueprint"))
    # On the last attempt a call ahead that hangs would take the time of those that count.
    if ctx.request.mode == "generate" and not ctx.final_attempt:
        await together(*(_ask_ahead(ctx, section, blueprint) for section in blueprint.sections))
    content = ContentOutput.model_validate(await ctx.output("generating-article"))
    context = FixContext(
        keyword=ctx.request.keyword,
        title=content.title,
        kinds={section.id: section.kind for section in blueprint.sections},
    )
    parts, changes = fixes.apply(content.sections, context)
    watch = Watch(blueprint, ctx.request.locale, content.islands, content.facts)
    better = await _repaired(ctx, watch.failing(parts), watch)
    changes += [repair.told for repair, _ in better.values()]
    parts = [better[part.id][1] if part.id in better else part for part in parts]
    parts, restored = with_facts(parts, watch)
    if better or restored:
        parts, more = fixes.apply(parts, context)
        changes += [*restored, *more]
    output = AutofixOutput(sections=parts, changes=changes)
    return output.model_dump(mode="json", by_alias=True)


STEP: Step = Step(
    name="Auto-fix",
    slug=SLUG,
    version=1,
    timeout=30.0,
    run=run,
    needs=("article-blueprint",),
    awaits=("generating-article",),
)
"""Runs beside step 4, whose sections it has repaired as they land."""


@dataclass(frozen=True, slots=True)
class Watch:
    """What a section is measured by: the plan and, in refresh mode, the old page."""

    blueprint: BlueprintOutput
    locale: str
    islands: Mapping[str, str]  #: of the old page, by number
    facts: Mapping[str, Sequence[str]]  #: of the old page, by section

    def failing(self, parts: Sequence[SectionHtml]) -> list[Repair]:
        """The sections that fail their own checks, in article order."""
        plan = {section.id: section for section in self.blueprint.sections}
        known = [part for part in parts if part.id in plan]
        found = [Repair(plan[one.id], one, self.problems(one.html, plan[one.id])) for one in known]
        return [repair for repair in found if repair.problems]

    def problems(self, html: str, section: Section) -> list[str]:
        """What is wrong with a section, each as an instruction."""
        found = section_checks.problems(html, section, self.blueprint.questions)
        lost = self.lost_facts(html, section.id)
        if lost:
            said = " | ".join(lost[:MAX_FACTS_TOLD])
            found.append(f"facts of the old text are left out, work each of them in: {said}")
        return found

    def lost_facts(self, html: str, section_id: str) -> list[str]:
        """The facts of the old text that a section must keep and has not."""
        shown = markers.spelled_out(html, self.islands)
        return facts.missing(self.facts.get(section_id, ()), shown, self.locale)


def with_facts(parts: Sequence[SectionHtml], watch: Watch) -> tuple[list[SectionHtml], list[str]]:
    """The sections with the facts they still lack, in the client's own words; and what was done."""
    whole, changes = [], []
    for part in parts:
        lost = watch.lost_facts(part.html, part.id)
        if lost:
            part = SectionHtml(id=part.id, html=facts.put_back(part.html, lost))
            changes += [f"put back from the old text: {fact}" for fact in lost]
        whole.append(part)
    return whole, changes


async def _ask_ahead(ctx: StepContext, section: Section, blueprint: BlueprintOutput) -> None:
    """Have a section that fails by itself repaired as soon as it is written.

    The answer is recorded, so the repair of the whole article finds it; what cannot be had now is
    asked for again there.
    """
    alone = await landed(ctx, section, blueprint)
    if alone is None:
        return
    kinds = {section.id: section.kind}
    context = FixContext(ctx.request.keyword, blueprint.title, kinds)
    fixed, _ = fixes.apply([alone], context, fixes.SECTION_PASSES)
    watch = Watch(blueprint, ctx.request.locale, islands={}, facts={})
    for repair in watch.failing(fixed):
        with suppress(ServiceError):
            await _answer(ctx, repair, ahead=True)


async def _repaired(
    ctx: StepContext, repairs: Sequence[Repair], watch: Watch
) -> dict[str, tuple[Repair, SectionHtml]]:
    """The sections that a model made better, by id, with what it was asked to do."""
    answers = await together(*(_ask(ctx, repair) for repair in repairs))
    better = {}
    for repair, answer in zip(repairs, answers, strict=True):
        part = improved(repair, answer.text, watch) if answer else None
        if part:
            better[part.id] = repair, part
    return better


async def _ask(ctx: StepContext, repair: Repair) -> TextAnswer | None:
    async def call() -> TextAnswer | None:
        return await _answer(ctx, repair)

    reason = f"section left as it was: {repair.section.heading}"
    return await or_fallback(ctx, call, lambda: None, reason, within=WITHIN)


async def _answer(ctx: StepContext, repair: Repair, *, ahead: bool = False) -> TextAnswer:
    """The model's version of a section; asked for once, recorded."""
    return await ask_text(
        ctx,
        "repair_section",
        f"repair:{repair.section.id}",
        ahead=ahead,
        section={"heading": repair.section.heading, "html": repair.part.html},
        problems=repair.problems,
        request={
            "keyword": ctx.request.keyword,
            "year": current_year(ctx.now),
        },
    )


def improved(repair: Repair, answer: str, watch: Watch) -> SectionHtml | None:
    """The model's version of a section, if it has fewer problems and lost no claim's marker and
    no fact."""
    html, islands = repair.part.html, watch.islands
    if fragment.problems(answer):
        return None
    mine = {number: islands[number] for number in markers.islands(html) if number in islands}
    cleaned = fragment.clean(answer, repair.section, markers.claims(html), mine)
    lost = set(markers.claims(html)) - set(markers.claims(cleaned))
    lost_before, lost_now = (watch.lost_facts(one, repair.section.id) for one in (html, cleaned))
    left = watch.problems(cleaned, repair.section)
    if lost or len(left) >= len(repair.problems) or not set(lost_now) <= set(lost_before):
        return None
    return SectionHtml(id=repair.part.id, html=cleaned)
