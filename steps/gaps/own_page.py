"""Refresh mode: which gaps the client's old page closes already, so that nobody fills them again.

What the ranking pages leave open may stand on the old page, whose text is kept. Pure.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from steps.gaps.merge import MIN_GAPS, from_keyword
from steps.html import dom
from steps.html.refresh import OldSection
from steps.language.lexical import content_stems, stems, words
from steps.models import Gap, GapItem, GapsOutput

LEAST_WORDS = 60
"""A section with fewer words names a topic and does not treat it: a direct answer alone, which
every section begins with, has 40 to 60."""


def left_open(
    output: GapsOutput, page: Iterable[OldSection], keyword: str, locale: str, year: int
) -> GapsOutput:
    """The analysis without the gaps and missing keywords that the old page covers.

    With fewer than five gaps left, what articles on any subject tend to lack fills up, as far as
    the old page lacks it; fewer are right where it lacks nothing.
    """
    treated = [_stems(old, locale) for old in page]
    whole = frozenset[str]().union(*(held for held, _ in treated))
    longer = [held for held, count in treated if count >= LEAST_WORDS]
    bare = content_stems(keyword, locale)

    def is_open(gap: GapItem) -> bool:
        return gap.type == "outdated-data" or not _covered(gap.topic, bare, longer, locale)

    gaps: list[GapItem] = [gap for gap in output.gaps if is_open(gap)]
    if len(gaps) < min(MIN_GAPS, len(output.gaps)):
        known = {gap.topic for gap in output.gaps}
        stock = from_keyword(keyword, year, (), locale)
        gaps += [gap for gap in stock if is_open(gap) and gap.topic not in known]
    missing = (text for text in output.missing_keywords if not content_stems(text, locale) <= whole)
    kept = gaps[: max(MIN_GAPS, sum(isinstance(gap, Gap) for gap in gaps))]
    numbered = [_numbered(number, gap) for number, gap in enumerate(kept, 1)]
    return output.model_copy(update={"gaps": numbered, "missing_keywords": list(missing)})


def _stems(old: OldSection, locale: str) -> tuple[frozenset[str], int]:
    """The stems of a section with its heading, and how many words it has."""
    text = dom.text(dom.parse(old.html))
    return frozenset(stems(f"{old.heading}\n{text}", locale)), len(words(text))


def _covered(
    topic: str, bare: frozenset[str], sections: Sequence[frozenset[str]], locale: str
) -> bool:
    """Whether one section holds every word of the topic's subject beyond the keyword's."""
    wanted = content_stems(topic, locale)
    wanted = wanted - bare or wanted
    return bool(wanted) and any(wanted <= held for held in sections)


def _numbered(number: int, gap: GapItem) -> Gap:
    return Gap(**{**gap.model_dump(), "id": f"g{number}"})
