"""What a running activation records of its steps, fenced by its epoch.

Each function is one piece of work for the group committer: synchronous, inside a savepoint.
The guarded UPDATE of the job's row comes first in each, so that on PostgreSQL it also locks
the job against every other writer.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import ColumnElement, Connection, bindparam, func, or_

from orchestrator.jobs import StepState
from orchestrator.journal.changes import (
    OWNED,
    change_owned,
    change_step,
    emit,
    insert_new,
    job_change,
    new,
    step_change,
)
from orchestrator.journal.columns import clipped, storable
from orchestrator.journal.content import MEMO_VALUE, STEP_OUTPUT, sealed, writing_key
from orchestrator.journal.events import EventType
from orchestrator.journal.records import MemoRecord
from orchestrator.journal.tables import memos, steps
from orchestrator.services import Usage

_UNFINISHED = steps.c.state != StepState.COMPLETED
_FIRST_START = func.coalesce(steps.c.started_at, bindparam("now", type_=steps.c.started_at.type))


def _unlike(**values: Any) -> ColumnElement[bool]:
    """True of an unfinished step that differs from *values*: this write is not a repetition."""
    return _UNFINISHED & or_(
        *(steps.c[name].is_distinct_from(value) for name, value in values.items())
    )


_TOUCH = job_change(*OWNED)
_TOUCH_WITH_ERROR = job_change(*OWNED, last_error=new("error"))
_TOUCH_WITH_GAIN = job_change(*OWNED, activations_since_progress=0)
_GAIN = job_change(*OWNED, emits=0, activations_since_progress=0)

_RUNNING = {"state": StepState.RUNNING, "attempts": new("attempts"), "epoch": new("epoch")}
_BEGIN = step_change(
    _unlike(**_RUNNING), **_RUNNING, begun=True, version=new("version"),
    error=None, detail=None, next_attempt_at=None, started_at=_FIRST_START,
)  # fmt: skip
_WAITING = {
    "state": StepState.WAITING,
    "error": new("error"),
    "detail": new("detail"),
    "next_attempt_at": new("next_attempt_at"),
}
_USED = {"usage": new("usage"), "cost_usd": new("cost_usd")}
_WAIT = step_change(_unlike(**_WAITING), **_WAITING, **_USED)
_COMPLETE = step_change(
    _UNFINISHED, state=StepState.COMPLETED, begun=True, output=new("output"),
    degraded=new("degraded"), **_USED, error=None, detail=None, next_attempt_at=None,
    ended_at=bindparam("now"), started_at=_FIRST_START,
)  # fmt: skip
_PROGRESS = step_change(
    _unlike(detail=new("detail")) & (steps.c.state == StepState.RUNNING), detail=new("detail")
)


def begin_attempt(
    conn: Connection, job_id: str, epoch: int, step: str, version: int, attempt: int, now: int
) -> None:
    """The step runs; twice the same attempt of one activation is once."""
    job = change_owned(conn, _TOUCH, job_id, epoch)
    row = change_step(
        conn, _BEGIN, job_id, step,
        new_attempts=attempt, new_epoch=epoch, new_version=version, now=now,
    )  # fmt: skip
    emit(
        conn, job_id, job.last_seq, EventType.STEP_STARTED, now,
        step=row.name, number=row.number, attempt=attempt,
    )  # fmt: skip


def record_retry(
    conn: Connection,
    job_id: str,
    epoch: int,
    step: str,
    error: str,
    next_at: int,
    usage: Usage | None,
    now: int,
) -> None:
    """The step waits for its next attempt; its error tells this wait from a breaker's."""
    error = clipped(error)
    job = change_owned(conn, _TOUCH_WITH_ERROR, job_id, epoch, new_error=error)
    row = change_step(
        conn, _WAIT, job_id, step,
        new_error=error, new_detail=None, new_next_attempt_at=next_at, **used(usage),
    )  # fmt: skip
    emit(
        conn, job_id, job.last_seq, EventType.STEP_RETRYING, now,
        step=row.name, number=row.number, attempt=row.attempts, error=error,
        nextAttemptAt=next_at,
    )  # fmt: skip


def record_wait(
    conn: Connection,
    job_id: str,
    epoch: int,
    step: str,
    reason: str,
    until: int,
    usage: Usage | None,
    now: int,
) -> None:
    """The step waits for a breaker: no error, so that no attempt is counted."""
    reason = clipped(reason)
    job = change_owned(conn, _TOUCH, job_id, epoch)
    row = change_step(
        conn, _WAIT, job_id, step,
        new_error=None, new_detail=reason, new_next_attempt_at=until, **used(usage),
    )  # fmt: skip
    emit(
        conn, job_id, job.last_seq, EventType.STEP_WAITING, now,
        step=row.name, number=row.number, reason=reason, until=until,
    )  # fmt: skip


def record_step(
    conn: Connection,
    job_id: str,
    epoch: int,
    step: str,
    output: Any,
    degraded: Sequence[str],
    usage: Usage | None,
    now: int,
) -> None:
    """The step is completed, once and for all."""
    job = change_owned(conn, _TOUCH_WITH_GAIN, job_id, epoch)
    key = writing_key(conn, job_id, job.data_key)
    row = change_step(
        conn, _COMPLETE, job_id, step, new_output=sealed(key, output, *STEP_OUTPUT, job_id, step),
        new_degraded=list(degraded), **used(usage), now=now,
    )  # fmt: skip
    emit(
        conn, job_id, job.last_seq, EventType.STEP_COMPLETED, now,
        step=row.name, number=row.number, attempt=row.attempts, degraded=list(degraded),
    )  # fmt: skip


def record_memo(conn: Connection, job_id: str, epoch: int, memo: MemoRecord) -> None:
    """A part is done; the first value written stays."""
    job = change_owned(conn, _GAIN, job_id, epoch)
    key = writing_key(conn, job_id, job.data_key)
    row = {
        "job_id": job_id,
        "step": memo.step,
        "part": memo.part,
        "value": sealed(key, memo.value, *MEMO_VALUE, job_id, memo.step, storable(memo.part)),
        "usage": _stored(memo.usage),
        "cost_usd": memo.usage.cost_usd,
        "started_at": memo.started_at,
        "ended_at": memo.ended_at,
    }
    insert_new(conn, memos, row)


def record_progress(
    conn: Connection, job_id: str, epoch: int, step: str, detail: str, now: int
) -> None:
    """A running step says how far it is; the same words twice are once."""
    detail = clipped(detail)
    job = change_owned(conn, _TOUCH, job_id, epoch)
    row = change_step(conn, _PROGRESS, job_id, step, new_detail=detail)
    emit(
        conn, job_id, job.last_seq, EventType.STEP_PROGRESS, now,
        step=row.name, number=row.number, detail=detail,
    )  # fmt: skip


def used(usage: Usage | None) -> dict[str, Any]:
    """The parameters of :data:`_USED`: the step's account so far, in place of an older one."""
    usage = usage or Usage()
    return {"new_usage": _stored(usage), "new_cost_usd": usage.cost_usd}


def _stored(usage: Usage) -> dict[str, Any]:
    return usage.model_dump(exclude_defaults=True)
