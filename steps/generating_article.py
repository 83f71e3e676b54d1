"""Step 4, Generating Article: the sections of the blueprint, written side by side."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterable, Mapping

from orchestrator.step import Json, Step, StepContext
from steps.asking.ask import TextAnswer, ask_text, both, together
from steps.asking.models_used import telling
from steps.html import fragment, markers, refresh
from steps.html.refresh import OldPage
from steps.models import (
    BlueprintOutput,
    ContentOutput,
    Section,
    SectionHtml,
)
from steps.sources import old_links
from steps.writing import joining
from steps.writing.plan import Plan, claims_of, notes_of, plan_of, task_of

SLUG = "generating-article"

WRITERS = 7
"""Sections written at once: one fewer than the model calls a job has in flight by default
(SOTA_CALLS_PER_JOB, 8). What runs beside this step asks the model too: step 6 for its choice of
sources, step 5 for the repair of sections that have landed. One slot is left for them while all
writers write; with fewer calls a job everybody waits in one line, and nothing is lost but time."""


@telling
async def run(ctx: StepContext) -> Mapping[str, Json]:
    """Write every section; a section that is recorded is not written again.

    :raises TransientError: a section was refused twice or the service failed; the others
        are recorded all the same.
    :raises BreakerOpen: both models are out of reach.
    """
    plan = await plan_of(ctx)
    sections = plan.blueprint.sections
    links = refresh.addresses(plan.old.sources.values())
    (answers, ends), dead = await both(_written(ctx, plan), old_links.dead(ctx, links))
    old = plan.old.without_links(dead)
    parts = [_section(plan, old, one, answers[one.id].text) for one in sections]
    return ContentOutput(
        title=plan.blueprint.title,
        sections=[
            joining.joined(one, part, ends[one.id].text) if one.id in ends else part
            for one, part in zip(sections, parts, strict=True)
        ],
        model=_main(answers[one.id].model for one in sections),
        islands=old.sources,
        facts=dict(plan.facts),
        outdated=plan.outdated,
        dead_links=dead,
    ).model_dump(mode="json", by_alias=True)


STEP: Step = Step(
    name="Generating Article",
    slug=SLUG,
    version=1,
    timeout=120.0,
    run=run,
    needs=("semantic-keywords", "gap-analysis", "article-blueprint"),
)


def _main(models: Iterable[str]) -> str:
    """The model that wrote the most sections; of several the one that wrote the first."""
    return Counter(models).most_common(1)[0][0]


async def landed(
    ctx: StepContext, section: Section, blueprint: BlueprintOutput
) -> SectionHtml | None:
    """A section of a new article as soon as it is written and joined, for a step beside this one;
    None when this one ended without it. (An old page's sections are whole in the output only.)"""
    written = await ctx.part(SLUG, _part(section))
    if written is None:
        return None
    part = _cleaned(section, blueprint, written["text"])
    if section.kind not in joining.KINDS:
        return part
    end = await ctx.part(SLUG, joining.part(section))
    return joining.joined(section, part, end["text"]) if end else None


def _cleaned(section: Section, blueprint: BlueprintOutput, answer: str) -> SectionHtml:
    numbers = [claim.n for claim in claims_of(section, blueprint)]
    return SectionHtml(id=section.id, html=fragment.clean(answer, section, numbers))


def _part(section: Section) -> str:
    """The name under which a section's text is recorded."""
    return f"section:{section.id}"


Answers = dict[str, TextAnswer]  #: by the section's id


async def _written(ctx: StepContext, plan: Plan) -> tuple[Answers, Answers]:
    """Every section's answer, and the paragraphs that join introduction and conclusion to the
    body; all end before an error is raised."""
    order = sorted(plan.blueprint.sections, key=_turn)
    done, desks, began = 0, asyncio.Semaphore(WRITERS), ctx.now

    async def write(section: Section) -> tuple[str, TextAnswer]:
        nonlocal done
        async with desks:
            answer = await _write(ctx, plan, section)
        done += 1
        await ctx.progress(done, len(order), "sections")
        return section.id, answer

    tasks = {one.id: asyncio.ensure_future(write(one)) for one in order}

    async def join(section: Section) -> tuple[str, TextAnswer | None]:
        body = [one for one in plan.blueprint.sections if one.kind == "body"]
        needed = [tasks[one.id] for one in (section, *body)]
        await asyncio.wait(needed)
        whole = body and not any(task.cancelled() or task.exception() for task in needed)
        texts = {task.result()[0]: task.result()[1].text for task in needed} if whole else {}
        if not texts or ctx.now - began > joining.BEGIN_WITHIN:
            return section.id, None
        async with desks:
            return section.id, await _join(ctx, plan, section, texts)

    answers, ends = await both(together(*tasks.values()), together(*map(join, _to_join(plan))))
    return dict(answers), {name: end for name, end in ends if end}


def _turn(section: Section) -> tuple[int, int]:
    """Which is begun first: what the joining waits for, of that the longest."""
    return (
        0 if section.kind == "body" else 1 if section.kind in joining.KINDS else 2,
        -section.words,
    )


def _to_join(plan: Plan) -> list[Section]:
    """Introduction and conclusion, unless the client's old text stands in them."""
    kinds = (one for one in plan.blueprint.sections if one.kind in joining.KINDS)
    return [one for one in kinds if one.id not in plan.old.originals]


async def _join(
    ctx: StepContext, plan: Plan, section: Section, texts: Mapping[str, str]
) -> TextAnswer | None:
    told = ("title", "keyword", "year", "voice", "glossary")
    says = [
        joining.summary(one.heading, _cleaned(one, plan.blueprint, texts[one.id]).html)
        for one in plan.blueprint.sections
        if one.kind == "body"
    ]
    draft = _cleaned(section, plan.blueprint, texts[section.id])
    request = {"locale": ctx.request.locale, **{name: plan.brief[name] for name in told}}
    return await joining.paragraph(ctx, section, draft, says, request)


async def _write(ctx: StepContext, plan: Plan, section: Section) -> TextAnswer:
    gaps = [plan.gaps[gap] for gap in section.gap_ids if gap in plan.gaps]
    return await ask_text(
        ctx,
        "write_section",
        _part(section),
        check=fragment.problems,
        god_mode=plan.god_mode,
        brief=plan.brief,
        section=task_of(plan, section),
        gaps=[gap.model_dump(by_alias=True) for gap in gaps],
        claims=[{"n": claim.n, "text": claim.text} for claim in claims_of(section, plan.blueprint)],
        takeaways=plan.blueprint.takeaways if section.kind == "takeaways" else None,
        questions=plan.blueprint.questions if section.kind == "faq" else None,
        original=plan.old.originals.get(section.id),
        context={**plan.context, **notes_of(plan, section)} or None,
    )


def _section(plan: Plan, old: OldPage, section: Section, answer: str) -> SectionHtml:
    numbers = [claim.n for claim in claims_of(section, plan.blueprint)]
    spelled = markers.spelled_out(markers.normal(answer), old.unlinked)
    html = fragment.clean(spelled, section, numbers, old.sources_of(section.id))
    return SectionHtml(id=section.id, html=html)
