"""Reads the journal's tables with plain SQL, beside the journal and without its code."""

from __future__ import annotations

import asyncio
import contextlib
import json
import sqlite3
from typing import Any

import asyncpg

from tests.chaos.record import Rows

QUERIES = {
    "jobs": "SELECT id, client_id, request_id, status, error, epoch, attempt, owner, created_at,"
    " started_at, completed_at, activations_since_progress, publish FROM jobs"
    " ORDER BY created_at, id",
    "steps": "SELECT job_id, slug, number, name, state, attempts, epoch, ended_at FROM steps",
    "memos": "SELECT job_id, step, part, started_at, ended_at FROM memos",
    "events": "SELECT job_id, seq, type, at, data FROM events ORDER BY job_id, seq",
    "results": "SELECT job_id, result FROM bodies WHERE result IS NOT NULL",
    "publications": "SELECT job_id, state, error FROM outbox WHERE kind = 'publish'",
    "running": "SELECT id, coalesce(owner, '') AS owner, epoch, attempt,"
    " activations_since_progress FROM jobs WHERE status = 'processing' ORDER BY created_at, id",
}


def read(url: str) -> Rows:
    """Everything, in one go.

    :param url: as in ``SOTA_DATABASE_URL``.
    """
    found = select(url, "jobs", "steps", "memos", "events", "results", "publications")
    events = [{**event, "data": json.loads(event["data"])} for event in found["events"]]
    results = {row["job_id"]: json.loads(row["result"]) for row in found["results"]}
    publications = found["publications"]
    return Rows(found["jobs"], found["steps"], found["memos"], events, results, publications)


def running(url: str) -> list[dict[str, Any]]:
    """The jobs that run by the journal's account; empty while it cannot be read."""
    try:
        return select(url, "running")["running"]
    except (OSError, sqlite3.Error, asyncpg.PostgresError, asyncpg.InterfaceError):
        return []


def select(url: str, *names: str) -> dict[str, list[dict[str, Any]]]:
    """The rows of some of the :data:`QUERIES`."""
    if url.startswith("sqlite"):
        return _from_sqlite(url.partition(":///")[2], names)
    return asyncio.run(_from_postgres(url, names))


def hang_up(url: str) -> int:
    """Cut the journal's connections to its PostgreSQL database; how many there were."""
    return asyncio.run(_hang_up(url))


async def _hang_up(url: str) -> int:
    connection = await _connected(url)
    try:
        cut = await connection.fetch(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE application_name = 'sota-journal' AND datname = current_database()"
        )
        return len(cut)
    finally:
        await connection.close()


def _from_sqlite(path: str, names: tuple[str, ...]) -> dict[str, list[dict[str, Any]]]:
    uri = f"file:{path}?mode=ro"
    with contextlib.closing(sqlite3.connect(uri, uri=True, timeout=30)) as database:
        database.row_factory = sqlite3.Row
        database.execute("BEGIN")
        return {name: [dict(row) for row in database.execute(QUERIES[name])] for name in names}


async def _from_postgres(url: str, names: tuple[str, ...]) -> dict[str, list[dict[str, Any]]]:
    connection = await _connected(url)
    try:
        async with connection.transaction(isolation="repeatable_read", readonly=True):
            return {
                name: [dict(row) for row in await connection.fetch(QUERIES[name])] for name in names
            }
    finally:
        await connection.close()


async def execute(url: str, *statements: str) -> None:
    """Run statements, each by itself."""
    connection = await _connected(url)
    try:
        for statement in statements:
            await connection.execute(statement)
    finally:
        await connection.close()


async def _connected(url: str) -> Any:
    return await asyncpg.connect(url.replace("+asyncpg", ""), timeout=10)
