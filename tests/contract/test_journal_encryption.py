"""Content sealed at rest: nobody reads it in the database, and nobody moves it about there."""

from __future__ import annotations

import asyncio
import itertools
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr
from sqlalchemy import Connection, select, text

from orchestrator.errors import JournalDamaged, JournalSealed
from orchestrator.jobs import JobStatus
from orchestrator.journal import tables
from orchestrator.journal.base import Journal
from orchestrator.journal.content import CONTENT, seal_job, vault_in
from orchestrator.journal.database import Database, open_database
from orchestrator.journal.engine import parse_url
from orchestrator.journal.opening import NO_KEYS, open_journal
from orchestrator.journal.rotation import Rotated, rotate, standing
from orchestrator.journal.sealing import key_id, new_master_key, parse_keys, vault_of
from orchestrator.journal.tables import metadata
from tests.contract.journal_helpers import (
    JOB,
    KEYS,
    database_fixture,  # noqa: F401
    new_job,
    new_memo,
    on_database,
    started,
    url_fixture,  # noqa: F401
    viewed,
)

MARK = "Zwiebelturm"
"""Stands in everything that a client sends, or that is written for it."""

NEWER = SecretStr(new_master_key())
BOTH = SecretStr(f"{NEWER.get_secret_value()},{KEYS.get_secret_value()}")


def id_of(keys: SecretStr) -> str:
    return key_id(parse_keys(keys)[0])


async def opened(url: str, keys: SecretStr = KEYS, **more: Any) -> Journal:
    return await open_journal(url, migrate=False, keys=keys, **more)


async def at_work(journal: Journal, number: int = 1) -> str:
    """A running job with the mark in everything it holds, and in the caches; its id."""
    request = {"keyword": "k", "existingContent": f"<h1>{MARK}</h1>"}
    claim = await started(journal, number, request=request)
    job_id = claim.job_id
    await journal.record_memo(job_id, claim.epoch, new_memo("p\x00\ud800", {"text": f"{MARK} 1"}))
    await journal.record_step(job_id, claim.epoch, "outline", {"o": f"{MARK} 2"}, now=2100)
    await journal.cache_put(
        "reference-search", f"{MARK} 3", {"r": f"{MARK} 4"}, 2100, 10**6, job_id
    )
    await journal.cache_lease("reference-search", f"{MARK} 5", job_id, 2100, 2200)
    return job_id


async def completed(journal: Journal, number: int = 1) -> str:
    job_id = await at_work(journal, number)
    await journal.finish(job_id, 1, JobStatus.COMPLETED, result={"content": f"{MARK} 6"}, now=3000)
    return job_id


async def in_full(journal: Journal, number: int = 1) -> None:
    """Check that what :func:`at_work` left is there, as an activation gets it."""
    claim = await journal.claim(f"job_{number}", f"again {number}", 5000, 99)
    assert claim.request == {"keyword": "k", "existingContent": f"<h1>{MARK}</h1>"}
    assert claim.steps[0].output == {"o": f"{MARK} 2"}
    assert [memo.value for memo in claim.memos] == [{"text": f"{MARK} 1"}]
    assert await journal.cache_get("reference-search", f"{MARK} 3") == ({"r": f"{MARK} 4"}, 2100)


def everything(conn: Connection) -> str:
    """Every value of every row, as the database has it."""
    rows = []
    for table in metadata.sorted_tables:
        names = ", ".join(f'CAST("{column.name}" AS TEXT)' for column in table.columns)
        rows += [tuple(row) for row in conn.execute(text(f'SELECT {names} FROM "{table.name}"'))]
    return repr(rows)


def stored(conn: Connection) -> list[tuple[str, str]]:
    """Every sealed value, as it is stored."""
    return [
        (f"{table.name}.{name}", str(value))
        for table, name in (*CONTENT, (tables.cache, "value"))
        for value in conn.execute(select(table.c[name]).order_by(*table.primary_key)).scalars()
        if value is not None
    ]


async def rotated(url: str, keys: SecretStr) -> Rotated:
    database = open_database(parse_url(url), vault=vault_of(keys))
    try:
        return await rotate(database)
    finally:
        await database.close()


# -- what lies in the database ----------------------------------------------------------------


async def test_nothing_of_the_content_can_be_read_in_the_database(
    url: str, database: Database
) -> None:
    clear = await opened(url, NO_KEYS)
    await completed(clear)
    await clear.close()
    assert (await database.run(everything)).count(MARK) == 6  # that it would be found
    await on_database(
        url,
        "DELETE FROM jobs",
        "DELETE FROM ledger",
        "DELETE FROM cache",
        "DELETE FROM cache_leases",
    )

    journal = await opened(url)
    await completed(journal)

    assert MARK not in await database.run(everything)
    view = await viewed(journal)
    assert view.result == {"content": f"{MARK} 6"}
    await journal.close()


async def test_no_byte_of_the_content_is_in_the_files(tmp_path: Path) -> None:
    journal = await open_journal(f"sqlite+aiosqlite:///{tmp_path}/journal.db", keys=KEYS)
    await completed(journal)
    raw = b"".join(path.read_bytes() for path in sorted(tmp_path.iterdir()))
    await journal.close()
    folded = (tmp_path / "journal.db").read_bytes()

    assert b"job_1" in raw  # of the log too
    assert MARK.encode() not in raw + folded


async def test_what_is_sealed_is_read_as_it_was_written(url: str) -> None:
    journal = await opened(url)
    await at_work(journal)
    await in_full(journal)
    await journal.close()

    later = await opened(url)
    await in_full(later)
    await later.close()


async def test_the_same_content_twice_does_not_look_the_same(url: str, database: Database) -> None:
    journal = await opened(url)
    await at_work(journal, 1)
    await at_work(journal, 2)
    await journal.close()

    values = [value for _, value in await database.run(stored)]

    assert len(set(values)) == len(values)


# -- keys that are wrong, or missing ----------------------------------------------------------


@pytest.mark.parametrize("keys", [NO_KEYS, NEWER], ids=["none", "another"])
async def test_a_journal_without_its_key_is_not_opened_and_nothing_is_changed(
    url: str, database: Database, keys: SecretStr
) -> None:
    journal = await opened(url)
    await at_work(journal)
    await journal.close()
    before = await database.run(everything)

    with pytest.raises(JournalSealed, match=f"{id_of(KEYS)}.*SOTA_ENCRYPTION_KEYS.*add that key"):
        await open_journal(url, keys=keys)

    assert await database.run(everything) == before


async def test_a_reader_without_the_key_lists_jobs_and_shows_no_content(url: str) -> None:
    journal = await opened(url)
    await completed(journal)
    await journal.close()
    reader = await opened(url, NO_KEYS, read_only=True)

    [listed], _ = await reader.list_jobs()
    assert listed.status is JobStatus.COMPLETED
    with pytest.raises(JournalSealed, match="SOTA_ENCRYPTION_KEYS is not set"):
        await reader.view(JOB)
    with pytest.raises(JournalSealed):
        await reader.cache_get("reference-search", f"{MARK} 3")
    await reader.close()


async def test_a_job_whose_key_is_lost_hurts_no_other_and_uses_up_no_activation(
    url: str, database: Database
) -> None:
    journal = await opened(url)
    await at_work(journal, 1)
    await at_work(journal, 2)
    lost = f"UPDATE jobs SET data_key = '000000000000' || substr(data_key, 13) WHERE id = '{JOB}'"
    await on_database(url, lost)
    before = await database.run(everything)

    with pytest.raises(JournalSealed, match="000000000000"):
        await journal.claim(JOB, "another", 5000, 5)
    with pytest.raises(JournalSealed):
        await journal.record_step(JOB, 1, "text", {"t": 1}, now=5000)

    assert await database.run(everything) == before
    await in_full(journal, 2)
    await journal.close()


@pytest.mark.parametrize("bad", ["short", "c2hvcnQ=", "ключ", "A" * 43, "=" * 44])
def test_a_key_that_is_none_is_named_by_its_number_only(bad: str) -> None:
    with pytest.raises(JournalSealed, match="SOTA_ENCRYPTION_KEYS: key 2 is not 32 bytes") as error:
        parse_keys(SecretStr(f"{KEYS.get_secret_value()}, {bad}"))

    assert bad not in str(error.value)


def test_keys_may_be_apart_by_commas_or_lines() -> None:
    one, two = new_master_key(), new_master_key()

    assert len(parse_keys(SecretStr(f" {one},\n{two} "))) == 2
    assert parse_keys(SecretStr(one.replace("+", "-").replace("/", "_"))) == parse_keys(
        SecretStr(one)
    )
    assert parse_keys(SecretStr(" \n")) == ()


# -- rows that were changed -------------------------------------------------------------------

CHANGES = {
    "another step's output": "UPDATE steps SET output = (SELECT output FROM steps WHERE "
    "job_id = 'job_1' AND slug = 'outline') WHERE job_id = 'job_1' AND slug = 'text'",
    "another job's request": "UPDATE bodies SET request = (SELECT request FROM bodies WHERE "
    "job_id = 'job_2') WHERE job_id = 'job_1'",
    "another job's key": "UPDATE jobs SET data_key = (SELECT data_key FROM jobs WHERE "
    "id = 'job_2') WHERE id = 'job_1'",
    "a part renamed": "UPDATE memos SET part = 'other' WHERE job_id = 'job_1'",
    "an output in clear": "UPDATE steps SET output = '{}' WHERE job_id = 'job_1' AND slug = 'text'",
    "no key": "UPDATE jobs SET data_key = NULL WHERE id = 'job_1'",
    "a bit": "UPDATE bodies SET request = substr(request, 1, 40) || 'AAAA' || "
    "substr(request, 45) WHERE job_id = 'job_1'",
    "cut short": "UPDATE bodies SET request = 'enc1:AAAA' WHERE job_id = 'job_1'",
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
async def test_what_was_changed_in_the_database_is_not_taken(url: str, change: str) -> None:
    clear = NO_KEYS if "data_key = NULL" in change else KEYS
    journal = await opened(url)
    await at_work(journal, 1)
    await at_work(journal, 2)
    await on_database(url, change)
    await on_database(url, "DELETE FROM shared_keys") if clear is NO_KEYS else None
    await journal.close()
    journal = await opened(url, clear)

    with pytest.raises(JournalDamaged, match="changed"):
        await journal.claim(JOB, "another", 5000, 5)
    await journal.close()


# -- turned on for a journal that has jobs ----------------------------------------------------


async def test_old_jobs_stay_readable_and_are_sealed_whole_when_they_are_written_to(
    url: str, database: Database
) -> None:
    clear = await opened(url, NO_KEYS)
    await completed(clear, 1)
    await at_work(clear, 2)
    await clear.close()

    journal = await opened(url)
    assert (await viewed(journal)).result == {"content": f"{MARK} 6"}
    assert await journal.cache_get("reference-search", f"{MARK} 3") == ({"r": f"{MARK} 4"}, 2100)
    await in_full(journal, 2)  # a claim is a write
    await journal.submit(new_job(3))
    found = await database.run(standing)

    assert (found.jobs, found.clear_jobs) == ({id_of(KEYS): 2}, 1)
    by_job = await database.run(lambda conn: conn.execute(select(tables.bodies.c.job_id,
        text("substr(request, 1, 5)")).order_by(tables.bodies.c.job_id)).all())  # fmt: skip
    assert [mark == "enc1:" for _, mark in by_job] == [False, True, True]
    await journal.close()


async def test_a_value_made_anew_takes_the_place_of_the_one_in_clear(
    url: str, database: Database
) -> None:
    clear = await opened(url, NO_KEYS)
    await clear.cache_put("serp", MARK, {"old": MARK}, 1000, 10**6)
    await clear.close()
    journal = await opened(url)

    await journal.cache_put("serp", MARK, {"new": MARK}, 2000, 10**6)

    assert await journal.cache_get("serp", MARK) == ({"new": MARK}, 2000)
    assert MARK not in await database.run(everything)
    await journal.close()


# -- changing the key -------------------------------------------------------------------------


async def test_a_rotation_wraps_keys_anew_and_rewrites_no_content(
    url: str, database: Database
) -> None:
    journal = await opened(url)
    for number in (1, 2, 3):
        await at_work(journal, number)
    await journal.close()
    before = await database.run(stored)

    assert await rotated(url, BOTH) == Rotated(rewrapped=4)

    assert await database.run(stored) == before
    assert (await database.run(standing)).jobs == {id_of(NEWER): 3}
    assert await rotated(url, BOTH) == Rotated()
    later = await opened(url, NEWER)  # the old key can go
    for number in (1, 2, 3):
        await in_full(later, number)
    await later.close()


async def test_a_rotation_seals_what_was_in_clear(url: str, database: Database) -> None:
    clear = await opened(url, NO_KEYS)
    for number in range(1, 26):  # more than a batch
        await completed(clear, number)
        await clear.cache_put("serp", f"{MARK} {number}", {"v": number}, 1000, 10**6)
    await clear.close()

    done = await rotated(url, KEYS)

    assert (done.sealed_jobs, done.sealed_entries) == (25, 26)
    assert (await database.run(everything)).count(MARK) == 0
    journal = await opened(url)
    assert (await viewed(journal, "job_25")).result == {"content": f"{MARK} 6"}
    assert await journal.cache_get("serp", f"{MARK} 7") == ({"v": 7}, 1000)
    await journal.close()


async def test_no_byte_of_what_was_in_clear_is_left_by_a_rotation(tmp_path: Path) -> None:
    url = f"sqlite+aiosqlite:///{tmp_path}/journal.db"
    clear = await open_journal(url)
    for number in range(1, 31):
        await completed(clear, number)
    raw = b"".join(path.read_bytes() for path in tmp_path.iterdir())
    assert raw.count(MARK.encode()) > 60
    await clear.close()
    service = await open_journal(url, keys=KEYS)  # it goes on meanwhile

    await rotated(url, KEYS)

    raw = b"".join(path.read_bytes() for path in tmp_path.iterdir())
    await service.close()
    assert MARK.encode() not in raw


async def test_writers_that_turn_it_on_at_once_agree_on_one_key(url: str) -> None:
    journals = await asyncio.gather(*(opened(url) for _ in range(4)))
    await journals[0].cache_put("serp", "k", {"v": 1}, 1000, 10**6)

    assert [await one.cache_get("serp", "k") for one in journals] == [({"v": 1}, 1000)] * 4
    for one in journals:
        await one.close()


async def test_a_rotation_without_the_old_key_changes_nothing(url: str, database: Database) -> None:
    journal = await opened(url)
    await at_work(journal)
    await journal.close()
    before = await database.run(everything)

    with pytest.raises(JournalSealed, match=id_of(KEYS)):
        await rotated(url, NEWER)

    assert await database.run(everything) == before


@pytest.mark.parametrize("after", [1, 2, 3, 4])
async def test_a_rotation_that_was_broken_off_goes_on(
    url: str, database: Database, after: int
) -> None:
    """While it is unfinished a writer without the old key is refused."""
    clear = await opened(url, NO_KEYS)
    await completed(clear, 99)
    await clear.close()
    journal = await opened(url)
    for number in range(1, 26):
        await at_work(journal, number)
    await journal.close()
    halfway = open_database(parse_url(url), vault=vault_of(BOTH))
    steps = itertools.count(1)

    def breaks(_: Rotated) -> None:
        if next(steps) == after:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        await rotate(halfway, breaks)
    await halfway.close()
    if after < 4:
        with pytest.raises(JournalSealed):
            await open_journal(url, keys=NEWER)

    await rotated(url, BOTH)

    found = await database.run(standing)
    assert (found.jobs, found.clear_jobs, found.clear_entries) == ({id_of(NEWER): 26}, 0, 0)
    assert found.cache_key == id_of(NEWER)
    later = await opened(url, NEWER)
    for number in (1, 25):
        await in_full(later, number)
    assert (await viewed(later, "job_99")).result == {"content": f"{MARK} 6"}
    await later.close()


async def test_a_rotation_beside_writing_jobs_loses_nothing(url: str, database: Database) -> None:
    """Half of the jobs were accepted in clear; all write while they are sealed and rotated."""
    clear = await opened(url, NO_KEYS)
    for number in range(1, 11):
        await started(clear, number)
    await clear.close()
    old = await opened(url)
    for number in range(11, 21):
        await started(old, number)
    await old.close()
    service = await opened(url, BOTH)
    writing = asyncio.Event()

    async def write(number: int) -> None:
        for n in range(20):
            await service.record_memo(f"job_{number}", 1, new_memo(str(n), {"v": f"{MARK} {n}"}))
            writing.set()

    work = [asyncio.create_task(write(number)) for number in range(1, 21)]
    await writing.wait()
    await rotated(url, BOTH)
    await asyncio.gather(*work)
    await rotated(url, BOTH)

    assert MARK not in await database.run(everything)
    assert (await database.run(standing)).jobs == {id_of(NEWER): 20}
    for number in range(1, 21):
        claim = await service.claim(f"job_{number}", "again", 9000, 99)
        assert {memo.part: memo.value for memo in claim.memos} == {
            str(n): {"v": f"{MARK} {n}"} for n in range(20)
        }
    await service.close()


async def test_what_the_service_was_started_with_is_known(url: str, database: Database) -> None:
    for keys in (KEYS, BOTH):
        await (await open_journal(url, keys=keys)).close()

        held = (await database.run(standing)).held
        assert held == tuple(map(key_id, parse_keys(keys)))


async def test_sealing_a_job_twice_is_sealing_it_once(url: str, database: Database) -> None:
    clear = await opened(url, NO_KEYS)
    await at_work(clear)
    await clear.close()
    sealing = open_database(parse_url(url), vault=vault_of(KEYS))
    await sealing.run(lambda conn: seal_job(conn, JOB))
    before = await database.run(everything)

    key = await sealing.run(lambda conn: seal_job(conn, JOB))

    assert await database.run(everything) == before
    wrapped = await sealing.run(lambda conn: conn.execute(select(tables.jobs.c.data_key)).scalar())
    again = await sealing.run(lambda conn: vault_in(conn).unwrap(wrapped, JOB))
    assert again.open(key.seal({"v": 1}, "t"), "t") == {"v": 1}
    await sealing.close()
