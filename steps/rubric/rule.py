"""What a check is made of: a rule, what it found, and how credit falls outside a range."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from steps.models import Check
from steps.rubric.article import Article

Level = Literal["critical", "high", "medium", "low"]
Category = Literal["structure", "seo", "readability", "content", "links"]

WEIGHTS: dict[Level, int] = {"critical": 4, "high": 3, "medium": 2, "low": 1}

NOT_APPLICABLE = "not applicable"
"""The value of a check that says nothing about this article; it does not count."""


@dataclass(frozen=True, slots=True)
class Finding:
    """What a rule found in an article.

    :param credit: 0..1.
    :param advice: what to do, with numbers; "" when there is nothing to do.
    :param sections: numbers of the sections to mend, the worst first.
    """

    value: Any
    credit: float
    passed: bool
    advice: str = ""
    sections: tuple[int, ...] = ()

    @property
    def applies(self) -> bool:
        """Whether the finding counts."""
        return bool(self.value != NOT_APPLICABLE)


Measure: TypeAlias = Callable[[Article], Finding]


@dataclass(frozen=True, slots=True)
class Rule:
    """One check of the rubric. ``name`` is wire data for ever; ``source`` is who says so."""

    name: str
    priority: Level
    category: Category
    expected: str
    source: str
    measure: Measure

    def check(self, finding: Finding) -> Check:
        """The finding as the wire carries it."""
        return Check(
            name=self.name,
            passed=finding.passed,
            value=finding.value,
            expected=self.expected,
            priority=self.priority,
            category=self.category,
            weight=WEIGHTS[self.priority],
            score=round(finding.credit, 4),
            advice=finding.advice,
            source=self.source,
        )


def rule(
    name: str, priority: Level, category: Category, *, expected: str, source: str
) -> Callable[[Measure], Rule]:
    """Make a measuring function a :class:`Rule`."""
    return lambda measure: Rule(name, priority, category, expected, source, measure)


def not_applicable() -> Finding:
    """The finding of a rule that says nothing about this article."""
    return Finding(NOT_APPLICABLE, 1.0, True)


def ramp(value: float, low: float, high: float, *, zero_above: float | None = None) -> float:
    """Credit for *value*: 1 from *low* to *high*, falling linearly to 0 at zero below and at
    *zero_above* (twice *high* when not given) above."""
    if value < low:
        return max(0.0, value / low)
    if value <= high:
        return 1.0
    end = 2 * high if zero_above is None else zero_above
    return max(0.0, (end - value) / (end - high))


def between(
    value: float,
    low: float,
    high: float,
    advice: str = "",
    *,
    sections: Iterable[int] = (),
    zero_above: float | None = None,
) -> Finding:
    """A finding for a number that should lie from *low* to *high*, both included."""
    passed = low <= value <= high
    return Finding(
        value=value,
        credit=ramp(value, low, high, zero_above=zero_above),
        passed=passed,
        advice="" if passed else advice,
        sections=() if passed else tuple(sections),
    )


def at_least(value: float, low: float, advice: str, sections: Iterable[int] = ()) -> Finding:
    """A finding for a number that should be *low* or more."""
    return between(value, low, float("inf"), advice, sections=sections)


def at_most(
    value: float, high: float, advice: str, sections: Iterable[int] = (), *, zero_above: float
) -> Finding:
    """A finding for a number that should be *high* or less; no credit from *zero_above* on."""
    passed = value <= high
    credit = 1.0 if passed else max(0.0, (zero_above - value) / (zero_above - high))
    return Finding(
        value, credit, passed, "" if passed else advice, () if passed else tuple(sections)
    )


def holds(passed: bool, value: Any, advice: str, sections: Iterable[int] = ()) -> Finding:
    """A finding that is either so or not."""
    return Finding(
        value, float(passed), passed, "" if passed else advice, () if passed else tuple(sections)
    )
