"""Backup and restore of a SQLite journal: while it is written, whole, and never by mistake."""

from __future__ import annotations

import asyncio
import os
import sqlite3
import stat
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import make_url
from typer.testing import CliRunner, Result

from orchestrator.cli import backup as command
from orchestrator.cli import record
from orchestrator.cli.app import app
from orchestrator.errors import BackupRefused
from orchestrator.jobs import JobStatus
from orchestrator.journal.backup import back_up, restore
from orchestrator.journal.migrate import known_revisions, migrate
from orchestrator.journal.opening import open_journal
from tests.contract.journal_helpers import JOB, new_job, new_memo, started

ROOT = Path(__file__).resolve().parents[2]
NOON = datetime(2026, 1, 2, 12, 0, 0, tzinfo=UTC)
Sota = Callable[..., Result]


def url_of(path: Path) -> str:
    return f"sqlite+aiosqlite:///{path}"


def dump(path: Path) -> list[str]:
    """Every row and every table, as SQL."""
    with closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True)) as connection:
        return list(connection.iterdump())


def change(path: Path, statement: str) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.execute(statement)
        connection.commit()


@pytest.fixture
async def journal(tmp_path: Path) -> Path:
    """The file of a closed journal with one running job."""
    path = tmp_path / "home" / "journal.db"
    opened = await open_journal(url_of(path))
    await started(opened)
    await opened.record_memo(JOB, 1, new_memo("first"))
    await opened.close()
    return path


@pytest.fixture
def sota(journal: Path, monkeypatch: pytest.MonkeyPatch) -> Sota:
    """The command line in the journal's home."""
    monkeypatch.setenv("SOTA_HOME", str(journal.parent))
    monkeypatch.delenv("SOTA_DATABASE_URL", raising=False)
    return lambda *words: CliRunner().invoke(app, [str(word) for word in words])


# -- a copy of a journal that is being written ------------------------------------------------


async def test_a_backup_beside_a_writing_service_holds_all_that_was_answered(
    journal: Path, tmp_path: Path
) -> None:
    """Another process backs up while this one writes; the copy restores to a running journal."""
    writer = await open_journal(url_of(journal))
    answered: list[str] = []
    done = asyncio.Event()

    async def write(name: int) -> None:
        number = 0
        while not done.is_set():
            part = f"{name}-{number}"
            await writer.record_memo(JOB, 1, new_memo(part, "x" * 3000))
            answered.append(part)
            number += 1

    writing = [asyncio.ensure_future(write(name)) for name in range(8)]
    while len(answered) < 100:
        await asyncio.sleep(0.01)
    before, target = list(answered), tmp_path / "copy.db"
    environment = {**os.environ, "SOTA_HOME": str(journal.parent), "SOTA_DATABASE_URL": ""}
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "orchestrator.cli", "backup", str(target),
        env=environment, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip
    said, _ = await process.communicate()
    after = len(answered)
    done.set()
    await asyncio.gather(*writing)
    await writer.close()

    assert process.returncode == 0, said
    assert b"1 job (1 processing)" in said
    assert after > len(before)  # it was written meanwhile
    restored = tmp_path / "elsewhere" / "journal.db"
    restore(target, restored, NOON)
    opened = await open_journal(url_of(restored))
    parts = {memo.part for memo in (await opened.claim(JOB, "me", 9000, 5)).memos}
    await opened.close()
    assert set(before) <= parts <= {"first", *answered}


async def test_what_is_restored_equals_what_was_backed_up(journal: Path, tmp_path: Path) -> None:
    target, restored = tmp_path / "copy.db", tmp_path / "other" / "journal.db"
    live = await open_journal(url_of(journal))  # its newest rows are in the log, not in the file
    await live.record_step(JOB, 1, "outline", {"o": "é"}, now=10)
    contents = back_up(journal, target)
    await live.close()

    assert restore(target, restored, NOON) == (contents, None)
    assert dump(restored) == dump(target) == dump(journal)
    assert contents.jobs == {"processing": 1}
    assert contents.last_change == 2000
    assert contents.revision == known_revisions()[-1]


async def test_a_backup_is_one_file_of_its_owners_alone(journal: Path, tmp_path: Path) -> None:
    folder = tmp_path / "backups"
    folder.mkdir()
    live = await open_journal(url_of(journal))
    back_up(journal, folder / "copy.db")
    await live.close()

    assert [file.name for file in folder.iterdir()] == ["copy.db"]
    assert stat.S_IMODE((folder / "copy.db").stat().st_mode) == 0o600


# -- what is refused, leaving everything as it was --------------------------------------------


def refused(sota: Sota, *words: object) -> str:
    done = sota(*words)
    assert done.exit_code == 1, done.output
    return done.stderr


def test_a_backup_does_not_overwrite(sota: Sota, journal: Path, tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("mine")

    assert "name a new file" in refused(sota, "backup", tmp_path / "taken")
    assert "name a new file" in refused(sota, "backup", journal)
    assert (tmp_path / "taken").read_text() == "mine"


def test_a_backup_that_cannot_be_written_leaves_nothing(sota: Sota, tmp_path: Path) -> None:
    assert "cannot write in" in refused(sota, "backup", tmp_path / "nowhere" / "copy.db")


def test_a_backup_needs_a_journal(sota: Sota, journal: Path, tmp_path: Path) -> None:
    journal.unlink()

    assert "there is no journal" in refused(sota, "backup", tmp_path / "copy.db")


def test_a_damaged_journal_is_not_backed_up(sota: Sota, journal: Path, tmp_path: Path) -> None:
    """Its last sound backup must not be followed by one that looks like it."""
    with journal.open("r+b") as file:
        file.seek(4096 * 3)
        file.write(b"\xa5" * 4096)

    assert "damaged" in refused(sota, "backup", tmp_path / "copy.db")
    assert sorted(file.name for file in tmp_path.iterdir()) == ["home"]


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (lambda path: path.unlink(), "there is no file"),
        (lambda path: path.write_text("words " * 1000), "not a database"),
        (lambda path: change(path, "UPDATE alembic_version SET version_num = '9999'"), "9999"),
        (lambda path: change(path, "DROP TABLE alembic_version"), "not a journal"),
        (lambda path: os.truncate(path, path.stat().st_size - 4096), "malformed|damaged"),
        (lambda path: change(path, "DELETE FROM jobs"), "damaged"),  # rows without their job
    ],
    ids=["missing", "text", "newer", "foreign", "cut", "orphans"],
)
def test_what_is_no_sound_journal_of_ours_is_not_restored(
    sota: Sota, journal: Path, tmp_path: Path, spoil: Callable[[Path], object], says: str
) -> None:
    target = tmp_path / "copy.db"
    back_up(journal, target)
    spoil(target)
    before = dump(journal)
    was_there = {file.name for file in journal.parent.iterdir()}

    told = refused(sota, "restore", target)

    assert any(words in told for words in says.split("|")), told
    assert {file.name for file in journal.parent.iterdir()} - {*was_there, "up.lock"} == set()
    assert dump(journal) == before


async def test_nothing_is_restored_under_a_process_that_has_the_journal_open(
    journal: Path, tmp_path: Path
) -> None:
    """Also one that only reads, and whose home says nothing of it."""
    target = tmp_path / "copy.db"
    back_up(journal, target)
    for read_only in (False, True):
        live = await open_journal(url_of(journal), read_only=read_only)
        await live.ping()
        with pytest.raises(BackupRefused, match="stop the service first"):
            restore(target, journal, NOON)
        await live.ping()
        await live.close()
    restore(target, journal, NOON)


def test_nothing_is_restored_while_sota_up_runs(sota: Sota, journal: Path, tmp_path: Path) -> None:
    back_up(journal, tmp_path / "copy.db")
    with record.claim(journal.parent, "up") as home:
        home.announce({"url": "http://127.0.0.1:1"})
        told = refused(sota, "restore", tmp_path / "copy.db")

    assert "runs in" in told
    assert "stop it with Ctrl-C" in told


def test_nothing_is_restored_while_leftovers_of_a_killed_up_run(
    sota: Sota, journal: Path, tmp_path: Path
) -> None:
    back_up(journal, tmp_path / "copy.db")
    me = record.Process.of("host", os.getpid())
    dead = me.model_copy(update={"created": me.created - 100})
    written = record.Record(supervisor=dead, children=[me])
    record.write_private(journal.parent / "up.json", written.model_dump_json())

    assert f"pid {os.getpid()}" in refused(sota, "restore", tmp_path / "copy.db")


# -- what is replaced -------------------------------------------------------------------------


async def test_a_restore_goes_back_and_keeps_what_it_replaced(
    sota: Sota, journal: Path, tmp_path: Path
) -> None:
    assert sota("backup", tmp_path / "copy.db").exit_code == 0
    later = await open_journal(url_of(journal))
    await later.submit(new_job(2))
    await later.finish(JOB, 1, JobStatus.COMPLETED, now=5000)
    await later.close()
    lost = dump(journal)

    done = sota("restore", tmp_path / "copy.db")

    assert done.exit_code == 0, done.output
    [kept] = journal.parent.glob("journal.db.replaced-*")
    assert str(kept) in done.stdout
    assert "jobs accepted after the backup are gone" in done.stdout
    assert dump(kept) == lost
    assert stat.S_IMODE(journal.stat().st_mode) == 0o600
    opened = await open_journal(url_of(journal))
    assert await opened.view("job_2") is None
    claim = await opened.claim(JOB, "another", 9000, 5)
    await opened.close()
    assert ([memo.part for memo in claim.memos], claim.epoch) == (["first"], 2)


def test_a_damaged_journal_is_replaced_and_kept(journal: Path, tmp_path: Path) -> None:
    target = tmp_path / "copy.db"
    back_up(journal, target)
    journal.write_bytes(b"\xa5" * 8192)

    _, kept = restore(target, journal, NOON)

    assert kept is not None
    assert kept.read_bytes() == b"\xa5" * 8192
    assert dump(journal) == dump(target)


async def test_a_log_without_its_journal_is_not_played_into_the_restored_one(
    journal: Path, tmp_path: Path
) -> None:
    """Somebody deleted the file, but not what a killed process had left beside it."""
    target, log = tmp_path / "copy.db", journal.with_name("journal.db-wal")
    back_up(journal, target)
    live = await open_journal(url_of(journal))
    await live.submit(new_job(2))
    left = log.read_bytes()
    await live.close()
    journal.unlink()
    log.write_bytes(left)

    restore(target, journal, NOON)

    assert dump(journal) == dump(target)
    assert next(journal.parent.glob("*.replaced-*-wal")).read_bytes() == left


async def test_a_backup_of_an_older_revision_is_brought_up_to_date_at_the_next_start(
    journal: Path, tmp_path: Path
) -> None:
    """Every revision this version knows may be restored."""
    target = tmp_path / "copy.db"
    back_up(journal, target)
    contents, _ = restore(target, journal, NOON)
    await migrate(url_of(journal))

    assert contents.revision in known_revisions()
    assert back_up(journal, tmp_path / "again.db").revision == known_revisions()[-1]


# -- PostgreSQL -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("verb", "starts"),
    [("backup", "pg_dump --format=custom"), ("restore", "pg_restore --clean")],
)
def test_for_postgresql_its_own_tools_are_named_without_the_password(
    sota: Sota, monkeypatch: pytest.MonkeyPatch, verb: str, starts: str
) -> None:
    monkeypatch.setenv(
        "SOTA_DATABASE_URL", "postgresql+asyncpg://me:hush@db.example:5433/sota?search_path=tenant"
    )

    told = refused(sota, verb, "my copy.dump")

    assert starts in told
    for words in ("--host=db.example --port=5433 --username=me --schema=tenant", "'", "sota"):
        assert words in told
    assert "hush" not in told


def test_the_place_of_a_socket_is_passed_on() -> None:
    url = make_url("postgresql+asyncpg:///sota?host=/run/pg")

    assert command.pg_dump(url, Path("f")) == (
        "run: pg_dump --format=custom --file=f --host=/run/pg sota"
    )


def test_a_url_of_another_kind_is_named(sota: Sota, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOTA_DATABASE_URL", "mysql://x/y")

    assert "SOTA_DATABASE_URL" in refused(sota, "backup", "f")
