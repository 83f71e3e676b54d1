"""Keys of clients, used signatures and the audit log: what the journal promises of them."""

from __future__ import annotations

from typing import Protocol

from orchestrator.security.records import (
    AuditEntry,
    KeyKind,
    KeyRecord,
    Principal,
    SignatureUse,
)


class AccessJournal(Protocol):
    """The part of the journal that says who may ask, and who has asked."""

    async def create_key(self, key: KeyRecord, *, by: Principal) -> None:
        """Record a new key. The same key sent twice is one.

        :raises InvalidInput: the client has two live keys of this kind; revoke one first.
        """
        ...

    async def revoke_key(self, key_id: str, now: int, *, by: Principal) -> KeyRecord | None:
        """Revoke a key from now on; None if there is none. Revoking twice is revoking once."""
        ...

    async def key(self, key_id: str) -> KeyRecord | None:
        """The live key of this id, or None (also when it was revoked)."""
        ...

    async def live_keys(self, client_id: str, kind: KeyKind) -> list[KeyRecord]:
        """A client's live keys of one kind, at most two."""
        ...

    async def keys(self, client_id: str | None = None) -> list[KeyRecord]:
        """Every key, revoked ones too, oldest first; of one client if it is given."""
        ...

    async def use_signature(self, use: SignatureUse) -> bool:
        """True for the first presentation of a signature, False for every other one.

        Exact under concurrency: of many at once, one has True. The same presentation may be sent
        again and has the same answer.
        """
        ...

    async def audit_log(
        self,
        *,
        client_id: str | None = None,
        job_id: str | None = None,
        limit: int = 50,
    ) -> list[AuditEntry]:
        """The newest entries of the audit log, newest first."""
        ...

    async def purge_access(self, audit_before: int, now: int, limit: int = 500) -> int:
        """Delete used signatures that nobody would accept any more at *now*, and audit entries
        and revoked keys older than *audit_before*.

        :param limit: most of each in this call.
        :returns: how many rows were deleted; 0 when none is left.
        """
        ...
