"""A database that is full, read-only or damaged: nothing is lost, doubled or hidden."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from typing import Any

import pytest

from orchestrator.errors import JournalDamaged, JournalUnavailable
from orchestrator.jobs import JobStatus
from orchestrator.journal.base import Journal
from orchestrator.journal.opening import open_journal
from orchestrator.journal.probe import PROBE_SECONDS, WriteProbe
from orchestrator.journal.sql import SqlJournal
from tests.contract.journal_helpers import (
    JOB,
    history,
    journal_fixture,  # noqa: F401
    new_job,
    new_memo,
    started,
    types,
    url_fixture,  # noqa: F401
    viewed,
)
from tests.contract.trouble import Trouble, damage, full, opened, read_only, refusing

LARGE = "x" * 40_000  # needs pages that a full database does not have
Write = Callable[[Journal], Any]

WRITES: dict[str, Write] = {
    "submit": lambda j: j.submit(new_job(2, request={"keyword": LARGE})),
    "begin_attempt": lambda j: j.begin_attempt(JOB, 1, "text", 1, 1, 10),
    "record_memo": lambda j: j.record_memo(JOB, 1, new_memo("p", LARGE)),
    "record_step": lambda j: j.record_step(JOB, 1, "text", {"html": LARGE}, now=20),
    "cache_put": lambda j: j.cache_put("serp", "k", LARGE, 30, 1000),
    "finish": lambda j: j.finish(JOB, 1, JobStatus.COMPLETED, result={"content": LARGE}, now=40),
}

every_trouble = pytest.mark.parametrize("kind", [full, read_only])
Kind = Callable[[str], AbstractAsyncContextManager[Trouble]]


async def until_answered(send: Callable[[], Any], refused: asyncio.Event) -> Any:
    """What callers of the journal's actor do: send again until there is an answer."""
    while True:
        try:
            return await send()
        except JournalUnavailable:
            refused.set()
            await asyncio.sleep(0.01)


@every_trouble
async def test_what_cannot_be_written_is_unavailable_and_goes_through_later(
    url: str, kind: Kind
) -> None:
    async with kind(url) as trouble:
        journal = trouble.journal
        await started(journal)
        before = await history(journal)
        await trouble.begin()

        for name in ("submit", "record_memo", "cache_put"):
            with pytest.raises(JournalUnavailable, match=r"full|No space|read-?only"):
                await WRITES[name](journal)
        assert await history(journal) == before  # what is there can still be read
        assert (await journal.counts())[JobStatus.PROCESSING] == 1

        refused = asyncio.Event()
        running = asyncio.ensure_future(in_order(journal, refused))
        await asyncio.wait_for(refused.wait(), 10)
        assert not running.done()
        await trouble.end()
        await running

        assert await types(journal) == [
            "job.queued", "job.started", "step.started", "step.completed", "job.completed",
        ]  # fmt: skip
        assert (await viewed(journal)).result == {"content": LARGE}
        assert (await viewed(journal, "job_2")).status is JobStatus.QUEUED
        assert await journal.cache_get("serp", "k") == (LARGE, 30)
    await check_whole(url)


async def in_order(journal: Journal, refused: asyncio.Event) -> None:
    """A job's writes as its actor sends them, each until it is answered."""
    for write in WRITES.values():
        await until_answered(lambda write=write: write(journal), refused)  # type: ignore[misc]


async def check_whole(url: str) -> None:
    """The file has no fault of its own (PostgreSQL has no such check)."""
    if url.startswith("sqlite"):
        journal = await opened(url)
        assert journal._writer is not None
        found = await journal._writer.run(
            lambda conn: conn.exec_driver_sql("PRAGMA integrity_check").scalars().all()
        )
        await journal.close()
        assert found == ["ok"]


@every_trouble
async def test_a_ping_notices_that_nothing_can_be_written(url: str, kind: Kind) -> None:
    async with kind(url) as trouble:
        await started(trouble.journal)
        await trouble.begin()
        with pytest.raises(JournalUnavailable, match=r"full|No space|read-?only"):
            await trouble.journal.ping()

        await trouble.end()
        await trouble.journal.ping()

        await trouble.begin()  # too soon to write again, but a write that failed is noticed
        with pytest.raises(JournalUnavailable):
            await use_up_free_pages(trouble.journal)
        with pytest.raises(JournalUnavailable):
            await trouble.journal.ping()
        await trouble.end()


async def use_up_free_pages(journal: Journal) -> None:
    for number in range(100):
        await journal.record_memo(JOB, 1, new_memo(str(number), LARGE))


async def test_a_ping_leaves_nothing_behind(journal: Journal) -> None:
    await journal.ping()

    assert await journal.cache_get("health", "write") is None


async def test_pings_in_a_row_write_once_until_a_write_fails(journal: Journal) -> None:
    assert isinstance(journal, SqlJournal)
    group = journal._group
    assert group is not None
    now = 100.0
    probe = WriteProbe(group, clock=lambda: now)

    async def writes() -> int:
        before = group.stats.operations
        await probe()
        return group.stats.operations - before

    assert [await writes(), await writes()] == [1, 0]
    now += PROBE_SECONDS
    assert [await writes(), await writes()] == [1, 0]
    group.stats = replace(group.stats, failures=1)  # a transaction was lost
    assert [await writes(), await writes()] == [1, 0]


# -- damage -----------------------------------------------------------------------------------


@pytest.mark.parametrize("url", ["sqlite"], indirect=True)
async def test_a_damaged_file_is_said_to_be_and_not_tried_again(url: str) -> None:
    journal = await opened(url)
    await started(journal)
    await journal.close()
    await damage(url)

    journal = await opened(url)
    for call in (journal.ping, lambda: journal.submit(new_job(2)), lambda: journal.view(JOB)):
        with pytest.raises(JournalDamaged, match="restore a backup"):
            await call()
    assert journal.stats.failures == 1  # the write was not repeated
    await journal.close()
    with pytest.raises(JournalDamaged):
        await open_journal(url)


@pytest.mark.postgres
@pytest.mark.parametrize("url", ["postgres"], indirect=True)
async def test_damage_on_the_server_is_not_tried_again(url: str) -> None:
    async with refusing(url, "XX001", "invalid page in block 7 of relation") as trouble:
        await started(trouble.journal)
        await trouble.begin()
        with pytest.raises(JournalDamaged, match="invalid page"):
            await trouble.journal.record_memo(JOB, 1, new_memo("p"))
        assert trouble.journal.stats.failures == 1


@pytest.mark.postgres
@pytest.mark.parametrize("url", ["postgres"], indirect=True)
@pytest.mark.parametrize("sqlstate", ["40001", "40P01", "57P01"])
async def test_what_passes_on_the_server_is_unavailable(url: str, sqlstate: str) -> None:
    async with refusing(url, sqlstate, "come again") as trouble:
        await started(trouble.journal)
        await trouble.begin()
        with pytest.raises(JournalUnavailable, match="come again"):
            await trouble.journal.record_memo(JOB, 1, new_memo("p"))
        await trouble.end()
        await trouble.journal.record_memo(JOB, 1, new_memo("p"))
