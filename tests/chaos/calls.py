"""Which calls came after what they asked for was recorded, and whether they may have.

A replaced activation may still be about to make a call: its gateway was given the call before
its process died, or it was stopped and goes on before it hears that it is stale. What it asks
for its successor may have recorded meanwhile. Such a call costs money and harms nothing; it is
counted, not blamed. What was recorded *before* a job changed hands, nobody may ask for again.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field

from tests.chaos.record import Run

SLACK_MS = 100  # clocks are one machine's, but a record's time is taken before its commit

ORPHAN_MS = 30_000
"""A call that a gateway has in hand may wait so long for a breaker to be restarted (10 s, twice),
for another's probe (5 s) and for a connection before it goes out."""

STALE_MS = 10_000
"""A process that goes on after a stop finds out within this time that it is stale (it asks the
journal when nobody has told it otherwise for 8 s, ``actors/job.py``)."""


@dataclass
class History:
    """When a job's parts were recorded and when it changed hands."""

    parts: dict[tuple[str, str], int] = field(default_factory=dict)  #: (step, part): recorded at
    steps: dict[str, int] = field(default_factory=dict)
    taken: list[int] = field(default_factory=list)
    hangs: list[tuple[int, int]] = field(default_factory=list)  #: (stopped, let go on)

    def recorded_at(self, slug: str, part: str) -> int | None:
        """When the value behind a call's key was recorded: the longest part that the key begins
        with (``:v2``, ``:lower``, ``:c1`` may follow), else its step."""
        words = part.split(":")
        for length in range(len(words), 0, -1):
            name = ":".join(words[:length])
            for scope in (slug, ""):
                if (scope, name) in self.parts:
                    return self.parts[scope, name]
        return self.steps.get(slug)

    def may_be_late(self, call: int, recorded: int) -> bool:
        """Whether a replaced activation can have made this call after the record."""
        for stopped, let_go in self.hangs:
            if stopped < recorded and let_go - SLACK_MS <= call <= let_go + STALE_MS:
                return True
        taken = [at for at in self.taken if at <= call]
        return bool(taken) and taken[-1] <= recorded and call - taken[-1] <= ORPHAN_MS


def recorded_calls_stay(run: Run) -> Iterator[tuple[str, str]]:
    """What is recorded is not asked for again."""
    for job_id, key, call, recorded, late in calls_after_records(run):
        if not late:
            yield job_id, f"{key} was called {(call - recorded) / 1000:.1f} s after its record"


def calls_after_records(run: Run) -> Iterator[tuple[str, str, int, int, bool]]:
    """(job, key, called at, recorded at, whether a replaced activation may have done it)."""
    histories = _histories(run)
    for key, times in run.calls.items():
        job_id, _, rest = key.partition(":")
        slug, _, part = rest.partition(":")
        history = histories.get(job_id)
        recorded = history.recorded_at(slug, part) if history else None
        if history is None or recorded is None:
            continue
        for call in times:
            if call > recorded + SLACK_MS:
                yield job_id, key, call, recorded, history.may_be_late(call, recorded)


def _histories(run: Run) -> dict[str, History]:
    found: dict[str, History] = defaultdict(History)
    for memo in run.rows.memos:
        found[memo["job_id"]].parts[memo["step"], memo["part"]] = memo["ended_at"]
    for step in run.rows.steps:
        if step["state"] == "completed":
            found[step["job_id"]].steps[step["slug"]] = step["ended_at"]
    for event in run.rows.events:
        if event["type"] == "job.resumed":
            found[event["job_id"]].taken.append(event["at"])
    for deed in run.seen.deeds:
        for job_id in deed.jobs if deed.until else ():
            found[job_id].hangs.append((deed.at, deed.until))
    return found
