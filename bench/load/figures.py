"""Numbers from measurements: pure functions."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any


def percentile(values: Sequence[float], share: float) -> float:
    """The smallest value that *share* (0 to 1) of the values do not exceed (nearest rank); NaN of
    none."""
    if not values:
        return math.nan
    ordered = sorted(values)
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]


def spread(values: Sequence[float]) -> dict[str, float]:
    """How many, and the 50th, 95th, 99th and 100th percentile."""
    return {
        "count": len(values),
        **{f"p{share}": percentile(values, share / 100) for share in (50, 95, 99)},
        "max": max(values, default=math.nan),
    }


@dataclass(frozen=True, slots=True)
class Attempted:
    """A step as the journal has it: where its job ended, and the attempts it took."""

    job_id: str
    completed: bool
    attempts: int
    degraded: bool = False


def retries(steps: Sequence[Attempted]) -> dict[str, float]:
    """Of the steps that failed at first, the share that completed; and of all, the share that did
    not. A step that was cut off by the end of its job counts as failed."""
    again = [step for step in steps if step.attempts > 1]
    saved = sum(step.completed for step in again)
    return {
        "steps": len(steps),
        "retried": len(again),
        "retrySuccess": saved / len(again) if again else math.nan,
        "degraded": sum(step.degraded for step in steps),
    }


def seconds_between(rows: Sequence[Mapping[str, Any]], start: str, end: str) -> list[float]:
    """For each row that has both epoch-ms columns, the seconds between them."""
    return [
        (row[end] - row[start]) / 1000
        for row in rows
        if row[start] is not None and row[end] is not None
    ]
