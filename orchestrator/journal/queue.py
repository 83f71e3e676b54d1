"""The queue as the supervisor and clients see it: whose job is next, and the place of each.

Nothing here looks at every queued job. ``ix_jobs_queue`` holds the jobs by status and client, each
client's queue in its order: from one waiting client the next is found by one step down the index
(a *loose index scan*, the recursive part below), what runs of a client is counted within its own
entries, and of each client that has a turn only the head of its queue is read. So a look costs by
the number of waiting clients and running jobs, however long the queues are.
"""

from __future__ import annotations

import functools
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import replace
from typing import Any

from sqlalchemy import (
    BindParameter,
    Connection,
    Integer,
    Row,
    Select,
    and_,
    bindparam,
    func,
    select,
)

from orchestrator.jobs import JobStatus
from orchestrator.journal.records import WaitingJob
from orchestrator.journal.tables import ADMITTED, clients, jobs, ledger, steps
from orchestrator.journal.views import waiting_job
from orchestrator.tenants.fair import Contender, admission_order, place
from orchestrator.tenants.tiers import Tenancy

QUEUE_ORDER = (jobs.c.priority.desc(), jobs.c.created_at, jobs.c.id)
"""Inside a client: the highest priority first, then the oldest."""

ALL = 2**31 - 1

_IDS: BindParameter[Any] = bindparam("ids", expanding=True)
_QUEUED = jobs.c.status == JobStatus.QUEUED


def _clients_waiting() -> Select[Any]:
    """Each client with a queued job: its tier, what runs, what waits (at most ``most``), and when
    one of its jobs was admitted last."""
    first = select(func.min(jobs.c.client_id).label("id")).where(_QUEUED)
    waiting = first.cte("waiting", recursive=True)
    following = (
        select(func.min(jobs.c.client_id)).where(_QUEUED, jobs.c.client_id > waiting.c.id)
    ).scalar_subquery()
    waiting = waiting.union_all(select(following).where(waiting.c.id.is_not(None)))
    mine = jobs.c.client_id == waiting.c.id
    some = select(jobs.c.id).where(_QUEUED, mine).correlate(waiting)
    some_queued = some.limit(bindparam("most", type_=Integer)).subquery()
    return (
        select(
            waiting.c.id,
            clients.c.tier,
            select(func.count()).select_from(some_queued).scalar_subquery().label("queued"),
            select(func.count())
            .where(jobs.c.status == JobStatus.PROCESSING, mine)
            .scalar_subquery()
            .label("running"),
            select(func.max(ledger.c.admitted_at))
            .where(ledger.c.client_id == waiting.c.id, ADMITTED)
            .scalar_subquery()
            .label("last_admitted"),
        )
        .select_from(waiting.outerjoin(clients, clients.c.id == waiting.c.id))
        .where(waiting.c.id.is_not(None))
    )


_WAITING = _clients_waiting()
_STARTING = select(jobs.c.client_id).where(_QUEUED, jobs.c.id.in_(_IDS))
_HEAD = (
    select(jobs.c.id)
    .where(_QUEUED, jobs.c.client_id == bindparam("client"), jobs.c.id.not_in(_IDS))
    .order_by(*QUEUE_ORDER)
    .limit(bindparam("most", type_=Integer))
)
_PLACES = select(
    jobs.c.id,
    func.row_number().over(partition_by=jobs.c.client_id, order_by=QUEUE_ORDER).label("place"),
).where(_QUEUED, jobs.c.client_id.in_(_IDS))


def queued(
    conn: Connection, limit: int, starting: Collection[str], rules: Tenancy
) -> list[WaitingJob]:
    """Jobs to admit now, in that order; only of clients that have room."""
    started: Counter[str] = Counter(conn.execute(_STARTING, {"ids": list(starting)}).scalars())
    found = contenders(conn, limit + len(starting), rules)
    order = admission_order([_with_started(one, started) for one in found], limit)
    heads = {
        client: iter(_head(conn, client, turns, starting))
        for client, turns in Counter(order).items()
    }
    return _described(conn, [next(heads[client]) for client in order])


def contenders(conn: Connection, most: int, rules: Tenancy) -> list[Contender]:
    """The clients with queued jobs. :param most: jobs of one client that are counted at most."""
    return [
        Contender(
            client_id=row.id,
            queued=row.queued,
            running=row.running,
            at_once=rules.limits(row.tier).jobs_at_once,
            last_admitted=row.last_admitted or 0,
        )
        for row in conn.execute(_WAITING, {"most": most})
    ]


def _with_started(one: Contender, started: Counter[str]) -> Contender:
    """Jobs whose actors are being made run already, as far as their client is concerned."""
    number = started[one.client_id]
    return replace(one, queued=one.queued - number, running=one.running + number)


def _head(conn: Connection, client: str, most: int, starting: Collection[str]) -> Sequence[str]:
    return (
        conn.execute(_HEAD, {"client": client, "ids": list(starting), "most": most}).scalars().all()
    )


def _described(conn: Connection, ids: list[str]) -> list[WaitingJob]:
    rows = {
        row.id: row
        for row in conn.execute(waiting(JobStatus.QUEUED).where(jobs.c.id.in_(_IDS)), {"ids": ids})
    }
    return [waiting_job(rows[job_id]) for job_id in ids]


@functools.cache  # the supervisor asks every second, and building it costs more than running it
def waiting(status: JobStatus) -> Select[Any]:
    """Jobs of this status, each with the highest step it has begun."""
    begun = steps.alias()
    highest = (
        select(func.max(begun.c.number))
        .where(begun.c.job_id == jobs.c.id, begun.c.begun)
        .scalar_subquery()
    )
    here = and_(steps.c.job_id == jobs.c.id, steps.c.number == highest)
    return (
        select(jobs, steps.c.number, steps.c.name)
        .select_from(jobs.outerjoin(steps, here))
        .where(jobs.c.status == status)
    )


def positions(conn: Connection, found: Sequence[Row[Any]], rules: Tenancy) -> dict[str, int]:
    """The places of those of the jobs that are queued: 1 for the next to be admitted.

    An estimate, see :func:`orchestrator.tenants.fair.place`.
    """
    owners = {job.id: job.client_id for job in found if job.status == JobStatus.QUEUED}
    if not owners:
        return {}
    lines = contenders(conn, ALL, rules)
    places = conn.execute(_PLACES, {"ids": sorted(set(owners.values()))})
    return {
        row.id: place(lines, owners[row.id], row.place - 1) for row in places if row.id in owners
    }
