"""Writes that no single job owns: the cache, the breakers, and clearing up.

Each function is one piece of work for the group committer: synchronous, inside a savepoint.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, bindparam, delete, func, or_, select, tuple_, update

from orchestrator.errors import JobEnded
from orchestrator.jobs import ENDED
from orchestrator.journal import ledger
from orchestrator.journal.changes import insert_into
from orchestrator.journal.content import CACHE_VALUE, cache_name, lease_name, shared_key
from orchestrator.journal.records import OPEN_TO_ALL, BreakerRecord, CacheLease
from orchestrator.journal.tables import breakers, cache, cache_leases, jobs

DEAD_LEASE_MS = 3600 * 1000
"""A lease that expired this long ago is purged: nobody is about to take it over at that moment,
so purging never waits for a job, nor a job for it."""

_ENTRY = (cache_leases.c.kind == bindparam("of_kind"), cache_leases.c.key == bindparam("of_key"))
_MINE = (*_ENTRY, cache_leases.c.owner == bindparam("mine"))
_LEASE = select(cache_leases.c.owner, cache_leases.c.until).where(*_ENTRY)
_END_LEASE = delete(cache_leases).where(*_ENTRY)
_GIVE_BACK = delete(cache_leases).where(*_MINE)
_STORED = select(func.max(cache.c.stored_at)).where(
    cache.c.kind == bindparam("of_kind"), cache.c.key.in_(bindparam("names", expanding=True))
)
_OF_VALUE = ("value", "stored_at", "purge_at", "job_id")
_DROP_CLEAR = delete(cache).where(
    cache.c.kind == bindparam("of_kind"), cache.c.key == bindparam("of_key")
)
#: Held until the commit, so that on PostgreSQL an erasure comes before it or after it.
_STILL_THERE = (
    select(jobs.c.id)
    .where(jobs.c.id == bindparam("job"))
    .with_for_update(read=True, key_share=True)
)
_OPEN = update(cache_leases).where(*_MINE).values(owner=OPEN_TO_ALL, until=bindparam("new_until"))


def cache_put(
    conn: Connection,
    kind: str,
    key: str,
    value: Any,
    now: int,
    keep_ms: int,
    job_id: str | None,
) -> None:
    """Store a value and end its lease; an older one arriving late does not replace a newer.

    :raises JobEnded: the job that made it has been erased: nothing of it may come back.
    """
    if job_id is not None and conn.execute(_STILL_THERE, {"job": job_id}).first() is None:
        raise JobEnded(f"{job_id} has ended and been erased")
    _end_lease(conn, kind, lease_name(key))
    seal = shared_key(conn)
    name = cache_name(seal, kind, key)
    if seal is not None:
        conn.execute(_DROP_CLEAR, {"of_kind": kind, "of_key": key})
        value = seal.seal(value, *CACHE_VALUE, kind, name)
    new = insert_into(conn.dialect.name, cache).values(
        kind=kind, key=name, value=value, stored_at=now, purge_at=now + keep_ms, job_id=job_id
    )
    conn.execute(
        new.on_conflict_do_update(
            index_elements=[cache.c.kind, cache.c.key],
            set_={column: new.excluded[column] for column in _OF_VALUE},
            where=cache.c.stored_at <= new.excluded.stored_at,
        )
    )


def _end_lease(conn: Connection, kind: str, name: str) -> None:
    """End an entry's lease and keep its row locked until the commit.

    All work on one entry locks its lease before its value. A lease that is not there cannot be
    locked: it is made first, or two writers with several pieces of work on one entry could each
    hold what the other needs.
    """
    entry = {"of_kind": kind, "of_key": name}
    if not conn.execute(_END_LEASE, entry).rowcount:
        new = insert_into(conn.dialect.name, cache_leases).values(
            kind=kind, key=name, owner=OPEN_TO_ALL, until=0
        )
        conn.execute(
            new.on_conflict_do_update(
                index_elements=[cache_leases.c.kind, cache_leases.c.key],
                set_={"until": new.excluded.until},
            )
        )
        conn.execute(_END_LEASE, entry)


def cache_lease(
    conn: Connection, kind: str, key: str, owner: str, now: int, until: int
) -> CacheLease:
    """Give the entry's lease to *owner* unless somebody else has it; returns the one in force, and
    when the newest value was stored, read after it: a maker stores its value and ends its lease in
    one piece."""
    name = lease_name(key)
    entry = {"of_kind": kind, "of_key": name}
    held = conn.execute(_LEASE, entry).one_or_none()
    if held is None or held.owner == owner or held.until <= now:  # else a look that writes nothing
        new = insert_into(conn.dialect.name, cache_leases).values(
            kind=kind, key=name, owner=owner, until=until
        )
        free = or_(cache_leases.c.owner == new.excluded.owner, cache_leases.c.until <= now)
        conn.execute(
            new.on_conflict_do_update(
                index_elements=[cache_leases.c.kind, cache_leases.c.key],
                set_={column: new.excluded[column] for column in ("owner", "until")},
                where=free,  # another writer may have been quicker
            )
        )
        held = conn.execute(_LEASE, entry).one()
    return CacheLease(owner=held.owner, until=held.until, stored_at=_stored_at(conn, kind, key))


def _stored_at(conn: Connection, kind: str, key: str) -> int | None:
    """Of the entry's value, under its sealed name or, from before the journal was sealed, its clear
    one; None if there is none."""
    names = {cache_name(shared_key(conn), kind, key), key}
    return conn.execute(_STORED, {"of_kind": kind, "names": sorted(names)}).scalar()


def cache_release(conn: Connection, kind: str, key: str, owner: str, open_until: int) -> None:
    """End the lease that *owner* has, or open the entry to all until *open_until*."""
    mine = {"of_kind": kind, "of_key": lease_name(key), "mine": owner}
    if open_until:
        conn.execute(_OPEN, {**mine, "new_until": open_until})
    else:
        conn.execute(_GIVE_BACK, mine)


def save_breaker(conn: Connection, record: BreakerRecord) -> None:
    """Save a breaker's state unless a newer one is there."""
    new = insert_into(conn.dialect.name, breakers).values(**record.model_dump())
    conn.execute(
        new.on_conflict_do_update(
            index_elements=[breakers.c.service],
            set_={name: new.excluded[name] for name in ("state", "updated_at")},
            where=breakers.c.updated_at <= new.excluded.updated_at,
        )
    )


def purge(conn: Connection, ended_before: int, now: int, limit: int) -> int:
    """Delete up to *limit* jobs, those that ended first, as many dead cache entries and leases, and
    as many entries of the ledger that no window looks at any more.

    The jobs' other rows go by cascade. That a job has ended is asked again by the DELETE itself,
    since on PostgreSQL another writer may have retried it since the SELECT.
    """
    ended = jobs.c.completed_at < ended_before, jobs.c.status.in_(sorted(ENDED))
    oldest = select(jobs.c.id).where(*ended).order_by(jobs.c.completed_at).limit(limit)
    dead = select(cache.c.kind, cache.c.key).where(cache.c.purge_at < now).limit(limit)
    over = cache_leases.c.until < now - DEAD_LEASE_MS
    leases = select(cache_leases.c.kind, cache_leases.c.key).where(over).limit(limit)
    of_lease = tuple_(cache_leases.c.kind, cache_leases.c.key)
    gone = (
        conn.execute(delete(jobs).where(jobs.c.id.in_(oldest), *ended)),
        conn.execute(delete(cache).where(tuple_(cache.c.kind, cache.c.key).in_(dead))),
        conn.execute(delete(cache_leases).where(over, of_lease.in_(leases))),
    )
    return sum(result.rowcount for result in gone) + ledger.purge(conn, now, limit)
