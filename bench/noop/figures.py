"""The figures of a run: what was measured of each system, side by side."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from bench.load.figures import percentile

PERCENTILES = (50, 95, 99)
OURS = "orchestrator"


@dataclass(frozen=True, slots=True)
class Latency:
    """Milliseconds."""

    count: int
    p50: float
    p95: float
    p99: float

    @classmethod
    def of(cls, seconds: Sequence[float]) -> Latency:
        """Of these times in seconds."""
        p50, p95, p99 = (1000 * percentile(seconds, percent / 100) for percent in PERCENTILES)
        return cls(len(seconds), p50, p95, p99)


@dataclass(frozen=True, slots=True)
class Figures:
    """What one system needs for its jobs."""

    system: str
    database: str
    jobs: int
    jobs_per_second: float
    cpu_seconds: float  #: a job
    wall_ms: float  #: from submission to end, of a job that is alone
    submit: Latency
    status: Latency
    at_rest: float  #: cores, before there was a job
    others: float | None  #: cores, used by everyone else meanwhile; None: not known
    counted: str  #: how CPU was
    note: str


ROWS = (
    ("jobs/s", "jobs_per_second", 1),
    ("CPU-ms a job", "cpu_ms", 1),
    ("ms a job, alone", "wall_ms", 0),
    ("submit p50 ms", "submit_p50", 1),
    ("submit p95 ms", "submit_p95", 1),
    ("submit p99 ms", "submit_p99", 1),
    ("status p50 ms", "status_p50", 1),
    ("status p95 ms", "status_p95", 1),
    ("status p99 ms", "status_p99", 1),
    ("cores at rest", "at_rest", 2),
    ("cores of others", "others", 2),
)
MORE_IS_BETTER = ("jobs_per_second",)
NOT_COMPARED = ("at_rest", "others")


def flat(figures: Figures) -> dict[str, float]:
    """The numbers by the names of :data:`ROWS`."""
    numbers = asdict(figures)
    found = {name: numbers[name] for _, name, _ in ROWS if numbers.get(name) is not None}
    found["cpu_ms"] = 1000 * figures.cpu_seconds
    for kind in ("submit", "status"):
        found |= {f"{kind}_p{p}": numbers[kind][f"p{p}"] for p in PERCENTILES}
    return found


def ratios(ours: Figures, other: Figures) -> dict[str, float]:
    """How many times better ours is than the other's; below 1, it is worse."""
    mine, theirs = flat(ours), flat(other)
    found = {}
    for _, name, _ in ROWS:
        if name in NOT_COMPARED:
            continue
        better, worse = (
            (mine[name], theirs[name]) if name in MORE_IS_BETTER else (theirs[name], mine[name])
        )
        found[name] = better / worse if worse else math.inf
    return found


def compared(found: Sequence[Figures]) -> dict[str, dict[str, dict[str, float]]]:
    """By database and other system: how many times better ours is."""
    ours = {one.database: one for one in found if one.system == OURS}
    result: dict[str, dict[str, dict[str, float]]] = {}
    for one in found:
        if one.system != OURS and one.database in ours:
            by_system = result.setdefault(one.database, {})
            by_system[one.system] = ratios(ours[one.database], one)
    return result


def table(found: Sequence[Figures], database: str) -> str:
    """One database's systems side by side, then how ours compares with each."""
    columns = [one for one in found if one.database == database]
    against = compared(columns).get(database, {})
    heads = [one.system for one in columns] + [f"vs {name}" for name in against]
    lines = [f"{database:<16}" + "".join(f"{head:>20}" for head in heads)]
    for label, name, digits in ROWS:
        cells = [
            f"{n:.{digits}f}" if (n := flat(one).get(name)) is not None else "" for one in columns
        ]
        cells += [_times(against[other].get(name)) for other in against]
        lines.append(f"{label:<16}" + "".join(f"{cell:>20}" for cell in cells))
    return "\n".join(lines)


def _times(ratio: float | None) -> str:
    return "" if ratio is None else f"{ratio:.2f}x"


def as_json(machine: Mapping[str, Any], found: Sequence[Figures]) -> dict[str, Any]:
    """Everything, for ``--json``."""
    return {**machine, "figures": [asdict(one) for one in found], "ratios": compared(found)}
