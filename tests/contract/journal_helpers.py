"""One journal on each database, and what the contract tests do with it again and again.

PostgreSQL is at SOTA_TEST_POSTGRES_URL (default: database ``test`` on this machine). Each run
has a schema of its own there, emptied before each test and dropped at the end.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from orchestrator.jobs import JobStatus
from orchestrator.journal.base import Journal
from orchestrator.journal.database import Database, open_database
from orchestrator.journal.engine import parse_url
from orchestrator.journal.migrate import migrate
from orchestrator.journal.opening import NO_KEYS, open_journal
from orchestrator.journal.records import Claim, MemoRecord, NewJob
from orchestrator.journal.sealing import new_master_key
from orchestrator.models import EventView, JobView
from orchestrator.services import Usage
from tests.services import missing

POSTGRES_URL = os.environ.get(
    "SOTA_TEST_POSTGRES_URL", "postgresql+asyncpg://postgres@127.0.0.1:5432/test"
)
STEPS = (("outline", "Outline"), ("text", "Text"), ("check", "Check"))
JOB = "job_1"
KEYS = SecretStr(new_master_key())


async def on_database(url: str, *statements: str) -> None:
    """Run statements in one transaction, beside any journal."""
    database = open_database(parse_url(url))
    try:
        await database.run(lambda conn: [conn.execute(text(one)) for one in statements])
    finally:
        await database.close()


_ROOTS = (
    "jobs", "breakers", "cache", "cache_leases", "shared_keys", "client_keys", "nonces", "audit",
    "clients", "ledger",
)  # fmt: skip
"""The tables that nothing points at: emptying them empties all, and is faster than TRUNCATE."""

_ready: dict[str, Any] = {}
"""What was made once for this run: the empty SQLite file's bytes, the PostgreSQL schema's URL."""


async def _empty_file(path: Path) -> str:
    url = f"sqlite+aiosqlite:///{path}"
    if "sqlite" not in _ready:
        await migrate(url)
        _ready["sqlite"] = path.read_bytes()
    path.write_bytes(_ready["sqlite"])
    return url


async def _empty_schema(config: pytest.Config) -> str:
    if "postgres" not in _ready:
        _ready["postgres"] = await _new_schema(config)
    await on_database(_ready["postgres"], *(f"DELETE FROM {table}" for table in _ROOTS))
    return str(_ready["postgres"])


async def _new_schema(config: pytest.Config) -> str:
    schema = f"test_{os.getpid()}"
    drop = f'DROP SCHEMA IF EXISTS "{schema}" CASCADE'
    try:
        await on_database(POSTGRES_URL, drop, f'CREATE SCHEMA "{schema}"')
    except (OSError, DBAPIError) as error:
        missing(f"PostgreSQL at {parse_url(POSTGRES_URL)} ({error})")
    config.add_cleanup(lambda: asyncio.run(on_database(POSTGRES_URL, drop)))
    url = f"{POSTGRES_URL}?search_path={schema}"
    await migrate(url)
    return url


@pytest.fixture(name="url", params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
async def url_fixture(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of a migrated, empty database."""
    if request.param == "sqlite":
        return await _empty_file(tmp_path / "journal.db")
    return await _empty_schema(request.config)


@pytest.fixture(name="keys", params=["clear", "sealed"])
def keys_fixture(request: pytest.FixtureRequest) -> SecretStr:
    """A module that uses this runs twice: its journal's content in clear, and sealed."""
    return KEYS if request.param == "sealed" else NO_KEYS


@pytest.fixture(name="journal")
async def journal_fixture(url: str, request: pytest.FixtureRequest) -> AsyncIterator[Journal]:
    """An empty journal."""
    keys = request.getfixturevalue("keys") if "keys" in request.fixturenames else NO_KEYS
    opened = await open_journal(url, migrate=False, keys=keys)
    yield opened
    await opened.close()


@pytest.fixture(name="database")
async def database_fixture(url: str) -> AsyncIterator[Database]:
    """The same database without the journal, to look at rows or to hold locks."""
    opened = open_database(parse_url(url))
    yield opened
    await opened.close()


def new_job(number: int = 1, **changes: Any) -> NewJob:
    """A job of three steps, ``job_<number>``."""
    fields: dict[str, Any] = {
        "id": f"job_{number}",
        "client_id": "client",
        "request_id": f"request-{number}",
        "body_hash": "hash",
        "request": {"keyword": "AI in SEO"},
        "keyword": "AI in SEO",
        "mode": "generate",
        "created_at": 1000 + number,
        "steps": STEPS,
    }
    return NewJob(**{**fields, **changes})


def new_memo(part: str, value: Any = "v", step: str = "text", cost: float = 0.0) -> MemoRecord:
    """A memo of the step ``text``."""
    return MemoRecord(
        step=step, part=part, value=value, usage=Usage(cost_usd=cost), started_at=1, ended_at=2
    )


async def started(journal: Journal, number: int = 1, **changes: Any) -> Claim:
    """Submit a job and claim it."""
    job = new_job(number, **changes)
    await journal.submit(job)
    return await journal.claim(job.id, "me", 2000, 5)


async def ended(journal: Journal, status: JobStatus, number: int = 1, **changes: Any) -> str:
    """A job that has ended at the time 3000; its id."""
    claim = await started(journal, number, **changes)
    await journal.finish(claim.job_id, claim.epoch, status, error="e", now=3000)
    return claim.job_id


async def viewed(journal: Journal, job_id: str = JOB) -> JobView:
    """The view of a job that is there."""
    view = await journal.view(job_id)
    assert view is not None
    return view


async def history(journal: Journal, job_id: str = JOB) -> list[EventView]:
    """All events of a job, checked to be contiguous from 1."""
    events = await journal.events(job_id, limit=10_000)
    assert [event.seq for event in events] == list(range(1, len(events) + 1))
    return events


async def types(journal: Journal, job_id: str = JOB) -> list[str]:
    """The types of all events of a job."""
    return [event.type for event in await history(journal, job_id)]
