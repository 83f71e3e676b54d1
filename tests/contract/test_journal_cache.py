"""Leases on cache entries: one makes a value, and nobody who dies jams it."""

from __future__ import annotations

import asyncio
import time

import pytest
from sqlalchemy import Connection, text

from orchestrator.journal.base import Journal
from orchestrator.journal.content import lease_name
from orchestrator.journal.database import Database, open_database
from orchestrator.journal.engine import parse_url
from orchestrator.journal.opening import open_journal
from orchestrator.journal.records import OPEN_TO_ALL, CacheLease
from orchestrator.journal.shared import DEAD_LEASE_MS, cache_lease, cache_put
from tests.contract.journal_helpers import (
    database_fixture,  # noqa: F401
    journal_fixture,  # noqa: F401
    keys_fixture,  # noqa: F401
    url_fixture,  # noqa: F401
)

pytestmark = pytest.mark.usefixtures("keys")

MINE, HERS = CacheLease(owner="me", until=2000), CacheLease(owner="she", until=2000)


async def leased(journal: Journal, owner: str, now: int, until: int, key: str = "k") -> CacheLease:
    return await journal.cache_lease("serp", key, owner, now, until)


async def leases(database: Database) -> list[tuple[str, str]]:
    query = text("SELECT key, owner FROM cache_leases ORDER BY key")
    return await database.run(lambda conn: [(row.key, row.owner) for row in conn.execute(query)])


async def test_a_lease_is_had_by_one_and_told_to_the_others(journal: Journal) -> None:
    assert await leased(journal, "me", now=1000, until=2000) == MINE
    assert await leased(journal, "she", now=1000, until=3000) == MINE
    assert (await leased(journal, "she", now=1000, until=2000, key="other")).owner == "she"


async def test_of_many_who_ask_at_once_exactly_one_gets_it(url: str) -> None:
    journals = [await open_journal(url, migrate=False) for _ in range(3)]

    answers = await asyncio.gather(
        *(leased(journals[n % 3], f"job_{n}", 1000, 2000 + n) for n in range(30))
    )
    for journal in journals:
        await journal.close()

    assert len(set(map(str, answers))) == 1
    assert answers[0].owner.startswith("job_")


async def test_a_lease_tells_when_the_newest_value_was_stored(journal: Journal) -> None:
    before = await leased(journal, "me", now=1000, until=2000)
    await journal.cache_put("serp", "k", {"v": 1}, now=1500, keep_ms=9000)
    mine = await leased(journal, "me", now=1600, until=2600)
    await journal.cache_put("serp", "k", {"v": 2}, now=1700, keep_ms=9000)
    await leased(journal, "she", now=1800, until=2800)
    hers = await leased(journal, "me", now=1800, until=2800)
    other = await leased(journal, "me", now=1800, until=2800, key="other")

    assert [before.stored_at, mine.stored_at, hers.stored_at, other.stored_at] == [
        None, 1500, 1700, None,
    ]  # fmt: skip
    assert hers.owner == "she"


async def test_a_lease_sent_twice_is_renewed(journal: Journal) -> None:
    await leased(journal, "me", now=1000, until=1500)

    assert await leased(journal, "me", now=1001, until=2000) == MINE
    assert await leased(journal, "she", now=1600, until=3000) == MINE


async def test_an_expired_lease_is_taken_over_by_one(journal: Journal) -> None:
    await leased(journal, "dead", now=0, until=1000)

    assert (await leased(journal, "she", now=999, until=2000)).owner == "dead"
    answers = await asyncio.gather(
        *(leased(journal, owner, now=1000, until=2000) for owner in ("she", "me", "they"))
    )

    assert answers == [HERS] * 3


async def test_a_lease_given_back_is_free_at_once_and_twice_is_once(journal: Journal) -> None:
    await leased(journal, "me", now=1000, until=2000)
    await journal.cache_release("serp", "k", "me")
    await journal.cache_release("serp", "k", "me")

    assert await leased(journal, "she", now=1000, until=2000) == HERS
    await journal.cache_release("serp", "k", "me")  # late, and no longer mine
    assert await leased(journal, "me", now=1000, until=2000) == HERS


async def test_an_entry_opened_to_all_keeps_nobody_waiting_for_that_time(journal: Journal) -> None:
    await leased(journal, "me", now=1000, until=2000)
    for _ in range(2):
        await journal.cache_release("serp", "k", "me", open_until=1500)

    assert (await leased(journal, "she", now=1499, until=2000)).owner == OPEN_TO_ALL
    assert await leased(journal, "she", now=1500, until=2000) == HERS


async def test_a_value_ends_the_lease_whoever_has_it(journal: Journal, database: Database) -> None:
    await leased(journal, "me", now=1000, until=2000)
    await leased(journal, "me", now=1000, until=2000, key="other")

    await journal.cache_put("serp", "k", {"v": 1}, now=1100, keep_ms=10)
    await journal.cache_put("serp", "k", {"v": 1}, now=1100, keep_ms=10)

    assert await leases(database) == [(lease_name("other"), "me")]
    assert await journal.cache_get("serp", "k") == ({"v": 1}, 1100)


async def test_a_purge_takes_leases_long_dead_and_no_others(
    journal: Journal, database: Database
) -> None:
    await leased(journal, "dead", now=0, until=999, key="a")
    await leased(journal, "just expired", now=0, until=1000, key="b")

    await journal.purge(0, now=1000 + DEAD_LEASE_MS)

    assert await leases(database) == [(lease_name("b"), "just expired")]


@pytest.mark.parametrize("odd", ["a\x00b\ud800c", "ключ"])
async def test_a_key_of_any_text_can_be_leased_and_given_back(
    journal: Journal, database: Database, odd: str
) -> None:
    assert (await leased(journal, "me", now=1000, until=2000, key=odd)).owner == "me"
    await journal.cache_release("serp", odd, "me")

    assert await leases(database) == []


async def test_a_value_put_without_a_lease_keeps_others_off_the_entry_until_its_commit(
    url: str, database: Database
) -> None:
    """Or each of two writers could hold what the other needs: the value here, the lease there."""
    other, order = open_database(parse_url(url)), list[str]()

    def put(conn: Connection) -> None:
        cache_put(conn, "serp", "k", 1, now=1, keep_ms=5, job_id=None)
        if conn.dialect.name == "postgresql":
            conn.execute(text("SELECT pg_sleep(0.3)"))
        else:
            time.sleep(0.3)
        order.append("put")

    def lease(conn: Connection) -> None:
        cache_lease(conn, "serp", "k", "me", now=1, until=2)
        order.append("leased")

    putting = asyncio.ensure_future(database.run(put))
    await asyncio.sleep(0.15)
    await asyncio.gather(putting, other.run(lease))
    await other.close()

    assert order == ["put", "leased"]
    assert await leases(database) == [(lease_name("k"), "me")]


async def test_leases_and_values_from_several_writers_never_lock_each_other_out(url: str) -> None:
    journals = [await open_journal(url, migrate=False) for _ in range(3)]

    async def work(number: int) -> None:
        journal, owner = journals[number % 3], f"job_{number}"
        for key in ("a", "b", "c"):
            await leased(journal, owner, number, number + 5, key=key)
            if number % 2:
                await journal.cache_put("serp", key, number, now=number, keep_ms=5)
            else:
                await journal.cache_release("serp", key, owner)

    await asyncio.gather(*(work(number) for number in range(60)))
    failures = [journal.stats.failures for journal in journals]  # type: ignore[attr-defined]
    for journal in journals:
        await journal.close()

    assert failures == [0, 0, 0]
