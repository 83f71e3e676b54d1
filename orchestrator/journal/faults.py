"""Foreign errors: what each says about the database, and how it leaves.

* An *outage* (away, locked, full, read-only, a deadlock) may be over at the next try. It leaves
  as :class:`JournalUnavailable`: writers send again, clients get 503.
* *Damage* (a corrupt file or index) never passes by itself and every further write may make it
  worse. It leaves as :class:`JournalDamaged`: nobody tries again, an operator restores a backup.
* Everything else (a broken constraint, a bad statement) is a bug of ours and stays the exception
  it is, so that it is loud.

Codes: https://sqlite.org/rescode.html and
https://www.postgresql.org/docs/current/errcodes-appendix.html.
"""

from __future__ import annotations

import contextlib
import enum
import sqlite3
from collections.abc import Iterator

import asyncpg  # type: ignore[import-untyped]
from sqlalchemy import exc

from orchestrator.errors import JournalDamaged, JournalUnavailable, OrchestratorError


class Fault(enum.Enum):
    """What an error says about the database."""

    OUTAGE = "outage"
    DAMAGE = "damage"
    BUG = "bug"


_BUG_CLASSES = frozenset({"0A", "22", "23", "42", "54"})
"""SQLSTATE classes that another try cannot help: feature, data, constraint, syntax, limit."""

_NOT_MIGRATED = frozenset({"42P01", "3F000"})
"""SQLSTATE undefined table and schema: the writer has not migrated yet."""

_DAMAGED = frozenset({"XX001", "XX002"})
"""SQLSTATE data_corrupted and index_corrupted."""

_SQLITE_DAMAGED = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_FORMAT})
_SQLITE_BUGS = frozenset(
    {
        sqlite3.SQLITE_ERROR,
        sqlite3.SQLITE_TOOBIG,
        sqlite3.SQLITE_CONSTRAINT,
        sqlite3.SQLITE_MISMATCH,
        sqlite3.SQLITE_MISUSE,
        sqlite3.SQLITE_RANGE,
    }
)
_SQLITE_NOT_MIGRATED = "no such table"
"""SQLITE_ERROR has no finer code for it."""

_BUGS = (exc.IntegrityError, exc.DataError, exc.NotSupportedError, exc.ProgrammingError)
_OUTAGES = (OSError, TimeoutError, exc.TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError)


def fault_of(error: BaseException) -> Fault:
    """What *error* says: by the database's own code where there is one, else by its type."""
    cause = getattr(error, "orig", None) or error
    state = getattr(cause, "sqlstate", None)
    if state:
        return _by_sqlstate(str(state))
    code = getattr(cause, "sqlite_errorcode", None)
    if code is not None:
        return _by_sqlite_code(int(code) & 0xFF, str(cause))  # the low byte is the primary code
    if isinstance(error, exc.DBAPIError):
        return Fault.BUG if isinstance(error, _BUGS) else Fault.OUTAGE
    return Fault.OUTAGE if isinstance(error, _OUTAGES) else Fault.BUG


def _by_sqlstate(state: str) -> Fault:
    if state in _DAMAGED:
        return Fault.DAMAGE
    bug = state[:2] in _BUG_CLASSES and state not in _NOT_MIGRATED
    return Fault.BUG if bug else Fault.OUTAGE


def _by_sqlite_code(code: int, words: str) -> Fault:
    if code in _SQLITE_DAMAGED:
        return Fault.DAMAGE
    bug = code in _SQLITE_BUGS and not words.startswith(_SQLITE_NOT_MIGRATED)
    return Fault.BUG if bug else Fault.OUTAGE


def is_outage(error: BaseException) -> bool:
    """True if *error* says that the database cannot be reached, or cannot write just now."""
    return fault_of(error) is Fault.OUTAGE


def mapped(error: Exception) -> Exception:
    """The error to raise for *error*: ours for an outage or damage, else *error* itself.

    Ours name what the driver said, never a statement or its values.
    """
    fault = Fault.BUG if isinstance(error, OrchestratorError) else fault_of(error)
    if fault is Fault.BUG:
        return error
    cause = getattr(error, "orig", None) or error
    words = str(cause).splitlines()[0] if str(cause) else type(cause).__name__
    if fault is Fault.DAMAGE:
        return JournalDamaged(
            f"the database is damaged: {words}; stop the service and restore a backup"
        )
    return JournalUnavailable(f"the database does not answer as it should: {words}")


@contextlib.contextmanager
def faults_mapped() -> Iterator[None]:
    """Turn outages and damage met inside the block into our errors."""
    try:
        yield
    except Exception as error:
        ours = mapped(error)
        if ours is error:
            raise
        raise ours from error
