"""Where the systems keep their jobs: a SQLite file, or a PostgreSQL database made for the run."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sqlite3
import time
from collections.abc import Iterator
from pathlib import Path

import asyncpg  # type: ignore[import-untyped]
from sqlalchemy import URL, make_url

SQLITE, POSTGRES = "SQLite", "PostgreSQL"
SERVER = "BENCH_POSTGRES_URL"
USUAL_SERVER = "postgresql+asyncpg://postgres@127.0.0.1:5432/postgres"
FLUSHES = 50


def server() -> URL:
    """The PostgreSQL server, as the tests find it."""
    return make_url(os.environ.get(SERVER, USUAL_SERVER))


def address(url: URL, driver: str) -> str:
    """The URL, for this driver."""
    return url.set(drivername=driver).render_as_string(hide_password=False)


def there_is_a_server() -> bool:
    """Whether PostgreSQL answers."""
    try:
        asyncio.run(_statement("SELECT 1"))
    except (OSError, asyncpg.PostgresError):
        return False
    return True


@contextlib.contextmanager
def postgres_database(name: str) -> Iterator[URL]:
    """A database for the length of a block."""
    asyncio.run(_statement(f'CREATE DATABASE "{name}"'))
    try:
        yield server().set(database=name)
    finally:
        asyncio.run(_statement(f'DROP DATABASE "{name}" WITH (FORCE)'))


async def _statement(sql: str) -> None:
    connection = await asyncpg.connect(address(server(), "postgresql"), timeout=5)
    try:
        await connection.execute(sql)
    finally:
        await connection.close()


def write_ahead(path: Path) -> None:
    """Make a SQLite file that stays in write-ahead mode, whoever opens it."""
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA journal_mode=WAL")


def flush_ms(place: Path) -> float:
    """What the disk takes for a small write that is on it: the median of some, in ms."""
    times = []
    with (place / "flushed").open("wb", buffering=0) as file:
        for _ in range(FLUSHES):
            began = time.monotonic()
            file.write(b"x" * 512)
            os.fsync(file.fileno())
            times.append(time.monotonic() - began)
    return 1000 * sorted(times)[FLUSHES // 2]
