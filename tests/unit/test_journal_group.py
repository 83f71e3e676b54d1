"""The group committer over a scripted database."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from sqlalchemy import Connection, create_engine, text
from sqlalchemy.exc import OperationalError

from orchestrator.errors import JournalUnavailable, StaleEpoch
from orchestrator.journal.group import AlreadyDone, GroupCommitter, Work


class FakeDatabase:
    """An in-memory SQLite database that fails to commit as often as it is told.

    ``sizes`` lists the rows that each commit added; ``gate`` holds commits up while it is
    cleared.
    """

    def __init__(self) -> None:
        self.engine = create_engine("sqlite://")
        self.failures: list[Exception] = []
        self.transactions = 0
        self.gate = asyncio.Event()
        self.gate.set()
        with self.engine.connect() as conn:
            conn.connection.isolation_level = None  # type: ignore[attr-defined]
        with self.engine.begin() as conn:
            conn.execute(text("CREATE TABLE t (v TEXT PRIMARY KEY)"))

    async def run(self, work: Work[Any]) -> Any:
        self.transactions += 1
        with self.engine.connect() as conn:
            conn.exec_driver_sql("BEGIN")
            try:
                result = work(conn)
                await self.gate.wait()
                if self.failures:
                    raise self.failures.pop(0)
            except BaseException:
                conn.exec_driver_sql("ROLLBACK")
                raise
            conn.exec_driver_sql("COMMIT")
            return result

    def rows(self) -> list[str]:
        with self.engine.connect() as conn:
            return list(conn.execute(text("SELECT v FROM t ORDER BY rowid")).scalars())


@pytest.fixture
async def database() -> Any:
    fake = FakeDatabase()
    yield fake
    fake.engine.dispose()


def put(value: str, error: Exception | None = None) -> Work[str]:
    def work(conn: Connection) -> str:
        conn.execute(text("INSERT INTO t VALUES (:v)"), {"v": value})
        if error is not None:
            raise error
        return value

    return work


LOCKED = OperationalError("COMMIT", {}, Exception("database is locked"))


async def test_writes_that_wait_share_a_commit(database: FakeDatabase) -> None:
    group = GroupCommitter(database.run, max_batch=100)

    answers = await asyncio.gather(*(group.run("", put(str(n))) for n in range(10)))

    assert answers == [str(n) for n in range(10)]
    assert database.rows() == answers
    assert (database.transactions, group.stats.operations, group.stats.largest) == (1, 10, 10)


async def test_batches_are_bounded(database: FakeDatabase) -> None:
    group = GroupCommitter(database.run, max_batch=4)

    await asyncio.gather(*(group.run("", put(str(n))) for n in range(10)))

    assert (database.transactions, group.stats.largest) == (3, 4)


async def test_nobody_is_answered_before_the_commit(database: FakeDatabase) -> None:
    group = GroupCommitter(database.run, max_batch=4)
    database.gate.clear()
    write = asyncio.ensure_future(group.run("", put("a")))
    for _ in range(5):
        await asyncio.sleep(0)

    assert not write.done()
    database.gate.set()
    assert await write == "a"


async def test_a_write_that_raises_rolls_back_only_itself(database: FakeDatabase) -> None:
    group = GroupCommitter(database.run, max_batch=100)

    answers = await asyncio.gather(
        group.run("", put("a")),
        group.run("", put("b", StaleEpoch("old"))),
        group.run("", put("c", AlreadyDone("as before"))),
        group.run("", put("d")),
        return_exceptions=True,
    )

    assert [str(answer) for answer in answers] == ["a", "old", "as before", "d"]
    assert database.rows() == ["a", "d"]
    assert database.transactions == 1


async def test_a_lost_commit_is_tried_once_more(database: FakeDatabase) -> None:
    group = GroupCommitter(database.run, max_batch=100)
    database.failures = [LOCKED]

    answers = await asyncio.gather(*(group.run("", put(v)) for v in "ab"))

    assert answers == ["a", "b"]
    assert database.rows() == ["a", "b"]
    assert (group.stats.failures, group.stats.batches) == (1, 1)


async def test_a_commit_lost_twice_is_an_outage_for_all_of_it(database: FakeDatabase) -> None:
    group = GroupCommitter(database.run, max_batch=100)
    database.failures = [LOCKED, LOCKED]

    answers = await asyncio.gather(*(group.run("", put(v)) for v in "ab"), return_exceptions=True)

    assert [type(answer) for answer in answers] == [JournalUnavailable] * 2
    assert "database is locked" in str(answers[0])
    assert database.rows() == []
    assert await group.run("", put("c")) == "c"  # and it goes on


async def test_an_outage_inside_a_write_ends_the_whole_batch(database: FakeDatabase) -> None:
    group = GroupCommitter(database.run, max_batch=100)

    answers = await asyncio.gather(
        group.run("", put("a")), group.run("", put("b", LOCKED)), return_exceptions=True
    )

    assert [type(answer) for answer in answers] == [JournalUnavailable] * 2
    assert database.rows() == []


async def test_a_bug_in_the_committer_reaches_the_callers(database: FakeDatabase) -> None:
    group = GroupCommitter(database.run, max_batch=100)
    database.failures = [ZeroDivisionError("bug")]

    with pytest.raises(ZeroDivisionError):
        await group.run("", put("a"))
    assert await group.run("", put("b")) == "b"


async def test_a_batch_is_in_the_order_of_its_keys(database: FakeDatabase) -> None:
    """And within a key in the order it came."""
    group = GroupCommitter(database.run, max_batch=100)

    await asyncio.gather(*(group.run(key, put(key + n)) for n in "12" for key in "cab"))

    assert database.rows() == ["a1", "a2", "b1", "b2", "c1", "c2"]


async def test_a_caller_who_went_away_is_not_written_for(database: FakeDatabase) -> None:
    group = GroupCommitter(database.run, max_batch=1)
    database.gate.clear()
    first = asyncio.ensure_future(group.run("", put("a")))
    gone = asyncio.ensure_future(group.run("", put("b")))
    last = asyncio.ensure_future(group.run("", put("c")))
    await asyncio.sleep(0)
    gone.cancel()
    database.gate.set()

    assert (await first, await last) == ("a", "c")
    assert database.rows() == ["a", "c"]


async def test_closing_finishes_what_is_queued(database: FakeDatabase) -> None:
    group = GroupCommitter(database.run, max_batch=1)
    writes = [asyncio.ensure_future(group.run("", put(v))) for v in "abc"]
    await asyncio.sleep(0)
    await group.close()

    assert [write.result() for write in writes] == ["a", "b", "c"]
    with pytest.raises(JournalUnavailable, match="closed"):
        await group.run("", put("d"))


async def test_a_stopped_committer_leaves_nobody_waiting(database: FakeDatabase) -> None:
    group = GroupCommitter(database.run, max_batch=1)
    database.gate.clear()
    writes = [asyncio.ensure_future(group.run("", put(v))) for v in "ab"]
    for _ in range(5):
        await asyncio.sleep(0)
    [committer] = [t for t in asyncio.all_tasks() if t.get_name() == "group-commit"]
    committer.cancel()

    answers = await asyncio.gather(*writes, return_exceptions=True)

    assert [type(answer) for answer in answers] == [JournalUnavailable] * 2
    assert group.waiting == 0
