"""An activation takes a job over, and leaves it: the writes that change its status.

Each function is one piece of work for the group committer: synchronous, inside a savepoint.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NoReturn

from sqlalchemy import Connection, Row, bindparam, delete, func, literal, or_, true, update

from orchestrator.errors import IllegalTransition, InvalidInput, JobEnded
from orchestrator.jobs import JobStatus, StepState, check_transition
from orchestrator.journal import ledger
from orchestrator.journal.attempts import used
from orchestrator.journal.changes import (
    JOB,
    OWNED,
    SLUG,
    add_idle,
    change_job,
    change_step,
    check_owned,
    emit,
    insert_new,
    job_change,
    may_become,
    new,
    refuse,
    require_standing,
    settle_steps,
    standing,
    step_change,
)
from orchestrator.journal.columns import clipped, storable
from orchestrator.journal.commands import requeue_paused
from orchestrator.journal.content import RESULT, sealed, writing_key
from orchestrator.journal.events import EventType
from orchestrator.journal.group import AlreadyDone
from orchestrator.journal.outbox_writes import end
from orchestrator.journal.tables import WAKE, bodies, jobs, steps, timers
from orchestrator.services import Usage
from orchestrator.tenants.tiers import Tenancy

NO_ERROR_KNOWN = "its process ended each time before it recorded an error"

_NOW = bindparam("now", type_=jobs.c.created_at.type)
_CLAIM = job_change(
    may_become(JobStatus.PROCESSING),
    or_(jobs.c.owner.is_distinct_from(new("owner")), jobs.c.status != JobStatus.PROCESSING),
    jobs.c.activations_since_progress < bindparam("most"),
    status=JobStatus.PROCESSING,
    epoch=jobs.c.epoch + 1,
    owner=new("owner"),
    attempt=jobs.c.attempt + 1,
    activations_since_progress=jobs.c.activations_since_progress + 1,
    started_at=func.coalesce(jobs.c.started_at, _NOW),
)
_POISON = job_change(
    may_become(JobStatus.PROCESSING),
    status=JobStatus.FAILED,
    completed_at=_NOW,
    epoch=jobs.c.epoch + 1,
    error=literal("poisoned: ") + func.coalesce(jobs.c.last_error, NO_ERROR_KNOWN),
)

_END_EVENTS = {
    JobStatus.COMPLETED: EventType.JOB_COMPLETED,
    JobStatus.FAILED: EventType.JOB_FAILED,
    JobStatus.CANCELLED: EventType.JOB_CANCELLED,
}
_ENDED: dict[str, Any] = {"status": new("status"), "error": new("error"), "completed_at": _NOW}
_END = job_change(*OWNED, **_ENDED)
_END_WITH_STEP = job_change(*OWNED, emits=2, **_ENDED)
_PAUSE = job_change(
    *OWNED, jobs.c.cancel_requested.is_(False), status=JobStatus.PAUSED, pause_requested=False
)
_RELEASE = job_change(
    *OWNED,
    jobs.c.cancel_requested.is_(False),
    jobs.c.pause_requested.is_(False),
    owner=None,  # nothing of this activation may follow, not even what it had under way
    activations_since_progress=0,  # leaving in good order is not dying
)
_FORGET_WAKE = (
    delete(timers).where(timers.c.job_id == JOB, timers.c.kind == WAKE).returning(timers.c.fire_at)
)
_FAIL_STEP = step_change(
    true(),
    state=StepState.FAILED, error=new("error"), detail=None, next_attempt_at=None, ended_at=_NOW,
)  # fmt: skip
_SPENT = (
    update(steps)
    .where(steps.c.job_id == JOB, steps.c.slug == SLUG, steps.c.state != StepState.COMPLETED)
    .values(usage=new("usage"), cost_usd=new("cost_usd"))
)
_STORE_RESULT = update(bodies).where(bodies.c.job_id == JOB).values(result=new("result"))


def claim(
    conn: Connection, job_id: str, owner: str, now: int, max_activations: int, rules: Tenancy
) -> int | JobEnded:
    """Take the job over; the new epoch, or the error to raise once a poisoning is committed.

    A claim whose answer was lost is sent again as it was, and finds itself: counted twice, it
    would use up an activation that never ran.

    :raises AtCapacity: it is queued, and its client has no room for another running job.
    """
    from_queue = ledger.check_room(conn, job_id, rules)
    owner = storable(f"{owner}@{now}")
    row = change_job(conn, _CLAIM, job_id, new_owner=owner, now=now, most=max_activations)
    if row is None:
        job = require_standing(conn, job_id)
        if job.owner == owner and job.status == JobStatus.PROCESSING:
            raise AlreadyDone(job.epoch)
        return _poison(conn, job_id, now)
    writing_key(conn, job_id, row.data_key)  # else no activation can get on, and each would count
    if from_queue:
        ledger.admitted(conn, job_id, now)
    asleep_until = conn.execute(_FORGET_WAKE, {"job": job_id}).scalar() or 0
    if row.attempt > 1:
        add_idle(conn, job_id, row.last_seq, now, asleep_until=asleep_until)
    kind = EventType.JOB_STARTED if row.attempt == 1 else EventType.JOB_RESUMED
    emit(conn, job_id, row.last_seq, kind, now, attempt=row.attempt)
    return int(row.epoch)


def _poison(conn: Connection, job_id: str, now: int) -> JobEnded:
    """Fail a job that used up its activations. :raises JobEnded, JobNotFound: it cannot run."""
    row = change_job(conn, _POISON, job_id, now=now)
    if row is None:
        raise JobEnded(f"{job_id} is {require_standing(conn, job_id).status}")
    settle_steps(conn, job_id, keep_waits=False)
    ledger.settle(conn, job_id, words=0)
    end(conn, job_id, row, EventType.JOB_FAILED, now, error=row.error)
    return JobEnded(f"{job_id} is failed: {row.error}")


def release(conn: Connection, job_id: str, epoch: int, until: int, now: int) -> bool:
    """Let go of the job until *until*; False, and no change, if it is asked to stop."""
    row = change_job(conn, _RELEASE, job_id, owned_by=epoch)
    if row is None:
        job = standing(conn, job_id)
        if job is not None and job.epoch == epoch and _is_released(job):
            raise AlreadyDone(True)
        check_owned(job_id, epoch, job)
        return False
    insert_new(conn, timers, {"job_id": job_id, "kind": WAKE, "fire_at": until})
    settle_steps(conn, job_id, keep_waits=True)
    emit(conn, job_id, row.last_seq, EventType.JOB_RELEASED, now, until=until)
    return True


def _is_released(job: Row[Any]) -> bool:
    return job.status == JobStatus.PROCESSING and job.owner is None


def finish(
    conn: Connection,
    job_id: str,
    epoch: int,
    status: JobStatus,
    result: Any,
    error: str | None,
    failed_step: str | None,
    usage: Mapping[str, Usage],
    now: int,
) -> None:
    """End or pause the job. A pause that a cancellation overtook becomes the cancellation."""
    _check_end(status, failed_step)
    error = None if error is None else clipped(error)
    job = _leave(conn, job_id, epoch, status, error, failed_step, now)
    if failed_step is not None:
        _fail_step(conn, job_id, failed_step, error, job.last_seq - 1, now)
    for slug, spent in usage.items():
        conn.execute(_SPENT, {"job": job_id, "step_slug": slug, **used(spent)})
    settle_steps(conn, job_id, keep_waits=job.status == JobStatus.PAUSED)
    if result is not None:
        key = writing_key(conn, job_id, job.data_key)
        stored = sealed(key, result, *RESULT, job_id)
        conn.execute(_STORE_RESULT, {"job": job_id, "new_result": stored})
    if job.status != JobStatus.PAUSED:
        kind = _END_EVENTS[JobStatus(job.status)]
        completed = job.status == JobStatus.COMPLETED
        ledger.settle(conn, job_id, words=ledger.words_of(result) if completed else 0)
        end(conn, job_id, job, kind, now, result=result, error=error)
        return
    emit(conn, job_id, job.last_seq, EventType.JOB_PAUSED, now, error=error)
    if job.resume_requested:
        requeue_paused(conn, job_id, now)


def _check_end(status: JobStatus, failed_step: str | None) -> None:
    check_transition(JobStatus.PROCESSING, status)
    if status not in {JobStatus.PAUSED, *_END_EVENTS}:
        raise IllegalTransition(f"finish cannot leave a job {status}")
    if failed_step is not None and status is not JobStatus.FAILED:
        raise InvalidInput("failed_step", f"only a failed job has one, and this one is {status}")


def _leave(
    conn: Connection, job_id: str, epoch: int, status: JobStatus, error: str | None,
    failed_step: str | None, now: int,
) -> Row[Any]:  # fmt: skip
    """Change the status; the job's row. :raises AlreadyDone: it was left like this before."""
    accepted = {status}
    if status is JobStatus.PAUSED:
        row = change_job(conn, _PAUSE, job_id, owned_by=epoch)
        if row is not None:
            return row
        status = JobStatus.CANCELLED  # or not owned at all, as the next guard will find
        accepted.add(status)
    change = _END if failed_step is None else _END_WITH_STEP
    row = change_job(
        conn, change, job_id, owned_by=epoch, new_status=status, new_error=error, now=now
    )
    if row is None:
        _left_before(conn, job_id, epoch, accepted)
    return row


def _left_before(conn: Connection, job_id: str, epoch: int, ends: set[JobStatus]) -> NoReturn:
    """Accept the same end twice. :raises StaleEpoch, JobEnded: it is another one."""
    job = standing(conn, job_id)
    if job is not None and job.epoch == epoch and job.status in ends:
        raise AlreadyDone
    refuse(conn, job_id, epoch)


def _fail_step(
    conn: Connection, job_id: str, slug: str, error: str | None, seq: int, now: int
) -> None:
    step = change_step(conn, _FAIL_STEP, job_id, slug, new_error=error, now=now)
    emit(
        conn, job_id, seq, EventType.STEP_FAILED, now,
        step=step.name, number=step.number, attempt=step.attempts, error=error,
    )  # fmt: skip
