"""The request rate: a token bucket for each client, kept by one replica.

A replica knows its own requests only, so a client of *n* replicas may make *n* times as many.
That is enough for what the rate is there for, which is to keep one client from using a replica up;
the quotas that are paid for are counted in the journal.
"""

from __future__ import annotations

import math
from collections import OrderedDict
from dataclasses import dataclass

from orchestrator.errors import QuotaExceeded
from orchestrator.tenants.quotas import Policy, Quota, Standing
from orchestrator.tenants.tiers import LIMITS, Limits, Tier

MAX_CLIENTS = 10_000
"""Buckets kept, about 2 MB; the one that was not asked for longest is forgotten, and full again."""


@dataclass(slots=True)
class Bucket:
    """Tokens that come back at a steady rate.

    :param level: tokens in it at the time *at* (seconds).
    """

    level: float
    at: float

    def take(self, rate: float, burst: int, now: float) -> float:
        """Take a token; 0, or the seconds until there is one. Time never runs backwards."""
        now = max(now, self.at)
        self.level = min(float(burst), self.level + (now - self.at) * rate)
        self.at = now
        if self.level < 1.0:
            return (1.0 - self.level) / rate
        self.level -= 1.0
        return 0.0


class Buckets:
    """The buckets of a replica's clients."""

    def __init__(self, most: int = MAX_CLIENTS) -> None:
        self._buckets: OrderedDict[str, Bucket] = OrderedDict()
        self._most = most

    def take(self, client_id: str, tier: Tier, now: float) -> Quota | None:
        """Count a request of the client; what is left, or None where nothing is limited.

        :param now: epoch seconds.
        :raises QuotaExceeded: it has to wait.
        """
        limits = LIMITS[tier]
        if limits.requests_per_second is None:
            return None
        bucket = self._bucket(client_id, limits, now)
        wait = bucket.take(limits.requests_per_second, limits.burst, now)
        quota = _quota(limits, limits.requests_per_second, bucket, now)
        if wait:
            raise _exceeded(tier, limits, quota, wait, now)
        return quota

    def _bucket(self, client_id: str, limits: Limits, now: float) -> Bucket:
        bucket = self._buckets.setdefault(client_id, Bucket(float(limits.burst), now))
        self._buckets.move_to_end(client_id)
        if len(self._buckets) > self._most:
            self._buckets.popitem(last=False)
        return bucket


def _quota(limits: Limits, rate: float, bucket: Bucket, now: float) -> Quota:
    full_in = (limits.burst - bucket.level) / rate
    return Quota(
        Policy.REQUESTS,
        limits.burst,
        limits.burst - math.floor(bucket.level),
        math.ceil(limits.burst / rate),
        round((now + full_in) * 1000),
    )


def _exceeded(tier: Tier, limits: Limits, quota: Quota, wait: float, now: float) -> QuotaExceeded:
    detail = (
        f"tier {tier}: more than {limits.requests_per_second:g} requests a second "
        f"({limits.burst} at once); ask again in {math.ceil(wait)} s"
    )
    again = round((now + wait) * 1000)
    return QuotaExceeded(detail, quota, Standing(tier, (quota,)), retry_at=again)
