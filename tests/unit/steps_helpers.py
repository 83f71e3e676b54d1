"""A step context for tests: in memory, with a script instead of the outside world.

::

    ctx = FakeContext(
        request=SubmitRequest(keyword="solar panels"),
        replies={"semantic_keywords": lambda request: {"phrases": []}},
        search=lambda request: SearchReply(),
        fetch=lambda request: Page(url=request.url, final_url=request.url, outcome="dead"),
        outputs={"gap-analysis": {...}},
    )
    output = await STEP.run(ctx)
    assert await STEP.run(ctx.replay()) == output  # nothing is asked twice

A script's entry is a value or a function of the request; an exception among them is raised.
``blocks(request)`` gives back the data blocks of a prompt, as a model would read them.
"""

from __future__ import annotations

import asyncio
import inspect
import json
import re
from collections import defaultdict
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, TypeVar

from orchestrator.engine.cache import is_readable
from orchestrator.errors import BreakerOpen, PermanentError, TransientError
from orchestrator.models import SubmitRequest
from orchestrator.services import (
    FetchRequest,
    Message,
    ModelReply,
    ModelRequest,
    Page,
    Post,
    PostRequest,
    PublishRequest,
    SearchReply,
    SearchRequest,
    Usage,
)
from orchestrator.step import Json, Reader, Unshared

NOW = 1_780_000_000.0
"""The fake clock's time when nothing else is said: 2026-05-28, seconds since the epoch."""

MODEL, LOWER_MODEL = "main-model", "lower-model"

AI_OPEN = BreakerOpen("ai", 30.0)
AI_FAILS = TransientError("ai", "overloaded", status=529)
AI_REFUSES = PermanentError("ai", "the prompt is too long", status=400)
SERPER_OPEN = BreakerOpen("serper", 10.0)

M = TypeVar("M", bound=Message)


def task_of(request: ModelRequest) -> str:
    """The task named in the prompt's first line."""
    found = re.match(r"<task>([a-z_]+)</task>", request.prompt)
    assert found, f"the prompt does not begin with its task: {request.prompt[:80]!r}"
    return found[1]


def blocks(request: ModelRequest) -> dict[str, Any]:
    """The data blocks of the system text and the prompt, by name, parsed."""
    text = request.system + "\n" + request.prompt
    found = re.findall(r'^<data name="([a-z_]+)">(.*?)</data>$', text, re.DOTALL | re.MULTILINE)
    return {name: json.loads(value) for name, value in found}


class FakeServices:
    """The outside world as a script; every request is kept in :attr:`calls`."""

    def __init__(
        self,
        replies: Mapping[str, Any] | None = None,
        search: Any = None,
        fetch: Any = None,
        get_post: Any = None,
        publish: Any = None,
    ) -> None:
        self.replies = dict(replies or {})
        self.scripts = {"search": search, "fetch": fetch, "get_post": get_post, "publish": publish}
        self.calls: list[Message] = []

    def asked(self, task: str) -> list[ModelRequest]:
        """The model requests of one task, in order."""
        models = [call for call in self.calls if isinstance(call, ModelRequest)]
        return [call for call in models if task_of(call) == task]

    def of(self, kind: type[M]) -> list[M]:
        """The requests of one kind, in order: ``of(FetchRequest)``."""
        return [call for call in self.calls if isinstance(call, kind)]

    async def generate(self, request: ModelRequest) -> ModelReply:
        """The script's reply for the request's task: a dict is data, a str is text."""
        self.calls.append(request)
        value = await self._play(self.replies.get(task_of(request)), task_of(request), request)
        if isinstance(value, ModelReply):
            return value
        model = LOWER_MODEL if request.fallback else request.model or MODEL
        text, data = (value, None) if isinstance(value, str) else ("", value)
        return ModelReply(text=text, data=data, model=model, usage=Usage(calls=1))

    async def search(self, request: SearchRequest) -> SearchReply:
        """The script's search results."""
        return await self._scripted("search", request)  # type: ignore[no-any-return]

    async def fetch(self, request: FetchRequest) -> Page:
        """The script's page."""
        return await self._scripted("fetch", request)  # type: ignore[no-any-return]

    async def get_post(self, request: PostRequest) -> Post:
        """The script's post."""
        return await self._scripted("get_post", request)  # type: ignore[no-any-return]

    async def publish(self, request: PublishRequest) -> Post:
        """The script's answer to a publish."""
        return await self._scripted("publish", request)  # type: ignore[no-any-return]

    async def _scripted(self, method: str, request: Message) -> Any:
        self.calls.append(request)
        return await self._play(self.scripts[method], method, request)

    async def _play(self, entry: Any, name: str, request: Message) -> Any:
        assert entry is not None, f"nothing is scripted for {name!r}"
        value = entry(request) if callable(entry) else entry
        if inspect.isawaitable(value):
            value = await value
        if isinstance(value, BaseException):
            raise value
        return value


class FakeContext:
    """A :class:`~orchestrator.step.StepContext` in memory.

    :ivar degraded: the reasons noted, each once.
    :ivar progressed: ``(done, total, what)`` as shown.
    :ivar memos: recorded parts by name; ``shared_values`` likewise for the whole job.
    :ivar parts: recorded parts of other steps by ``(step, part)``.
    :ivar caches: ``(kind, key) -> (value, stored_at)``; fill it to begin with a warm cache.
    """

    def __init__(
        self,
        request: SubmitRequest | None = None,
        replies: Mapping[str, Any] | None = None,
        search: Any = None,
        fetch: Any = None,
        outputs: Mapping[str, Json] | None = None,
        final_attempt: bool = False,
        *,
        get_post: Any = None,
        publish: Any = None,
        now: float = NOW,
        job_id: str = "job_1780000000000_abcdefghi",
        step: str = "step",
        attempt: int | None = None,
    ) -> None:
        self.job_id = job_id
        self.request = request or SubmitRequest(keyword="solar panels")
        self.attempt = attempt or (6 if final_attempt else 1)
        self.final_attempt = final_attempt
        # Any: a protocol's mutable attribute admits no subtype, and tests want the fake's own
        self.services: Any = FakeServices(replies, search, fetch, get_post, publish)
        self.outputs = dict(outputs or {})
        self.now = now
        self.step = step
        self.degraded: list[str] = []
        self.progressed: list[tuple[int, int, str]] = []
        self.memos: dict[str, Json] = {}
        self.shared_values: dict[str, Json] = {}
        self.parts: dict[tuple[str, str], Json] = {}
        self.caches: dict[tuple[str, str], tuple[Json, float]] = {}
        self._locks: dict[tuple[bool, str], asyncio.Lock] = defaultdict(asyncio.Lock)

    def replay(self) -> FakeContext:
        """The same job after a crash: all recorded, an empty cache, a world that must not be
        asked (any call fails the test)."""
        again = FakeContext(self.request, outputs=self.outputs, now=self.now, step=self.step)
        again.memos.update(_copy(self.memos))
        again.shared_values.update(_copy(self.shared_values))
        return again

    def key(self, part: str) -> str:
        """The idempotency key of a part."""
        return f"{self.job_id}:{self.step}:{part}"

    async def output(self, step: str) -> Json:
        """The scripted output of another step."""
        return _copy(self.outputs[step])

    async def part(self, step: str, part: str) -> Json | None:
        """The scripted part of another step; None: that step has ended without it."""
        return _copy(self.parts.get((step, part)))

    async def memo(self, part: str, make: Callable[[], Awaitable[Json]]) -> Json:
        """The recorded part, or made and recorded."""
        return await self._recorded(self.memos, part, make)

    async def shared(self, name: str, make: Callable[[], Awaitable[Json]]) -> Json:
        """The job's value, or made and recorded."""
        return await self._recorded(self.shared_values, name, make)

    async def cached(
        self,
        kind: str,
        key: str,
        ttl: float,
        make: Callable[[], Awaitable[Json]],
        *,
        read: Reader | None = None,
    ) -> Json:
        """The fresh cached value, or made and cached."""
        fresh = await self.stale(kind, key, ttl, read=read)
        if fresh is None:
            made = await make()
            if isinstance(made, Unshared):
                return _copy(made.value)
            fresh = _copy(made)
            self.caches[kind, key] = (fresh, self.now)
        return _copy(fresh)

    async def stale(
        self, kind: str, key: str, max_age: float, *, read: Reader | None = None
    ) -> Json | None:
        """The cached value if it is younger than *max_age* seconds."""
        value, stored_at = self.caches.get((kind, key), (None, 0.0))
        fits = self.now - stored_at <= max_age and is_readable(value, read)
        return _copy(value) if fits else None

    def degrade(self, reason: str) -> None:
        """Note a reason once."""
        if reason not in self.degraded:
            self.degraded.append(reason)

    async def progress(self, done: int, total: int, what: str) -> None:
        """Keep what would be shown."""
        self.progressed.append((done, total, what))

    async def _recorded(
        self, where: dict[str, Json], name: str, make: Callable[[], Awaitable[Json]]
    ) -> Json:
        async with self._locks[where is self.memos, name]:
            if name not in where:
                where[name] = _copy(await make())
            return _copy(where[name])


def _copy(value: Json) -> Json:
    """The value as JSON carries it; fails on what JSON cannot carry."""
    return json.loads(json.dumps(value, allow_nan=False))
