"""Tiers and usage of clients over SQLAlchemy Core."""

from __future__ import annotations

from orchestrator.journal import ledger, usage
from orchestrator.journal.calls import Calls
from orchestrator.tenants.tiers import Tier
from orchestrator.tenants.views import ClientView, UsageView


class SqlTenants:
    """The :class:`~orchestrator.journal.tenancy.TenantJournal` part of the SQL journal."""

    async def set_tier(self: Calls, client_id: str, tier: Tier, now: int) -> None:
        """Give the client a tier."""
        await self._write(f"client {client_id}", ledger.set_tier, client_id, tier, now)

    async def tier_of(self: Calls, client_id: str) -> Tier:
        """The client's tier, or the default of the service."""
        return await self._read(usage.tier_of, client_id, self._rules)

    async def client_tiers(self: Calls) -> list[ClientView]:
        """Every client with a tier of its own, by name."""
        return await self._read(usage.client_tiers)

    async def usage(self: Calls, client_id: str, now: int) -> UsageView:
        """The client's tier, its limits, and what it uses of them at *now*."""
        return await self._read(usage.usage, client_id, now, self._rules)
