"""The real SQL journal over an in-memory SQLite database without threads, under audit."""

from __future__ import annotations

import sqlite3
from collections import deque
from collections.abc import Callable
from typing import Any, Protocol

from sqlalchemy import Connection, create_engine, event, exc
from sqlalchemy.pool import StaticPool

from orchestrator.journal.group import GroupCommitter, Work
from orchestrator.journal.ledger import QueueGauge
from orchestrator.journal.migrate import upgrade
from orchestrator.journal.sql import MAX_BATCH_SQLITE, SqlJournal
from orchestrator.tenants.tiers import Tenancy
from tests.model.faults import DbFault


class Audit(Protocol):
    """Is told of every piece of work, inside its transaction, and of every commit."""

    def begin(self) -> None:
        """A transaction begins."""
        ...

    def work(
        self, conn: Connection, operation: Callable[..., Any], *args: Any, **kwargs: Any
    ) -> Any:
        """Do *operation* and note what it changed."""
        ...

    def committed(self) -> None:
        """The transaction is on disk."""
        ...


class InlineDatabase:
    """A :class:`~orchestrator.journal.database.Database` that works where it is called.

    ``faults`` says what befalls the next transactions; past its end, nothing does.
    """

    def __init__(self) -> None:
        engine = create_engine(
            "sqlite+pysqlite://", poolclass=StaticPool, connect_args={"check_same_thread": False}
        )
        event.listen(engine, "connect", _configure)
        event.listen(engine, "begin", lambda conn: conn.exec_driver_sql("BEGIN"))
        self._connection = engine.connect()
        self._engine = engine
        with self._connection.begin():
            upgrade(self._connection)
        self.faults: deque[DbFault] = deque()
        self.audit: Audit | None = None

    async def run(self, work: Work[Any]) -> Any:
        """Run *work* in one transaction, unless a fault befalls it."""
        fault = self.faults.popleft() if self.faults else DbFault.NONE
        if self.audit is not None:
            self.audit.begin()
        with self._connection.begin():
            result = work(self._connection)
            if fault is DbFault.BEFORE_COMMIT:
                raise _outage()
        if self.audit is not None:
            self.audit.committed()
        if fault is DbFault.AFTER_COMMIT:
            raise _outage()
        return result

    def clear(self) -> None:
        """Empty every table."""
        with self._connection.begin():
            for table in ("jobs", "cache", "breakers", "ledger", "clients"):
                self._connection.exec_driver_sql(f"DELETE FROM {table}")

    async def scrub(self, *, rewrite: bool = False) -> bool:
        """Nothing: there is no file."""
        return True

    async def close(self) -> None:
        """Let go of the database."""
        self._connection.close()
        self._engine.dispose()


def _configure(connection: Any, _record: Any) -> None:
    connection.isolation_level = None
    connection.execute("PRAGMA foreign_keys=ON")


def _outage() -> Exception:
    return exc.OperationalError("", None, sqlite3.OperationalError("disk I/O error"))


class AuditedJournal(SqlJournal):
    """The journal itself, every write of which is shown to the audit."""

    def __init__(self, database: InlineDatabase, audit: Audit) -> None:
        self._reader = self._writer = database
        self._group = GroupCommitter(database.run, max_batch=MAX_BATCH_SQLITE)
        self._closed = self._unscrubbed = self._erased = False
        self._rules, self._gauge = Tenancy(), QueueGauge(0)
        self._audit = audit

    async def _write(self, key: str, operation: Any, *args: Any, **kwargs: Any) -> Any:
        return await super()._write(key, self._audit.work, operation, *args, **kwargs)
