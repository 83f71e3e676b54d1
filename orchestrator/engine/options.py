"""What the engine is given from outside: limits, clock, chance and sleep."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from orchestrator.config import Settings
from orchestrator.retry import RetryPolicy, specified_policy

WAKE_JITTER_SECONDS = 1.0
"""Spread of the wake-ups after a breaker's wait, so that waiting jobs do not return as one."""


_USUAL = Settings.model_construct()  # the defaults, whatever the environment says


@dataclass(frozen=True, slots=True)
class EngineOptions:
    """Limits and the engine's only sources of time and chance.

    :param job_timeout: seconds from the job's start to its deadline.
    :param calls_in_flight: calls of one kind (model, search, page) that one job may have under way
        at once; each kind has a provider of its own.
    :param budget_usd: what one job may cost; near it the lower-cost model is used, past it
        the job fails.
    :param hibernate_after: a job that only waits, for longer than this many seconds, releases
        itself; its process ends and another takes it up when the wait is over.
    :param handover_grace: seconds that calls in flight are given when the job is to leave its
        process for another.
    :param default_model: the model of a request that names none, so that what is cached for other
        jobs is kept under the model that made it; None: the gateway's.
    """

    job_timeout: float = _USUAL.job_timeout
    calls_in_flight: int = _USUAL.calls_per_job
    budget_usd: float = _USUAL.job_budget_usd
    hibernate_after: float = _USUAL.hibernate_after
    handover_grace: float = _USUAL.handover_grace
    default_model: str | None = None
    clock: Callable[[], float] = time.time
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    rand: random.Random = field(default_factory=random.Random)

    @property
    def retry(self) -> RetryPolicy:
        """The retry policy over this engine's source of chance."""
        return specified_policy(self.rand)

    def now_ms(self) -> int:
        """The time in epoch milliseconds."""
        return int(self.clock() * 1000)
