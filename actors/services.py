"""The services as a job actor sees them: its node's gateway, asked over Ray."""

from __future__ import annotations

import asyncio
import time
from typing import Any, cast

import ray
from ray.exceptions import TaskCancelledError

from actors import options
from orchestrator.errors import TransientError
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
    time_left,
)

PATIENCE = 20.0
"""Seconds a call is sent again for while its gateway is away or was lost under it; the
idempotency key makes that safe where the service honours it."""

PAUSE = 0.3  # seconds between tries
MARGIN = 0.5  # seconds a call ends before its attempt does


class GatewayServices:
    """:class:`~orchestrator.services.Services` over the node's gateway actor."""

    def __init__(self) -> None:
        self._node_id = ray.get_runtime_context().get_node_id()
        self._handle: Any = None

    async def generate(self, request: ModelRequest) -> ModelReply:
        """Ask a language model."""
        return cast(ModelReply, await self._call("generate", request))

    async def search(self, request: SearchRequest) -> SearchReply:
        """Search the web."""
        return cast(SearchReply, await self._call("search", request))

    async def fetch(self, request: FetchRequest) -> Page:
        """Fetch one page."""
        return cast(Page, await self._call("fetch", request))

    async def get_post(self, request: PostRequest) -> Post:
        """Read a WordPress post."""
        return cast(Post, await self._call("get_post", request))

    async def publish(self, request: PublishRequest) -> Post:
        """Write a WordPress post."""
        return cast(Post, await self._call("publish", request))

    async def _call(self, method: str, request: Any) -> Any:
        give_up = time.monotonic() + PATIENCE
        while time.monotonic() < give_up:
            if self._handle is None:
                self._handle = self._find()
            if self._handle is not None:
                try:
                    ref = self._handle.call.remote(method, request, _within())
                    return await options.answer_or_cancel(ref)
                except (*options.GONE, TaskCancelledError):  # cancelled, and not by us
                    self._handle = None
                    give_up = time.monotonic() + PATIENCE
            await asyncio.sleep(PAUSE)
        raise TransientError(method, "the node's gateway is away")

    def _find(self) -> Any | None:
        """The node's gateway. It is never made here: it would inherit this process's blank keys."""
        gateway = options.find(options.gateway_name(self._node_id))
        if gateway is None and (supervisor := options.find(options.SUPERVISOR)) is not None:
            supervisor.nudge.remote()
        return gateway


def _within() -> float | None:
    """Seconds the gateway may take: a little less than is left of the attempt."""
    left = time_left.get(lambda: None)()
    return None if left is None else max(MARGIN, left - MARGIN)
