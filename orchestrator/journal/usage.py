"""Reads of what clients use. Each function runs in one transaction, and so sees one moment."""

from __future__ import annotations

from typing import Any

from sqlalchemy import BindParameter, Connection, Row, bindparam, case, func, select

from orchestrator.jobs import JobStatus
from orchestrator.journal.tables import clients, jobs, ledger, memos, steps
from orchestrator.tenants import windows
from orchestrator.tenants.tiers import LIMITS, NAMES, Limits, Tenancy, Tier
from orchestrator.tenants.views import (
    ClientView,
    DayView,
    HourView,
    LimitsView,
    MonthView,
    UsageView,
)

_CLIENT: BindParameter[Any] = bindparam("client")
_TIER = select(clients.c.tier).where(clients.c.id == _CLIENT)
_TIERS = select(clients).order_by(clients.c.id)


def _sum(value: Any) -> Any:
    return func.coalesce(func.sum(value), 0)


def _since(begins: str, counted: Any = 1) -> Any:
    return _sum(case((ledger.c.charged_at >= bindparam(begins), counted), else_=0))


_MONTH = select(
    func.count().label("jobs"),
    _since("hour_begins").label("hour"),
    _since("day_begins").label("day"),
    _sum(case((ledger.c.settled, ledger.c.words), else_=0)).label("words"),
    _sum(case((ledger.c.settled, 0), else_=ledger.c.words)).label("reserved"),
    _sum(case((ledger.c.settled, ledger.c.cost_usd), else_=0.0)).label("cost"),
).where(
    ledger.c.client_id == _CLIENT,
    ledger.c.charged_at >= bindparam("begins"),
    ledger.c.charged_at < bindparam("ends"),
)
_OPEN = (JobStatus.QUEUED, JobStatus.PROCESSING, JobStatus.PAUSED)
_STANDING = (
    select(jobs.c.status, func.count().label("number"))
    .where(jobs.c.client_id == _CLIENT, jobs.c.status.in_(_OPEN))
    .group_by(jobs.c.status)
)
_BEGUN = select(jobs.c.id).where(
    jobs.c.client_id == _CLIENT, jobs.c.status.in_(_OPEN), jobs.c.attempt > 0
)
_SPENT_SO_FAR = [
    select(_sum(jobs.c.dropped_cost_usd)).where(jobs.c.id.in_(_BEGUN)),
    select(_sum(steps.c.cost_usd)).where(steps.c.job_id.in_(_BEGUN)),
    select(_sum(memos.c.cost_usd)).where(memos.c.job_id.in_(_BEGUN)),
]
"""What jobs that have not ended have cost: the ledger knows it once they have."""


def tier_of(conn: Connection, client_id: str, rules: Tenancy) -> Tier:
    """The client's tier, or the default."""
    return rules.tier(conn.execute(_TIER, {"client": client_id}).scalar())


def client_tiers(conn: Connection) -> list[ClientView]:
    """Every client with a tier of its own, by name."""
    return [
        ClientView(client_id=row.id, tier=Tier(row.tier), changed_at=row.changed_at)
        for row in conn.execute(_TIERS)
        if row.tier in NAMES
    ]


def usage(conn: Connection, client_id: str, now: int, rules: Tenancy) -> UsageView:
    """What the client uses at *now*."""
    mine = {"client": client_id}
    tier = tier_of(conn, client_id, rules)
    limits, month = LIMITS[tier], windows.month(now)
    row = conn.execute(
        _MONTH,
        {
            **mine,
            "begins": month.begins,
            "ends": month.ends,
            "hour_begins": windows.hour(now).begins,
            "day_begins": windows.day(now).begins,
        },
    ).one()
    numbers = {row.status: row.number for row in conn.execute(_STANDING, mine)}
    so_far = sum(conn.execute(query, mine).scalar_one() for query in _SPENT_SO_FAR)
    return UsageView(
        client_id=client_id,
        tier=tier,
        limits=_limits_view(limits),
        running=numbers.get(JobStatus.PROCESSING, 0),
        queued=numbers.get(JobStatus.QUEUED, 0),
        hour=HourView(
            jobs=row.hour,
            remaining=_left(limits.jobs_per_hour, row.hour),
            resets_at=windows.hour(now).ends,
        ),
        day=DayView(jobs=row.day, resets_at=windows.day(now).ends),
        month=_month_view(row, limits, so_far, month.ends),
    )


def _month_view(row: Row[Any], limits: Limits, so_far: float, ends: int) -> MonthView:
    return MonthView(
        jobs=row.jobs,
        words=row.words,
        words_reserved=row.reserved,
        remaining=_left(limits.words_per_month, row.words + row.reserved),
        cost=round(row.cost + so_far, 6),
        resets_at=ends,
    )


def _limits_view(limits: Limits) -> LimitsView:
    return LimitsView(
        jobs_per_hour=limits.jobs_per_hour,
        jobs_at_once=limits.jobs_at_once,
        words_per_month=limits.words_per_month,
        requests_per_second=limits.requests_per_second,
        request_burst=limits.burst or None,
    )


def _left(limit: int | None, used: int) -> int | None:
    return None if limit is None else max(0, limit - used)
