"""Tiers and their limits: DESIGN section 4, and a request rate for each."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass


class Tier(enum.StrEnum):
    """What a client has signed up for. Stored in the journal: the names are data for ever."""

    FREE = "free"
    PRO = "pro"
    ENTERPRISE = "enterprise"
    UNLIMITED = "unlimited"  #: for a service that is its user's own


@dataclass(frozen=True, slots=True)
class Limits:
    """What a client of a tier may have; None is no limit.

    :param jobs_per_hour: jobs accepted in one hour of the clock, UTC.
    :param jobs_at_once: of its jobs that run at the same moment; the others wait in the queue.
    :param words_per_month: of articles, in one calendar month, UTC.
    :param requests_per_second: refill of the request bucket of each replica.
    :param burst: what that bucket holds.
    """

    jobs_per_hour: int | None = None
    jobs_at_once: int | None = None
    words_per_month: int | None = None
    requests_per_second: float | None = None
    burst: int = 0


LIMITS: Mapping[Tier, Limits] = {
    Tier.FREE: Limits(5, 1, 10_000, requests_per_second=2.0, burst=20),
    Tier.PRO: Limits(50, 3, 100_000, requests_per_second=10.0, burst=100),
    Tier.ENTERPRISE: Limits(None, 10, 1_000_000, requests_per_second=50.0, burst=500),
    Tier.UNLIMITED: Limits(),
}
"""Jobs and words are the specification's. The request rates are ours: a client that polls every
job it may run twice a second stays far below its own."""

RESERVED_WORDS = 2_000
"""Words an accepted job holds of its client's month until its article is counted. It must leave
room for the free tier's five jobs of an hour (5 x 2,000 = 10,000); articles have 2,500 to 3,500
words (PIPELINE section 8), so a month may end above its limit by what its last jobs in flight
wrote beyond this."""

NAMES = frozenset(tier.value for tier in Tier)


@dataclass(frozen=True, slots=True)
class Tenancy:
    """The rules of one service.

    :param default_tier: of a client that has none of its own.
    :param reserved_words: see :data:`RESERVED_WORDS`.
    :param max_queued: jobs of all clients that may wait for admission; 0: no limit.
    """

    default_tier: Tier = Tier.UNLIMITED
    reserved_words: int = RESERVED_WORDS
    max_queued: int = 0

    def tier(self, recorded: str | None) -> Tier:
        """The tier recorded for a client, or the default. A name of another version's is the
        smallest tier: nobody gets more by a mistake."""
        if recorded is None:
            return self.default_tier
        return Tier(recorded) if recorded in NAMES else Tier.FREE

    def limits(self, recorded: str | None) -> Limits:
        """The limits that go with the tier recorded for a client."""
        return LIMITS[self.tier(recorded)]


NO_LIMITS = Tenancy()
"""Nobody is limited, but for a client that was given a tier."""
