"""Keys, used signatures and the audit log over SQLAlchemy Core."""

from __future__ import annotations

from orchestrator.journal import access_rows as rows
from orchestrator.journal.calls import Calls
from orchestrator.security.records import (
    AuditEntry,
    KeyKind,
    KeyRecord,
    Principal,
    SignatureUse,
)


class SqlAccess:
    """The :class:`~orchestrator.journal.access.AccessJournal` part of the SQL journal."""

    async def create_key(self: Calls, key: KeyRecord, *, by: Principal) -> None:
        """Record a new key. :raises InvalidInput: the client has two of this kind."""
        await self._write(f"client {key.client_id}", rows.create_key, key, by)

    async def revoke_key(self: Calls, key_id: str, now: int, *, by: Principal) -> KeyRecord | None:
        """Revoke a key; None if there is none."""
        return await self._write(f"key {key_id}", rows.revoke_key, key_id, now, by)

    async def key(self: Calls, key_id: str) -> KeyRecord | None:
        """The live key of this id, or None."""
        return await self._read(rows.key, key_id)

    async def live_keys(self: Calls, client_id: str, kind: KeyKind) -> list[KeyRecord]:
        """A client's live keys of one kind."""
        return await self._read(rows.live_keys, client_id, kind)

    async def keys(self: Calls, client_id: str | None = None) -> list[KeyRecord]:
        """Every key, oldest first."""
        return await self._read(rows.keys, client_id)

    async def use_signature(self: Calls, use: SignatureUse) -> bool:
        """True for the first presentation of a signature."""
        return await self._write(f"nonce {use.key_id} {use.signature}", rows.use_signature, use)

    async def audit_log(
        self: Calls,
        *,
        client_id: str | None = None,
        job_id: str | None = None,
        limit: int = 50,
    ) -> list[AuditEntry]:
        """The newest entries of the audit log, newest first."""
        return await self._read(rows.audit_log, client_id, job_id, limit)

    async def purge_access(self: Calls, audit_before: int, now: int, limit: int = 500) -> int:
        """Delete what has had its time."""
        return await self._write("", rows.purge, audit_before, now, limit)
