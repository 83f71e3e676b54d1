"""What is shared between jobs, the cache and the breakers, over SQLAlchemy Core."""

from __future__ import annotations

from typing import Any

from orchestrator.journal import reads, shared
from orchestrator.journal.calls import Calls
from orchestrator.journal.records import BreakerRecord, CacheLease


class SqlShared:
    """The part of the SQL journal that no single job owns."""

    async def cache_get(self: Calls, kind: str, key: str) -> tuple[Any, int] | None:
        """``(value, stored_at)`` however old it is, or None."""
        return await self._read(reads.cache_get, kind, key)

    async def cache_put(
        self: Calls,
        kind: str,
        key: str,
        value: Any,
        now: int,
        keep_ms: int,
        job_id: str | None = None,
    ) -> None:
        """Store a value and end its lease; it may be purged *keep_ms* after *now*."""
        await self._write(
            f"cache {kind} {key}", shared.cache_put, kind, key, value, now, keep_ms, job_id
        )

    async def cache_lease(
        self: Calls, kind: str, key: str, owner: str, now: int, until: int
    ) -> CacheLease:
        """Take the right to make a value; returns the lease in force."""
        return await self._write(
            f"cache {kind} {key}", shared.cache_lease, kind, key, owner, now, until
        )

    async def cache_release(
        self: Calls, kind: str, key: str, owner: str, open_until: int = 0
    ) -> None:
        """Give back *owner*'s lease without a value."""
        await self._write(f"cache {kind} {key}", shared.cache_release, kind, key, owner, open_until)

    async def load_breaker(self: Calls, service: str) -> BreakerRecord | None:
        """The saved state of a breaker."""
        found = await self._read(reads.load_breakers, service)
        return found[0] if found else None

    async def save_breaker(self: Calls, record: BreakerRecord) -> None:
        """Save a breaker's state; the newest wins."""
        await self._write(f"breaker {record.service}", shared.save_breaker, record)

    async def breakers(self: Calls) -> list[BreakerRecord]:
        """Every breaker's saved state."""
        return await self._read(reads.load_breakers)
