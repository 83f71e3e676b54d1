"""The naive baseline's job: a plain actor with a process of its own, as one writes it at first.

It imports what a pipeline imports, runs eight steps one after another, and commits the result of
each before the next: to SQLite in a write-ahead log with ``synchronous=FULL``, or to PostgreSQL.
Then it ends its process: a thousand of them left standing would hold 57 GB. It resumes nothing and
fences nothing; it is cheaper than it should be by that.
"""

from __future__ import annotations

import json
import sqlite3
import time
from typing import Any

import asyncpg  # type: ignore[import-untyped]
import ray

import steps  # what a real job's process needs: see the docstring

TABLES = (
    "CREATE TABLE IF NOT EXISTS naive_jobs (id TEXT PRIMARY KEY, status TEXT, ended_at BIGINT)",
    "CREATE TABLE IF NOT EXISTS naive_steps"
    " (job_id TEXT, step TEXT, output TEXT, ended_at BIGINT, PRIMARY KEY (job_id, step))",
)
BEGIN = "INSERT INTO naive_jobs VALUES ($1, 'processing', NULL)"
RECORD = "INSERT INTO naive_steps VALUES ($1, $2, $3, $4)"
STATUS = "SELECT status FROM naive_jobs WHERE id = $1"
END = "UPDATE naive_jobs SET status = 'completed', ended_at = $2 WHERE id = $1"


class Store:
    """One connection; every statement is a commit."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._sqlite: sqlite3.Connection | None = None
        self._postgres: Any = None

    async def open(self) -> None:
        """Connect."""
        if self._url.startswith("postgresql"):
            settings = {"synchronous_commit": "on"}
            self._postgres = await asyncpg.connect(self._url, server_settings=settings)
            return
        self._sqlite = sqlite3.connect(self._url, timeout=30, isolation_level=None)
        self._sqlite.execute("PRAGMA synchronous=FULL")

    async def run(self, statement: str, *values: object) -> None:
        """Run one statement; it is on disk when this returns."""
        if self._sqlite is not None:
            self._sqlite.execute(statement.replace("$", "?"), values)
        else:
            await self._postgres.execute(statement, *values)

    async def status(self, job_id: str) -> str:
        """The job's, by its row."""
        if self._sqlite is not None:
            row = self._sqlite.execute(STATUS.replace("$", "?"), (job_id,)).fetchone()
            return str(row[0])
        return str(await self._postgres.fetchval(STATUS, job_id))


async def prepare(url: str) -> None:
    """Make the tables, once."""
    store = Store(url)
    await store.open()
    for statement in TABLES:
        await store.run(statement)


class NaiveJob:
    """One job."""

    def __init__(self, job_id: str, url: str) -> None:
        self._job_id, self._store = job_id, Store(url)
        self._view: dict[str, Any] = {"status": "processing", "step": 0}

    async def run(self) -> None:
        """Every step, one after another."""
        try:
            await self._run()
        except Exception as error:
            self._view |= {"status": "failed", "error": str(error)}
            raise
        self._view["status"] = "completed"
        ray.actor.exit_actor()

    async def _run(self) -> None:
        await self._store.open()
        await self._store.run(BEGIN, self._job_id)
        for number, step in enumerate(steps.PIPELINE.steps, start=1):
            await self.step(number, step.slug)
        await self._store.run(END, self._job_id, int(time.time() * 1000))

    async def step(self, number: int, slug: str) -> None:
        """One step: do nothing, and record what came of it."""
        self._view["step"] = number
        output = json.dumps({"attempt": 1})
        await self._store.run(RECORD, self._job_id, slug, output, int(time.time() * 1000))

    async def status(self) -> dict[str, Any]:
        """How far it is."""
        return self._view
