"""No tenant starves another: admission from the real journal, its order and what it costs."""

from __future__ import annotations

import asyncio
import random
import re
from collections import Counter
from collections.abc import AsyncIterator
from typing import Any

import pytest
from sqlalchemy import Connection, Dialect, Select, insert, text
from sqlalchemy.dialects import postgresql, sqlite

from orchestrator.jobs import JobStatus
from orchestrator.journal import commands, queue
from orchestrator.journal.base import Journal
from orchestrator.journal.database import Database
from orchestrator.journal.opening import open_journal
from orchestrator.journal.tables import jobs
from orchestrator.tenants.tiers import Tenancy, Tier
from tests.contract.journal_helpers import (
    database_fixture,  # noqa: F401
    new_job,
    url_fixture,  # noqa: F401
    viewed,
)

NOON = 1_795_521_600_000  # 2026-11-24T12:00:00Z
JAIN_FLOOR = 0.95  # what the issue asks for


@pytest.fixture(name="journal")
async def enterprise_journal(url: str) -> AsyncIterator[Journal]:
    journal = await open_journal(url, migrate=False, rules=Tenancy(Tier.ENTERPRISE))
    yield journal
    await journal.close()


def jain(shares: list[int]) -> float:
    """Jain's index of fairness: 1 if all are equal, 1/n if one has everything."""
    return sum(shares) ** 2 / (len(shares) * sum(share * share for share in shares))


async def hand_in(journal: Journal, queues: dict[str, int], priorities: dict[str, int]) -> None:
    """One client's jobs after another's: the first has its whole queue in before the next."""
    number = 0
    for client, many in queues.items():
        batch = [
            new_job(number + n, client_id=client, created_at=NOON + number + n,
                    priority=priorities.get(client, 0))
            for n in range(many)
        ]  # fmt: skip
        await asyncio.gather(*map(journal.submit, batch))
        number += many


async def course(journal: Journal, at_once: int, chance: random.Random) -> AsyncIterator[str]:
    """Admit and complete everything; yields the client of each job as it ends."""
    running: list[tuple[str, str, int]] = []
    now = NOON + 100_000
    while True:
        for job in await journal.queued(at_once - len(running)):
            now += chance.randrange(5)
            claim = await journal.claim(job.job_id, "me", now, 5)
            running.append((job.client_id, job.job_id, claim.epoch))
        if not running:
            return
        client, job_id, epoch = running.pop(chance.randrange(len(running)))
        await journal.finish(job_id, epoch, JobStatus.COMPLETED, result={}, now=now)
        yield client


@pytest.mark.parametrize("at_once", [1, 4])
async def test_three_tenants_with_100_jobs_each_progress_evenly(
    journal: Journal, at_once: int
) -> None:
    """One of them was there first, and calls all its jobs urgent."""
    await hand_in(journal, {"first": 100, "second": 100, "third": 100}, {"first": 100})
    done: Counter[str] = Counter()

    async for client in course(journal, at_once, random.Random(7)):
        done[client] += 1
        if done.total() % 30 == 0:
            shares = [done["first"], done["second"], done["third"]]
            assert jain(shares) >= JAIN_FLOOR, shares

    assert done == {"first": 100, "second": 100, "third": 100}


async def test_a_newcomer_is_next_however_long_the_queue_is(journal: Journal) -> None:
    await hand_in(journal, {"crowd": 300, "newcomer": 1}, {"crowd": 100})
    for job in await journal.queued(3):
        await journal.claim(job.job_id, "me", NOON, 5)

    waiting = await journal.queued(4)

    assert [job.client_id for job in waiting] == ["crowd"] * 4  # the newcomer's runs already
    assert (await journal.usage("newcomer", NOON)).running == 1


async def test_inside_a_client_priority_goes_before_age(journal: Journal) -> None:
    for number, (client, priority) in enumerate([("a", 0), ("a", 5), ("b", 0), ("a", 5)]):
        job = new_job(number, client_id=client, priority=priority, created_at=NOON + number)
        await journal.submit(job)

    assert [job.job_id for job in await journal.queued(10)] == ["job_1", "job_2", "job_3", "job_0"]


async def test_places_are_the_order_of_admission(journal: Journal) -> None:
    await hand_in(journal, {"a": 3, "b": 2, "c": 1}, {"b": 1})
    await journal.claim((await journal.queued(1))[0].job_id, "me", NOON, 5)

    order = [job.job_id for job in await journal.queued(10)]
    listed, _ = await journal.list_jobs()

    places = {job.id: job.queue_position for job in listed if job.queue_position}
    assert sorted(places, key=lambda job_id: places[job_id] or 0) == order
    assert sorted(places.values()) == [1, 2, 3, 4, 5]
    assert [(await viewed(journal, job_id)).queue_position for job_id in order] == [1, 2, 3, 4, 5]


async def test_jobs_that_are_being_started_count_for_their_clients(journal: Journal) -> None:
    await hand_in(journal, {"a": 3, "b": 3}, {})

    order = await journal.queued(10, {"job_0", "job_1", "an actor of a job that is no more"})

    assert [job.job_id for job in order] == ["job_3", "job_4", "job_2", "job_5"]


# -- what it costs ----------------------------------------------------------------------------

STATEMENTS: dict[str, tuple[Select[Any], dict[str, Any]]] = {
    "clients": (queue._WAITING, {"most": 8}),
    "head": (queue._HEAD, {"client": "a", "most": 8, "ids": [""]}),
}
DIALECTS: dict[str, Dialect] = {"sqlite": sqlite.dialect(), "postgresql": postgresql.dialect()}  # type: ignore[no-untyped-call]


def ended_long_ago(conn: Connection) -> None:
    """A journal as it looks after a month: nearly all of its jobs have ended."""
    rows = [
        {**commands._job_row(new_job(10_000 + n, client_id="ab"[n % 2])), "status": "completed"}
        for n in range(5000)
    ]
    conn.execute(insert(jobs), rows)


@pytest.mark.parametrize("name", STATEMENTS)
async def test_a_look_at_the_queue_reads_its_index_and_sorts_nothing(
    journal: Journal, database: Database, name: str
) -> None:
    await hand_in(journal, {"a": 20, "b": 20}, {})
    await database.run(ended_long_ago)

    def plan(conn: Connection) -> str:
        query, values = STATEMENTS[name]
        plain = query.params(**values).compile(
            dialect=DIALECTS[conn.dialect.name],
            compile_kwargs={"literal_binds": True, "render_postcompile": True},
        )
        conn.execute(text("ANALYZE jobs"))
        explain = "EXPLAIN QUERY PLAN" if conn.dialect.name == "sqlite" else "EXPLAIN"
        return "\n".join(str(row[-1]) for row in conn.execute(text(f"{explain} {plain}")))

    told = await database.run(plan)

    assert "ix_jobs_queue" in told
    assert not re.search(r"SCAN jobs|Seq Scan on jobs|TEMP B-TREE|Sort|ix_jobs_(?!queue)", told), (
        told
    )
