"""The order of the sections: made whole whatever the model (or no model) proposed. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from steps.blueprint.plan import (
    MAX_HEADING,
    Plan,
    capitalised,
    same,
    special,
    stock_bodies,
)
from steps.language.lexical import plain, words
from steps.language.phrases import FILLER_HEADINGS
from steps.models import OutlineSection, SectionKind

MIN_SECTIONS, MAX_SECTIONS = 7, 9
"""PIPELINE section 3 says 7-10; with the references' heading ten would break the rubric's
"H2 Headings 4-10", so nine is the most. A refreshed page keeps every section it has."""

WORDS = (2600, 3200)
"""The sum of the budgets, PIPELINE section 3."""

AIM_WORDS = 2900
"""Budgets that do not add up are scaled to the middle."""

SECTION_WORDS = (80, 900)
"""One section's budget; 900 is the model's limit in ``OutlineSection``."""

FRONT: tuple[SectionKind, ...] = ("introduction", "takeaways")
BACK: tuple[SectionKind, ...] = ("faq", "conclusion")
_FIXED_FIRST: tuple[SectionKind, ...] = ("takeaways", "faq", "conclusion", "introduction")
"""The order in which these sections get their headings: the less freedom, the sooner."""

_NUMBERING = re.compile(r"^(?:\d{1,2}[.):]|[-–•#*]+)\s+")


def shaped(proposed: Iterable[OutlineSection], plan: Plan) -> list[OutlineSection]:
    """Exactly one introduction, takeaways, FAQ and conclusion around 3-5 body sections.

    Headings are clean and distinct; what is missing is taken from stock. In refresh mode the
    body sections are the old page's, in its order and wording.
    """
    cleaned = [_cleaned(section) for section in proposed]
    named = [section for section in cleaned if words(section.heading)]
    ends: dict[SectionKind, OutlineSection] = {}
    for kind in _FIXED_FIRST:
        ends[kind] = _end(kind, named, [section.heading for section in ends.values()], plan)
    taken = [section.heading for section in ends.values()]
    bodies = _bodies([section for section in named if section.kind == "body"], taken, plan)
    return [*(ends[kind] for kind in FRONT), *bodies, *(ends[kind] for kind in BACK)]


def budgeted(sections: Sequence[OutlineSection]) -> list[OutlineSection]:
    """The sections with budgets that add up to 2,600-3,200 words, each within its limits."""
    low = min(SECTION_WORDS[0], WORDS[1] // max(1, len(sections)))
    budgets = [_within(section.words, low) for section in sections]
    if not WORDS[0] <= sum(budgets) <= WORDS[1]:
        factor = AIM_WORDS / sum(budgets)
        budgets = [_within(round(budget * factor, -1), low) for budget in budgets]
    step = 10 if sum(budgets) < WORDS[0] else -10
    while not WORDS[0] <= sum(budgets) <= WORDS[1]:
        movable = [n for n, budget in enumerate(budgets) if _within(budget + step, low) != budget]
        if not movable:
            break
        # the largest grows and shrinks first: short parts keep their form
        most = max(movable, key=lambda n: budgets[n])
        budgets[most] = _within(budgets[most] + step, low)
    pairs = zip(sections, budgets, strict=True)
    return [section.model_copy(update={"words": budget}) for section, budget in pairs]


def _within(budget: float, low: int) -> int:
    return int(min(SECTION_WORDS[1], max(low, budget)))


def _cleaned(section: OutlineSection) -> OutlineSection:
    heading = plain(section.heading, MAX_HEADING)
    heading = capitalised(_NUMBERING.sub("", heading).strip(" #*:."))
    purpose = plain(section.purpose, 400)
    return section.model_copy(update={"heading": heading, "purpose": purpose})


def _end(
    kind: SectionKind, proposed: Sequence[OutlineSection], taken: Sequence[str], plan: Plan
) -> OutlineSection:
    """The one section of a kind that every article has once, with a heading not yet taken."""
    stock = special(kind, plan)
    section = next((section for section in proposed if section.kind == kind), stock)
    old = next((old.heading for old in plan.existing if old.kind == kind), "")
    heading = _heading(kind, old or section.heading, stock)
    if any(same(heading, other, plan.locale) for other in taken):
        heading = stock.heading
    return section.model_copy(update={"heading": heading})


def _heading(kind: SectionKind, heading: str, stock: OutlineSection) -> str:
    """The heading in the form by which later steps and readers know the kind."""
    if kind == "takeaways":
        return stock.heading
    if kind == "conclusion":
        begins = heading.lower().startswith("conclusion")
        return capitalised(heading) if begins else f"Conclusion: {heading}"
    if kind == "faq" and not re.search(r"\bfaqs?\b|question", heading, re.IGNORECASE):
        return stock.heading
    return heading if heading.lower() != "introduction" else stock.heading


def _bodies(
    proposed: Sequence[OutlineSection], taken: Sequence[str], plan: Plan
) -> list[OutlineSection]:
    ends = len(FRONT) + len(BACK)
    new = _distinct([section for section in proposed if not _is_filler(section)], taken, plan)
    kept = _kept(new, taken, plan)
    if kept:
        used = [*taken, *(section.heading for section in kept)]
        more = _distinct([*new, *stock_bodies(plan)], used, plan)
        return [*kept, *more[: max(0, MIN_SECTIONS - ends - len(kept))]]
    if len(new) < MIN_SECTIONS - ends:
        new = _distinct([*new, *stock_bodies(plan)], taken, plan)[: MIN_SECTIONS - ends]
    return new[: MAX_SECTIONS - ends]


def _kept(
    proposed: Sequence[OutlineSection], taken: Sequence[str], plan: Plan
) -> list[OutlineSection]:
    """The old page's body sections, each with what is proposed for it."""
    headings: list[str] = []
    for old in plan.existing:
        if old.kind == "body":
            headings.append(_unlike(old.heading, [*taken, *headings], plan))
    sizes = [old.words for old in plan.existing if old.kind == "body"]
    planned = {heading: _for(heading, proposed, plan) for heading in headings}
    return [
        planned[heading].model_copy(
            update={"heading": heading, "words": _within(max(size, planned[heading].words), 50)}
        )
        for heading, size in zip(headings, sizes, strict=True)
    ]


def _for(heading: str, proposed: Sequence[OutlineSection], plan: Plan) -> OutlineSection:
    stock = OutlineSection(
        heading=heading, purpose="Bring this section up to date and close its gaps.", words=300
    )
    found = (section for section in proposed if same(section.heading, heading, plan.locale))
    return next(found, stock)


def _unlike(heading: str, others: Sequence[str], plan: Plan) -> str:
    """The heading, with a number behind it if it is there already."""
    tries = [heading, *(f"{heading} ({n})" for n in range(2, len(others) + 3))]
    return next(
        text for text in tries if not any(same(text, other, plan.locale) for other in others)
    )


def _distinct(
    sections: Iterable[OutlineSection], taken: Sequence[str], plan: Plan
) -> list[OutlineSection]:
    chosen: list[OutlineSection] = []
    for section in sections:
        used = [*taken, *(other.heading for other in chosen)]
        if not any(same(section.heading, other, plan.locale) for other in used):
            chosen.append(section)
    return chosen


def _is_filler(section: OutlineSection) -> bool:
    return section.heading.lower() in FILLER_HEADINGS
