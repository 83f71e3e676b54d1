"""Tiers and usage of clients: what the journal promises of them."""

from __future__ import annotations

from typing import Protocol

from orchestrator.tenants.tiers import Tier
from orchestrator.tenants.views import ClientView, UsageView


class TenantJournal(Protocol):
    """The part of the journal that says what a client may have and has used."""

    async def set_tier(self, client_id: str, tier: Tier, now: int) -> None:
        """Give the client a tier. It holds for what is handed in and admitted from now on."""
        ...

    async def tier_of(self, client_id: str) -> Tier:
        """The client's tier, or the default of the service."""
        ...

    async def client_tiers(self) -> list[ClientView]:
        """Every client with a tier of its own, by name."""
        ...

    async def usage(self, client_id: str, now: int) -> UsageView:
        """The client's tier, its limits, and what it uses of them at *now*."""
        ...
