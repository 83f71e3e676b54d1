"""A database that runs a piece of synchronous work in one transaction.

On PostgreSQL the work runs over asyncpg in a greenlet. On SQLite it runs in a thread over
the standard library's driver: one hop for the whole transaction, where aiosqlite hops for
each statement. Measured on 2 cores with 100 concurrent writers: 220 writes/s at 4 ms of CPU
each with aiosqlite; 2,700 to 3,500 writes/s at 0.3 ms with this and prepared statements.
"""

from __future__ import annotations

import asyncio
import sqlite3
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Protocol, TypeVar

from sqlalchemy import URL, Engine
from sqlalchemy.ext.asyncio import AsyncEngine

from orchestrator.journal.content import VAULT
from orchestrator.journal.engine import (
    BUSY_TIMEOUT_MS,
    is_sqlite,
    postgresql_engine,
    sqlite_engine,
)
from orchestrator.journal.group import Work
from orchestrator.journal.sealing import CLEAR, Vault

T = TypeVar("T")

SCRUB_PATIENCE_MS = 1000
"""How long folding the log waits for readers; writers wait for it meanwhile."""

REWRITE_BYTES = 128 * 2**20
"""A larger file is not made anew while the service runs: writers wait for it, 1.2 s at this size
(measured on 2 cores)."""


class Database(Protocol):
    """Runs work in transactions."""

    async def run(self, work: Work[T]) -> T:
        """Run *work* in one transaction: committed when this returns, rolled back when it
        raises."""
        ...

    async def scrub(self, *, rewrite: bool = False) -> bool:
        """Leave nothing of what was deleted in a log beside the database, as far as that is ours
        to do. False: it cannot be done at the moment; ask again later.

        :param rewrite: nor in the gaps of pages that are in use.
        """
        ...

    async def close(self) -> None:
        """Close every connection."""
        ...


def open_database(
    url: URL, *, read_only: bool = False, size: int = 1, vault: Vault = CLEAR
) -> Database:
    """The database at *url*; it connects when it is first used.

    :param size: how many transactions may run at once.
    :param vault: the keys, for the work that reads and writes clients' content.
    """
    options = {VAULT: vault}
    if is_sqlite(url):
        engine = sqlite_engine(url, read_only=read_only, size=size)
        return SqliteDatabase(engine.execution_options(**options), size)
    far = postgresql_engine(url, read_only=read_only, size=size)
    return PostgresDatabase(far.execution_options(**options))


class SqliteDatabase:
    """Work in threads of its own, as many as connections."""

    def __init__(self, engine: Engine, size: int) -> None:
        self._engine = engine
        self._threads = ThreadPoolExecutor(size, thread_name_prefix="journal")

    async def run(self, work: Work[T]) -> T:
        """Run *work* in one transaction."""
        return await asyncio.get_running_loop().run_in_executor(self._threads, self._run, work)

    def _run(self, work: Work[T]) -> T:
        with self._engine.begin() as connection:
            return work(connection)

    async def scrub(self, *, rewrite: bool = False) -> bool:
        """Fold the log into the file and cut it to nothing.

        :param rewrite: make the file anew first, unless it is larger than REWRITE_BYTES.
        """
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._threads, self._scrub, rewrite)

    def _scrub(self, rewrite: bool) -> bool:
        connection = self._engine.raw_connection()
        try:
            cursor = connection.cursor()
            cursor.execute(f"PRAGMA busy_timeout={SCRUB_PATIENCE_MS}")
            try:
                if rewrite and _size(cursor) <= REWRITE_BYTES:
                    cursor.execute("VACUUM")
                busy = cursor.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]
            finally:
                cursor.execute(f"PRAGMA busy_timeout={BUSY_TIMEOUT_MS}")
            return not busy
        except sqlite3.Error:  # in use, full, …: what was asked for is committed all the same
            return False
        finally:
            connection.close()

    async def close(self) -> None:
        """Let running work finish, then close every connection; the last one to close also
        folds the log into the file."""
        await asyncio.to_thread(self._close)

    def _close(self) -> None:
        self._threads.shutdown()
        self._engine.dispose()


class PostgresDatabase:
    """Work on the event loop, in a greenlet that waits for asyncpg."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def run(self, work: Work[T]) -> T:
        """Run *work* in one transaction."""
        async with self._engine.begin() as connection:
            return await connection.run_sync(work)

    async def scrub(self, *, rewrite: bool = False) -> bool:
        """Nothing: its log is the server's, and so is the room of deleted rows (VACUUM)."""
        return True

    async def close(self) -> None:
        """Close every connection."""
        await self._engine.dispose()


def _size(cursor: Any) -> int:
    """Of a SQLite database, in bytes."""
    pages, page = (
        int(cursor.execute(f"PRAGMA {name}").fetchone()[0]) for name in ("page_count", "page_size")
    )
    return pages * page
