"""What clients may have and what their jobs count for: the SQL behind ``orchestrator/tenants``.

Each function works inside the transaction of the change it belongs to. What is used is counted
from the ledger's rows, one for each accepted job, so no counter can drift: a row is written with
its job, corrected when the job ends, and stays when the job is erased.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

from sqlalchemy import (
    BindParameter,
    Connection,
    Integer,
    Row,
    Select,
    bindparam,
    case,
    delete,
    func,
    insert,
    select,
    update,
)

from orchestrator.errors import AtCapacity, QueueFull
from orchestrator.jobs import JobStatus
from orchestrator.journal.changes import JOB, insert_into
from orchestrator.journal.columns import Words
from orchestrator.journal.records import NewJob
from orchestrator.journal.tables import HAS_WORDS, clients, jobs, ledger, memos, steps
from orchestrator.tenants import quotas, windows
from orchestrator.tenants.quotas import Counted, Standing
from orchestrator.tenants.tiers import Limits, Tenancy, Tier
from orchestrator.tenants.windows import Window

_CLIENT: BindParameter[Any] = bindparam("client", type_=Words)
_TIER = select(clients.c.tier).where(clients.c.id == _CLIENT)
_WITHIN = (
    ledger.c.client_id == _CLIENT,
    ledger.c.charged_at >= bindparam("begins"),
    ledger.c.charged_at < bindparam("ends"),
)
_JOBS = select(func.count()).select_from(ledger).where(*_WITHIN)
_WORDS = select(
    func.coalesce(func.sum(ledger.c.words), 0).label("words"),
    func.coalesce(func.sum(case((ledger.c.settled, 0), else_=ledger.c.words)), 0).label("held"),
).where(*_WITHIN, HAS_WORDS)
_CHARGE = insert(ledger)
_COST = (
    select(jobs.c.dropped_cost_usd).where(jobs.c.id == JOB).scalar_subquery()
    + select(func.coalesce(func.sum(steps.c.cost_usd), 0.0))
    .where(steps.c.job_id == JOB)
    .scalar_subquery()
    + select(func.coalesce(func.sum(memos.c.cost_usd), 0.0))
    .where(memos.c.job_id == JOB)
    .scalar_subquery()
)
_OF_JOB = update(ledger).where(ledger.c.job_id == JOB)
_SETTLE = _OF_JOB.values(words=bindparam("written"), cost_usd=_COST, settled=True)
_CHARGE_AGAIN = _OF_JOB.values(
    words=bindparam("reserved"), charged_at=bindparam("at"), settled=False
)
_ADMITTED = _OF_JOB.values(admitted_at=bindparam("at"))
_FORGET_NAME = _OF_JOB.values(
    job_id=bindparam("nobody"),
    words=case((ledger.c.settled, ledger.c.words), else_=0),
    cost_usd=case((ledger.c.settled, ledger.c.cost_usd), else_=func.coalesce(_COST, 0.0)),
    settled=True,
)
_STANDING_OF_JOB = (
    select(jobs.c.status, jobs.c.client_id, clients.c.tier)
    .select_from(jobs.outerjoin(clients, clients.c.id == jobs.c.client_id))
    .where(jobs.c.id == JOB)
)
_RUNNING = select(func.count()).where(
    jobs.c.status == JobStatus.PROCESSING, jobs.c.client_id == _CLIENT
)
_IN_QUEUE = select(func.count()).select_from(
    select(jobs.c.id)
    .where(jobs.c.status == JobStatus.QUEUED)
    .limit(bindparam("most", type_=Integer))
    .subquery()
)


def _lock_key(what: str) -> Any:
    """The key of PostgreSQL's advisory lock for this client; another schema has another."""
    return func.hashtextextended(func.concat(func.current_schema(), f" {what} ", _CLIENT), 0)


_WAIT_FOR_TURN = select(func.pg_advisory_xact_lock(_lock_key("submits")))
_TRY_TURN = select(func.pg_try_advisory_xact_lock(_lock_key("is admitted")))


# -- accepting --------------------------------------------------------------------------------


def standing(conn: Connection, client_id: str, now: int, rules: Tenancy) -> Standing:
    """The client's tier and what is left of its quotas. Until the transaction ends nobody else
    counts for the same client.

    Counting and charging are two statements. On SQLite there is one writer at a time; on
    PostgreSQL a lock of the client makes it so.
    """
    tier = rules.tier(conn.execute(_TIER, {"client": client_id}).scalar())
    limits = rules.limits(tier)
    if limits.jobs_per_hour is None and limits.words_per_month is None:
        return Standing(tier)
    if conn.dialect.name == "postgresql":
        conn.execute(_WAIT_FOR_TURN, {"client": client_id})
    return Standing(tier, quotas.quotas(limits, counted(conn, client_id, now, limits), now))


def counted(conn: Connection, client_id: str, now: int, limits: Limits) -> Counted:
    """What the client has used of what is limited, in the hour and the month of *now*.

    Both look at few rows however long the client's list is: at most an hour's jobs, and the jobs
    that hold words of the month or wrote some.
    """

    def within(query: Select[Any], window: Window) -> Row[Any]:
        span = {"client": client_id, "begins": window.begins, "ends": window.ends}
        return conn.execute(query, span).one()

    jobs = words = held = 0
    if limits.jobs_per_hour is not None:
        jobs = int(within(_JOBS, windows.hour(now))[0])
    if limits.words_per_month is not None:
        month = within(_WORDS, windows.month(now))
        words, held = int(month.words), int(month.held)
    return Counted(jobs, words, held)


def charge(conn: Connection, job: NewJob, before: Standing, rules: Tenancy) -> Standing:
    """Count a new job. :raises QuotaExceeded: the client has no room for it."""
    after = quotas.charge(before, job.created_at, jobs=1, words=rules.reserved_words)
    row = {
        "job_id": job.id,
        "client_id": job.client_id,
        "charged_at": job.created_at,
        "words": rules.reserved_words,
        "cost_usd": 0.0,
        "settled": False,
    }
    conn.execute(_CHARGE, row)
    return after


def charge_again(conn: Connection, job_id: str, now: int, rules: Tenancy) -> None:
    """Count a job that is retried: it moves to the hour and the month of *now*.

    It was accepted once and is not refused for the hour's jobs; its words must fit, or else a
    client could collect cancelled jobs and have them all written in one month.

    :raises QuotaExceeded: they do not.
    """
    job = conn.execute(_STANDING_OF_JOB, {"job": job_id}).one()
    before = standing(conn, job.client_id, now, rules)
    quotas.charge(before, now, jobs=0, words=rules.reserved_words)
    conn.execute(_CHARGE_AGAIN, {"job": job_id, "reserved": rules.reserved_words, "at": now})


def settle(conn: Connection, job_id: str, words: int) -> None:
    """The job has ended: it counts for the words of its article and for what it cost."""
    conn.execute(_SETTLE, {"job": job_id, "written": words})


def words_of(result: Any) -> int:
    """The words of a completed article, as its metadata counts them; 0 without an article."""
    metadata = result.get("metadata") if isinstance(result, Mapping) else None
    words = metadata.get("wordCount") if isinstance(metadata, Mapping) else None
    return words if type(words) is int and words > 0 else 0


def forget_job(conn: Connection, job_id: str) -> None:
    """The job is being erased: what it counted for stays, under a name that leads back to nothing.

    One that had not ended is settled as it stands; its rows must still be there for its cost.
    """
    digest = hashlib.sha256(job_id.encode()).hexdigest()[:32]
    conn.execute(_FORGET_NAME, {"job": job_id, "nobody": f"erased_{digest}"})


def purge(conn: Connection, now: int, limit: int) -> int:
    """Delete entries of settled jobs from before last month; how many."""
    last_month = windows.month(windows.month(now).begins - 1)
    old = ledger.c.charged_at < last_month.begins, ledger.c.settled
    some = select(ledger.c.job_id).where(*old).limit(limit)
    return conn.execute(delete(ledger).where(ledger.c.job_id.in_(some))).rowcount


# -- admitting --------------------------------------------------------------------------------


def check_room(conn: Connection, job_id: str, rules: Tenancy) -> bool:
    """Whether the job is to be admitted from the queue (and not only taken over).

    The supervisor starts only jobs whose clients have room. This is what makes the limit exact:
    another job of the client may have been claimed since.

    :raises AtCapacity: the client runs as many jobs as it may, or another writer is admitting one
        of its jobs at this moment.
    """
    job = conn.execute(_STANDING_OF_JOB, {"job": job_id}).one_or_none()
    if job is None or job.status != JobStatus.QUEUED:
        return False
    most = rules.limits(job.tier).jobs_at_once
    if most is None:
        return True
    if not _has_turn(conn, job.client_id):
        raise AtCapacity(f"{job_id}: another job of its client is being admitted")
    running = conn.execute(_RUNNING, {"client": job.client_id}).scalar_one()
    if running >= most:
        raise AtCapacity(f"{job_id}: its client runs {running} jobs of {most} at once")
    return True


def _has_turn(conn: Connection, client_id: str) -> bool:
    """True if nobody else admits a job of this client until the transaction ends. Claims come in
    the order of job ids: if they waited for each other's clients, they could do so crosswise."""
    if conn.dialect.name != "postgresql":
        return True
    return bool(conn.execute(_TRY_TURN, {"client": client_id}).scalar())


def admitted(conn: Connection, job_id: str, now: int) -> None:
    """The job was claimed from the queue: its client had its turn."""
    conn.execute(_ADMITTED, {"job": job_id, "at": now})


class QueueGauge:
    """How many jobs wait, for the limit on all of them.

    Counting them at every submission would make each cost more the more wait. So they are counted
    once a second, submissions since are added, and before one is refused they are counted again:
    with one writer the limit is never exceeded by a submission and never applied too early. (A
    retry or a resumption is let in always, and is seen within the second; with several writers
    each sees the others' submissions within the second.)
    """

    COUNT_EVERY_MS = 1000

    def __init__(self, most: int) -> None:
        self._most = most
        self._waiting, self._counted_at = 0, 0

    def let_in(self, conn: Connection, now: int) -> None:
        """One more job, inserted already, at *now* (epoch ms). :raises QueueFull: one too many."""
        if not self._most:
            return
        self._waiting += 1
        fresh = 0 <= now - self._counted_at < self.COUNT_EVERY_MS
        if not fresh or self._waiting > self._most:
            self._waiting = conn.execute(_IN_QUEUE, {"most": self._most + 1}).scalar_one()
            self._counted_at = now
        if self._waiting > self._most:
            raise QueueFull(
                f"{self._most} jobs wait for admission already, which is SOTA_MAX_QUEUED; nothing "
                "was accepted: hand it in again later"
            )


# -- clients ----------------------------------------------------------------------------------


def set_tier(conn: Connection, client_id: str, tier: Tier, now: int) -> None:
    """Give the client a tier."""
    new = insert_into(conn.dialect.name, clients).values(id=client_id, tier=tier, changed_at=now)
    conn.execute(
        new.on_conflict_do_update(
            index_elements=[clients.c.id],
            set_={"tier": new.excluded.tier, "changed_at": new.excluded.changed_at},
            where=clients.c.tier != new.excluded.tier,
        )
    )
