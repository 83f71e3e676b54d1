"""The sandbox server: routing, faults, statistics, control, and running it."""

from __future__ import annotations

import asyncio
import contextlib
import random
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from typing import Any

from aiohttp import web

from orchestrator.sandbox import (
    anthropic_api,
    control,
    serper_api,
    web_api,
    wordpress_api,
)
from orchestrator.sandbox.environment import API_HOST, HEADER, WEB_HOSTS
from orchestrator.sandbox.faults import Fault
from orchestrator.sandbox.latency import Profile
from orchestrator.sandbox.state import SANDBOX, Clock, Sandbox, Sleep, key_of

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
SERVICES = {"anthropic": "ai", "serper": "serper", "wordpress": "wordpress", "web": "web"}
SHUTDOWN_SECONDS = 0.5  #: calls in flight are given up after this
MAX_BODY = 8 * 1024 * 1024  #: bytes


class Dropped(ConnectionResetError):
    """The connection was dropped on purpose; the server's loop ends it quietly."""


def make_app(
    port: int,
    profile: Profile = "zero",
    time_scale: float = 1.0,
    sleep: Sleep = asyncio.sleep,
    clock: Clock = time.time,
    *,
    web_hosts: tuple[str, ...] = WEB_HOSTS,
    seed: int = 0,
    flaws: float | None = None,
) -> web.Application:
    """The sandbox as an aiohttp application.

    :param port: where it will be reached; its search results link there.
    :param profile: latencies, see :mod:`orchestrator.sandbox.latency`.
    :param time_scale: multiplies every latency; faults' timeouts are not scaled.
    :param sleep: waits the latencies out.
    :param clock: epoch seconds.
    :param web_hosts: addresses its web sites are linked under.
    :param seed: of the chances taken for faults with a rate.
    :param flaws: share of flawed sections, 0 to 1; None: as the profile has it.
    """
    app = web.Application(middlewares=[_observe], client_max_size=MAX_BODY)
    rand = random.Random(seed)  # noqa: S311 - chance, not secrecy
    app[SANDBOX] = Sandbox(port, profile, time_scale, sleep, clock, rand, web_hosts, flaws)
    for part in (anthropic_api, serper_api, wordpress_api, web_api, control):
        app.router.add_routes(part.routes())
    app.on_response_prepare.append(_mark)
    return app


async def _mark(_request: web.Request, response: web.StreamResponse) -> None:
    response.headers[HEADER] = "1"


def service_of(path: str) -> str | None:
    """The service a path belongs to; None for the sandbox's own control paths."""
    return SERVICES.get(path.split("/", 2)[1]) if path.startswith("/") else None


@web.middleware
async def _observe(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Count each call of a service, and fail those a fault is meant for."""
    service = service_of(request.path)
    if service is None:
        return await handler(request)
    sandbox, outcome = request.app[SANDBOX], "aborted"
    sandbox.stats.begin(service, "" if _is_hop(request) else key_of(request))
    try:
        fault = await _fault(sandbox, service, request)
        if fault and fault.status is None:
            outcome = "timeout" if fault.timeout else "disconnect"
            await _drop(sandbox, request, fault)
        response = _failure(service, fault) if fault else await _handled(request, handler)
        outcome = str(response.status)
        return response
    finally:
        sandbox.stats.end(service, outcome)


def _is_hop(request: web.Request) -> bool:
    """Whether this is the first hop of a redirect: one fetch, one count of its key."""
    return request.path.startswith("/web/") and request.path.rsplit("/", 1)[1].startswith("moved-")


async def _handled(request: web.Request, handler: Handler) -> web.StreamResponse:
    try:
        if service_of(request.path) == "wordpress":
            return await wordpress_api.errors(request, handler)
        return await handler(request)
    except web.HTTPException as error:  # 404 and 405 of the router
        return web.json_response({"message": error.reason}, status=error.status)


async def _fault(sandbox: Sandbox, service: str, request: web.Request) -> Fault | None:
    model = None
    if service == "ai" and sandbox.faults.needs_model():
        with contextlib.suppress(ValueError, AttributeError):
            model = (await request.json()).get("model")
    key = request.path if service == "web" else key_of(request)
    return sandbox.faults.take(service, key, model)


async def _drop(sandbox: Sandbox, request: web.Request, fault: Fault) -> None:
    if fault.timeout:
        await sandbox.sleep(fault.timeout)
    if request.transport is not None:
        request.transport.abort()
    raise Dropped(f"dropped by a fault on {fault.service}")


def _failure(service: str, fault: Fault) -> web.Response:
    status = fault.status or 500
    headers = {"Retry-After": f"{fault.retry_after:g}"} if fault.retry_after is not None else {}
    if service == "web":
        page = f"<html><title>{status}</title><h1>{status}</h1></html>"
        return web.Response(text=page, content_type="text/html", status=status, headers=headers)
    body: dict[str, Any]
    if service == "ai":
        headers["request-id"] = "req_fault"
        body = anthropic_api.error_body(status, "", "req_fault")
    elif service == "serper":
        body = serper_api.error_body(status, "Unauthorized." if status == 403 else "Server error")
    else:
        body = wordpress_api.error_body(
            status, "rest_error", "The site has technical difficulties."
        )
    return web.json_response(body, status=status, headers=headers)


async def _bind(runner: web.AppRunner, hosts: Iterable[str], port: int) -> list[str]:
    """Listen on every host that can be had; the first must work."""
    bound: list[str] = []
    for host in hosts:
        try:
            await web.TCPSite(runner, host, port).start()
        except OSError:
            if not bound:
                raise
            continue  # not Linux: only 127.0.0.1 exists
        bound.append(host)
    return bound


@contextlib.asynccontextmanager
async def serve(
    port: int = 0,
    profile: Profile = "zero",
    time_scale: float = 1.0,
    sleep: Sleep = asyncio.sleep,
    clock: Clock = time.time,
    *,
    host: str = API_HOST,
    seed: int = 0,
    flaws: float | None = None,
) -> AsyncIterator[int]:
    """Run the sandbox for the time of a ``async with``; yields its port.

    :param port: TCP port on *host* and on every loopback address of its web; 0: a free one.
    :raises OSError: when *port* is taken.
    """
    app = make_app(port, profile, time_scale, sleep, clock, seed=seed, flaws=flaws)
    runner = web.AppRunner(
        app, access_log=None, handler_cancellation=True, shutdown_timeout=SHUTDOWN_SECONDS
    )
    await runner.setup()
    try:
        await _bind(runner, [host], port)
        actual: int = runner.addresses[0][1]
        bound = await _bind(runner, [host, *WEB_HOSTS][1:], actual) if _local(host) else []
        app[SANDBOX].reached_at(actual, tuple(bound) or (host,))
        yield actual
    finally:
        await runner.cleanup()


def _local(host: str) -> bool:
    return host.startswith("127.")
