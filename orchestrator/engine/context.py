"""What a running step sees: the engine's :class:`~orchestrator.step.StepContext`."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager

from orchestrator.engine.activity import Activity
from orchestrator.engine.cache import SharedCache
from orchestrator.engine.memos import JOB_SCOPE, Memos, through_json
from orchestrator.engine.options import EngineOptions
from orchestrator.journal.base import Journal
from orchestrator.journal.records import Claim
from orchestrator.models import SubmitRequest
from orchestrator.services import Services
from orchestrator.step import Json, Reader, Step


def part_name(version: int, part: str) -> str:
    """The name under which a step of this version records *part*, and asks for it.

    Those of version 1 are the bare ones: they are data for ever.
    """
    return part if version <= 1 else f"v{version}:{part}"


class RunContext:
    """One attempt of one step. See the protocol for what each method promises.

    :param versions: of each step by slug, the one that records its parts (or has recorded them,
        if it is completed).
    """

    def __init__(
        self,
        *,
        claim: Claim,
        request: SubmitRequest,
        step: Step,
        attempt: int,
        journal: Journal,
        services: Services,
        memos: Memos,
        cache: SharedCache,
        outputs: Mapping[str, asyncio.Future[Json]],
        options: EngineOptions,
        activity: Activity,
        versions: Mapping[str, int],
    ) -> None:
        self.job_id = claim.job_id
        self.request = request
        self.services = services
        self.attempt = attempt
        self.final_attempt = options.retry.is_final(attempt)
        self.degraded: list[str] = []
        self._epoch, self._step = claim.epoch, step
        self._journal, self._memos, self._cache = journal, memos, cache
        self._outputs, self._options, self._activity = outputs, options, activity
        self._versions = versions
        self._limit: asyncio.Timeout | None = None
        self._waits, self._stopped_with = 0, 0.0  # who waits, and seconds left since then

    @property
    def now(self) -> float:
        """Seconds since the epoch."""
        return self._options.clock()

    def key(self, part: str) -> str:
        """``job:step:part``; ``job:step:v2:part`` from version 2 on, whose calls say other things
        than those of version 1 that a service may remember."""
        return f"{self.job_id}:{self._step.slug}:{part_name(self._step.version, part)}"

    @contextmanager
    def timed_by(self, limit: asyncio.Timeout) -> Iterator[None]:
        """Let :meth:`output` stop this attempt's clock while it waits for another step."""
        self._limit = limit
        try:
            yield
        finally:
            self._limit = None

    def time_left(self) -> float | None:
        """Seconds left of this attempt, or None while its clock is stopped."""
        ends = self._limit.when() if self._limit else None
        return None if ends is None else ends - asyncio.get_running_loop().time()

    async def output(self, step: str) -> Json:
        """Another step's recorded output."""
        future = self._future(step)
        if not future.done():
            with self._clock_stopped(), self._activity.blocked(self._step.slug):
                await asyncio.shield(future)
        return through_json(future.result())

    async def part(self, step: str, part: str) -> Json | None:
        """Another step's recorded part; None if that step is done without it."""
        output = self._future(step)
        part = part_name(self._versions[step], part)
        arrival = asyncio.ensure_future(self._memos.arrival(step, part))
        try:
            with self._clock_stopped(), self._activity.blocked(self._step.slug):
                await asyncio.wait({arrival, output}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            arrival.cancel()
        return self._memos.peek(step, part)

    def _future(self, step: str) -> asyncio.Future[Json]:
        if step not in (*self._step.needs, *self._step.awaits):
            raise KeyError(f"step {self._step.slug!r} declares no need of {step!r}")
        return self._outputs[step]

    async def memo(self, part: str, make: Callable[[], Awaitable[Json]]) -> Json:
        """This step's recorded *part*; one that another version recorded is another part."""
        return await self._memos.get(self._step.slug, part_name(self._step.version, part), make)

    async def shared(self, name: str, make: Callable[[], Awaitable[Json]]) -> Json:
        """The job's recorded value *name*."""
        return await self._memos.get(JOB_SCOPE, name, make)

    async def cached(
        self,
        kind: str,
        key: str,
        ttl: float,
        make: Callable[[], Awaitable[Json]],
        *,
        read: Reader | None = None,
    ) -> Json:
        """A value all jobs share for *ttl* seconds. The final attempt waits for nobody: there
        is no other after it."""
        return await self._cache.get(
            kind, key, ttl, make,
            time_left=self.time_left, patient=not self.final_attempt, read=read,
        )  # fmt: skip

    async def stale(
        self, kind: str, key: str, max_age: float, *, read: Reader | None = None
    ) -> Json | None:
        """The cached value if it is younger than *max_age* seconds."""
        return await self._cache.stale(kind, key, max_age, read)

    def degrade(self, reason: str) -> None:
        """Note once why this step's result is less than it should be."""
        if reason not in self.degraded:
            self.degraded.append(reason)

    async def progress(self, done: int, total: int, what: str) -> None:
        """Show ``what done of total``."""
        detail = f"{what} {done} of {total}"
        with self._activity.writing():
            await self._journal.record_progress(
                self.job_id, self._epoch, self._step.slug, detail, self._options.now_ms()
            )

    @contextmanager
    def _clock_stopped(self) -> Iterator[None]:
        """Stop this attempt's clock until the last of those who wait at the same time is done."""
        limit = self._limit
        if limit is None:
            yield
            return
        loop = asyncio.get_running_loop()
        if self._waits == 0:
            self._stopped_with = (limit.when() or loop.time()) - loop.time()
            limit.reschedule(None)
        self._waits += 1
        try:
            yield
        finally:
            self._waits -= 1
            if self._waits == 0:
                limit.reschedule(loop.time() + self._stopped_with)
