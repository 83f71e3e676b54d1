"""May this client hand in another job? A decision over what was counted; no clock, no database."""

from __future__ import annotations

import enum
import math
from dataclasses import dataclass, replace

from orchestrator.errors import QuotaExceeded
from orchestrator.tenants import windows
from orchestrator.tenants.tiers import Limits, Tier
from orchestrator.tenants.windows import Window, told

HELD_RETRY_MS = 60_000
"""When to ask again where jobs in progress hold what is missing: a job takes about a minute."""


class Policy(enum.StrEnum):
    """What is limited. Wire data: headers and problem documents name it."""

    JOBS = "jobs-per-hour"
    WORDS = "words-per-month"
    REQUESTS = "requests"


@dataclass(frozen=True, slots=True)
class Quota:
    """One limit and how much of it is used.

    :param limit: how much there is in a window.
    :param used: of it; words that are reserved count as used.
    :param seconds: how long a window is.
    :param resets_at: epoch ms when all of it is there again.
    :param held: of what is used, how much jobs in progress hold: they may give it back sooner.
    """

    policy: Policy
    limit: int
    used: int
    seconds: int
    resets_at: int
    held: int = 0

    @property
    def remaining(self) -> int:
        """What is left, never less than nothing."""
        return max(0, self.limit - self.used)

    def reset_in(self, now: int) -> int:
        """Whole seconds from *now* until it is there again, at least 1."""
        return max(1, math.ceil((self.resets_at - now) / 1000))


@dataclass(frozen=True, slots=True)
class Counted:
    """What a client has used.

    :param jobs: accepted this hour.
    :param words: written and held this month.
    :param held: of these, words that jobs in progress hold.
    """

    jobs: int = 0
    words: int = 0
    held: int = 0


@dataclass(frozen=True, slots=True)
class Standing:
    """A client's tier and what is left of its quotas; no quotas where nothing is limited."""

    tier: Tier
    quotas: tuple[Quota, ...] = ()


def quotas(limits: Limits, counted: Counted, now: int) -> tuple[Quota, ...]:
    """The quotas of these limits."""
    found = []
    if limits.jobs_per_hour is not None:
        found.append(_quota(Policy.JOBS, limits.jobs_per_hour, counted.jobs, windows.hour(now)))
    if limits.words_per_month is not None:
        month = _quota(Policy.WORDS, limits.words_per_month, counted.words, windows.month(now))
        found.append(replace(month, held=counted.held))
    return tuple(found)


def _quota(policy: Policy, limit: int, used: int, window: Window) -> Quota:
    return Quota(policy, limit, used, window.seconds, window.ends)


def charge(before: Standing, now: int, *, jobs: int, words: int) -> Standing:
    """The standing once so much more is used; the words are held at first.

    :raises QuotaExceeded: it is more than is left. Of several limits it tells the one that is used
        up for longest; one that is only held in part may be free sooner, and is told last.
    """
    amounts = {Policy.JOBS: jobs, Policy.WORDS: words}
    over = [quota for quota in before.quotas if amounts[quota.policy] > quota.remaining]
    spent = [q for q in over if amounts[q.policy] > q.limit - q.used + q.held]
    if spent:
        worst = max(spent, key=lambda quota: quota.resets_at)
        raise QuotaExceeded(explained(before.tier, worst, words), worst, before)
    if over:
        again = min(over[0].resets_at, now + HELD_RETRY_MS)
        raise QuotaExceeded(explained(before.tier, over[0], words), over[0], before, retry_at=again)
    return replace(before, quotas=tuple(_used(q, amounts[q.policy]) for q in before.quotas))


def _used(quota: Quota, more: int) -> Quota:
    held = more if quota.policy is Policy.WORDS else 0
    return replace(quota, used=quota.used + more, held=quota.held + held)


def explained(tier: Tier, quota: Quota, words: int) -> str:
    """Which limit, its number and when it resets, in one sentence."""
    if quota.policy is Policy.JOBS:
        used = f"all {quota.limit} jobs of this hour are used"
    else:
        used = (
            f"{quota.used:,} of this month's {quota.limit:,} words are used, {quota.held:,} of "
            f"them held by jobs in progress, and a job needs {words:,}"
        )
    return f"tier {tier}: {used}; the limit resets at {told(quota.resets_at)}"
