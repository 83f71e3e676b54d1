"""Erased is erased: not a byte of it is left in SQLite's file or its log."""

from __future__ import annotations

import asyncio
import random
import struct
from pathlib import Path

import pytest

from orchestrator.errors import JobEnded
from orchestrator.jobs import JobStatus
from orchestrator.journal.base import Journal
from orchestrator.journal.database import open_database
from orchestrator.journal.engine import parse_url
from orchestrator.journal.opening import open_journal
from orchestrator.journal.sql import SqlJournal
from tests.contract.journal_helpers import new_memo, started

SIZES = (10, 900, 4000, 4096, 12_000, 70_000)  # characters: within a page, and over many


def mark(number: int) -> str:
    return f"<{number:04d}Zwiebelturm>"


async def fill(journal: Journal, number: int, rand: random.Random) -> None:
    """A job with its mark all over it, in rows of many sizes; its client's id stays for the
    client's account."""
    word = mark(number)
    job_id = (
        await started(
            journal,
            number,
            keyword=f"k {word}",
            request_id=f"r {word}",
            request={"text": word * rand.randint(1, 400)},
        )
    ).job_id
    for size in rand.sample(SIZES, 3):
        memo = new_memo(f"p {size} {word}", {"text": word + "x" * size + word})
        await journal.record_memo(job_id, 1, memo)
    await journal.record_retry(job_id, 1, "text", f"oops {word}", 2200, 2100)
    await journal.record_step(job_id, 1, "text", {"t": word * 300}, degraded=[word], now=2200)
    await journal.cache_put(
        "reference", f"https://x.example/{word}", word * 50, 2300, 10**7, job_id
    )
    await journal.cache_lease("serp", word, job_id, 2300, 2400)
    await journal.finish(job_id, 1, JobStatus.COMPLETED, result={"c": word * 1000}, now=2500)


def left(folder: Path) -> dict[str, list[int]]:
    """The numbers of the jobs whose marks are in each file."""
    found = {}
    for path in folder.iterdir():
        raw = path.read_bytes()
        found[path.name] = [n for n in range(1, 41) if mark(n).encode() in raw]
    return found


async def test_not_a_byte_of_an_erased_job_is_left_in_the_file_or_its_log(tmp_path: Path) -> None:
    rand = random.Random(1)
    journal = await open_journal(f"sqlite+aiosqlite:///{tmp_path}/journal.db")
    await asyncio.gather(*(fill(journal, number, rand) for number in range(1, 41)))
    erased = rand.sample(range(1, 41), 20)
    assert set(erased) < {n for numbers in left(tmp_path).values() for n in numbers}

    for number in erased:
        assert await journal.erase(f"job_{number}")

    assert left(tmp_path)["journal.db-wal"] == []  # at once
    assert free_pages(tmp_path / "journal.db") == []
    await journal.purge(0, 3000)  # as the supervisor does every ten minutes
    kept = [number for number in range(1, 41) if number not in erased]
    found = left(tmp_path)
    await journal.close()
    assert found == {"journal.db": kept, "journal.db-shm": [], "journal.db-wal": []}


def free_pages(path: Path) -> list[int]:
    """The numbers of the jobs whose marks are in pages that no table or index uses: SQLite lists
    them from page to page (https://sqlite.org/fileformat.html, section 1.5)."""
    raw = path.read_bytes()
    size, trunk = struct.unpack(">H", raw[16:18])[0], struct.unpack(">I", raw[32:36])[0]
    pages = {number + 1: raw[number * size :][:size] for number in range(len(raw) // size)}
    free: list[bytes] = []
    while trunk:
        following, count = struct.unpack(">II", pages[trunk][:8])
        free += [
            pages[leaf] for leaf in struct.unpack(f">{count}I", pages[trunk][8 : 8 + 4 * count])
        ]
        free.append(pages[trunk])
        trunk = following
    assert free, "an erasure frees pages"
    return [n for n in range(1, 41) if any(mark(n).encode() in page for page in free)]


async def test_what_a_reader_kept_in_the_log_goes_with_the_next_purge(tmp_path: Path) -> None:
    url = f"sqlite+aiosqlite:///{tmp_path}/journal.db"
    journal = await open_journal(url)
    await fill(journal, 1, random.Random(1))
    reader = open_database(parse_url(url), read_only=True)
    reading, let_go = asyncio.Event(), asyncio.Event()
    loop = asyncio.get_running_loop()

    def read_slowly(conn: object) -> None:
        conn.exec_driver_sql("SELECT count(*) FROM jobs").all()  # type: ignore[attr-defined]
        loop.call_soon_threadsafe(reading.set)
        asyncio.run_coroutine_threadsafe(let_go.wait(), loop).result()

    held = asyncio.create_task(reader.run(read_slowly))
    await reading.wait()

    assert await journal.erase("job_1")  # is not kept waiting for ever

    assert left(tmp_path)["journal.db-wal"] == [1]
    let_go.set()
    await held
    await reader.close()
    await journal.purge(0, 3000)
    assert left(tmp_path) == {"journal.db": [], "journal.db-shm": [], "journal.db-wal": []}
    await journal.close()


async def test_what_retention_deletes_leaves_the_log_too(tmp_path: Path) -> None:
    journal = await open_journal(f"sqlite+aiosqlite:///{tmp_path}/journal.db")
    await fill(journal, 1, random.Random(1))

    while await journal.purge(9000, 2**40):
        pass

    assert not any(left(tmp_path).values())
    await journal.close()


async def test_a_stale_activation_leaves_no_byte_behind_an_erasure(tmp_path: Path) -> None:
    journal = await open_journal(f"sqlite+aiosqlite:///{tmp_path}/journal.db")
    assert isinstance(journal, SqlJournal)
    await started(journal, 1, keyword=mark(1), request={"t": mark(1)})
    await journal.erase("job_1")

    for late in (
        journal.record_memo("job_1", 1, new_memo(mark(1), mark(1))),
        journal.cache_put("reference", mark(1), mark(1), 1, 2, "job_1"),
    ):
        with pytest.raises(JobEnded):
            await late
    await journal.cache_lease("reference", mark(1), "job_1", 1, 2)  # holds a digest only

    assert not any(left(tmp_path).values())
    await journal.close()
