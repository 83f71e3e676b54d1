"""Databases that cannot write for a while, made so by the databases' own means.

``chmod`` would not do: tests may run as root, whom it does not bind.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

from orchestrator.journal.database import SqliteDatabase
from orchestrator.journal.engine import parse_url
from orchestrator.journal.opening import open_journal
from orchestrator.journal.sql import SqlJournal
from orchestrator.journal.tables import metadata
from tests.contract.journal_helpers import POSTGRES_URL, on_database

Change = Callable[[], Awaitable[None]]


@dataclass
class Trouble:
    """A journal whose database can be made to refuse writes, and be mended."""

    journal: SqlJournal
    begin: Change
    end: Change


async def opened(url: str) -> SqlJournal:
    journal = await open_journal(url, migrate=False)
    assert isinstance(journal, SqlJournal)
    return journal


@asynccontextmanager
async def full(url: str) -> AsyncIterator[Trouble]:
    """SQLITE_FULL from SQLite itself; SQLSTATE 53100 from PostgreSQL's triggers."""
    if url.startswith("sqlite"):
        async with _sqlite(url, "max_page_count", _page_count, 2**30) as trouble:
            yield trouble
    else:
        async with refusing(url, "53100", "could not extend file: No space left on device") as one:
            yield one


@asynccontextmanager
async def read_only(url: str) -> AsyncIterator[Trouble]:
    """SQLITE_READONLY by a pragma; 25006 as providers do it, by the role's default."""
    if url.startswith("sqlite"):
        async with _sqlite(url, "query_only", _on, 0) as trouble:
            yield trouble
    else:
        async with _read_only_role(url) as trouble:
            yield trouble


@asynccontextmanager
async def _sqlite(
    url: str, pragma: str, value: Callable[[SqlJournal], Awaitable[int]], mended: int
) -> AsyncIterator[Trouble]:
    """Trouble by a pragma of the one connection that writes."""
    journal = await opened(url)

    async def begin() -> None:
        await _pragma(journal, f"{pragma}={await value(journal)}")

    async def end() -> None:
        await _pragma(journal, f"{pragma}={mended}")

    yield Trouble(journal, begin, end)
    await journal.close()


async def _pragma(journal: SqlJournal, words: str) -> int | None:
    """Its answer, if it has one."""
    assert isinstance(journal._writer, SqliteDatabase)
    engine = journal._writer._engine

    def run() -> int | None:  # outside any transaction: a read-only one would not even begin
        connection = engine.raw_connection()
        try:
            row = connection.cursor().execute(f"PRAGMA {words}").fetchone()
        finally:
            connection.close()
        return int(row[0]) if row else None

    return await asyncio.to_thread(run)


async def _page_count(journal: SqlJournal) -> int:
    return await _pragma(journal, "page_count") or 0


async def _on(_: SqlJournal) -> int:
    return 1


@asynccontextmanager
async def refusing(url: str, sqlstate: str, words: str) -> AsyncIterator[Trouble]:
    """PostgreSQL only: every statement that writes is answered with *sqlstate*."""
    journal = await opened(url)
    try:
        yield Trouble(journal, lambda: refuse(url, sqlstate, words), lambda: mend(url))
    finally:
        await mend(url)
        await journal.close()


async def refuse(url: str, sqlstate: str, words: str) -> None:
    """Have triggers answer every statement that writes with *sqlstate*."""
    await on_database(
        url,
        "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS "
        f"$$ BEGIN RAISE EXCEPTION '{words}' USING ERRCODE = '{sqlstate}'; END $$",
        *(
            f"CREATE TRIGGER refuse BEFORE INSERT OR UPDATE OR DELETE ON {table.name} "
            "FOR EACH STATEMENT EXECUTE FUNCTION refuse()"
            for table in metadata.sorted_tables
        ),
    )


async def mend(url: str) -> None:
    """Take the triggers of :func:`refuse` away."""
    await on_database(url, "DROP FUNCTION IF EXISTS refuse CASCADE")


@asynccontextmanager
async def _read_only_role(url: str) -> AsyncIterator[Trouble]:
    """A role of its own, whose transactions are read-only by default from ``begin`` on."""
    role, schema = f"sota_test_{os.getpid()}", str(parse_url(url).query["search_path"])
    leave = f"DROP OWNED BY {role}", f"DROP ROLE {role}"
    await on_database(
        url,
        f"CREATE ROLE {role} LOGIN",
        f'GRANT USAGE ON SCHEMA "{schema}" TO {role}',
        f'GRANT ALL ON ALL TABLES IN SCHEMA "{schema}" TO {role}',
    )
    as_role = parse_url(url).set(username=role).render_as_string(hide_password=False)
    journal = await opened(as_role)
    hang_up = f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = '{role}'"

    async def begin() -> None:
        await on_database(url, f"ALTER ROLE {role} SET default_transaction_read_only = on", hang_up)

    async def end() -> None:
        await on_database(url, f"ALTER ROLE {role} RESET default_transaction_read_only", hang_up)

    try:
        yield Trouble(journal, begin, end)
    finally:
        await journal.close()
        await on_database(POSTGRES_URL, *leave)


async def damage(url: str) -> None:
    """SQLite only: overwrite all but the header of a closed database's file."""
    path = parse_url(url).database or ""
    size = os.path.getsize(path)
    with open(path, "r+b") as file:
        file.seek(100)  # the header: https://sqlite.org/fileformat.html
        file.write(b"\xa5" * (size - 100))
