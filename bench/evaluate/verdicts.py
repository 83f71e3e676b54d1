"""Whether an evaluation is passed: a pure function for each promise."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from bench.evaluate.outcome import Outcome

FLOOR, MINIMUM = 85.0, 75.0
"""The least mean score, and the least score of any article (its own passing mark), 0-100."""

NAMED = 5  #: faults that a verdict names

Outcomes = Sequence[Outcome]


@dataclass(frozen=True, slots=True)
class Verdict:
    """One promise: whether it is kept, the number behind it, and what breaks it."""

    promise: str
    kept: bool
    found: str
    faults: tuple[str, ...] = ()


def every_verdict(outcomes: Outcomes, floor: float, minimum: float) -> list[Verdict]:
    """Every promise, judged."""
    return [
        all_completed(outcomes),
        mean_score(outcomes, floor),
        least_score(outcomes, minimum),
        references_live(outcomes),
        no_foreign_link(outcomes),
        no_stray_link(outcomes),
        nothing_unsanitised(outcomes),
        no_marker(outcomes),
    ]


def all_completed(outcomes: Outcomes) -> Verdict:
    """Every job ended with a result; no job at all is no success."""
    faults = [
        f"{_name(one)}: {one.status} {one.error}".rstrip() for one in outcomes if not one.completed
    ]
    done = len(outcomes) - len(faults)
    kept = bool(outcomes) and not faults
    return Verdict("every job completed", kept, f"{done} of {len(outcomes)}", tuple(faults))


def mean(outcomes: Outcomes) -> float:
    """The mean score; a job without a result counts as 0."""
    return sum(one.score for one in outcomes) / len(outcomes) if outcomes else 0.0


def mean_score(outcomes: Outcomes, floor: float) -> Verdict:
    """The mean of all scores is *floor* or more."""
    found = mean(outcomes)
    return Verdict(f"mean score at least {floor:g}", found >= floor, f"{found:.2f}")


def least_score(outcomes: Outcomes, minimum: float) -> Verdict:
    """No score is under *minimum*."""
    low = [one for one in outcomes if one.score < minimum]
    found = min((one.score for one in outcomes), default=0.0)
    faults = tuple(f"{_name(one)}: {one.score:.1f}" for one in low)
    return Verdict(
        f"no score under {minimum:g}", bool(outcomes) and not low, f"{found:.1f}", faults
    )


def references_live(outcomes: Outcomes) -> Verdict:
    """Every address that is cited or linked to answers, and every finished article cites some."""
    dead = _all(outcomes, lambda one: one.dead)
    bare = tuple(
        f"{_name(one)}: cites nothing" for one in outcomes if one.completed and not one.references
    )
    asked = sum(one.fetched for one in outcomes)
    found = f"{asked - len(dead)} of {asked}"
    return Verdict("every reference live", asked > 0 and not dead and not bare, found, dead + bare)


def no_foreign_link(outcomes: Outcomes) -> Verdict:
    """No link leads to anything but an input page, a reference or a link of the old post."""
    return _none("no link outside the input", _all(outcomes, lambda one: one.foreign))


def no_stray_link(outcomes: Outcomes) -> Verdict:
    """No link to a page of the client stands on words that its title does not have."""
    return _none("no link on words of another subject", _all(outcomes, lambda one: one.stray))


def nothing_unsanitised(outcomes: Outcomes) -> Verdict:
    """No element, attribute or address stands in an article that the sanitiser forbids."""
    return _none("no unsanitised tag", _all(outcomes, lambda one: one.unsanitised))


def no_marker(outcomes: Outcomes) -> Verdict:
    """No stand-in of a claim or of a piece of the old post is left anywhere in a result."""
    return _none("no marker left", _all(outcomes, lambda one: one.markers))


def _none(promise: str, faults: tuple[str, ...]) -> Verdict:
    return Verdict(promise, not faults, str(len(faults)), faults)


def _all(outcomes: Outcomes, faults: Callable[[Outcome], Sequence[str]]) -> tuple[str, ...]:
    return tuple(f"{_name(one)}: {fault}" for one in outcomes for fault in faults(one))


def _name(one: Outcome) -> str:
    return f"{one.number} {one.keyword}"
