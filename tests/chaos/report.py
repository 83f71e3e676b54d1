"""The table at the end of a run of chaos."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from tests.chaos.auditor import Violation, by_job
from tests.chaos.calls import calls_after_records
from tests.chaos.record import Run


def table(run: Run, violations: Sequence[Violation], repeat: str) -> str:
    """What happened, in words and numbers; and how to have it again."""
    seen, jobs = run.seen, run.rows.jobs
    accepted = {one.job_id for one in seen.accepted}
    ended = Counter(job["status"] for job in jobs if job["id"] in accepted)
    asked = Counter(one.what for one in seen.asked)
    lines = {
        "jobs accepted": str(len(accepted)),
        "ended": listed(ended),
        "submitted twice": str(len(seen.accepted) - len(accepted)),
        "clients asked": listed(asked),
        "killed, stopped, failed": listed(Counter(deed.kind for deed in seen.deeds)),
        "activations": _activations(run),
        "longest still": _longest_still(run),
        "calls": _calls(run),
        "answers": listed(seen.answers),
        "reasons of failure": "; ".join(sorted({j["error"] for j in jobs if j["error"]})) or "-",
        "violations": str(len(violations) or "none"),
        "again": repeat,
    }
    width = max(map(len, lines))
    shown = [f"{name:<{width}}  {value}" for name, value in lines.items()]
    return "\n".join([*shown, *(f"  {violation}" for violation in violations)])


def listed(counts: Counter[str]) -> str:
    """The counts, most frequent first."""
    return ", ".join(f"{what} {count}" for what, count in counts.most_common()) or "-"


def _activations(run: Run) -> str:
    again = sum(event["type"] == "job.resumed" for event in run.rows.events)
    return f"{sum(job['attempt'] for job in run.rows.jobs)}, of which {again} took a job up again"


def still(events: Sequence[dict[str, Any]]) -> list[float]:
    """Seconds from a job's last sign before each time it was taken up again; not those for which
    it was released, paused or queued."""
    found, last, counts = [], 0, False
    for event in events:
        if event["type"] == "job.resumed" and counts:
            found.append((event["at"] - last) / 1000)
        last = max(last, event["at"])
        if event["type"] in ("job.released", "job.paused", "job.queued"):
            counts = False
        elif event["type"] in ("job.started", "job.resumed"):
            counts = True
    return found


def _longest_still(run: Run) -> str:
    gaps = sorted(gap for events in by_job(run.rows.events).values() for gap in still(events))
    if not gaps:
        return "-"
    middle = gaps[len(gaps) // 2]
    return f"{gaps[-1]:.1f} s from a last sign of life to the next activation (median {middle:.1f})"


def _calls(run: Run) -> str:
    repeats = sum(count - 1 for count in run.counts.values())
    late = sum(1 for found in calls_after_records(run) if found[-1])
    return (
        f"{sum(run.counts.values())} for {len(run.counts)} keys: {repeats} made again while "
        f"nothing was recorded, {late} late ones of replaced activations, "
        f"{sum(run.writes.values())} external writes"
    )
