"""Upgrades: a database of every earlier revision, with data in it, becomes today's unharmed.

Nothing here names a revision: a new migration is tested by being there.
"""

from __future__ import annotations

import json
import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Column, Connection, MetaData, Table, text

from orchestrator.errors import JournalUnavailable, RequestConflict
from orchestrator.jobs import JobStatus, StepState
from orchestrator.journal.database import open_database
from orchestrator.journal.engine import parse_url, prepare_file
from orchestrator.journal.migrate import known_revisions, migrate, upgrade
from orchestrator.journal.opening import open_journal
from orchestrator.journal.tables import metadata
from tests.contract.journal_helpers import (
    JOB,
    POSTGRES_URL,
    history,
    new_job,
    on_database,
    url_fixture,  # noqa: F401
    viewed,
)

DONE = "job_2"

_JOB: dict[str, Any] = {
    "id": JOB, "client_id": "client", "request_id": "request-1", "body_hash": "hash",
    "keyword": "naïve 日本 %s", "mode": "generate", "priority": 3, "status": "processing",
    "total_steps": 2, "created_at": 1001, "started_at": 2000, "epoch": 4, "owner": "me",
    "attempt": 4, "activations_since_progress": 1, "idle_ms": 7, "last_error": "ai: overloaded",
    "dropped_cost_usd": 0.25, "last_seq": 2,
}  # fmt: skip
_STEP = {
    "job_id": JOB, "slug": "outline", "number": 1, "name": "Outline", "state": "completed",
    "begun": True, "epoch": 1, "version": 3, "attempts": 2, "output": '{"o":"é"}',
    "degraded": '["less"]', "usage": '{"calls":2}', "cost_usd": 0.5, "started_at": 2001,
    "ended_at": 2002,
}  # fmt: skip
ROWS: dict[str, list[dict[str, Any]]] = {
    "jobs": [
        _JOB,
        {**_JOB, "id": DONE, "request_id": "request-2", "status": "completed", "completed_at": 2500,
         "last_seq": 1},
    ],
    "bodies": [
        {"job_id": JOB, "request": '{"keyword":"k"}', "result": None},
        {"job_id": DONE, "request": '{"keyword":"k2"}', "result": '{"content":"<h1>x</h1>"}'},
    ],
    "steps": [
        _STEP,
        {**_STEP, "slug": "text", "number": 2, "name": "Text", "state": "waiting", "output": None,
         "degraded": "[]", "error": "oops", "next_attempt_at": 9000, "ended_at": None},
    ],
    "memos": [
        {"job_id": JOB, "step": "text", "part": "intro", "value": '["paid"]', "usage": "{}",
         "cost_usd": 0.125, "started_at": 1, "ended_at": 2},
    ],
    "events": [
        {"job_id": JOB, "seq": 1, "type": "job.queued", "at": 1001, "data": "{}"},
        {"job_id": JOB, "seq": 2, "type": "job.started", "at": 2000, "data": '{"attempt":1}'},
        {"job_id": DONE, "seq": 1, "type": "job.queued", "at": 1001, "data": "{}"},
    ],
    "outbox": [
        {"id": "webhook_job_2_1", "job_id": DONE, "kind": "webhook", "event": "job.completed",
         "seq": 1, "lane": "l", "state": "queued", "next_at": 7, "data": '{"summary":{}}'},
    ],
    "deliveries": [
        {"outbox_id": "webhook_job_2_1", "attempt": 1, "claim": "me@1", "at": 5, "status": 500},
    ],
    "breakers": [{"service": "ai", "state": '{"failures":[1]}', "updated_at": 20}],
    "clients": [{"id": "client", "tier": "enterprise", "changed_at": 1}],
    "ledger": [
        {"job_id": JOB, "client_id": "client", "charged_at": 1001, "words": 2000},
        {"job_id": DONE, "client_id": "client", "charged_at": 1001, "settled": True,
         "cost_usd": 0.25},
    ],
    "cache": [
        {"kind": "serp", "key": "k", "value": '{"v":1}', "stored_at": 30, "purge_at": 2**40},
    ],
}  # fmt: skip
"""What each table may hold; columns that a revision does not have yet are left out."""


@pytest.fixture(name="blank")
async def blank_fixture(url: str, tmp_path: Path) -> AsyncIterator[str]:
    """The URL of a database without any table, of the kind that *url* is."""
    if url.startswith("sqlite"):
        blank = f"sqlite+aiosqlite:///{tmp_path}/blank.db"
        prepare_file(parse_url(blank))
        yield blank
        return
    schema = f"test_upgrades_{os.getpid()}"
    drop = f"DROP SCHEMA IF EXISTS {schema} CASCADE"
    await on_database(POSTGRES_URL, drop, f"CREATE SCHEMA {schema}")
    yield f"{POSTGRES_URL}?search_path={schema}"
    await on_database(POSTGRES_URL, drop)


def filled(column: Column[Any]) -> Any:
    """Some value of the column's type, for a column that must have one and is not in ROWS."""
    kind = column.type.python_type
    return json.dumps({}) if kind is str else kind(0)


def row_for(table: Table, row: dict[str, Any]) -> dict[str, Any]:
    needed = {
        column.name: filled(column)
        for column in table.columns
        if not column.nullable and column.server_default is None and not column.foreign_keys
    }
    return needed | {name: value for name, value in row.items() if name in table.columns}


def make_old(conn: Connection, revision: str) -> set[str]:
    """Make the schema as it was at *revision* and put a row or more into every table."""
    upgrade(conn, revision)
    old = MetaData()
    old.reflect(conn)
    tables = [table for table in old.sorted_tables if table.name != "alembic_version"]
    for table in tables:
        rows = ROWS.get(table.name, [{key.parent.name: JOB for key in table.foreign_keys}])
        for row in rows:  # one by one, as their columns differ
            conn.execute(table.insert(), row_for(table, row))
    return {table.name for table in tables}


@pytest.fixture(name="upgraded", params=known_revisions())
async def upgraded_fixture(request: pytest.FixtureRequest, blank: str) -> str:
    """The URL of a database that was made at a revision, filled, and brought up to date."""
    database = open_database(parse_url(blank))
    made = await database.run(lambda conn: make_old(conn, request.param))
    await database.close()
    assert made >= {"jobs", "events"}
    await migrate(blank)
    return blank


async def test_an_upgraded_schema_is_the_declared_one(upgraded: str) -> None:
    database = open_database(parse_url(upgraded))
    differences = await database.run(
        lambda conn: compare_metadata(
            MigrationContext.configure(conn, opts={"compare_type": True}), metadata
        )
    )
    revision = await database.run(
        lambda conn: conn.execute(text("SELECT version_num FROM alembic_version")).scalar_one()
    )
    await database.close()

    assert differences == []
    assert revision == known_revisions()[-1]


async def test_all_that_was_recorded_is_there_after_an_upgrade(upgraded: str) -> None:
    journal = await open_journal(upgraded)
    view, done = await viewed(journal), await viewed(journal, DONE)
    events = await history(journal)
    breaker, cached = await journal.load_breaker("ai"), await journal.cache_get("serp", "k")
    claim = await journal.claim(JOB, "new", 3000, 5)
    await journal.close()

    assert (view.status, view.keyword, view.attempt) == (JobStatus.PROCESSING, _JOB["keyword"], 4)
    assert view.cost == pytest.approx(0.25 + 2 * 0.5 + 0.125)
    assert (done.status, done.completed_at) == (JobStatus.COMPLETED, 2500)
    assert done.result == {"content": "<h1>x</h1>"}
    assert [(event.type, event.at) for event in events] == [
        ("job.queued", 1001),
        ("job.started", 2000),
    ]
    assert breaker is not None
    assert breaker.state == {"failures": [1]}
    assert cached == ({"v": 1}, 30)
    assert (claim.epoch, claim.request, claim.started_at) == (5, {"keyword": "k"}, 2000)
    outline, waiting = claim.steps
    assert (outline.state, outline.output, outline.version) == (
        StepState.COMPLETED, {"o": "é"}, 3,
    )  # fmt: skip
    assert (outline.degraded, outline.usage.calls) == (("less",), 2)
    assert (waiting.state, waiting.attempts, waiting.error) == (StepState.WAITING, 2, "oops")
    assert [(memo.part, memo.value) for memo in claim.memos] == [("intro", ["paid"])]


async def test_what_was_used_counts_after_an_upgrade(upgraded: str) -> None:
    journal = await open_journal(upgraded)
    usage = await journal.usage("client", 2000)
    await journal.close()

    assert (usage.hour.jobs, usage.month.jobs, usage.running) == (2, 2, 1)
    assert usage.month.cost == pytest.approx(0.25 + (0.25 + 2 * 0.5 + 0.125))


async def test_an_upgraded_job_goes_on_to_its_end(upgraded: str) -> None:
    journal = await open_journal(upgraded)
    claim = await journal.claim(JOB, "new", 3000, 5)
    await journal.begin_attempt(JOB, claim.epoch, "text", 1, 3, 3001)
    await journal.record_step(JOB, claim.epoch, "text", {"t": 1}, now=3002)
    await journal.finish(JOB, claim.epoch, JobStatus.COMPLETED, result={"r": 1}, now=3003)
    with pytest.raises(RequestConflict):  # an old request id is still known
        await journal.submit(new_job(9, request_id="request-1", body_hash="other"))

    assert [event.type for event in await history(journal)][2:] == [
        "job.resumed", "step.started", "step.completed", "job.completed",
    ]  # fmt: skip
    assert (await viewed(journal)).result == {"r": 1}
    assert await journal.purge(3000, 3005) == 1
    assert await journal.view(DONE) is None
    await journal.close()


async def test_a_database_of_a_newer_version_is_refused_and_left_alone(url: str) -> None:
    await on_database(url, "UPDATE alembic_version SET version_num = '9999'")
    try:
        with pytest.raises(JournalUnavailable, match=r"9999.*install the version that migrated it"):
            await open_journal(url)
    finally:  # other tests use the same schema
        last = known_revisions()[-1]
        await on_database(url, f"UPDATE alembic_version SET version_num = '{last}'")
