"""What every writer of an article works from: the plan, the brief they share, their own task."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from orchestrator.step import Json, StepContext
from steps.html import refresh
from steps.html.facts import still_true
from steps.html.refresh import OldPage
from steps.language.years import current_year
from steps.models import (
    BlueprintOutput,
    Claim,
    Gap,
    GapsOutput,
    KeywordsOutput,
    Section,
)

MAX_CONTEXT_CHARS = 6_000
"""News and terms given to each writer: about 1,500 tokens, a tenth of a cent a section."""

BRIEF_KEYWORDS = 40  #: semantic keywords in the common brief

VOICE = {
    "generate": "expert, plain, concrete; addresses the reader as you",
    "refresh": "keeps the tone of the original text; plain and concrete",
}


@dataclass(frozen=True, slots=True)
class Plan:
    """What every writer of this article works from."""

    blueprint: BlueprintOutput
    gaps: Mapping[str, Gap]
    brief: Mapping[str, Json]
    context: Mapping[str, Json]
    god_mode: bool
    old: OldPage
    facts: Mapping[str, list[str]]
    outdated: list[str]


async def plan_of(ctx: StepContext) -> Plan:
    """The plan, made of what steps 1 to 3 recorded and, in refresh mode, of the old page."""
    keywords = KeywordsOutput.model_validate(await ctx.output("semantic-keywords"))
    gaps = GapsOutput.model_validate(await ctx.output("gap-analysis"))
    blueprint = BlueprintOutput.model_validate(await ctx.output("article-blueprint"))
    refreshing = ctx.request.mode == "refresh"
    old = OldPage({}, {})
    if refreshing:
        old = refresh.take_apart(await refresh.source(ctx), blueprint.sections)
    told = {one.id: old.facts(one.id, ctx.request.locale) for one in blueprint.sections}
    true = {n: still_true(facts, gaps.gaps, ctx.request.keyword) for n, facts in told.items()}
    return Plan(
        blueprint=blueprint,
        gaps={gap.id: gap for gap in gaps.gaps},
        brief=_brief(ctx, blueprint, keywords),
        context=_context(ctx),
        god_mode=ctx.request.use_god_mode and not refreshing,
        old=old,
        facts={section_id: facts for section_id, facts in true.items() if facts},
        outdated=[fact for n, facts in told.items() for fact in facts if fact not in true[n]],
    )


def _brief(
    ctx: StepContext, blueprint: BlueprintOutput, keywords: KeywordsOutput
) -> dict[str, Json]:
    """The part of the prompt that all writers share, so that the provider can cache it."""
    return {
        "title": blueprint.title,
        "keyword": ctx.request.keyword,
        "year": current_year(ctx.now),
        "voice": VOICE[ctx.request.mode],
        "sections": [
            {"id": section.id, "heading": section.heading, "purpose": section.purpose}
            for section in blueprint.sections
        ],
        "takeaways": blueprint.takeaways,
        "questions": blueprint.questions,
        "keywords": keywords.keywords[:BRIEF_KEYWORDS],
        "glossary": [term.model_dump(by_alias=True) for term in blueprint.glossary],
    }


def _context(ctx: StepContext) -> dict[str, Json]:
    given = {"news": ctx.request.recent_news, "neuron": ctx.request.neuron_data}
    return {name: _capped(value) for name, value in given.items() if value}


def _capped(value: Any) -> str:
    """A client's free-form data as text of bounded length."""
    written = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return written[: MAX_CONTEXT_CHARS // 2]


def claims_of(section: Section, blueprint: BlueprintOutput) -> list[Claim]:
    """The claims that the plan gave to a section."""
    return [claim for claim in blueprint.claims if claim.section_id == section.id]


def task_of(plan: Plan, section: Section) -> dict[str, Json]:
    """One writer's own task: the section, and what stands before and after it."""
    headings = ["", *(one.heading for one in plan.blueprint.sections), ""]
    at = plan.blueprint.sections.index(section) + 1
    return {
        "id": section.id,
        "heading": section.heading,
        "kind": section.kind,
        "purpose": section.purpose,
        "words": section.words,
        "keywords": section.keywords,
        "table": section.table,
        "previous": headings[at - 1],
        "next": headings[at + 1],
    }


def notes_of(plan: Plan, section: Section) -> dict[str, Json]:
    """What the old text asks of the writer: what its markers stand for, what it must keep."""
    found = {"islands": plan.old.hints(section.id), "facts": plan.facts.get(section.id)}
    return {name: value for name, value in found.items() if value}
