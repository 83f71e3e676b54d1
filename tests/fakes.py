"""Typed stand-ins for what the engine is given: a clock, a sleep, and the services."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

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
    Usage,
)


@dataclass
class FakeClock:
    """A clock that only sleeping moves; ``slept`` lists every sleep in seconds."""

    now: float = 1_700_000_000.0
    slept: list[float] = field(default_factory=list)

    def __call__(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds
        await asyncio.sleep(0)


async def _model_says(request: ModelRequest) -> ModelReply:
    return ModelReply(text="words", model="m", usage=Usage(input_tokens=10, output_tokens=5))


@dataclass
class FakeServices:
    """Services by function; ``asked`` lists the idempotency key of every call."""

    model: Callable[[ModelRequest], Awaitable[ModelReply]] = _model_says
    asked: list[str] = field(default_factory=list)

    async def generate(self, request: ModelRequest) -> ModelReply:
        self.asked.append(request.idempotency_key)
        return await self.model(request)

    async def search(self, request: SearchRequest) -> SearchReply:
        self.asked.append(request.idempotency_key)
        return SearchReply()

    async def fetch(self, request: FetchRequest) -> Page:
        self.asked.append(request.idempotency_key)
        return Page(url=request.url, final_url=request.url, outcome="dead", problem="fake")

    async def get_post(self, request: PostRequest) -> Post:
        raise NotImplementedError

    async def publish(self, request: PublishRequest) -> Post:
        raise NotImplementedError


def ask(key: str, **more: Any) -> ModelRequest:
    """A model request that only its key matters of."""
    return ModelRequest(system="s", prompt="p", idempotency_key=key, **more)
