"""Changing the master key of a sealed journal, and sealing what is still in clear.

Content is never sealed twice: only the data keys are wrapped anew. All is done in small
transactions, beside a running service; what is done shows in the rows themselves, so that a
rotation that was broken off simply goes on when it is started again. The key that seals the cache
comes last: while it is under an old master key, a writer without that one does not start.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Text,
    bindparam,
    delete,
    func,
    or_,
    select,
    type_coerce,
    update,
)

from orchestrator.journal.columns import SEALED_MARK
from orchestrator.journal.content import (
    CACHE,
    CACHE_VALUE,
    announce,
    cache_name,
    seal_job,
    shared_key,
    vault_in,
)
from orchestrator.journal.database import Database
from orchestrator.journal.faults import faults_mapped
from orchestrator.journal.sealing import ID_DIGITS
from orchestrator.journal.tables import cache, jobs, shared_keys

BATCH = 20
"""Jobs or cache entries in one transaction: as many as a purge takes, see ``base.PURGE_BATCH``."""

_MASTER: ColumnElement[str] = func.substr(jobs.c.data_key, 1, ID_DIGITS)
_OLD_KEYS = (
    select(jobs.c.id, jobs.c.data_key)
    .where(jobs.c.id > bindparam("after"), bindparam("first") != _MASTER)
    .order_by(jobs.c.id)  # the order in which batches of writes lock jobs
    .limit(BATCH)
)
_CLEAR_JOBS = (
    select(jobs.c.id)
    .where(jobs.c.id > bindparam("after"), jobs.c.data_key.is_(None))
    .order_by(jobs.c.id)
    .limit(BATCH)
)
_STORED = type_coerce(cache.c.value, Text)
_IS_CLEAR = or_(_STORED.is_(None), func.substr(_STORED, 1, len(SEALED_MARK)) != SEALED_MARK)
_CLEAR_CACHE = select(cache.c.kind, cache.c.key, cache.c.value).where(_IS_CLEAR).limit(BATCH)
_REWRAP = (
    update(jobs)
    .where(jobs.c.id == bindparam("job"), jobs.c.data_key == bindparam("old"))
    .values(data_key=bindparam("new"))
)


@dataclass(frozen=True, slots=True)
class Standing:
    """How far a journal is sealed, and by what.

    :param jobs: how many jobs' data keys each master key wraps, by its id.
    :param clear_jobs: jobs whose content is in clear.
    :param cache_key: id of the master key that wraps the cache's data key; None: there is none.
    :param clear_entries: cache entries in clear.
    :param held: ids of the keys that the last writer was started with, the first first.
    """

    jobs: dict[str, int]
    clear_jobs: int
    cache_key: str | None
    clear_entries: int
    held: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Rotated:
    """What a rotation did."""

    rewrapped: int = 0
    sealed_jobs: int = 0
    sealed_entries: int = 0


def standing(conn: Connection) -> Standing:
    """How far the journal is sealed. Needs no key."""
    by_key = {
        master: int(count)
        for master, count in conn.execute(select(_MASTER, func.count()).group_by(_MASTER))
    }
    shared = conn.execute(select(shared_keys).where(shared_keys.c.scope == CACHE)).one_or_none()
    clear = conn.execute(select(func.count()).select_from(cache).where(_IS_CLEAR)).scalar_one()
    return Standing(
        jobs={master: count for master, count in by_key.items() if master is not None},
        clear_jobs=by_key.get(None, 0),  # type: ignore[call-overload]  # NULL has no key
        cache_key=shared.data_key[:ID_DIGITS] if shared is not None else None,
        clear_entries=int(clear),
        held=tuple(shared.held) if shared is not None else (),
    )


async def rotate(
    database: Database, told: Callable[[Rotated], None] = lambda so_far: None
) -> Rotated:
    """Bring everything under the first master key of *database*'s vault, and seal what is clear.

    :param told: called after each transaction that did something.
    :raises JournalSealed: a master key that is still in use is not here.
    """
    with faults_mapped():
        await database.run(_ensure_shared_key)
        done = Rotated()
        for batch, name in (
            (_rewrap_jobs, "rewrapped"),
            (_seal_jobs, "sealed_jobs"),
            (_seal_entries, "sealed_entries"),
        ):
            async for number in _batches(database, batch):
                done = _plus(done, name, number)
                told(done)
        if await database.run(_rewrap_shared):
            done = _plus(done, "rewrapped", 1)
            told(done)
        if done.sealed_jobs or done.sealed_entries:
            await database.scrub(rewrite=True)  # what stood in clear
    return done


Batch = Callable[[Connection, str], tuple[int, str]]
"""Does some work after the given place; how much, and where it ended (``""``: at the end)."""


async def _batches(database: Database, batch: Batch) -> Any:
    """Run batches until one pass over everything finds nothing to do."""
    after, found = "", 0
    while True:
        number, after = await database.run(lambda conn, at=after: batch(conn, at))  # type: ignore[misc]
        if number:
            found += number
            yield number
        if not after:
            if not found:
                return
            found = 0


def _plus(done: Rotated, name: str, number: int) -> Rotated:
    counts = {field: getattr(done, field) for field in Rotated.__dataclass_fields__}
    return Rotated(**{**counts, name: counts[name] + number})


def _ensure_shared_key(conn: Connection) -> None:
    if shared_key(conn) is None:
        announce(conn)


def _rewrap_jobs(conn: Connection, after: str) -> tuple[int, str]:
    vault = vault_in(conn)
    found = conn.execute(_OLD_KEYS, {"after": after, "first": vault.ids[0]}).all()
    for job_id, wrapped in found:
        new = vault.rewrap(wrapped, job_id)
        conn.execute(_REWRAP, {"job": job_id, "old": wrapped, "new": new})
    return len(found), found[-1].id if len(found) == BATCH else ""


def _seal_jobs(conn: Connection, after: str) -> tuple[int, str]:
    found = list(conn.execute(_CLEAR_JOBS, {"after": after}).scalars())
    for job_id in found:
        seal_job(conn, job_id)
    return len(found), found[-1] if len(found) == BATCH else ""


def _seal_entries(conn: Connection, _after: str) -> tuple[int, str]:
    key = shared_key(conn)
    assert key is not None, "made before anything is sealed"
    found = conn.execute(_CLEAR_CACHE).all()
    for kind, name, value in found:
        this = (cache.c.kind == kind, cache.c.key == name)
        hidden = cache_name(key, kind, name)
        there = select(cache.c.key).where(cache.c.kind == kind, cache.c.key == hidden)
        if conn.execute(there).first() is not None:  # made anew since the keys were set
            conn.execute(delete(cache).where(*this))
            continue
        stored = key.seal(value, *CACHE_VALUE, kind, hidden)
        conn.execute(update(cache).where(*this).values(key=hidden, value=stored))
    return len(found), "more" if len(found) == BATCH else ""


def _rewrap_shared(conn: Connection) -> bool:
    vault = vault_in(conn)
    wrapped = conn.execute(
        select(shared_keys.c.data_key).where(shared_keys.c.scope == CACHE)
    ).scalar_one()
    if wrapped.startswith(f"{vault.ids[0]}:"):
        return False
    new = vault.rewrap(wrapped, CACHE)
    this = (shared_keys.c.scope == CACHE, shared_keys.c.data_key == wrapped)
    return bool(conn.execute(update(shared_keys).where(*this).values(data_key=new)).rowcount)
