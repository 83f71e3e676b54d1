"""What the proxy does with heads and bodies too big or too slow, by raw sockets on a real uvicorn.

Serve starts uvicorn as here: ``AutoHTTPProtocol`` and the middlewares of ``actors.edge``.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator
from typing import Any

import pytest
import uvicorn
from starlette.types import Receive, Scope, Send
from uvicorn.protocols.http import auto

from actors import heads
from actors.limits import Bounds, Limits

BOUNDS = Bounds(header_bytes=2_000, headers=20, body_seconds=0.4, body_bytes=10_000)
HEAD_SECONDS = 0.4
LENGTH = [(b"content-length", b"5")]
POST = b"POST /orchestrator/ultra-sota HTTP/1.1\r\nHost: t\r\n"


class Seen:
    """The application behind: remembers what reached it."""

    def __init__(self) -> None:
        self.bodies: list[bytes] = []
        self.headers: list[dict[bytes, bytes]] = []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        message = await receive()
        self.bodies.append(message["body"])
        self.headers.append(dict(scope["headers"]))
        await send({"type": "http.response.start", "status": 202, "headers": LENGTH})
        await send({"type": "http.response.body", "body": b"taken"})


@pytest.fixture
def seen() -> Seen:
    return Seen()


@pytest.fixture
async def port(seen: Seen, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[int]:
    monkeypatch.setattr(auto, "AutoHTTPProtocol", auto.AutoHTTPProtocol)  # put back afterwards
    heads.install(HEAD_SECONDS, BOUNDS.header_bytes)
    config = uvicorn.Config(
        Limits(seen, BOUNDS), port=0, lifespan="off", log_config=None, timeout_keep_alive=90
    )
    server = uvicorn.Server(config)
    server.install_signal_handlers = lambda: None  # type: ignore[attr-defined]
    task = asyncio.ensure_future(server._serve())
    while not server.started:
        await asyncio.sleep(0.01)
    yield server.servers[0].sockets[0].getsockname()[1]
    server.should_exit = True
    await task


class Wire:
    """A connection, byte by byte."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    async def send(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    async def answer(self) -> tuple[int, Any]:
        """Status and body of an answer that ends with its connection."""
        whole = await asyncio.wait_for(self.reader.read(), 5)
        head, _, body = whole.partition(b"\r\n\r\n")
        assert b"connection: close" in head.lower()
        assert b"x-request-id: " in head.lower()
        return int(head.split()[1]), json.loads(body)

    async def status(self) -> int:
        """The status of an answer; the connection stays."""
        return int((await asyncio.wait_for(self.reader.readuntil(b"taken"), 5)).split()[1])


@pytest.fixture
async def wire(port: int) -> AsyncIterator[Wire]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    yield Wire(reader, writer)
    writer.close()


async def test_a_request_within_the_bounds_passes_with_its_body_whole(
    wire: Wire, seen: Seen
) -> None:
    for _ in range(2):
        await wire.send(POST + b"Content-Length: 6\r\n\r\nabc")
        await asyncio.sleep(0.05)
        await wire.send(b"def")
        assert await wire.status() == 202

    assert seen.bodies == [b"abcdef", b"abcdef"]


async def test_a_head_that_does_not_end_is_cut_off(wire: Wire) -> None:
    """The slow loris: a byte of a header now and then resets every clock but this one."""
    began = time.monotonic()

    async def drip() -> None:
        await wire.send(POST)
        while True:
            await wire.send(b"X-a: b\r\n")
            await asyncio.sleep(0.05)

    dripping = asyncio.ensure_future(drip())
    status, problem = await wire.answer()
    dripping.cancel()
    await asyncio.gather(dripping, return_exceptions=True)

    assert status == problem["status"] == 408
    assert HEAD_SECONDS / 2 < time.monotonic() - began < HEAD_SECONDS + 3  # begun on connecting


async def test_a_connection_that_says_nothing_is_cut_off(wire: Wire) -> None:
    assert (await wire.answer())[0] == 408


async def test_a_connection_that_is_kept_may_be_silent_between_requests(wire: Wire) -> None:
    await wire.send(POST + b"Content-Length: 0\r\n\r\n")
    assert await wire.status() == 202
    await asyncio.sleep(HEAD_SECONDS + 0.3)
    await wire.send(POST + b"Content-Length: 0\r\n\r\n")

    assert await wire.status() == 202


async def test_the_next_head_on_a_kept_connection_has_its_time_too(wire: Wire) -> None:
    await wire.send(POST + b"Content-Length: 0\r\n\r\n")
    assert await wire.status() == 202
    await wire.send(POST + b"X-a: ")

    assert (await wire.answer())[0] == 408


async def test_a_head_without_an_end_is_refused_by_its_size(wire: Wire) -> None:
    await wire.send(POST + b"X-a: " + b"b" * 5_000)

    status, problem = await wire.answer()

    assert status == 431
    assert problem["type"] == "/orchestrator/problems/headers-too-large"


@pytest.mark.parametrize(
    "headers", [b"X-a: " + b"b" * 1_990 + b"\r\n", b"X-a: b\r\n" * 30], ids=["bytes", "count"]
)
async def test_a_whole_head_that_is_too_big_is_refused(
    wire: Wire, seen: Seen, headers: bytes
) -> None:
    await wire.send(POST + headers + b"\r\n")

    assert (await wire.answer())[0] == 431
    assert seen.bodies == []


async def test_a_body_that_does_not_arrive_is_408(wire: Wire, seen: Seen) -> None:
    async def drip() -> None:
        await wire.send(POST + b"Content-Length: 5000\r\n\r\n")
        while True:
            await wire.send(b"x")
            await asyncio.sleep(0.05)

    dripping = asyncio.ensure_future(drip())
    status, problem = await wire.answer()
    dripping.cancel()
    await asyncio.gather(dripping, return_exceptions=True)

    assert status == 408
    assert problem["type"] == "/orchestrator/problems/body-too-slow"
    assert problem["requestId"]
    assert seen.bodies == []


async def test_a_body_announced_too_large_is_413_before_it_is_sent(wire: Wire) -> None:
    began = time.monotonic()
    await wire.send(POST + b"Content-Length: 10001\r\n\r\n")
    head = await asyncio.wait_for(wire.reader.readuntil(b"\r\n\r\n"), 5)

    assert head.split()[1] == b"413"
    assert time.monotonic() - began < 0.3


async def test_a_client_that_sends_a_large_body_all_the_same_can_read_the_answer(
    wire: Wire, seen: Seen
) -> None:
    await wire.send(POST + b"Content-Length: 300000\r\n\r\n" + b"x" * 300_000)

    assert (await wire.answer())[0] == 413
    assert seen.bodies == []


async def test_a_body_in_chunks_is_counted(wire: Wire, seen: Seen) -> None:
    await wire.send(POST + b"Transfer-Encoding: chunked\r\n\r\n")
    await wire.send((b"1000\r\n" + b"x" * 0x1000 + b"\r\n") * 3 + b"0\r\n\r\n")

    assert (await wire.answer())[0] == 413
    assert seen.bodies == []


async def test_a_client_that_hangs_up_in_its_body_reaches_nobody(wire: Wire, seen: Seen) -> None:
    await wire.send(POST + b"Content-Length: 100\r\n\r\nabc")
    await asyncio.sleep(0.05)
    wire.writer.close()
    await asyncio.sleep(0.2)

    assert seen.bodies == []


async def test_orders_to_serves_proxy_and_unsafe_ids_are_dropped(wire: Wire, seen: Seen) -> None:
    await wire.send(
        POST + b"X-Request-Timeout-Seconds: 0\r\nX-Request-Disconnect-Disabled: ?1\r\n"
        b"X-Session-Id: s\r\nX-Request-ID: a b\r\nX-Kept: 1\r\n\r\n"
    )
    await wire.status()

    assert set(seen.headers[0]) == {b"host", b"x-kept"}
