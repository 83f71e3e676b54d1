"""Writes that a client asks for: submit, cancel, pause, resume, retry, erase.

Each function is one piece of work for the group committer: synchronous, inside a savepoint.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, NoReturn

from sqlalchemy import ColumnElement, Connection, bindparam, delete, func, insert, select, update

from orchestrator.errors import IllegalTransition, JournalUnavailable, RequestConflict
from orchestrator.jobs import JobStatus, StepState
from orchestrator.journal import ledger
from orchestrator.journal.changes import (
    JOB,
    add_idle,
    change_job,
    emit,
    insert_new,
    job_change,
    require_standing,
    settle_steps,
    step_number,
)
from orchestrator.journal.columns import storable
from orchestrator.journal.content import REQUEST, sealed, vault_in
from orchestrator.journal.events import EventType
from orchestrator.journal.ledger import QueueGauge
from orchestrator.journal.outbox_writes import end
from orchestrator.journal.records import NewJob, Submitted
from orchestrator.journal.tables import bodies, cache_leases, events, jobs, memos, steps
from orchestrator.tenants.quotas import Standing
from orchestrator.tenants.tiers import Tenancy

_GOES_ON = frozenset({JobStatus.QUEUED, JobStatus.PROCESSING})

_FRESH_STEP: dict[str, Any] = {
    "state": StepState.PENDING,
    "attempts": 0,
    "error": None,
    "detail": None,
    "started_at": None,
    "ended_at": None,
    "next_attempt_at": None,
}
_INSERT_BODY, _INSERT_STEPS = insert(bodies), insert(steps)
_NO_OUTPUT: dict[str, Any] = {"output": None, "degraded": [], "usage": {}, "cost_usd": 0.0}


def submit(conn: Connection, job: NewJob, rules: Tenancy, gauge: QueueGauge) -> Submitted:
    """Insert the job and count it, or find the one with its client and request id.

    One that is there already counts for nothing, and is found although a quota is used up.
    """
    before = ledger.standing(conn, job.client_id, job.created_at, rules)
    vault = vault_in(conn)
    wrapped, key = vault.new_key(job.id) if vault.on else (None, None)
    if not insert_new(conn, jobs, _job_row(job) | {"data_key": wrapped}):
        return _submitted_before(conn, job, before)
    gauge.let_in(conn, job.created_at)
    after = ledger.charge(conn, job, before, rules)
    request = sealed(key, job.request, *REQUEST, job.id)
    conn.execute(_INSERT_BODY, {"job_id": job.id, "request": request})
    rows = [
        {"job_id": job.id, "slug": slug, "number": number, "name": name, **_new_step()}
        for number, (slug, name) in enumerate(job.steps, 1)
    ]
    conn.execute(_INSERT_STEPS, rows)
    emit(conn, job.id, 1, EventType.JOB_QUEUED, job.created_at, reason="submitted")
    return Submitted(job_id=job.id, status=JobStatus.QUEUED, created=True, standing=after)


def _job_row(job: NewJob) -> dict[str, Any]:
    return {
        **job.model_dump(exclude={"request", "steps"}),
        "status": JobStatus.QUEUED,
        "total_steps": len(job.steps),
        "epoch": 0,
        "attempt": 0,
        "activations_since_progress": 0,
        "idle_ms": 0,
        "cancel_requested": False,
        "pause_requested": False,
        "resume_requested": False,
        "dropped_cost_usd": 0.0,
        "last_seq": 1,
    }


def _new_step() -> dict[str, Any]:
    return {**_FRESH_STEP, **_NO_OUTPUT, "begun": False, "epoch": 0, "version": 0}


def _submitted_before(conn: Connection, job: NewJob, standing: Standing) -> Submitted:
    found = conn.execute(
        select(jobs.c.id, jobs.c.status, jobs.c.body_hash).where(
            jobs.c.client_id == job.client_id, jobs.c.request_id == job.request_id
        )
    ).one_or_none()
    if found is None:  # ids are random: a new one will be free
        raise JournalUnavailable(f"the job id {job.id} is taken: submit again")
    if found.body_hash != job.body_hash:
        raise RequestConflict(
            f"requestId {storable(job.request_id)!r} was used for {found.id} with another body: "
            "use a new requestId"
        )
    return Submitted(
        job_id=found.id, status=JobStatus(found.status), created=False, standing=standing
    )


# -- cancel, pause, resume --------------------------------------------------------------------

_CANCEL = job_change(
    jobs.c.status.in_((JobStatus.QUEUED, JobStatus.PAUSED)),
    status=JobStatus.CANCELLED,
    cancel_requested=True,
    completed_at=bindparam("now"),
)
_RUNS = jobs.c.status == JobStatus.PROCESSING
_ASK_CANCEL = job_change(_RUNS, jobs.c.cancel_requested.is_(False), cancel_requested=True)
_PAUSE = job_change(jobs.c.status == JobStatus.QUEUED, status=JobStatus.PAUSED)
_ASK_PAUSE = job_change(
    _RUNS, jobs.c.pause_requested.is_(False), pause_requested=True, resume_requested=False
)
_ASK_RESUME = job_change(
    _RUNS, jobs.c.pause_requested.is_(True), pause_requested=False, resume_requested=True
)
_REQUEUE = job_change(
    jobs.c.status == JobStatus.PAUSED,
    status=JobStatus.QUEUED,
    epoch=jobs.c.epoch + 1,
    activations_since_progress=0,  # pausing is not dying
    pause_requested=False,
    resume_requested=False,
)


def request_cancel(conn: Connection, job_id: str, now: int) -> None:
    """Cancel at once when nothing runs, else flag it."""
    row = change_job(conn, _CANCEL, job_id, now=now)
    if row is not None:
        settle_steps(conn, job_id, keep_waits=False)
        ledger.settle(conn, job_id, words=0)
        end(conn, job_id, row, EventType.JOB_CANCELLED, now)
    elif row := change_job(conn, _ASK_CANCEL, job_id):
        emit(conn, job_id, row.last_seq, EventType.JOB_CANCEL_REQUESTED, now)
    else:
        require_standing(conn, job_id)


def request_pause(conn: Connection, job_id: str, now: int) -> None:
    """Pause at once when queued, else flag it."""
    if row := change_job(conn, _PAUSE, job_id):
        emit(conn, job_id, row.last_seq, EventType.JOB_PAUSED, now)
    elif row := change_job(conn, _ASK_PAUSE, job_id):
        emit(conn, job_id, row.last_seq, EventType.JOB_PAUSE_REQUESTED, now)
    else:
        _refuse_if_ended(conn, job_id, "paused")


def resume(conn: Connection, job_id: str, now: int) -> None:
    """Queue a paused job; take a pause back that is only asked for."""
    if requeue_paused(conn, job_id, now):
        return
    if row := change_job(conn, _ASK_RESUME, job_id):
        emit(conn, job_id, row.last_seq, EventType.JOB_RESUME_REQUESTED, now)
    else:
        _refuse_if_ended(conn, job_id, "resumed")


def requeue_paused(conn: Connection, job_id: str, now: int) -> bool:
    """Paused -> queued, under a new epoch; False if the job is not paused."""
    row = change_job(conn, _REQUEUE, job_id)
    if row is None:
        return False
    add_idle(conn, job_id, row.last_seq, now)
    emit(conn, job_id, row.last_seq, EventType.JOB_QUEUED, now, reason="resumed")
    return True


# -- retry ------------------------------------------------------------------------------------

_RETRY = job_change(
    jobs.c.status.in_((JobStatus.FAILED, JobStatus.CANCELLED)),
    # the same retry once more: the job may have failed again, or been cancelled, since the first
    jobs.c.retried_at.is_distinct_from(bindparam("now", type_=jobs.c.retried_at.type)),
    status=JobStatus.QUEUED,
    epoch=jobs.c.epoch + 1,
    started_at=None,
    completed_at=None,
    error=None,
    last_error=None,
    activations_since_progress=0,
    idle_ms=0,
    cancel_requested=False,
    pause_requested=False,
    resume_requested=False,
    retried_at=bindparam("now", type_=jobs.c.retried_at.type),
)
_REFRESH_STEPS = (
    update(steps)
    .where(steps.c.job_id == JOB, steps.c.state != StepState.COMPLETED)
    .values(**_FRESH_STEP)
)
_STEP_COUNT = select(func.count()).where(steps.c.job_id == JOB)
_QUEUED_BY = (
    select(events.c.data)
    .where(events.c.job_id == JOB, events.c.type == EventType.JOB_QUEUED)
    .order_by(events.c.seq.desc())
)
_ADD_DROPPED_COST = (
    update(jobs)
    .where(jobs.c.id == JOB)
    .values(dropped_cost_usd=jobs.c.dropped_cost_usd + bindparam("spent"))
)


def retry(
    conn: Connection,
    job_id: str,
    now: int,
    from_step: str | None,
    redo: Collection[str] | None,
    rules: Tenancy,
) -> None:
    """Queue a failed or cancelled job again, under a new epoch and with a new deadline."""
    row = change_job(conn, _RETRY, job_id, now=now)
    if row is None:
        _retried_before(conn, job_id, now, from_step)
        return
    ledger.charge_again(conn, job_id, now, rules)
    conn.execute(_REFRESH_STEPS, {"job": job_id})
    if from_step is not None:
        number = step_number(conn, job_id, from_step, field="fromStep")
        later = steps.c.number >= number
        _redo(conn, job_id, later if redo is None else steps.c.slug.in_({from_step, *redo}))
    emit(
        conn, job_id, row.last_seq, EventType.JOB_QUEUED, now,
        reason="retried", fromStep=from_step,
    )  # fmt: skip


def _redo(conn: Connection, job_id: str, which: ColumnElement[bool]) -> None:
    """Forget what these steps made; keep what it cost.

    The job's shared memos (step ``""``) go only when everything is done again.
    """
    mine = (steps.c.job_id == job_id, which)
    redone = list(conn.execute(select(steps.c.slug).where(*mine)).scalars())
    if len(redone) == conn.execute(_STEP_COUNT, {"job": job_id}).scalar_one():
        redone.append("")
    theirs = (memos.c.job_id == job_id, memos.c.step.in_(redone))
    spent = [
        conn.execute(select(func.sum(steps.c.cost_usd)).where(*mine)).scalar(),
        conn.execute(select(func.sum(memos.c.cost_usd)).where(*theirs)).scalar(),
    ]
    conn.execute(delete(memos).where(*theirs))
    conn.execute(update(steps).where(*mine).values(**_FRESH_STEP, **_NO_OUTPUT))
    conn.execute(_ADD_DROPPED_COST, {"job": job_id, "spent": sum(cost or 0.0 for cost in spent)})


def _retried_before(conn: Connection, job_id: str, now: int, from_step: str | None) -> None:
    """Accept a retry that has been asked for already.

    Either it was sent twice, or the job runs because of one: then what is asked for is so.
    :raises IllegalTransition: it is another one.
    """
    job = require_standing(conn, job_id)
    if job.retried_at == now:
        return
    if job.cancel_requested and job.status == JobStatus.PROCESSING:
        _illegal(job_id, "being cancelled", "retried before it has ended")
    if job.retried_at is None or job.status not in _GOES_ON:
        _illegal(job_id, job.status, "retried: only failed and cancelled jobs can be")
    begun = conn.execute(_QUEUED_BY, {"job": job_id}).scalars()
    first = next((data.get("fromStep") for data in begun if data.get("reason") == "retried"), None)
    if first != from_step:
        where = f"from {first}" if first else "from where it failed"
        _illegal(job_id, "being retried", f"retried otherwise: it goes on {where}")


# -- erase ------------------------------------------------------------------------------------


def erase(conn: Connection, job_id: str) -> bool:
    """Delete the job and, by cascade, everything that belongs to it, cache entries too.

    An activation that still runs it finds its next write refused.
    """
    ledger.forget_job(conn, job_id)
    gone = conn.execute(delete(jobs).where(jobs.c.id == job_id)).rowcount
    conn.execute(delete(cache_leases).where(cache_leases.c.owner == job_id))
    return bool(gone)


def _refuse_if_ended(conn: Connection, job_id: str, what: str) -> None:
    status = JobStatus(require_standing(conn, job_id).status)
    if status.has_ended:
        _illegal(job_id, status, what)


def _illegal(job_id: str, status: str, what: str) -> NoReturn:
    raise IllegalTransition(f"{job_id} is {status} and cannot be {what}")
