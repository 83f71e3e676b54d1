"""Reads and writes of client keys, used signatures and the audit log.

Each function is one piece of work for the group committer, or one read: synchronous.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Concatenate, ParamSpec, TypeVar

from sqlalchemy import Connection, Row, Select, bindparam, delete, select, tuple_, update

from orchestrator.errors import InvalidInput
from orchestrator.journal.changes import insert_new
from orchestrator.journal.group import AlreadyDone
from orchestrator.journal.records import Submitted
from orchestrator.journal.tables import audit, client_keys, nonces
from orchestrator.security.records import (
    LIVE_KEYS,
    Action,
    AuditEntry,
    KeyKind,
    KeyRecord,
    Principal,
    SignatureUse,
)

P = ParamSpec("P")
T = TypeVar("T")

EXPIRED_MS = 3600 * 1000
"""A used signature goes this long after nobody accepts it: clocks of replicas may differ."""

_KEY: Select[Any] = select(client_keys).where(
    client_keys.c.id == bindparam("key"), client_keys.c.revoked_at.is_(None)
)
_LIVE: Select[Any] = (
    select(client_keys)
    .where(
        client_keys.c.client_id == bindparam("client"),
        client_keys.c.kind == bindparam("of_kind"),
        client_keys.c.slot.is_not(None),
    )
    .order_by(client_keys.c.slot)
)
_USED: Select[Any] = select(nonces.c.token).where(
    nonces.c.key_id == bindparam("key"), nonces.c.signature == bindparam("signed")
)
_REVOKE = (
    update(client_keys)
    .where(client_keys.c.id == bindparam("key"), client_keys.c.revoked_at.is_(None))
    .values(revoked_at=bindparam("now"), slot=None)
)
_FORGET_UNDATED = delete(nonces).where(
    nonces.c.key_id == bindparam("key"), nonces.c.expires_at.is_(None)
)


# -- the audit log ----------------------------------------------------------------------------


def audited(
    operation: Callable[Concatenate[Connection, P], T],
    action: Action,
    job_id: str,
    by: Principal | None,
    **detail: Any,
) -> Callable[Concatenate[Connection, P], T]:
    """*operation*, with an entry in the audit log in its own transaction.

    What changed nothing (a job submitted before, no job to erase) has none.
    :param by: None: this is nobody's request; no entry is made.
    """
    if by is None:
        return operation

    def with_entry(conn: Connection, /, *args: P.args, **kwargs: P.kwargs) -> T:
        value = operation(conn, *args, **kwargs)
        unchanged = value is False or (isinstance(value, Submitted) and not value.created)
        if not unchanged:
            note(conn, action, job_id, by, detail)
        return value

    return with_entry


def note(
    conn: Connection, action: Action, job_id: str | None, by: Principal, detail: dict[str, Any]
) -> None:
    """Write an entry, once for each :attr:`Principal.entry`."""
    insert_new(
        conn,
        audit,
        {
            "id": by.entry,
            "at": by.at,
            "client_id": by.client_id,
            "key_id": by.key_id,
            "action": action,
            "job_id": job_id,
            "request_id": by.request_id,
            "detail": {name: value for name, value in detail.items() if value is not None},
        },
    )


def audit_log(
    conn: Connection, client_id: str | None, job_id: str | None, limit: int
) -> list[AuditEntry]:
    """The newest entries first."""
    query = select(audit).order_by(audit.c.at.desc(), audit.c.id.desc()).limit(limit)
    if client_id is not None:
        query = query.where(audit.c.client_id == client_id)
    if job_id is not None:
        query = query.where(audit.c.job_id == job_id)
    return [AuditEntry.model_validate(row._mapping) for row in conn.execute(query)]


# -- keys -------------------------------------------------------------------------------------


def create_key(conn: Connection, new: KeyRecord, by: Principal) -> None:
    """Insert the key into the client's first free slot."""
    if conn.execute(select(client_keys.c.id).where(client_keys.c.id == new.id)).first():
        raise AlreadyDone
    for slot in range(1, LIVE_KEYS + 1):
        if insert_new(conn, client_keys, {**new.model_dump(), "slot": slot}):
            detail = {"key": new.id, "client": new.client_id, "kind": new.kind, "admin": new.admin}
            note(conn, Action.KEY_CREATED, None, by, detail)
            return
    raise InvalidInput(
        "client",
        f"{new.client_id} has {LIVE_KEYS} live {new.kind} keys: revoke one with "
        "`sota keys revoke KEY` first",
    )


def revoke_key(conn: Connection, key_id: str, now: int, by: Principal) -> KeyRecord | None:
    """End a key's life; what it signed without a date need not be remembered any more."""
    changed = conn.execute(_REVOKE, {"key": key_id, "now": now}).rowcount
    row = conn.execute(select(client_keys).where(client_keys.c.id == key_id)).one_or_none()
    if row is None:
        return None
    if changed:
        conn.execute(_FORGET_UNDATED, {"key": key_id})
        note(conn, Action.KEY_REVOKED, None, by, {"key": key_id, "client": row.client_id})
    return _key(row)


def key(conn: Connection, key_id: str) -> KeyRecord | None:
    """The live key of this id."""
    row = conn.execute(_KEY, {"key": key_id}).one_or_none()
    return None if row is None else _key(row)


def live_keys(conn: Connection, client_id: str, kind: KeyKind) -> list[KeyRecord]:
    """The client's live keys of this kind."""
    rows = conn.execute(_LIVE, {"client": client_id, "of_kind": kind})
    return [_key(row) for row in rows]


def keys(conn: Connection, client_id: str | None) -> list[KeyRecord]:
    """Every key, oldest first."""
    query = select(client_keys).order_by(client_keys.c.created_at, client_keys.c.id)
    if client_id is not None:
        query = query.where(client_keys.c.client_id == client_id)
    return [_key(row) for row in conn.execute(query)]


def _key(row: Row[Any]) -> KeyRecord:
    known = KeyRecord.model_fields
    return KeyRecord(**{name: value for name, value in row._mapping.items() if name in known})


# -- used signatures --------------------------------------------------------------------------


def use_signature(conn: Connection, use: SignatureUse) -> bool:
    """Record the use; False if another presentation of the signature came before."""
    if insert_new(conn, nonces, use.model_dump()):
        return True
    used = conn.execute(_USED, {"key": use.key_id, "signed": use.signature}).scalar()
    raise AlreadyDone(used == use.token)


def purge(conn: Connection, audit_before: int, now: int, limit: int) -> int:
    """Delete what has had its time, at most *limit* rows of a table."""
    nonce = tuple_(nonces.c.key_id, nonces.c.signature)
    spent = (
        select(nonces.c.key_id, nonces.c.signature)
        .where(nonces.c.expires_at < now - EXPIRED_MS)
        .limit(limit)
    )
    old = select(audit.c.id).where(audit.c.at < audit_before).order_by(audit.c.at).limit(limit)
    dead = select(client_keys.c.id).where(client_keys.c.revoked_at < audit_before).limit(limit)
    gone = (
        conn.execute(delete(nonces).where(nonce.in_(spent))),
        conn.execute(delete(audit).where(audit.c.id.in_(old))),
        conn.execute(delete(client_keys).where(client_keys.c.id.in_(dead))),
    )
    return sum(result.rowcount for result in gone)
