"""Reads. Each function runs in one transaction, and so sees one moment."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple

from sqlalchemy import (
    BindParameter,
    ColumnElement,
    Connection,
    Integer,
    Row,
    Select,
    bindparam,
    exists,
    func,
    not_,
    or_,
    select,
    tuple_,
)

from orchestrator.errors import JobNotFound
from orchestrator.jobs import JobStatus
from orchestrator.journal import queue
from orchestrator.journal.changes import JOB, check_owned
from orchestrator.journal.content import (
    CACHE_VALUE,
    REQUEST,
    RESULT,
    cache_name,
    key_of,
    opened,
    shared_key,
)
from orchestrator.journal.outbox_reads import publications
from orchestrator.journal.records import BreakerRecord, Claim, Head, WaitingJob
from orchestrator.journal.tables import (
    WAKE,
    bodies,
    breakers,
    cache,
    events,
    jobs,
    memos,
    steps,
    timers,
)
from orchestrator.journal.views import claim_of, decode_cursor, encode_cursor, job_view, waiting_job
from orchestrator.models import EventView, JobView
from orchestrator.tenants.tiers import Tenancy

_IDS: BindParameter[Any] = bindparam("ids", expanding=True)
_JOB: Select[Any] = select(jobs).where(jobs.c.id == JOB)
_STEPS: Select[Any] = select(steps).where(steps.c.job_id == JOB).order_by(steps.c.number)
_STEPS_SEEN: Select[Any] = (
    select(*(column for column in steps.c if column.name not in {"output", "usage"}))
    .where(steps.c.job_id.in_(_IDS))
    .order_by(steps.c.number)
)
_MEMOS: Select[Any] = (
    select(memos)
    .where(memos.c.job_id == JOB)
    .order_by(memos.c.ended_at, memos.c.step, memos.c.part)
)
_MEMO_COSTS: Select[Any] = (
    select(memos.c.job_id, memos.c.step, func.sum(memos.c.cost_usd))
    .where(memos.c.job_id.in_(_IDS))
    .group_by(memos.c.job_id, memos.c.step)
)
_REQUEST: Select[Any] = select(bodies.c.request).where(bodies.c.job_id == JOB)
_RESULT: Select[Any] = select(bodies.c.result).where(bodies.c.job_id == JOB)
_EVENTS: Select[Any] = (
    select(events.c.seq, events.c.type, events.c.at, events.c.data)
    .where(events.c.job_id == JOB, events.c.seq > bindparam("after"))
    .order_by(events.c.seq)
    .limit(bindparam("most", type_=Integer))
)
_HEADS: Select[Any] = select(jobs.c.id, jobs.c.status, jobs.c.last_seq).where(jobs.c.id.in_(_IDS))
_CACHED: Select[Any] = select(cache.c.value, cache.c.stored_at).where(
    cache.c.kind == bindparam("kind"), cache.c.key == bindparam("name")
)

_FLAGS: Select[Any] = select(
    jobs.c.epoch, jobs.c.status, jobs.c.owner, jobs.c.cancel_requested, jobs.c.pause_requested
).where(jobs.c.id == JOB)

Costs = dict[str, float]


def view(
    conn: Connection, job_id: str, client_id: str | None, with_result: bool, rules: Tenancy
) -> JobView | None:
    """One job, or None if it is unknown or another client's."""
    job = conn.execute(_JOB, {"job": job_id}).one_or_none()
    if job is None or client_id not in (None, job.client_id):
        return None
    result = None
    if with_result and job.status == JobStatus.COMPLETED:
        stored = conn.execute(_RESULT, {"job": job_id}).scalar()
        result = opened(key_of(conn, job_id, job.data_key), stored, *RESULT, job_id)
    return job_view(
        job,
        _steps_of(conn, [job_id])[job_id],
        _costs_of(conn, [job_id])[job_id],
        queue_position=queue.positions(conn, [job], rules).get(job_id),
        result=result,
        publication=publications(conn, [job]).get(job_id),
    )


def require_view(conn: Connection, job_id: str, rules: Tenancy) -> JobView:
    """One job without its result. :raises JobNotFound: no such job."""
    found = view(conn, job_id, None, with_result=False, rules=rules)
    if found is None:
        raise JobNotFound(f"there is no job {job_id}")
    return found


class Wanted(NamedTuple):
    """Which jobs to list; None: whatever it is. See :meth:`~orchestrator.journal.base.Journal`."""

    client_id: str | None = None
    status: JobStatus | None = None
    keyword: str | None = None
    mode: str | None = None
    created_after: int | None = None
    created_before: int | None = None


_NARROWED: tuple[Callable[[Any], ColumnElement[bool]], ...] = (
    lambda client_id: jobs.c.client_id == client_id,
    lambda status: jobs.c.status == status,
    lambda keyword: jobs.c.keyword.icontains(keyword, autoescape=True),
    lambda mode: jobs.c.mode == mode,
    lambda after: jobs.c.created_at >= after,
    lambda before: jobs.c.created_at < before,
)
"""What each field of :class:`Wanted` asks of a job."""


def list_jobs(
    conn: Connection, wanted: Wanted, limit: int, cursor: str | None, rules: Tenancy
) -> tuple[list[JobView], str | None]:
    """A page of jobs, newest first, and the cursor of the next page if there is one."""
    found = conn.execute(_page(wanted, cursor).limit(limit + 1)).all()
    page = found[:limit]
    ids = [job.id for job in page]
    step_rows, costs, places = (
        _steps_of(conn, ids), _costs_of(conn, ids), queue.positions(conn, page, rules),
    )  # fmt: skip
    posts = publications(conn, page)
    views = [
        job_view(
            job, step_rows[job.id], costs[job.id],
            queue_position=places.get(job.id), publication=posts.get(job.id),
        )
        for job in page
    ]  # fmt: skip
    more = len(found) > limit and page
    return views, encode_cursor(page[-1].created_at, page[-1].id) if more else None


def _page(wanted: Wanted, cursor: str | None) -> Select[Any]:
    query = select(jobs).order_by(jobs.c.created_at.desc(), jobs.c.id.desc())
    for narrowed, value in zip(_NARROWED, wanted, strict=True):
        if value is not None:
            query = query.where(narrowed(value))
    if cursor is not None:
        query = query.where(tuple_(jobs.c.created_at, jobs.c.id) < tuple_(*decode_cursor(cursor)))
    return query


def _steps_of(conn: Connection, job_ids: Sequence[str]) -> dict[str, list[Row[Any]]]:
    rows: dict[str, list[Row[Any]]] = defaultdict(list)
    for row in conn.execute(_STEPS_SEEN, {"ids": job_ids}):
        rows[row.job_id].append(row)
    return rows


def _costs_of(conn: Connection, job_ids: Sequence[str]) -> dict[str, Costs]:
    costs: dict[str, Costs] = defaultdict(dict)
    for job_id, step, cost in conn.execute(_MEMO_COSTS, {"ids": job_ids}):
        costs[job_id][step] = cost
    return costs


def events_after(conn: Connection, job_id: str, after: int, limit: int) -> list[EventView]:
    """Events of a job in order."""
    rows = conn.execute(_EVENTS, {"job": job_id, "after": after, "most": limit})
    return [EventView(seq=row.seq, type=row.type, at=row.at, data=row.data) for row in rows]


def heads(conn: Connection, job_ids: Sequence[str]) -> dict[str, Head]:
    """How far these jobs are; those that are not there are left out."""
    rows = conn.execute(_HEADS, {"ids": job_ids})
    return {row.id: Head(status=JobStatus(row.status), seq=row.last_seq) for row in rows}


def everything(conn: Connection, job_id: str, epoch: int) -> Claim:
    """All that the activation of *epoch* needs to go on.

    :raises StaleEpoch, JobEnded: it lost the job again before it could read this.
    """
    mine = {"job": job_id}
    job = check_owned(job_id, epoch, conn.execute(_JOB, mine).one_or_none())
    read = partial(opened, key_of(conn, job_id, job.data_key))
    request = read(conn.execute(_REQUEST, mine).scalar_one(), *REQUEST, job_id)
    return claim_of(
        job, request, conn.execute(_STEPS, mine).all(), conn.execute(_MEMOS, mine).all(), read
    )


def flags(conn: Connection, job_id: str, epoch: int) -> tuple[bool, bool]:
    """Whether cancel and pause are asked for. :raises StaleEpoch, JobEnded: like a write."""
    job = check_owned(job_id, epoch, conn.execute(_FLAGS, {"job": job_id}).one_or_none())
    return job.cancel_requested, job.pause_requested


def cache_get(conn: Connection, kind: str, key: str) -> tuple[Any, int] | None:
    """A cached value and when it was stored."""
    seal = shared_key(conn)
    name = cache_name(seal, kind, key)
    row = conn.execute(_CACHED, {"kind": kind, "name": name}).one_or_none()
    if row is not None:
        return opened(seal, row.value, *CACHE_VALUE, kind, name), row.stored_at
    if seal is not None:  # from before the journal was sealed
        row = conn.execute(_CACHED, {"kind": kind, "name": key}).one_or_none()
    return None if row is None else (row.value, row.stored_at)


def load_breakers(conn: Connection, service: str | None = None) -> list[BreakerRecord]:
    """Saved breakers by name; of one service only when it is given."""
    query = select(breakers).order_by(breakers.c.service)
    if service is not None:
        query = query.where(breakers.c.service == service)
    return [
        BreakerRecord(service=row.service, state=row.state, updated_at=row.updated_at)
        for row in conn.execute(query)
    ]


def processing(conn: Connection, now: int) -> list[WaitingJob]:
    """Jobs that should be running at *now*, oldest first."""
    return [waiting_job(row) for row in conn.execute(_PROCESSING, {"now": now})]


_ASLEEP = exists().where(
    timers.c.job_id == jobs.c.id, timers.c.kind == WAKE, timers.c.fire_at > bindparam("now")
)
_PROCESSING = (
    queue.waiting(JobStatus.PROCESSING)
    .where(or_(jobs.c.cancel_requested, jobs.c.pause_requested, not_(_ASLEEP)))
    .order_by(jobs.c.created_at, jobs.c.id)
)


def counts(conn: Connection) -> dict[JobStatus, int]:
    """How many jobs stand where; statuses that no job has count 0."""
    found = dict.fromkeys(JobStatus, 0)
    query = select(jobs.c.status, func.count()).group_by(jobs.c.status)
    for status, number in conn.execute(query):
        found[JobStatus(status)] = number
    return found


def ping(conn: Connection) -> None:
    """Touch the table that everything hangs on."""
    conn.execute(select(jobs.c.id).limit(1)).all()
