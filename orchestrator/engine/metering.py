"""Services that count: calls in flight, tokens and dollars, and the job's budget.

A :class:`Meter` is the current account; whatever a call used is added to the meter of the
task that made it. A memo opens its own meter, so its cost is recorded with its value; the cost of
one that failed goes to the account around it.
"""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import TypeVar

from orchestrator.engine.activity import Activity
from orchestrator.engine.options import EngineOptions
from orchestrator.errors import PermanentError, ServiceError
from orchestrator.services import (
    FetchRequest,
    ModelReply,
    ModelRequest,
    Page,
    Post,
    PostRequest,
    PublishRequest,
    SearchReply,
    SearchRequest,
    Services,
    Usage,
)

Request = TypeVar("Request")
Reply = TypeVar("Reply")

BUDGET_SOFT_SHARE = 0.8
"""Past this share of the budget, calls go to the lower-cost model."""

SEARCH_COST_USD = 0.001
"""One Serper search of ten results, by the smallest package on serper.dev (50 dollars for 50,000
credits; August 2026)."""

FIRST_CALL_USD = 0.05
"""What a model call is reckoned to cost while none of the job's has ended: 4,096 tokens of answer
and a few thousand of prompt at 10 and 2 dollars a million."""


class Meter:
    """A running account of usage.

    :param usage: what is on it to begin with.
    """

    def __init__(self, usage: Usage | None = None) -> None:
        self.usage = usage or Usage()

    def add(self, usage: Usage) -> None:
        """Add what a call used."""
        self.usage = self.usage + usage


_meter: contextvars.ContextVar[Meter] = contextvars.ContextVar("meter")


@contextlib.contextmanager
def metered(meter: Meter) -> Iterator[Meter]:
    """Charge calls made inside this block to *meter*."""
    token = _meter.set(meter)
    try:
        yield meter
    finally:
        _meter.reset(token)


def charge(usage: Usage) -> None:
    """Add to the current meter."""
    _meter.get().add(usage)


class MeteredServices:
    """The services of one job: so many calls of a kind at once, every one accounted for.

    A model is asked while the budget is not used up, counting each call in flight as the dearest
    so far: calls side by side pass the budget no further than the last of them would alone.

    :param spent: dollars the job had cost before this activation.
    """

    def __init__(
        self, inner: Services, options: EngineOptions, activity: Activity, *, spent: float
    ) -> None:
        self._inner, self._activity = inner, activity
        self._open = asyncio.Event()
        self._open.set()
        self._slots = defaultdict[str, asyncio.Semaphore](
            lambda: asyncio.Semaphore(options.calls_in_flight)
        )  # by method: a search does not wait for a model, which is another provider's
        self._budget, self._clock = options.budget_usd, options.clock
        self.spent = spent
        self._asking, self._dearest = 0, 0.0
        self._settled = asyncio.Condition()

    def close(self) -> None:
        """Let no further call begin; those under way go on."""
        self._open.clear()

    async def generate(self, request: ModelRequest) -> ModelReply:
        """Ask a model, within the job's budget; past 80 % of it the lower-cost one.

        The reply says so in ``lowered``.
        :raises PermanentError: the budget is used up; the message names the setting.
        """
        async with self._within_budget(), self._slots["generate"]:
            low = self.spent >= self._budget * BUDGET_SOFT_SHARE and not request.fallback
            asked = request.model_copy(update={"fallback": True}) if low else request
            reply = await self._timed(self._inner.generate, asked)
            usage = _beyond_the_call(reply)
            self._charge(usage)
            self._dearest = max(self._dearest, usage.cost_usd)
        if not low or reply.model == request.model:
            return reply
        return reply.model_copy(update={"lowered": self._why_lowered(reply.model)})

    def _why_lowered(self, model: str) -> str:
        share = f"{BUDGET_SOFT_SHARE:.0%} of the job's budget of ${self._budget:.2f}"
        return f"lower-cost model {model}: {share} is used up"

    @contextlib.asynccontextmanager
    async def _within_budget(self) -> AsyncIterator[None]:
        """Wait until the calls in flight leave room in the budget, or refuse."""
        async with self._settled:
            await self._settled.wait_for(self._is_decided)
            if self.spent >= self._budget:
                raise PermanentError(
                    "ai",
                    f"the job's budget of ${self._budget:.2f} is used up; "
                    "raise SOTA_JOB_BUDGET_USD",
                )
            self._asking += 1
        try:
            yield
        finally:
            self._asking -= 1
            async with self._settled:
                self._settled.notify_all()

    def _is_decided(self) -> bool:
        """Whether one more call can be let out or refused without knowing what those out cost."""
        out = self._asking * (self._dearest or FIRST_CALL_USD)
        return not self._asking or self.spent >= self._budget or self.spent + out < self._budget

    async def search(self, request: SearchRequest) -> SearchReply:
        """Search the web."""
        reply = await self._call(self._inner.search, request)
        self._charge(Usage(cost_usd=SEARCH_COST_USD))
        return reply

    async def fetch(self, request: FetchRequest) -> Page:
        """Fetch one page."""
        return await self._call(self._inner.fetch, request)

    async def get_post(self, request: PostRequest) -> Post:
        """Read a WordPress post."""
        return await self._call(self._inner.get_post, request)

    async def publish(self, request: PublishRequest) -> Post:
        """Write a WordPress post."""
        return await self._call(self._inner.publish, request)

    async def _call(self, call: Callable[[Request], Awaitable[Reply]], request: Request) -> Reply:
        """Make one call in a free slot."""
        async with self._slots[call.__name__]:
            return await self._timed(call, request)

    async def _timed(self, call: Callable[[Request], Awaitable[Reply]], request: Request) -> Reply:
        """Make one call; its time counts whether or not it succeeds, and what it had paid for."""
        await self._open.wait()
        began = self._clock()
        try:
            with self._activity.calling():
                return await call(request)
        except ServiceError as error:
            if error.usage is not None:
                self._charge(_untimed(error.usage))
            raise
        finally:
            self._charge(Usage(seconds=self._clock() - began, calls=1))

    def _charge(self, usage: Usage) -> None:
        self.spent += usage.cost_usd
        charge(usage)


def _beyond_the_call(reply: ModelReply) -> Usage:
    sandbox = max(reply.usage.sandbox_calls, int(reply.sandbox))
    return _untimed(reply.usage).model_copy(update={"sandbox_calls": sandbox})


def _untimed(usage: Usage) -> Usage:
    """What a call used besides what is counted here for every call: its time, and its being one."""
    return usage.model_copy(update={"seconds": 0.0, "calls": max(0, usage.calls - 1)})
