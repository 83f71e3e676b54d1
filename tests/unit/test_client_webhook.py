"""The webhook sender, against a receiver on localhost that verifies as receivers do."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiohttp import web
from standardwebhooks import Webhook

from orchestrator.clients.webhook import WebhookSender
from orchestrator.outbox.signing import client_key, shown
from orchestrator.services import DeliverReply, DeliverRequest
from tests.unit.clients_helpers import Stub, resolver, started

MASTER = "a-master-secret-of-some-length"
BODY = '{"type":"job.completed","data":{"word":"日本"}}'


def message(url: str) -> DeliverRequest:
    return DeliverRequest(url=url, message_id="webhook_job_1_7", client_id="client_1", body=BODY)


@asynccontextmanager
async def receiving(*answers: Any, **more: Any) -> AsyncIterator[tuple[WebhookSender, Stub]]:
    stub = Stub(answers=list(answers), handler=more.pop("handler", None))
    async with started(stub):
        sender = WebhookSender((MASTER,), allow_hosts=[stub.host], **more)
        yield sender, stub
        await sender.close()


async def test_a_webhook_arrives_signed_byte_for_byte() -> None:
    got: list[bytes] = []

    async def take(seen: Any) -> web.Response:
        got.append(await seen.request.read())
        return web.Response(status=204)

    async with receiving(handler=take) as (sender, stub):
        reply = await sender.deliver(message(f"{stub.url}/hook?x=1"))
    (seen,) = stub.seen

    assert reply == DeliverReply(status=204)
    assert got == [BODY.encode()]
    assert (seen.method, seen.path, seen.query) == ("POST", "/hook", {"x": "1"})
    assert seen.headers["Content-Type"] == "application/json"
    secret = shown(client_key(MASTER, "client_1"))
    assert Webhook(secret).verify(got[0].decode(), dict(seen.headers)) == json.loads(BODY)
    assert "Idempotency-Key" not in seen.headers
    assert "Authorization" not in seen.headers


@pytest.mark.parametrize("status", [200, 201, 202, 204, 299])
async def test_every_2xx_is_a_success(status: int) -> None:
    async with receiving((status, "")) as (sender, stub):
        assert await sender.deliver(message(stub.url)) == DeliverReply(status=status)


@pytest.mark.parametrize("status", [304, 400, 401, 404, 409, 429, 500, 502, 503, 504])
async def test_everything_else_is_a_failure_that_may_pass(status: int) -> None:
    async with receiving((status, "no")) as (sender, stub):
        reply = await sender.deliver(message(stub.url))

    assert (reply.status, reply.error, reply.final) == (status, f"status {status}", False)


async def test_gone_is_final() -> None:
    async with receiving((410, "bye")) as (sender, stub):
        reply = await sender.deliver(message(stub.url))

    assert (reply.status, reply.final, reply.answer) == (410, True, "bye")


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_redirects_are_not_followed(status: int) -> None:
    async with receiving((status, "", {"Location": "/elsewhere"})) as (sender, stub):
        reply = await sender.deliver(message(stub.url))

    assert (reply.status, reply.error, reply.final) == (status, f"status {status}", False)
    assert [seen.path for seen in stub.seen] == ["/"]


async def test_retry_after_is_read() -> None:
    async with receiving((503, "", {"Retry-After": "7"})) as (sender, stub):
        assert (await sender.deliver(message(stub.url))).retry_after == 7.0


async def test_of_a_strangers_words_the_beginning_is_kept() -> None:
    async with receiving((500, "é" * 100_000)) as (sender, stub):
        reply = await sender.deliver(message(stub.url))

    assert reply.answer == "é" * 500


async def test_a_receiver_that_takes_too_long_is_given_up() -> None:
    async def dawdle(_: Any) -> web.Response:
        await asyncio.sleep(5)
        return web.Response()

    async with receiving(handler=dawdle, timeout=0.1) as (sender, stub):
        reply = await sender.deliver(message(stub.url))

    assert (reply.status, reply.error, reply.final) == (None, "no answer within 0.1 s", False)


async def test_a_receiver_that_hangs_up_is_a_failure_that_may_pass() -> None:
    async def hang_up(seen: Any) -> web.Response:
        seen.request.transport.abort()
        return web.Response()

    async with receiving(handler=hang_up) as (sender, stub):
        reply = await sender.deliver(message(stub.url))

    assert (reply.error, reply.final) == ("the connection to the receiver failed", False)


INSIDE = [
    "http://169.254.169.254/latest/meta-data/", "http://127.0.0.1/", "http://10.0.0.1/",
    "http://[::1]/", "http://[::ffff:169.254.169.254]/", "http://2130706433/",
    "http://localhost/", "http://metadata.google.internal/", "https://hook.example:6379/",
    "https://user:word@hook.example/", "gopher://hook.example/",
]  # fmt: skip


@pytest.mark.parametrize("url", INSIDE)
async def test_an_address_inside_is_refused_for_good(url: str) -> None:
    asked = resolver({"hook.example": ["93.184.216.34"]})
    sender = WebhookSender((MASTER,), resolve=asked)

    reply = await sender.deliver(message(url))

    assert reply.final
    assert reply.error is not None
    assert reply.error.startswith("callbackUrl is refused")
    assert asked.asked == []  # type: ignore[attr-defined]


@pytest.mark.parametrize("address", ["169.254.169.254", "127.0.0.1", "10.1.2.3", "fd00::1"])
async def test_a_name_that_leads_inside_is_refused_where_it_is_resolved(address: str) -> None:
    names = resolver({"hook.example": ["93.184.216.34", address]})
    sender = WebhookSender((MASTER,), resolve=names)

    reply = await sender.deliver(message("https://hook.example/x"))
    await sender.close()

    assert reply.final
    assert reply.error is not None
    assert "not on the open web" in reply.error


async def test_a_name_that_cannot_be_resolved_may_be_later() -> None:
    sender = WebhookSender((MASTER,), resolve=resolver({}))

    reply = await sender.deliver(message("https://hook.example/x"))
    await sender.close()

    assert (reply.error, reply.final) == ("the receiver's name cannot be resolved", False)
