"""Retention: old jobs go in small batches, whole, and never in the way of a running one."""

from __future__ import annotations

import asyncio
import itertools
import threading
from typing import Any

import pytest
from sqlalchemy import Connection, func, insert, select, update

from orchestrator.jobs import JobStatus
from orchestrator.journal import tables
from orchestrator.journal.base import PURGE_BATCH, Journal
from orchestrator.journal.database import Database, open_database
from orchestrator.journal.engine import parse_url
from orchestrator.journal.opening import open_journal
from tests.contract.journal_helpers import (
    JOB,
    database_fixture,  # noqa: F401
    ended,
    journal_fixture,  # noqa: F401
    new_memo,
    started,
    url_fixture,  # noqa: F401
    viewed,
)

OLD = 2000  # ended jobs to purge
PARTS = (tables.bodies, tables.steps, tables.memos, tables.events, tables.timers)


def fill(conn: Connection) -> None:
    """Copy the one ended job and everything of it OLD - 1 times over; and dead cache entries."""
    for table in (tables.jobs, *PARTS):
        key = "id" if table is tables.jobs else "job_id"
        found = [dict(row._mapping) for row in conn.execute(select(table))]
        copies = [
            {**row, key: f"job_old_{n}"} | _own(table, n)
            for n in range(1, OLD)
            for row in found
            if row[key] == "job_1000"
        ]
        conn.execute(insert(table), copies)
    dead = {"kind": "serp", "value": "v", "stored_at": 1, "purge_at": 2}
    conn.execute(insert(tables.cache), [{**dead, "key": str(n)} for n in range(OLD)])


def _own(table: Any, number: int) -> dict[str, Any]:
    return {"request_id": f"old {number}"} if table is tables.jobs else {}


def left(conn: Connection) -> dict[str, int]:
    """Rows of each table that do not belong to the running job."""
    counts = {}
    for table in (tables.jobs, *PARTS, tables.cache):
        query = select(func.count()).select_from(table)
        if table is not tables.cache:
            query = query.where(table.c["id" if table is tables.jobs else "job_id"] != JOB)
        counts[table.name] = conn.execute(query).scalar_one()
    return counts


async def old_job(journal: Journal, database: Database) -> None:
    """An ended job with a row in every table."""
    await started(journal, 1000)
    await journal.record_memo("job_1000", 1, new_memo("p"))
    await journal.finish("job_1000", 1, JobStatus.COMPLETED, result={"r": 1}, now=3000)
    timer = {"job_id": "job_1000", "kind": "k", "fire_at": 1}
    await database.run(lambda conn: conn.execute(insert(tables.timers), timer))


async def test_a_purge_of_thousands_goes_by_in_batches_beside_running_writes(
    journal: Journal, database: Database
) -> None:
    await old_job(journal, database)
    await database.run(fill)
    before = await database.run(left)
    assert before["jobs"] == before["bodies"] == before["timers"] == before["cache"] == OLD
    await started(journal)
    order: list[str] = []
    done = asyncio.Event()

    async def write() -> int:
        for number in itertools.count():
            await journal.record_memo(JOB, 1, new_memo(str(number)))
            order.append("write")
            if done.is_set():
                return number + 1
        raise AssertionError("unreachable")

    writing = asyncio.ensure_future(write())
    batches = []
    while batch := await journal.purge(4000, 9000):
        batches.append(batch)
        order.append("purge")
    done.set()
    written = await writing

    assert set(batches) == {2 * PURGE_BATCH}  # as many jobs as cache entries
    assert sum(batches) == 2 * OLD
    assert set((await database.run(left)).values()) == {0}
    # No batch, nor several in a row, kept the running job from writing.
    assert max(len(list(run)) for what, run in itertools.groupby(order) if what == "purge") <= 2
    claim = await journal.claim(JOB, "another", 3000, 5)
    assert len(claim.memos) == written


async def test_nothing_is_purged_at_retention_for_ever(journal: Journal) -> None:
    await ended(journal, JobStatus.COMPLETED)
    await journal.cache_put("serp", "dead", 1, now=1000, keep_ms=10)

    assert await journal.purge(0, 2**40) == 2  # the cache entry, and what the job counted for
    assert (await viewed(journal)).status is JobStatus.COMPLETED


@pytest.mark.parametrize("status", [JobStatus.QUEUED, JobStatus.PROCESSING, JobStatus.PAUSED])
async def test_a_job_that_has_not_ended_is_never_purged(
    journal: Journal, status: JobStatus
) -> None:
    await ended(journal, JobStatus.FAILED)
    await journal.retry(JOB, 4000)
    if status is JobStatus.PROCESSING:
        await journal.claim(JOB, "me", 5000, 5)
    if status is JobStatus.PAUSED:
        await journal.request_pause(JOB, 5000)

    assert await journal.purge(2**40, 2**40) == 0
    assert (await viewed(journal)).status is status


async def test_a_job_retried_while_the_purge_waits_for_it_stays(url: str, journal: Journal) -> None:
    """Another writer holds the job's row and makes it queued; the purge comes in between."""
    await ended(journal, JobStatus.FAILED)
    holding, release = threading.Event(), threading.Event()

    def retry_slowly(conn: Connection) -> None:
        conn.execute(update(tables.jobs).values(status=JobStatus.QUEUED, completed_at=None))
        holding.set()
        assert release.wait(10)

    async def beside() -> None:
        other = open_database(parse_url(url))
        await other.run(retry_slowly)
        await other.close()

    retrying = asyncio.create_task(asyncio.to_thread(lambda: asyncio.run(beside())))
    assert await asyncio.to_thread(holding.wait, 10)
    purging = asyncio.create_task(journal.purge(4000, 9000))
    await asyncio.wait({purging}, timeout=0.2)  # it has chosen the job by now, and waits
    assert not purging.done()
    release.set()

    assert await purging == 0
    await retrying
    reader = await open_journal(url, read_only=True)
    assert (await viewed(reader)).status is JobStatus.QUEUED
    await reader.close()
