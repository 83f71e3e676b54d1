"""Engines: how the journal connects to SQLite and PostgreSQL, with our rules for durability."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Engine, create_engine, event, make_url
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from tenacity import retry, retry_if_exception_message, stop_after_delay, wait_random

BUSY_TIMEOUT_MS = 30_000
"""How long SQLite waits for another writer (the house number of dbos, see STYLE)."""

SERVER_TIMEOUT_MS = 30_000
"""How long PostgreSQL may take for one statement or one lock before it is an outage."""

CONNECT_TIMEOUT_SECONDS = 10.0

SQLITE = ("sqlite+aiosqlite", "sqlite+pysqlite", "sqlite")
"""Names a SQLite URL may have. They mean the same here: see ``database.py``."""

POSTGRESQL = "postgresql+asyncpg"


def parse_url(url: str) -> URL:
    """The URL, checked.

    :raises ValueError: another driver, or a SQLite database that is not a file.
    """
    parsed = make_url(url)
    if is_sqlite(parsed):
        if parsed.database in (None, "", ":memory:"):
            raise ValueError(f"SOTA_DATABASE_URL must name a file: {SQLITE[0]}:///PATH")
    elif parsed.drivername != POSTGRESQL:
        raise ValueError(
            f"SOTA_DATABASE_URL has driver {parsed.drivername!r}: use {SQLITE[0]}:///PATH or "
            f"{POSTGRESQL}://USER@HOST/DATABASE"
        )
    return parsed


def is_sqlite(url: URL) -> bool:
    """True for a SQLite URL."""
    return url.drivername in SQLITE


def prepare_file(url: URL) -> None:
    """Create a SQLite database's directory, and the file for its owner only (mode 0600).

    An existing database is never opened here: closing any descriptor of a file drops every
    POSIX lock this process holds on it, SQLite's own included. So a new file is made under
    another name, closed, and then linked to its own.
    """
    if not is_sqlite(url):
        return
    path = Path(url.database or "")
    if path.exists():
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, blank = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")  # mode 0600
    os.close(descriptor)
    try:
        with contextlib.suppress(FileExistsError):  # another process was first
            os.link(blank, path)
    finally:
        os.unlink(blank)


def sqlite_engine(url: URL, *, read_only: bool, size: int) -> Engine:
    """An engine for a SQLite file that exists; WAL, so readers and the writer do not wait
    for each other.

    :param read_only: SQLite refuses every statement that writes.
    :param size: most connections held.
    """
    # mode=rw: a connection never creates the file, so a reader that starts first fails cleanly.
    engine = create_engine(
        URL.create(
            "sqlite+pysqlite",
            database=f"file:{Path(url.database or '').absolute()}",
            query={"mode": "rw", "uri": "true"},
        ),
        pool_size=size,
        max_overflow=0,
        hide_parameters=True,
        connect_args={"timeout": BUSY_TIMEOUT_MS / 1000},
    )
    pragmas = [f"busy_timeout={BUSY_TIMEOUT_MS}", "foreign_keys=ON", "synchronous=FULL"]
    # secure_delete: what is deleted is overwritten with zeros, not only marked as free.
    pragmas += ["query_only=ON"] if read_only else ["journal_mode=WAL", "secure_delete=ON"]
    begin = "BEGIN" if read_only else "BEGIN IMMEDIATE"

    @event.listens_for(engine, "connect")
    def _configure(connection: Any, _record: Any) -> None:
        connection.isolation_level = None  # the driver must not begin transactions by itself
        # SQLite's own knows the letters of English only.
        connection.create_function("lower", 1, _lower, deterministic=True)
        for pragma in pragmas:
            _waiting_for_lock(connection.execute, f"PRAGMA {pragma}")

    @event.listens_for(engine, "begin")
    def _begin(connection: Any) -> None:
        connection.exec_driver_sql(begin)

    return engine


def _lower(text: Any) -> Any:
    return text.lower() if isinstance(text, str) else text


@retry(
    # The step from a rollback journal to WAL needs the file alone, and SQLite answers "locked"
    # at once there: its busy timeout does not apply (https://sqlite.org/wal.html, section 8).
    retry=retry_if_exception_message(match="database is locked"),
    wait=wait_random(0.005, 0.05),
    stop=stop_after_delay(BUSY_TIMEOUT_MS / 1000),
    reraise=True,
)
def _waiting_for_lock(execute: Callable[[str], Any], statement: str) -> None:
    execute(statement)


def postgresql_engine(url: URL, *, read_only: bool, size: int) -> AsyncEngine:
    """An engine for PostgreSQL. The URL may carry ``?search_path=SCHEMA`` and
    ``?application_name=NAME``, what the server calls its connections (``sota-journal``).

    :param read_only: the server refuses every statement that writes.
    :param size: most connections held.
    """
    settings = {
        "application_name": str(url.query.get("application_name", "sota-journal")),
        "statement_timeout": str(SERVER_TIMEOUT_MS),
        "lock_timeout": str(SERVER_TIMEOUT_MS),
        "idle_in_transaction_session_timeout": str(2 * SERVER_TIMEOUT_MS),
        "synchronous_commit": "on",  # whatever the server's default: a commit is on disk
    }
    if read_only:
        # Never "off" for the writer: operators and providers set it to "on" when a disk fills up.
        settings["default_transaction_read_only"] = "on"
    if search_path := url.query.get("search_path"):
        settings["search_path"] = str(search_path)
    return create_async_engine(
        url.difference_update_query(["search_path", "application_name"]),
        pool_size=size,
        max_overflow=0,
        pool_timeout=CONNECT_TIMEOUT_SECONDS,
        hide_parameters=True,
        # One snapshot a read, so that a job and its steps belong together.
        isolation_level="REPEATABLE READ" if read_only else "READ COMMITTED",
        connect_args={
            "timeout": CONNECT_TIMEOUT_SECONDS,
            "command_timeout": 2 * SERVER_TIMEOUT_MS / 1000,
            "server_settings": settings,
        },
    )
