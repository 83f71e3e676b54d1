"""The node's gateway: the only holder of keys, API clients and connection pools.

Every external call of the node's jobs goes through it, and it asks the service's breaker
before each one and reports what became of it after.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from actors import options
from actors.breaker import ensure_breaker
from orchestrator.breaker import Outcome, Permit, Refusal
from orchestrator.config import Settings
from orchestrator.errors import BreakerOpen, PermanentError, TransientError
from orchestrator.footprints import Footprint, Footprints, Machine, cpu_of
from orchestrator.secrets import Secrets
from orchestrator.services import DeliverReply, DeliverRequest, ModelRequest
from orchestrator.telemetry import configure_logging
from orchestrator.telemetry import context as log_context

Reply = TypeVar("Reply")
log = logging.getLogger(__name__)

BREAKER_PATIENCE = 10.0
"""Seconds to wait for a breaker that does not answer (starting one takes a few on a busy machine);
then the call goes ahead unguarded."""

PROBE_PATIENCE = 5.0
"""Seconds a call waits for another that probes a service which may be back: without this a step
that makes several calls at once would fall back although the first of them brings the answer."""

OF_METHOD = {
    "search": "serper",
    "fetch": "web",
    "get_post": "wordpress",
    "publish": "wordpress",
}
"""The breaker that guards each method; ``generate`` depends on the model asked for."""


class GatewayActor:
    """Makes external calls for the jobs of its node."""

    def __init__(self, settings: Settings) -> None:
        # Heavy (the Anthropic SDK): only the gateway's own process pays for it, not its finders.
        from orchestrator.clients.live import LiveServices  # noqa: PLC0415

        options.forget_signing_secrets()
        configure_logging()
        self._settings = settings
        self._services = LiveServices(settings, Secrets())
        self._footprints, self._machine = Footprints(), Machine()
        self._breakers: dict[str, Any] = {}
        self._reports: set[asyncio.Task[Any]] = set()

    async def call(self, method: str, request: Any, within: float | None = None) -> Any:
        """One call of the :class:`~orchestrator.services.Services` protocol.

        :param within: seconds it may take; a service that takes longer has failed.
        :raises BreakerOpen: the service's breaker refuses calls at present.
        """
        service = breaker_of(method, request, self._settings)
        job_id = getattr(request, "idempotency_key", "").partition(":")[0]
        log_context.set({"job": job_id} if job_id else {})  # of this call alone

        async def limited() -> Any:
            try:
                async with asyncio.timeout(within):
                    return await getattr(self._services, method)(request)
            except TimeoutError:
                raise TransientError(service, f"no answer within {within:.0f} s") from None

        return await self._guarded(service, limited)

    async def deliver(self, request: DeliverRequest) -> DeliverReply:
        """Send a webhook to a client's receiver: no service of ours, and so without a breaker."""
        return await self._services.deliver(request)

    async def _guarded(self, service: str, call: Callable[[], Awaitable[Reply]]) -> Reply:
        permit = await self._admit(service)
        outcome = Outcome.ABANDONED
        try:
            reply = await call()
            outcome = Outcome.SUCCESS
        except TransientError:
            outcome = Outcome.FAILURE
            raise
        except PermanentError:
            outcome = Outcome.SUCCESS  # it answered: the service itself is well
            raise
        finally:
            if permit is not None:
                self._report(service, permit, outcome)
        return reply

    async def _admit(self, service: str) -> Permit | None:
        """Leave for one call; None when the breaker itself cannot be asked."""
        give_up = time.monotonic() + PROBE_PATIENCE
        while True:
            verdict = await self._ask(service, "admit")
            if not isinstance(verdict, Refusal):
                return verdict
            if not verdict.probing or time.monotonic() >= give_up:
                raise BreakerOpen(service, verdict.retry_after)
            await asyncio.sleep(verdict.retry_after)

    def _report(self, service: str, permit: Permit, outcome: Outcome) -> None:
        """Tell the breaker, without holding up the reply."""
        task = asyncio.ensure_future(self._ask(service, "report", permit, outcome))
        self._reports.add(task)
        task.add_done_callback(self._reports.discard)

    async def _ask(self, service: str, method: str, *args: Any) -> Any:
        """Ask the breaker actor, finding it anew once if it has died; None if it cannot say."""
        for _ in range(2):
            breaker = self._breakers.get(service)
            if breaker is None:
                breaker = self._breakers[service] = ensure_breaker(service, self._settings)
            try:
                ref = getattr(breaker, method).remote(*args)
                return await asyncio.wait_for(options.answer(ref), BREAKER_PATIENCE)
            except options.GONE:
                self._breakers.pop(service, None)
            except Exception:
                log.exception("breaker %s does not answer; calls go unguarded", service)
                break
        return None

    async def footprint(self, pids: list[int]) -> Footprint:
        """What the node has left, and what the jobs with these processes hold of its memory."""
        return await asyncio.to_thread(self._footprints.look, pids, self._machine.look())

    async def cpu_seconds(self, pid: int) -> float | None:
        """CPU time a process of this node has used; None if there is no such process."""
        return cpu_of(pid)

    async def __ray_shutdown__(self) -> None:
        """Let go of the connections."""
        await self._services.close()

    def __repr__(self) -> str:
        return "Gateway"


def breaker_of(method: str, request: Any, settings: Settings) -> str:
    """The breaker that guards this call; the lower-cost model has one of its own."""
    if method != "generate":
        return OF_METHOD[method]
    assert isinstance(request, ModelRequest)
    model = request.model or settings.default_model
    return "ai-fallback" if request.fallback or model == settings.fallback_model else "ai"


def ensure_gateway(node_id: str, settings: Settings) -> Any:
    """The gateway actor of a node (hex id); made there if there is none."""
    strategy = NodeAffinitySchedulingStrategy(node_id, soft=False)
    kept = options.kept(options.gateway_name(node_id), scheduling_strategy=strategy)
    return options.remote(GatewayActor).options(**kept).remote(settings)
