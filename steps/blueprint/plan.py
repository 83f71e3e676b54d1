"""What a blueprint is planned from, and the outline that needs no model. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from steps.gaps.coverage import Source, matrix
from steps.html.parts import kind_of
from steps.language.lexical import distinct, plain, same_key, words
from steps.models import GapItem, GapsOutput, KeywordsOutput, OutlineSection, SectionKind

MAX_HEADING = 110
"""Characters of a heading; longer ones are sentences."""

MAX_TOPIC_WORDS = 10
"""Of a gap's topic that may serve as a heading."""

BODIES = 5
"""Body sections of an outline made without the model (PIPELINE section 3 names five)."""

MAX_EXISTING = 40
"""Sections kept of an old page; at the least budget of 80 words each they fill the article."""

SHARED_BY = 2
"""Pages that must have a subtopic before it is taken for a heading: one page's may be anything."""

_BODY_WORDS = (450, 500, 350, 450, 350)
"""Budgets of the five body sections in the original's default outline (PIPELINE section 3)."""

_LEFT_OUT = re.compile(
    r"^(?:references|sources|bibliography|table of contents|contents|comments|"
    r"related (?:posts|articles)|leave a (?:reply|comment))$",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Existing:
    """A section of the page to be refreshed: its heading, what it is, how long it is."""

    heading: str
    kind: SectionKind
    words: int


@dataclass(frozen=True, slots=True)
class Plan:
    """Everything the outline and the head are made from."""

    keyword: str
    locale: str
    year: int
    keywords: KeywordsOutput
    gaps: GapsOutput
    existing: tuple[Existing, ...] = ()

    @property
    def terms(self) -> list[str]:
        """The phrases to spread over the sections: all but the keyword itself."""
        return list(distinct(self.keywords.keywords, self.locale, known=[self.keyword]))

    @property
    def questions(self) -> list[str]:
        """What readers ask, people-also-ask first."""
        asked = [*self.gaps.questions, *self.keywords.questions]
        return [question(text) for text in distinct(asked, self.locale) if words(text)]

    @property
    def is_english(self) -> bool:
        """Whether stock wording, which is English, fits."""
        return self.locale.startswith("en")


def question(text: str) -> str:
    """A question as it stands in an FAQ: first letter large, a question mark at its end."""
    text = plain(text, 200).rstrip(" .!?…")
    return f"{text[:1].upper()}{text[1:]}?"


def capitalised(text: str) -> str:
    """The text with its first letter large, unless its first word has a spelling of its own."""
    first = text.split(" ", 1)[0]
    return text[:1].upper() + text[1:] if first == first.lower() else text


def existing_of(headings: Iterable[tuple[str, int]]) -> tuple[Existing, ...]:
    """The sections of an old page that a new plan keeps, in order.

    Left out are what the new article gets anew (references) and page furniture (contents).

    :param headings: pairs of a heading and the number of words under it.
    """
    named = ((plain(heading, MAX_HEADING), count) for heading, count in headings)
    kept = [(text, count) for text, count in named if text and not _LEFT_OUT.match(text)]
    return tuple(Existing(text, kind_of(text), count) for text, count in kept[:MAX_EXISTING])


def special(kind: SectionKind, plan: Plan) -> OutlineSection:
    """The stock introduction, takeaways, FAQ or conclusion."""
    subject = capitalised(plan.keyword)
    heading, purpose, budget = {
        "introduction": (f"{subject}: Where to Start in {plan.year}",
                         "Say who this is for, what is at stake and what the reader will know.",
                         250),
        "takeaways": ("Key Takeaways", "What to remember, one sentence each.", 150),
        "faq": ("Frequently Asked Questions", "Answer each question by itself.", 350),
        "conclusion": ("Conclusion: Your Next Steps", "The decision and the first steps.", 200),
    }[kind]  # fmt: skip
    return OutlineSection(heading=heading, kind=kind, purpose=purpose, words=budget)


def stock_bodies(plan: Plan) -> Iterator[OutlineSection]:
    """Body sections from what the ranking pages share, then from gaps, then from stock.

    Headings are distinct; there are always more of them than an outline needs.
    """
    headings = distinct([*_shared(plan), *_from_gaps(plan.gaps.gaps), *_stock(plan)], plan.locale)
    for n, heading in enumerate(headings):
        yield OutlineSection(
            heading=heading,
            purpose=f"What a reader must know and do about {heading}, with figures and steps.",
            words=_BODY_WORDS[n % len(_BODY_WORDS)],
        )


def stock_outline(plan: Plan) -> list[OutlineSection]:
    """The whole outline without a model (the old page's sections come in on completion)."""
    bodies = [section for section, _ in zip(stock_bodies(plan), range(BODIES), strict=False)]
    front: list[SectionKind] = ["introduction", "takeaways"]
    back: list[SectionKind] = ["faq", "conclusion"]
    ends = {kind: special(kind, plan) for kind in [*front, *back]}
    return [*(ends[kind] for kind in front), *bodies, *(ends[kind] for kind in back)]


def _shared(plan: Plan) -> list[str]:
    sources = [Source(competitor, "") for competitor in plan.gaps.competitors]
    rows = matrix(sources, plan.keyword, plan.locale)
    shared = [row.subtopic for row in rows if len(row.covered_by) >= SHARED_BY]
    return [plain(text, MAX_HEADING) for text in shared[: BODIES - 2]]


def _from_gaps(gaps: Sequence[GapItem]) -> list[str]:
    usable = [gap for gap in gaps if gap.priority == "high" and ":" not in gap.topic]
    topics = [gap.topic for gap in usable if len(words(gap.topic)) <= MAX_TOPIC_WORDS]
    return [capitalised(topic) for topic in topics[:2]]


def _stock(plan: Plan) -> list[str]:
    subject = capitalised(plan.keyword)
    return [
        f"Understanding {plan.keyword}",
        f"{subject}: Strategies That Work",
        f"Common Mistakes With {plan.keyword}",
        "Advanced Techniques for Better Results",
        f"Real-World Examples of {plan.keyword}",
        "Costs, Effort and Time",
        "How to Measure Success",
    ]


def same(one: str, other: str, locale: str) -> bool:
    """Whether two headings say the same in the same words."""
    return same_key(one, locale) == same_key(other, locale)
