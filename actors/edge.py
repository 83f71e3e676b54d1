"""What stands around the applications in Serve's proxy: its own answers put right, limits, CORS.

Of itself the proxy answers 404 until it has heard of its routes, which after a cold start takes
seconds: a client must read that as "no such job". And it answers a bare 500 when a replica dies
under a request. Both are told as what they are, 503 with ``Retry-After``. Our own answers are
JSON and pass untouched.

Serve loads :func:`middlewares` by ``RAY_SERVE_HTTP_PROXY_CALLBACK_IMPORT_PATH``.
"""

from __future__ import annotations

from starlette.datastructures import Headers
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from actors import heads
from actors.limits import Bounds, Limits, problem_of
from orchestrator.config import Settings
from orchestrator.problems import KINDS

PREFIX = "/orchestrator"
CORS_METHODS = ("GET", "POST", "DELETE")
CORS_HEADERS = (
    "Authorization", "Content-Type", "If-None-Match", "Last-Event-ID",
    "X-Client-Id", "X-Correlation-ID", "X-Request-ID", "X-Signature", "X-Timestamp",
)  # fmt: skip
CORS_EXPOSED = (
    "ETag", "RateLimit-Limit", "RateLimit-Policy", "RateLimit-Remaining", "RateLimit-Reset",
    "Retry-After", "X-Correlation-ID", "X-Request-ID",
)  # fmt: skip
CORS_SECONDS = 600
"""What pages of ``SOTA_CORS_ORIGINS`` may send and read, and how long a browser remembers it.
Credentials that a browser sends by itself (cookies) are never asked for."""

SERVES_OWN = frozenset({404, 500, 503})
"""Statuses that Serve gives as plain text and the applications give as problem documents."""


class Interim:
    """Puts 503 in the place of the proxy's own plain answers under :data:`PREFIX`."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, and the answer back unless it is one of the proxy's own."""
        if scope["type"] != "http" or not scope["path"].startswith(PREFIX):
            await self._app(scope, receive, send)
            return
        begun = replaced = False

        async def guarded(message: Message) -> None:
            nonlocal begun, replaced
            if message["type"] == "http.response.start":
                begun, replaced = True, _is_serves_own(message)
                if replaced:
                    await _say_again_later(scope, send)
            if not replaced:
                await send(message)

        await self._app(scope, receive, guarded)
        if not begun:
            await _say_again_later(scope, send)


def middlewares() -> list[Middleware]:
    """What every proxy puts around its applications, the innermost first."""
    settings = Settings()
    heads.install(settings.header_seconds, settings.max_header_bytes)
    return around(settings)


def around(settings: Settings) -> list[Middleware]:
    """The same, for an application that stands alone."""
    found = [Middleware(Interim), Middleware(Limits, bounds=Bounds.of(settings))]
    if settings.cors_origins:
        found.append(
            Middleware(
                CORSMiddleware,
                allow_origins=settings.cors_origins,
                allow_methods=CORS_METHODS,
                allow_headers=CORS_HEADERS,
                expose_headers=CORS_EXPOSED,
                max_age=CORS_SECONDS,
            )
        )
    return found


def _is_serves_own(start: Message) -> bool:
    plain = Headers(raw=start["headers"]).get("content-type", "").startswith("text/plain")
    return plain and start["status"] in SERVES_OWN


async def _say_again_later(scope: Scope, send: Send) -> None:
    detail = "nothing is known yet of what was asked for: ask again, in the same words"
    for message in problem_of(scope, KINDS["starting"], detail):
        await send(message)
