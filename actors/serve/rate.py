"""The request rate of each client, kept by each replica for itself."""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from collections.abc import Callable, Coroutine
from typing import Any

from orchestrator.tenants.bucket import MAX_CLIENTS, Buckets
from orchestrator.tenants.quotas import Quota
from orchestrator.tenants.tiers import Tier

TIER_SECONDS = 30.0
"""For how long a replica believes what it was told of a client's tier. The journal asks anew at
each submission, so jobs and words are never counted by an old tier."""


class RequestRate:
    """Counts requests, by client and its tier.

    :param tier_of: asks the journal for a client's tier.
    """

    def __init__(self, tier_of: Callable[[str], Coroutine[Any, Any, Tier]]) -> None:
        self._tier_of = tier_of
        self._tiers: OrderedDict[str, tuple[Tier, float]] = OrderedDict()
        self._buckets = Buckets()
        self._asking: dict[str, asyncio.Task[Tier]] = {}

    async def count(self, client_id: str) -> Quota | None:
        """Count a request; what is left of the client's rate, None where it is not limited.

        :raises QuotaExceeded: the client has to wait.
        """
        return self._buckets.take(client_id, await self._tier(client_id), time.time())

    async def _tier(self, client_id: str) -> Tier:
        known = self._known(client_id)
        return known if known is not None else await asyncio.shield(self._ask(client_id))

    def _ask(self, client_id: str) -> asyncio.Task[Tier]:
        """Of many requests of one client one asks; no client waits for another's answer."""
        asking = self._asking.get(client_id)
        if asking is None:
            asking = self._asking[client_id] = asyncio.ensure_future(self._learn(client_id))
            asking.add_done_callback(lambda task: self._asked(client_id, task))
        return asking

    async def _learn(self, client_id: str) -> Tier:
        tier = await self._tier_of(client_id)
        self._tiers[client_id] = (tier, time.monotonic())
        self._tiers.move_to_end(client_id)
        if len(self._tiers) > MAX_CLIENTS:
            self._tiers.popitem(last=False)
        return tier

    def _asked(self, client_id: str, task: asyncio.Task[Tier]) -> None:
        del self._asking[client_id]
        if not task.cancelled():
            task.exception()  # whoever waited has it; perhaps nobody did any more

    def _known(self, client_id: str) -> Tier | None:
        tier, told_at = self._tiers.get(client_id, (None, 0.0))
        return tier if time.monotonic() - told_at < TIER_SECONDS else None
