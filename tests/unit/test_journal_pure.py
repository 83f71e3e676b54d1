"""The journal's pure parts: what can be stored, cursors, progress, kinds of errors, names."""

from __future__ import annotations

import contextlib
import sqlite3
import subprocess
import sys
from pathlib import Path

import asyncpg
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import exc

from orchestrator.errors import InvalidInput, JournalDamaged, JournalUnavailable
from orchestrator.journal.columns import MAX_WORDS, clipped, storable, to_json
from orchestrator.journal.engine import parse_url, sqlite_engine
from orchestrator.journal.events import EventType
from orchestrator.journal.faults import Fault, fault_of, faults_mapped, is_outage
from orchestrator.journal.views import decode_cursor, encode_cursor, progress

ROOT = Path(__file__).resolve().parents[2]


def test_event_types_are_pinned() -> None:
    """They are stored and sent: data for ever."""
    assert [kind.value for kind in EventType] == [
        "job.queued", "job.started", "job.resumed", "job.released", "job.cancel_requested",
        "job.pause_requested", "job.resume_requested", "job.paused", "job.completed",
        "job.failed", "job.cancelled", "step.started", "step.retrying", "step.waiting",
        "step.progress", "step.completed", "step.failed", "publication.queued",
        "publication.published", "publication.failed",
    ]  # fmt: skip


@given(st.text(st.characters(), max_size=50))
def test_storable_text_has_no_nul_and_is_utf8(text: str) -> None:
    stored = storable(text)

    assert "\x00" not in stored
    assert len(stored.encode()) >= len(stored)
    assert storable(stored) == stored


def test_ordinary_text_is_stored_as_it_is() -> None:
    assert storable("naïve ✓ 日本語 🙂") == "naïve ✓ 日本語 🙂"


@given(st.text(max_size=MAX_WORDS * 2))
def test_clipping_only_shortens(text: str) -> None:
    assert len(clipped(text)) <= MAX_WORDS
    assert clipped(text) == text or clipped(text).endswith("…")


def test_json_keeps_order_and_is_compact() -> None:
    assert to_json({"b": 1, "a": [True, None, "é"]}) == '{"b":1,"a":[true,null,"é"]}'


@pytest.mark.parametrize("value", [float("nan"), float("inf"), {1, 2}, b"x"])
def test_what_is_not_json_is_refused(value: object) -> None:
    with pytest.raises((ValueError, TypeError)):
        to_json(value)


@given(
    st.integers(0, 2**50),
    st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=40),
)
def test_a_cursor_leads_back(created_at: int, job_id: str) -> None:
    assert decode_cursor(encode_cursor(created_at, job_id)) == (created_at, job_id)


@given(st.text(max_size=30))
def test_no_text_is_a_cursor_unless_it_reads_as_one(cursor: str) -> None:
    with contextlib.suppress(InvalidInput):
        created_at, job_id = decode_cursor(cursor)
        assert isinstance(created_at, int)
        assert isinstance(job_id, str)


@pytest.mark.parametrize(
    ("status", "steps", "expected"),
    [
        ("queued", [], 0.0),
        ("completed", [("pending", None)], 1.0),
        ("processing", [("completed", None), ("pending", None)], 0.5),
        ("processing", [("completed", None), ("running", "section 1 of 2")], 0.75),
        ("processing", [("running", "words without numbers")], 0.0),
        ("processing", [("running", "9 of 3")], 1.0),
        ("processing", [("running", "0 of 0")], 0.0),
        ("processing", [("waiting", "retry 1 of 2")], 0.0),
    ],
)
def test_progress(status: str, steps: list[tuple[str, str | None]], expected: float) -> None:
    assert progress(status, steps) == expected


class Postgres(Exception):
    """A driver's error with a SQLSTATE."""

    def __init__(self, sqlstate: str) -> None:
        super().__init__(sqlstate)
        self.sqlstate = sqlstate


def dbapi(state: str, kind: type[exc.DBAPIError] = exc.DBAPIError) -> exc.DBAPIError:
    return kind("SELECT secret", {}, Postgres(state))


def sqlite(
    name: str, words: str = "", kind: type[exc.DBAPIError] = exc.OperationalError
) -> exc.DBAPIError:
    """SQLAlchemy's error around the driver's, with SQLite's own code."""
    cause = sqlite3.OperationalError(words or name)
    cause.sqlite_errorcode = getattr(sqlite3, name)
    return kind("INSERT secret", {}, cause)


@pytest.mark.parametrize(
    "error",
    [
        sqlite("SQLITE_FULL"),
        sqlite("SQLITE_READONLY"),
        sqlite("SQLITE_READONLY_DBMOVED"),
        sqlite("SQLITE_IOERR"),
        sqlite("SQLITE_IOERR_FSYNC"),
        sqlite("SQLITE_BUSY"),
        sqlite("SQLITE_CANTOPEN"),
        sqlite("SQLITE_ERROR", "no such table: jobs"),  # not migrated yet
        exc.OperationalError("s", {}, Exception("database is locked")),
        exc.InterfaceError("s", {}, Exception("connection is closed")),
        dbapi("40P01"),  # deadlock
        dbapi("40001"),  # serialization failure
        dbapi("57P01"),  # the server shuts down
        dbapi("53100"),  # the disk is full
        dbapi("25006"),  # read-only: a standby, or a provider's answer to a full disk
        dbapi("08006"),  # the connection broke
        dbapi("53300"),  # too many connections
        dbapi("42P01", exc.ProgrammingError),  # not migrated yet
        exc.TimeoutError(),
        ConnectionRefusedError(),
        TimeoutError(),
        asyncpg.CannotConnectNowError("starting up"),
    ],
    ids=repr,
)
def test_outages(error: Exception) -> None:
    assert is_outage(error)


@pytest.mark.parametrize(
    "error",
    [
        exc.IntegrityError("s", {}, Exception("UNIQUE constraint failed")),
        dbapi("42601", exc.ProgrammingError),
        dbapi("22003"),  # a number out of range
        dbapi("23505"),
        dbapi("54000"),  # an index row too large
        sqlite("SQLITE_ERROR", 'near "SELEC": syntax error'),
        sqlite("SQLITE_CONSTRAINT_UNIQUE", kind=exc.IntegrityError),
        sqlite("SQLITE_TOOBIG", kind=exc.DataError),
        ValueError("nan"),
        KeyError("x"),
    ],
    ids=repr,
)
def test_bugs_are_not_outages(error: Exception) -> None:
    assert not is_outage(error)


@pytest.mark.parametrize(
    "error",
    [
        sqlite("SQLITE_CORRUPT", "database disk image is malformed", exc.DatabaseError),
        sqlite("SQLITE_CORRUPT_INDEX", kind=exc.DatabaseError),
        sqlite("SQLITE_NOTADB", kind=exc.DatabaseError),
        dbapi("XX001"),
        dbapi("XX002"),
    ],
    ids=repr,
)
def test_damage_is_neither_an_outage_nor_a_bug(error: Exception) -> None:
    assert fault_of(error) is Fault.DAMAGE
    with pytest.raises(JournalDamaged, match="restore a backup"), faults_mapped():
        raise error


def test_an_outage_is_told_without_the_statement() -> None:
    with pytest.raises(JournalUnavailable) as caught, faults_mapped():
        raise dbapi("57P01")

    assert "57P01" in str(caught.value)
    assert "secret" not in str(caught.value)


def test_a_sqlite_writer_is_durable(tmp_path: Path) -> None:
    path = tmp_path / "x.db"
    path.touch()
    engine = sqlite_engine(parse_url(f"sqlite+aiosqlite:///{path}"), read_only=False, size=1)
    with engine.connect() as conn:
        settings = [
            conn.exec_driver_sql(f"PRAGMA {name}").scalar()
            for name in ("journal_mode", "synchronous", "foreign_keys", "busy_timeout")
        ]
    engine.dispose()

    assert settings == ["wal", 2, 1, 30_000]


def test_the_protocol_alone_imports_no_database() -> None:
    """Job actors need the protocol only; a database would cost each of them time and memory."""
    code = "import sys, orchestrator.journal.base; print('sqlalchemy' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT
    )

    assert done.stdout.strip() == "False"
