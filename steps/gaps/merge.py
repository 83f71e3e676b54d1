"""From many findings to one list of gaps: evidence checked, doubles merged, the best first. Pure.

rapidfuzz is imported on first use, because a job actor must start lean.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from steps.gaps.coverage import Row, Source, StaleFact, mentions
from steps.language.lexical import content_stems, plain, words
from steps.models import Gap, GapEvidence, GapItem, GapType, Priority

MIN_GAPS, MAX_GAPS = 5, 12
"""PIPELINE section 2."""

SAME_HEADING = 90.0
"""Similarity (0..100) from which a quoted heading is taken for the one on the page."""

SAME_GAP = 0.65
"""Shared part of two topics' stems from which they are one gap: two words of three."""

THIN_WORDS = 500
"""A page with less main text than this cannot treat a subject in depth."""

RARE_SHARE = 0.4
"""A subtopic that at most two pages of five cover is one that most readers do not find."""

MAX_TOPIC, MAX_OPPORTUNITY = 120, 400
"""Characters; a topic is a heading's worth, an opportunity two sentences."""

_RANK: dict[Priority, int] = {"high": 0, "medium": 1, "low": 2}
_EXAMPLE_WORDS = ("example", "examples", "instance", "case", "beispiel", "exemple", "ejemplo")


@dataclass(slots=True)
class _Merged:
    """One gap and what speaks for it."""

    gap: GapItem
    stems: frozenset[str]
    reports: int = 1
    competitors: list[str] = field(default_factory=list)


def verified(
    gaps: Iterable[GapItem], sources: Sequence[Source], rows: Sequence[Row]
) -> list[GapItem]:
    """The gaps whose evidence exists: competitors by known ids, the heading one of theirs.

    A competitor or heading that does not exist is dropped, and with the last competitor the gap.
    """
    known = {source.id: source for source in sources}
    checked = (_verified(gap, known, rows) for gap in gaps)
    return [gap for gap in checked if gap is not None]


def ranked(
    found: Iterable[GapItem], spare: Iterable[GapItem], keyword: str, language: str
) -> list[Gap]:
    """*found* merged and ranked, filled up from *spare* to :data:`MIN_GAPS`; ids ``g1``…

    Rank: priority, then how often it was reported, then on how many pages it shows.
    """
    bare = content_stems(keyword, language)
    merged: list[_Merged] = []
    for gap in found:
        _merge(merged, gap, bare, language)
    for gap in spare:
        if len(merged) < MIN_GAPS:
            _merge(merged, gap, bare, language)
    merged.sort(key=lambda item: (_RANK[item.gap.priority], -item.reports, -len(item.competitors)))
    return [_numbered(n, item) for n, item in enumerate(merged[:MAX_GAPS], 1)]


def from_matrix(
    sources: Sequence[Source],
    rows: Sequence[Row],
    stale: Sequence[StaleFact],
    questions: Sequence[str],
    language: str,
) -> list[GapItem]:
    """The gaps that show without a model: stale figures, unanswered questions, thin pages,
    no examples, rare subtopics. Each with its evidence."""
    return [
        *_outdated(sources, stale),
        *_unanswered(sources, questions, language),
        *_without_examples(sources),
        *_thin(sources),
        *_rare(rows),
    ]


def from_keyword(
    keyword: str, year: int, sources: Sequence[Source], language: str
) -> list[GapItem]:
    """What articles on any subject tend to lack, for want of anything better.

    With pages at hand, only what some of them do not mention, with these pages as evidence.
    """
    stock: tuple[tuple[GapType, Priority, str, str, str], ...] = (
        ("outdated-data", "high", f"current figures on {keyword} for {year}", str(year),
         f"Give the newest figures there are and the date of each, as of {year}."),
        ("missing-topic", "high", f"what {keyword} costs in money and time", "cost",
         "Break the cost down into its parts and say what changes each of them."),
        ("missing-topic", "medium", f"mistakes people make with {keyword}", "mistakes",
         "Name the common mistakes, what they lead to and how to avoid each."),
        ("missing-examples", "medium", f"worked examples of {keyword}", "example",
         "Follow one case from start to end, with numbers."),
        ("shallow-coverage", "medium", f"how to choose and compare {keyword}", "compare",
         "Compare the options in a table by the criteria that decide."),
        ("missing-topic", "low", f"when {keyword} is not the right choice", "limits",
         "Say where the limits are and what to do instead."),
    )  # fmt: skip
    gaps = [
        GapItem(
            type=kind, topic=topic, opportunity=what, priority=priority,
            evidence=_on([page.id for page in sources if not mentions(page, probe, language)]),
        )
        for kind, priority, topic, probe, what in stock
    ]  # fmt: skip
    return [gap for gap in gaps if gap.evidence.competitors or not sources]


def _verified(gap: GapItem, known: dict[str, Source], rows: Sequence[Row]) -> GapItem | None:
    ids = [name for name in dict.fromkeys(gap.evidence.competitors) if name in known]
    topic = plain(gap.topic, MAX_TOPIC).strip(" .")
    opportunity = plain(gap.opportunity, MAX_OPPORTUNITY)
    if not ids or not words(topic) or not words(opportunity):
        return None
    headings = [text for name in ids for text in known[name].competitor.headings]
    heading = _found(gap.evidence.heading, [*headings, *(row.subtopic for row in rows)])
    return gap.model_copy(
        update={"topic": topic, "opportunity": opportunity, "evidence": _on(ids, heading)}
    )


def _found(heading: str, among: Sequence[str]) -> str:
    """The heading of *among* that is meant, as it stands there, or ``""``."""
    from rapidfuzz import fuzz, process  # noqa: PLC0415 (see the module's docstring)

    if not words(heading):
        return ""
    folded = [text.casefold() for text in among]
    best = process.extractOne(heading.casefold(), folded, scorer=fuzz.ratio)
    return among[best[2]] if best is not None and best[1] >= SAME_HEADING else ""


def _merge(merged: list[_Merged], gap: GapItem, bare: frozenset[str], language: str) -> None:
    own = content_stems(gap.topic, language)
    key = own - bare or own
    twin = next((item for item in merged if _shared(item.stems, key) >= SAME_GAP), None)
    if twin is None:
        twin = _Merged(gap, key, reports=0)
        merged.append(twin)
    elif _RANK[gap.priority] < _RANK[twin.gap.priority]:
        twin.gap = gap
    twin.reports += 1
    twin.competitors += [name for name in gap.evidence.competitors if name not in twin.competitors]


def _shared(one: frozenset[str], other: frozenset[str]) -> float:
    return len(one & other) / max(1, len(one | other))


def _numbered(n: int, item: _Merged) -> Gap:
    evidence = _on(sorted(item.competitors), item.gap.evidence.heading)
    return Gap(id=f"g{n}", **{**dict(item.gap), "evidence": evidence})


def _on(competitors: Sequence[str], heading: str = "") -> GapEvidence:
    return GapEvidence(competitors=list(competitors), heading=heading)


def _outdated(sources: Sequence[Source], stale: Sequence[StaleFact]) -> list[GapItem]:
    first = {fact.competitor: fact for fact in reversed(stale)}
    return [
        GapItem(
            type="outdated-data",
            topic=plain(f"figures that have aged: {first[page.id].text}", MAX_TOPIC),
            opportunity="Replace the old figure by the newest one and date it.",
            priority="high",
            evidence=_on([page.id]),
        )
        for page in sources
        if page.id in first
    ]


def _unanswered(
    sources: Sequence[Source], questions: Sequence[str], language: str
) -> list[GapItem]:
    without = {
        question: [page.id for page in sources if not mentions(page, question, language)]
        for question in questions
    }
    return [
        GapItem(
            type="missing-topic",
            topic=plain(question, MAX_TOPIC),
            opportunity="Answer the question in its first sentence, then give the reasons.",
            priority="high" if len(ids) == len(sources) else "medium",
            evidence=_on(ids),
        )
        for question, ids in without.items()
        if ids
    ]


def _without_examples(sources: Sequence[Source]) -> list[GapItem]:
    read = [page for page in sources if page.competitor.read]
    ids = [page.id for page in read if not set(_EXAMPLE_WORDS) & set(words(page.text))]
    if not ids:
        return []
    return [
        GapItem(
            type="missing-examples",
            topic="worked examples with numbers",
            opportunity="Follow one case from start to end and show the sums.",
            priority="medium",
            evidence=_on(ids),
        )
    ]


def _thin(sources: Sequence[Source]) -> list[GapItem]:
    thin = [page for page in sources if page.competitor.read and len(words(page.text)) < THIN_WORDS]
    return [
        GapItem(
            type="shallow-coverage",
            topic=plain(page.competitor.headings[0], MAX_TOPIC),
            opportunity="Explain what it only names: how it works, what it takes, where it ends.",
            priority="medium",
            evidence=_on([page.id], page.competitor.headings[0]),
        )
        for page in thin
        if page.competitor.headings
    ]


def _rare(rows: Sequence[Row]) -> list[GapItem]:
    return [
        GapItem(
            type="missing-topic",
            topic=plain(row.subtopic, MAX_TOPIC),
            opportunity="Treat it in a section of its own: most ranking pages leave it out.",
            priority="medium",
            evidence=_on(row.covered_by, row.subtopic),
        )
        for row in rows
        if len(row.covered_by) <= max(1, RARE_SHARE * row.total) and row.total > 1
    ]
