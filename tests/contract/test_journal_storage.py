"""The database beneath the journal: durable, shared by readers, migrated, and sometimes away."""

from __future__ import annotations

import asyncio
import os
import stat
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Connection, insert, inspect, select, text
from sqlalchemy.exc import IntegrityError

from orchestrator.errors import JobEnded, JournalUnavailable, StaleEpoch
from orchestrator.jobs import JobStatus
from orchestrator.journal.base import Journal
from orchestrator.journal.database import Database, open_database
from orchestrator.journal.engine import parse_url
from orchestrator.journal.group import GroupCommitter, Work
from orchestrator.journal.migrate import migrate
from orchestrator.journal.opening import open_journal
from orchestrator.journal.records import BreakerRecord
from orchestrator.journal.sql import SqlJournal
from orchestrator.journal.tables import breakers as breakers_table
from orchestrator.journal.tables import metadata
from tests.contract.journal_helpers import (
    JOB,
    POSTGRES_URL,
    database_fixture,  # noqa: F401
    history,
    journal_fixture,  # noqa: F401
    new_job,
    new_memo,
    on_database,
    started,
    url_fixture,  # noqa: F401
    viewed,
)

ROOT = Path(__file__).resolve().parents[2]

# -- durability and group commit --------------------------------------------------------------


async def test_what_was_written_is_there_after_reopening(url: str) -> None:
    first = await open_journal(url)
    await started(first)
    await first.record_step(JOB, 1, "outline", {"o": 1}, now=10)
    await first.close()

    second = await open_journal(url)
    claim = await second.claim(JOB, "another", 3000, 5)
    await second.close()

    assert (claim.epoch, claim.steps[0].output) == (2, {"o": 1})


WRITE_UNTIL_KILLED = """
import asyncio, sys
from orchestrator.journal.opening import open_journal
from tests.contract.journal_helpers import new_memo, started

async def main():
    journal = await open_journal(sys.argv[1])
    await started(journal)

    async def write(writer):
        for n in range(100_000):
            await journal.record_memo("job_1", 1, new_memo(f"{writer}-{n}"))
            print(f"{writer}-{n}", flush=True)

    await asyncio.gather(*(write(writer) for writer in range(5)))

asyncio.run(main())
"""


async def test_no_answered_write_is_lost_when_the_process_is_killed(url: str) -> None:
    writer = subprocess.Popen(
        [sys.executable, "-c", WRITE_UNTIL_KILLED, url], stdout=subprocess.PIPE, text=True, cwd=ROOT
    )
    assert writer.stdout is not None
    answered = [writer.stdout.readline().strip() for _ in range(40)]
    writer.kill()
    answered += writer.stdout.read().split()[:-1]  # the last line may be cut short
    writer.stdout.close()
    writer.wait()

    journal = await open_journal(url)
    claim = await journal.claim(JOB, "another", 3000, 5)
    await journal.close()

    assert all(answered[:40])
    assert set(answered) <= {memo.part for memo in claim.memos}


async def test_an_answered_write_is_seen_by_another_connection(
    journal: Journal, database: Database
) -> None:
    """The answer comes after the commit: no other connection sees uncommitted rows."""
    await journal.submit(new_job())

    count = text("SELECT count(*) FROM jobs")

    assert await database.run(lambda conn: conn.execute(count).scalar_one()) == 1


async def test_one_bad_write_hurts_no_neighbour(journal: Journal) -> None:
    """All of these share a few commits; each gets its own answer."""
    assert isinstance(journal, SqlJournal)
    for number in range(1, 21):
        await started(journal, number)
    await journal.claim("job_3", "another", 3000, 5)
    await journal.finish("job_5", 1, JobStatus.FAILED, now=3000)
    before = journal.stats

    answers = await asyncio.gather(
        *(journal.record_memo(f"job_{n}", 1, new_memo("p")) for n in range(1, 21)),
        return_exceptions=True,
    )

    failed = {n: type(a) for n, a in enumerate(answers, 1) if isinstance(a, Exception)}
    assert failed == {3: StaleEpoch, 5: JobEnded}
    for number in set(range(1, 21)) - set(failed):
        claim = await journal.claim(f"job_{number}", "me", 3000, 9)
        assert [memo.part for memo in claim.memos] == ["p"]
    assert journal.stats.operations - before.operations >= 20
    assert journal.stats.largest > 1


async def test_concurrent_writes_of_one_job_keep_its_events_contiguous(journal: Journal) -> None:
    await started(journal)
    await journal.begin_attempt(JOB, 1, "text", 1, 1, 10)

    await asyncio.gather(
        *(journal.record_progress(JOB, 1, "text", f"{n} of 50", n) for n in range(50))
    )

    assert len(await history(journal)) == 53


async def test_two_writers_share_a_database(url: str) -> None:
    """An old journal actor may linger beside the new one: nothing is lost, nobody deadlocks."""
    writers = [await open_journal(url), await open_journal(url)]
    for number in range(1, 9):
        await started(writers[0], number)
        await writers[0].begin_attempt(f"job_{number}", 1, "text", 1, 1, 10)

    await asyncio.gather(
        *(
            writers[(number + n) % 2].record_progress(f"job_{number}", 1, "text", f"{n} of 9", n)
            for n in range(10)
            for number in (range(1, 9) if n % 2 else range(8, 0, -1))
        )
    )

    for number in range(1, 9):
        assert len(await history(writers[1], f"job_{number}")) == 13
    for writer in writers:
        await writer.close()


async def test_two_claims_at_once_get_two_epochs(url: str) -> None:
    writers = [await open_journal(url), await open_journal(url)]
    await writers[0].submit(new_job())

    results = await asyncio.gather(
        *(writer.claim(JOB, str(n), 2000, 9) for n, writer in enumerate(writers)),
        return_exceptions=True,
    )

    owners = []
    for writer, epoch in zip(writers, (1, 2), strict=True):
        try:
            owners.append(await writer.flags(JOB, epoch))
        except StaleEpoch:
            owners.append(None)
    assert owners == [None, (False, False)]
    assert all(not isinstance(r, Exception) or isinstance(r, StaleEpoch) for r in results)
    for writer in writers:
        await writer.close()


# -- readers ----------------------------------------------------------------------------------


async def test_readers_do_not_wait_for_a_writer(url: str, journal: Journal) -> None:
    """A reader answers from before while another connection holds an open transaction."""
    await journal.submit(new_job())
    reader = await open_journal(url, read_only=True)
    holding, release = threading.Event(), threading.Event()

    def hold(conn: Connection) -> None:
        conn.execute(text("UPDATE jobs SET status = 'failed'"))
        holding.set()
        assert release.wait(10)

    async def writes_slowly() -> None:
        database = open_database(parse_url(url))
        await database.run(hold)
        await database.close()

    writing = asyncio.create_task(asyncio.to_thread(lambda: asyncio.run(writes_slowly())))
    assert await asyncio.to_thread(holding.wait, 10)
    during = (await viewed(reader)).status
    release.set()
    await writing
    after = (await viewed(reader)).status
    await reader.close()

    assert (during, after) == (JobStatus.QUEUED, JobStatus.FAILED)


async def test_a_reader_cannot_write(url: str) -> None:
    reader = await open_journal(url, read_only=True)

    with pytest.raises(PermissionError, match="journal actor"):
        await reader.submit(new_job())
    assert await reader.view(JOB) is None
    await reader.close()


async def test_the_database_itself_refuses_a_readers_write(url: str) -> None:
    database = open_database(parse_url(url), read_only=True)

    with pytest.raises(Exception, match=r"readonly|read-only"):
        await database.run(lambda conn: conn.execute(text("DELETE FROM jobs")))
    await database.close()


async def test_a_reader_that_comes_before_the_database_says_so(tmp_path: Path) -> None:
    path = tmp_path / "later" / "journal.db"
    reader = await open_journal(f"sqlite+aiosqlite:///{path}", read_only=True)

    with pytest.raises(JournalUnavailable):
        await reader.ping()
    assert not path.exists()

    writer = await open_journal(f"sqlite+aiosqlite:///{path}")
    await reader.ping()
    await reader.close()
    await writer.close()


# -- migrations -------------------------------------------------------------------------------


async def test_the_migrated_schema_is_the_declared_one(database: Database) -> None:
    differences = await database.run(
        lambda conn: compare_metadata(MigrationContext.configure(conn), metadata)
    )

    assert differences == []


async def test_migrating_again_changes_nothing(url: str, journal: Journal) -> None:
    await journal.submit(new_job())
    await migrate(url)

    assert await journal.view(JOB) is not None


@pytest.mark.parametrize("attempt", range(5))  # the race for the first connection is narrow
async def test_several_may_migrate_at_once_sqlite(tmp_path: Path, attempt: int) -> None:
    url = f"sqlite+aiosqlite:///{tmp_path}/journal.db"
    await asyncio.gather(*(migrate(url) for _ in range(6)))

    database = open_database(parse_url(url))
    names = await database.run(lambda conn: set(inspect(conn).get_table_names()))
    await database.close()
    assert names == {*metadata.tables, "alembic_version"}


@pytest.mark.postgres
@pytest.mark.parametrize("url", ["postgres"], indirect=True)
async def test_several_may_migrate_at_once_postgres(url: str) -> None:
    schema = "test_migrate_at_once"
    drop = f"DROP SCHEMA IF EXISTS {schema} CASCADE"
    await on_database(POSTGRES_URL, drop, f"CREATE SCHEMA {schema}")
    fresh = f"{POSTGRES_URL}?search_path={schema}"
    try:
        await asyncio.gather(*(migrate(fresh) for _ in range(4)))
        database = open_database(parse_url(fresh))
        names = await database.run(lambda conn: set(inspect(conn).get_table_names()))
        await database.close()
    finally:
        await on_database(POSTGRES_URL, drop)
    assert names == {*metadata.tables, "alembic_version"}


async def test_a_new_database_file_is_its_owners_alone(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "er" / "journal 100%.db"
    journal = await open_journal(f"sqlite+aiosqlite:///{path}")
    await journal.submit(new_job())

    assert {stat.S_IMODE(file.stat().st_mode) for file in path.parent.iterdir()} == {0o600}
    await journal.close()


# -- outages ----------------------------------------------------------------------------------

NOWHERE = "postgresql+asyncpg://nobody@127.0.0.1:1/none"


async def test_a_database_that_is_away_is_unavailable() -> None:
    journal = await open_journal(NOWHERE, migrate=False)

    with pytest.raises(JournalUnavailable):
        await journal.ping()
    with pytest.raises(JournalUnavailable):
        await journal.submit(new_job())
    with pytest.raises(JournalUnavailable):
        await open_journal(NOWHERE)
    await journal.close()


@pytest.mark.postgres
@pytest.mark.parametrize("url", ["postgres"], indirect=True)
async def test_a_lost_connection_is_made_anew(url: str, database: Database) -> None:
    """The server restarts: connections die, the next call finds out and takes another."""
    name = f"sota-lost-{os.getpid()}"  # its own connections only: other tests run beside it
    hang_up = text(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
        f"WHERE application_name = '{name}' AND query_start IS NOT NULL"
    )
    journal = await open_journal(f"{url}&application_name={name}", migrate=False)
    await started(journal)
    await viewed(journal)
    assert await database.run(lambda conn: conn.execute(hang_up).scalars().all()) == [True, True]

    await journal.record_memo(JOB, 1, new_memo("p"))
    assert (await viewed(journal)).status is JobStatus.PROCESSING
    await journal.close()


async def test_a_closed_journal_finishes_its_writes_and_takes_no_more_calls(url: str) -> None:
    journal = await open_journal(url)
    last = asyncio.ensure_future(journal.submit(new_job()))
    await asyncio.sleep(0)
    await journal.close()

    assert (await last).created
    with pytest.raises(JournalUnavailable, match="closed"):
        await journal.submit(new_job(2))
    with pytest.raises(JournalUnavailable, match="closed"):
        await journal.counts()


async def test_a_broken_constraint_stays_loud_and_hurts_no_neighbour(database: Database) -> None:
    """Bugs are not dressed up as outages, or they would be tried again for ever."""
    group = GroupCommitter(database.run, max_batch=10)

    def put(service: str, state: str | None) -> Work[object]:
        row = {"service": service, "state": state, "updated_at": 1}
        return lambda conn: conn.execute(insert(breakers_table), row).rowcount

    answers = await asyncio.gather(
        group.run("", put("a", "x")),
        group.run("", put("b", None)),
        group.run("", put("c", "x")),
        return_exceptions=True,
    )

    assert [type(answer) for answer in answers] == [int, IntegrityError, int]
    names = select(breakers_table.c.service).order_by("service")
    assert await database.run(lambda conn: conn.execute(names).scalars().all()) == ["a", "c"]
    assert group.stats.batches == 1


@pytest.mark.parametrize("url", ["mysql://x/y", "sqlite+aiosqlite://", "sqlite:///:memory:"])
async def test_an_unusable_url_is_refused_by_name(url: str) -> None:
    with pytest.raises(ValueError, match="SOTA_DATABASE_URL"):
        await open_journal(url)


# -- cache and breakers -----------------------------------------------------------------------


async def test_the_cache_keeps_the_newest_value(journal: Journal) -> None:
    assert await journal.cache_get("serp", "k") is None
    await journal.cache_put("serp", "k", {"v": 1}, now=1000, keep_ms=5)
    await journal.cache_put("serp", "k", {"v": 2}, now=2000, keep_ms=5)
    await journal.cache_put("serp", "k", {"v": 1}, now=1000, keep_ms=5)  # arrives late
    await journal.cache_put("other", "k", None, now=1, keep_ms=5)

    assert await journal.cache_get("serp", "k") == ({"v": 2}, 2000)
    assert await journal.cache_get("other", "k") == (None, 1)


async def test_a_breaker_keeps_its_newest_state(journal: Journal) -> None:
    old = BreakerRecord(service="ai", state={"failures": [1]}, updated_at=10)
    new = BreakerRecord(service="ai", state={"failures": []}, updated_at=20)
    other = BreakerRecord(service="serper", state={}, updated_at=5)
    for record in (old, new, old, other):
        await journal.save_breaker(record)

    assert await journal.load_breaker("ai") == new
    assert await journal.load_breaker("none") is None
    assert await journal.breakers() == [new, other]
