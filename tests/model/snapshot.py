"""A job's rows as they stand in the database, read beside SQLAlchemy."""

from __future__ import annotations

import json
from typing import Any, NamedTuple

from sqlalchemy import Connection


class JobRow(NamedTuple):
    """The job's row: what the rules look at."""

    status: str
    epoch: int
    owner: str | None
    attempt: int
    activations_since_progress: int
    idle_ms: int
    started_at: int | None
    completed_at: int | None
    error: str | None
    cancel_requested: int
    pause_requested: int
    resume_requested: int
    dropped_cost_usd: float
    retried_at: int | None
    last_seq: int


class StepRow(NamedTuple):
    """One step's row."""

    number: int
    slug: str
    state: str
    begun: int
    epoch: int
    attempts: int
    output: str | None
    detail: str | None
    error: str | None
    cost_usd: float
    next_attempt_at: int | None


class EventRow(NamedTuple):
    """One event."""

    seq: int
    type: str
    at: int
    data: str

    @property
    def facts(self) -> dict[str, Any]:
        """The event's data."""
        return dict(json.loads(self.data))


Memos = dict[tuple[str, str], tuple[str, float]]
"""Value (JSON) and cost in dollars by step and part."""


class Snapshot(NamedTuple):
    """Everything of one job at one moment; ``job`` is None when there is none."""

    job: JobRow | None
    steps: tuple[StepRow, ...]
    memos: Memos
    events: int
    wake: int | None = None  #: a released job is taken up again then, in epoch milliseconds

    @property
    def completed(self) -> frozenset[str]:
        """Slugs of the completed steps."""
        return frozenset(step.slug for step in self.steps if step.state == "completed")


NOTHING = Snapshot(None, (), {}, 0)

_JOB = f"SELECT {', '.join(JobRow._fields)} FROM jobs WHERE id = ?"
_STEPS = f"SELECT {', '.join(StepRow._fields)} FROM steps WHERE job_id = ? ORDER BY number"
_MEMOS = "SELECT step, part, value, cost_usd FROM memos WHERE job_id = ?"
_COUNT = "SELECT count(*) FROM events WHERE job_id = ?"
_WAKE = "SELECT fire_at FROM timers WHERE job_id = ? AND kind = 'wake'"
_EVENTS = f"SELECT {', '.join(EventRow._fields)} FROM events WHERE job_id = ? AND seq > ?"


def read(conn: Connection, job_id: str) -> Snapshot:
    """The job's rows, inside whatever transaction is open."""
    execute = _raw(conn).execute
    job = execute(_JOB, (job_id,)).fetchone()
    return Snapshot(
        None if job is None else JobRow._make(job),
        tuple(map(StepRow._make, execute(_STEPS, (job_id,)))),
        {(step, part): (value, cost) for step, part, value, cost in execute(_MEMOS, (job_id,))},
        execute(_COUNT, (job_id,)).fetchone()[0],
        next((at for (at,) in execute(_WAKE, (job_id,))), None),
    )


def events_after(conn: Connection, job_id: str, after: int) -> list[EventRow]:
    """The job's events with ``seq > after``, in the order of their numbers."""
    return sorted(map(EventRow._make, _raw(conn).execute(_EVENTS, (job_id, after))))


def _raw(conn: Connection) -> Any:
    return conn.connection.driver_connection
