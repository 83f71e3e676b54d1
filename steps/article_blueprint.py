"""Step 3, Article Blueprint: the plan of the article, complete whoever proposed it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from orchestrator.step import Json, Step, StepContext
from steps.asking.ask import ask, both, or_fallback
from steps.asking.models_used import telling
from steps.blueprint.duties import with_claims, with_gaps, with_keywords, with_table
from steps.blueprint.head import completed, empty_head
from steps.blueprint.outline import WORDS, budgeted, shaped
from steps.blueprint.plan import Existing, Plan, existing_of, stock_outline
from steps.html import dom, islands, refresh
from steps.language.text import words
from steps.language.years import current_year
from steps.models import (
    BlueprintOutput,
    Claim,
    GapsOutput,
    HeadAnswer,
    KeywordsOutput,
    OutlineAnswer,
    Section,
)

SLUG = "article-blueprint"

TIMEOUT = 20.0
"""Seconds, DESIGN section 4."""

MODEL_SECONDS = 16.0
"""On the final attempt the model gets this long; completion takes well under a second."""

MAX_QUESTIONS = 12
"""Questions shown to the model; it plans for six."""

MIN_PROPOSED = 4
"""An outline with fewer sections than this is no plan, and is asked for again."""


@telling
async def run(ctx: StepContext) -> Mapping[str, Json]:
    """Ask for outline and head side by side, then complete both."""
    plan = Plan(
        keyword=ctx.request.keyword,
        locale=ctx.request.locale,
        year=current_year(ctx.now),
        keywords=KeywordsOutput.model_validate(await ctx.output("semantic-keywords")),
        gaps=GapsOutput.model_validate(await ctx.output("gap-analysis")),
        existing=await _existing(ctx),
    )
    outline, head = await both(_outline(ctx, plan), _head(ctx, plan))
    return blueprint(outline, head, plan).model_dump(mode="json", by_alias=True)


def blueprint(outline: OutlineAnswer, head: HeadAnswer, plan: Plan) -> BlueprintOutput:
    """The blueprint that keeps every rule of PIPELINE section 3, from any proposal at all."""
    shape = budgeted(shaped(outline.sections, plan))
    duties = with_table(with_claims(with_keywords(with_gaps(shape, plan), plan), plan))
    sections = [Section(id=f"s{n}", **dict(section)) for n, section in enumerate(duties, 1)]
    claims = [(claim.text, section.id) for section in sections for claim in section.claims]
    whole = completed(head, plan)
    return BlueprintOutput(
        title=whole.title,
        slug=whole.slug,
        meta_description=whole.meta_description,
        intent=whole.intent,
        sections=sections,
        claims=[Claim(n=n, text=text, section_id=at) for n, (text, at) in enumerate(claims, 1)],
        takeaways=whole.takeaways,
        questions=whole.questions,
        glossary=whole.glossary,
    )


async def _existing(ctx: StepContext) -> tuple[Existing, ...]:
    """The sections of the old page, in refresh mode."""
    if ctx.request.mode != "refresh":
        return ()
    marked, _ = islands.extract(await refresh.source(ctx))
    parts = refresh.split(marked)
    return existing_of((part.heading, len(words(dom.text(dom.parse(part.html))))) for part in parts)


async def _outline(ctx: StepContext, plan: Plan) -> OutlineAnswer:
    request = {
        "keyword": plan.keyword, "year": plan.year, "locale": plan.locale,
        "mode": ctx.request.mode, "wordsMin": WORDS[0], "wordsMax": WORDS[1],
    }  # fmt: skip
    return await or_fallback(
        ctx,
        lambda: ask(
            ctx, "blueprint_outline", "outline", OutlineAnswer,
            check=_is_plan, request=request, **_material(plan),
        ),
        lambda: OutlineAnswer(sections=list(stock_outline(plan))),
        "outline from the coverage matrix",
        within=MODEL_SECONDS,
    )  # fmt: skip


async def _head(ctx: StepContext, plan: Plan) -> HeadAnswer:
    request = {"keyword": plan.keyword, "year": plan.year, "locale": plan.locale}
    return await or_fallback(
        ctx,
        lambda: ask(ctx, "blueprint_head", "head", HeadAnswer, request=request, **_material(plan)),
        lambda: empty_head(plan.keyword),
        "title and questions without the model",
        within=MODEL_SECONDS,
    )


def _material(plan: Plan) -> dict[str, Any]:
    """The data blocks both tasks have in common."""
    fields = {"id", "type", "topic", "priority", "opportunity"}
    existing = [{"heading": old.heading, "kind": old.kind} for old in plan.existing]
    return {
        "keywords": plan.terms,
        "gaps": [gap.model_dump(by_alias=True, include=fields) for gap in plan.gaps.gaps],
        "questions": plan.questions[:MAX_QUESTIONS],
        "existing": existing or None,
    }


def _is_plan(answer: OutlineAnswer) -> list[str]:
    if len(answer.sections) >= MIN_PROPOSED:
        return []
    return [f"sections: at least {MIN_PROPOSED} are needed, planned as the task says"]


STEP = Step(
    name="Article Blueprint",
    slug=SLUG,
    version=1,
    timeout=TIMEOUT,
    run=run,
    needs=("semantic-keywords", "gap-analysis"),
)
