"""A real HTTP server on localhost that answers by script and remembers what it was asked."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

Handler = Callable[["Seen"], Awaitable[web.StreamResponse] | web.StreamResponse]
NOW = 1_700_000_000.0
SECRET = "sk-test-0123456789-do-not-tell"


@dataclass(frozen=True)
class Seen:
    """One request as the server got it."""

    method: str
    path: str
    query: dict[str, str]
    headers: Mapping[str, str]
    body: Any
    request: web.Request


@dataclass
class Stub:
    """A server: its address, what it answers next, and what it has seen.

    ``answers`` are used up in order; the last one stays. ``handler`` takes over when given.
    """

    url: str = ""
    host: str = ""
    answers: list[web.Response | tuple[int, Any] | tuple[int, Any, dict[str, str]]] = field(
        default_factory=list
    )
    seen: list[Seen] = field(default_factory=list)
    handler: Handler | None = None

    async def serve(self, request: web.Request) -> web.StreamResponse:
        raw = await request.read()
        try:
            body = json.loads(raw) if raw else None
        except ValueError:
            body = raw
        one = Seen(
            request.method, request.path, dict(request.query), request.headers, body, request
        )
        self.seen.append(one)
        if self.handler is not None:
            answer = self.handler(one)
            return await answer if isinstance(answer, Awaitable) else answer
        return self._next()

    def _next(self) -> web.Response:
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, web.Response):
            return answer
        status, body, *rest = answer
        headers = rest[0] if rest else {}
        if isinstance(body, (dict, list)):
            return web.json_response(body, status=status, headers=headers)
        return web.Response(text=body, status=status, headers=headers)


@asynccontextmanager
async def started(stub: Stub, address: str = "127.0.0.1") -> AsyncIterator[Stub]:
    """The stub, listening on a free port of a loopback *address*."""
    app = web.Application(client_max_size=16 * 1024 * 1024)
    app.router.add_route("*", "/{tail:.*}", stub.serve)
    runner = web.AppRunner(app, shutdown_timeout=0.05)
    await runner.setup()
    site = web.TCPSite(runner, address, 0)
    await site.start()
    host, port = runner.addresses[0][:2]
    stub.host, stub.url = f"{host}:{port}", f"http://{host}:{port}"
    try:
        yield stub
    finally:
        await runner.cleanup()


def resolver(table: Mapping[str, Sequence[str]]) -> Callable[[str, int], Awaitable[Sequence[str]]]:
    """A name service that knows *table* and counts its questions in ``asked``."""

    async def resolve(host: str, port: int) -> Sequence[str]:
        resolve.asked.append((host, port))  # type: ignore[attr-defined]
        if host not in table:
            raise OSError("unknown name")
        return table[host]

    resolve.asked = []  # type: ignore[attr-defined]
    return resolve


def told(error: BaseException) -> str:
    """Everything an error tells whoever prints or pickles it."""
    shown = [str(error), repr(error), repr(error.args), repr(vars(error))]
    if error.__cause__ is not None:
        shown.append(told(error.__cause__))
    if error.__context__ is not None and not error.__suppress_context__:
        shown.append(told(error.__context__))
    return "\n".join(shown)
