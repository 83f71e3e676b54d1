"""Where clients' content goes into the database and comes out of it: sealed, if keys are set.

A job with a data key has all its content sealed; one without has all of it in clear. A job that
was accepted in clear is sealed whole when it is written to for the first time with keys set.
The functions here run inside a piece of work, whose connection carries the :class:`Vault`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import Any

from sqlalchemy import Column, Connection, Row, Select, Table, bindparam, select, update

from orchestrator.errors import JobEnded, JournalDamaged
from orchestrator.journal.changes import insert_new
from orchestrator.journal.columns import Sealed
from orchestrator.journal.sealing import CLEAR, DataKey, Vault
from orchestrator.journal.tables import bodies, jobs, memos, shared_keys, steps

VAULT = "sota_vault"
"""The execution option of a connection that has the keys."""

CACHE = "cache"
"""The scope of the data key that seals what jobs share."""

CONTENT: tuple[tuple[Table, str], ...] = (
    (bodies, "request"),
    (bodies, "result"),
    (steps, "output"),
    (memos, "value"),
)
"""Every column that holds a job's content; ``cache.value`` holds what jobs share."""

REQUEST, RESULT = ("bodies", "request"), ("bodies", "result")
STEP_OUTPUT, MEMO_VALUE = ("steps", "output"), ("memos", "value")
CACHE_VALUE = ("cache", "value")
"""Where the places of their rows begin; their primary keys follow."""

_SET_KEY = (
    update(jobs)
    .where(jobs.c.id == bindparam("job"), jobs.c.data_key.is_(None))
    .values(data_key=bindparam("wrapped"))
)
_JOB_KEY = select(jobs.c.data_key).where(jobs.c.id == bindparam("job"))
_SHARED_KEY = select(shared_keys.c.data_key).where(shared_keys.c.scope == CACHE)


def vault_in(conn: Connection) -> Vault:
    """The keys that this connection's process has."""
    vault: Vault = conn.get_execution_options().get(VAULT, CLEAR)
    return vault


# -- a job's content --------------------------------------------------------------------------


def key_of(conn: Connection, job_id: str, wrapped: str | None) -> DataKey | None:
    """What opens a job's content; None where it is in clear.

    :raises JournalSealed: the master key is not here.
    """
    return None if wrapped is None else vault_in(conn).unwrap(wrapped, job_id)


def writing_key(conn: Connection, job_id: str, wrapped: str | None) -> DataKey | None:
    """Like :func:`key_of`, for one about to write; seals the job first if keys are set now.

    The caller has the job's row locked, by the guarded UPDATE that comes first in every write.
    """
    if wrapped is None and vault_in(conn).on:
        return seal_job(conn, job_id)
    return key_of(conn, job_id, wrapped)


def sealed(key: DataKey | None, value: Any, *place: str) -> Any:
    """The value as it is to be stored; None stays NULL, which says that there is nothing."""
    return value if key is None or value is None else key.seal(value, *place)


def opened(key: DataKey | None, stored: Any, *place: str) -> Any:
    """The value of what was stored.

    :raises JournalDamaged: it is in clear and should be sealed, or the other way round.
    """
    if stored is None:
        return None
    if isinstance(stored, Sealed) and key is not None:
        return key.open(stored, *place)
    if isinstance(stored, Sealed) or key is not None:
        where = f"{'.'.join(place[:2])} of {'/'.join(place[2:])}"
        raise JournalDamaged(
            f"{where} is {'sealed' if key is None else 'in clear'}, and its job's content is not: "
            "it was changed in the database; restore a backup"
        )
    return stored


def seal_job(conn: Connection, job_id: str) -> DataKey:
    """Give the job a data key and seal what it holds in clear; its key if it has one by now.

    :raises JobEnded: the job has been erased.
    """
    wrapped, key = vault_in(conn).new_key(job_id)
    if not conn.execute(_SET_KEY, {"job": job_id, "wrapped": wrapped}).rowcount:
        stored = conn.execute(_JOB_KEY, {"job": job_id}).scalar_one_or_none()
        if stored is None:
            raise JobEnded(f"{job_id} has ended and been erased")
        return vault_in(conn).unwrap(stored, job_id)
    for table, name in CONTENT:
        for row, place in _rows_of(conn, job_id, table, table.c[name]):
            conn.execute(
                update(table)
                .where(*(column == row._mapping[column] for column in table.primary_key))
                .values({name: sealed(key, row._mapping[name], *place)})
            )
    return key


def _rows_of(
    conn: Connection, job_id: str, table: Table, column: Column[Any]
) -> Iterator[tuple[Row[Any], tuple[str, ...]]]:
    """The job's rows that have something in the column, each with its place."""
    query: Select[Any] = select(*table.primary_key, column).where(
        table.c.job_id == job_id, column.is_not(None)
    )
    for row in conn.execute(query).all():
        key = tuple(str(row._mapping[part]) for part in table.primary_key)
        yield row, (table.name, column.name, *key)


# -- what jobs share --------------------------------------------------------------------------


def shared_key(conn: Connection) -> DataKey | None:
    """What seals the cache; None where nothing is sealed."""
    wrapped = conn.execute(_SHARED_KEY).scalar_one_or_none()
    return None if wrapped is None else vault_in(conn).unwrap(wrapped, CACHE)


def cache_name(key: DataKey | None, kind: str, name: str) -> str:
    """A cache entry's key in the database: it tells nothing where the cache is sealed."""
    return name if key is None else key.blind(kind, name)


def lease_name(name: str) -> str:
    """A lease's key in the database: the entry's may hold words of a client's."""
    return hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()


def announce(conn: Connection) -> None:
    """Called once by whoever opens the journal to write: check the keys, and say which are here.

    :raises JournalSealed: the database is sealed and the right key is not here.
    """
    vault = vault_in(conn)
    if vault.on:
        wrapped, _ = vault.new_key(CACHE)
        row = {"scope": CACHE, "data_key": wrapped, "held": list(vault.ids)}
        if insert_new(conn, shared_keys, row):
            return
    if shared_key(conn) is not None:
        held = update(shared_keys).where(shared_keys.c.scope == CACHE)
        conn.execute(held.values(held=list(vault.ids)))
