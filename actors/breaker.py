"""A service's circuit breaker, shared by every job: one state machine, one clock, one actor."""

from __future__ import annotations

import asyncio
import logging
import time
from typing import Any

from actors import options
from actors.journal import remote_journal
from actors.template import worker_environment
from orchestrator.breaker import FAILURE_RATE, POLICIES, Breaker, Outcome, Permit, Refusal
from orchestrator.config import Settings
from orchestrator.errors import JournalDamaged, JournalUnavailable
from orchestrator.journal.records import BreakerRecord
from orchestrator.models import BreakerView
from orchestrator.telemetry import configure_logging

log = logging.getLogger(__name__)

SAVE_PATIENCE = 2.0  # seconds; a breaker works on without its journal


class BreakerActor:
    """One :class:`~orchestrator.breaker.Breaker`, its state kept in the journal."""

    def __init__(self, service: str, settings: Settings) -> None:
        options.forget_secrets()
        configure_logging()
        self._service = service
        self._journal = remote_journal(settings, SAVE_PATIENCE)
        self._breaker = Breaker(POLICIES[service])
        self._restored = asyncio.ensure_future(self._restore())
        self._saving = asyncio.Lock()

    async def admit(self) -> Permit | Refusal:
        """Leave for one call, or a refusal."""
        await self._restored
        was = self._breaker.generation
        verdict = self._breaker.admit(time.time())
        if self._breaker.generation != was:
            await self._save()
        return verdict

    async def report(self, permit: Permit, outcome: Outcome) -> None:
        """What became of an admitted call."""
        await self._restored
        changed = self._breaker.report(permit, outcome, time.time())
        if changed:
            log.warning("breaker %s is now %s", self._service, self._breaker.state)
        if changed or outcome is Outcome.FAILURE:
            await self._save()

    async def view(self) -> BreakerView:
        """The breaker as clients see it."""
        await self._restored
        return view_of(self._service, self._breaker, time.time())

    def __repr__(self) -> str:
        return f"Breaker({self._service})"

    async def _restore(self) -> None:
        try:
            saved = await self._journal.load_breaker(self._service)
            if saved is not None:
                self._breaker = Breaker.restore(POLICIES[self._service], saved.state)
        except JournalUnavailable:
            log.warning("breaker %s starts closed: its journal is away", self._service)
        except Exception:
            log.exception("breaker %s starts closed: its saved state is unusable", self._service)

    async def _save(self) -> None:
        async with self._saving:
            record = BreakerRecord(
                service=self._service,
                state=self._breaker.snapshot(),
                updated_at=int(time.time() * 1000),
            )
            try:
                await self._journal.save_breaker(record)
            except (JournalUnavailable, JournalDamaged):
                log.warning("breaker %s could not be saved", self._service)


def view_of(service: str, breaker: Breaker, now: float) -> BreakerView:
    """What a client may see of a breaker at time *now* (epoch seconds)."""
    policy = breaker.policy
    return BreakerView(
        service=service,
        state=breaker.state.value,
        failures=breaker.failures(now),
        threshold=policy.threshold,
        failure_rate=breaker.failure_rate(now),
        failure_rate_threshold=FAILURE_RATE,
        window_seconds=policy.window,
        cooldown_seconds=policy.cooldown,
        opened_at=int(breaker.opened_at * 1000) if breaker.opened_at else None,
        retry_after=breaker.retry_after(now),
        opened_count=breaker.opened_count,
    )


def ensure_breaker(service: str, settings: Settings) -> Any:
    """The breaker actor's handle; the actor is made if it is not there."""
    environment = worker_environment(options.NO_SECRETS, settings)
    kept = options.kept(options.breaker_name(service), runtime_env=environment)
    return options.remote(BreakerActor).options(**kept).remote(service, settings)
