"""What the proxy refuses before anything else is done: heads and bodies too big or too slow.

It runs in Serve's proxy, around everything, so that a refusal costs no replica anything. A body is
taken in whole (2 MiB at most) before it is passed on: Serve's own proxy would buffer whatever
came, without a bound, and a slow client would hold a place in a replica.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
import uuid
from dataclasses import dataclass

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from orchestrator.config import Settings
from orchestrator.models import MAX_BODY_BYTES, Problem
from orchestrator.problems import KINDS, Kind

SAFE_ID = re.compile(r"[\w.:-]{1,128}", re.ASCII)
"""A request's id that may be logged and sent back."""

LINGER_BYTES, LINGER_SECONDS = 16 * 2**20, 2.0  # of a refused body, read and thrown away
RETRY_AFTER_SECONDS = 2  # what a 503 tells the client to wait

SERVES_ORDERS = frozenset(
    {
        b"x-request-timeout-seconds",
        b"x-request-disconnect-disabled",
        b"x-session-id",
        b"serve_multiplexed_model_id",
        b"serve-multiplexed-model-id",
    }
)
"""Headers by which Serve's proxy lets any client change its limits and its routing: dropped."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """How much the proxy reads of one request, and how long it waits for it."""

    header_bytes: int
    headers: int
    body_seconds: float
    body_bytes: int = MAX_BODY_BYTES

    @classmethod
    def of(cls, settings: Settings) -> Bounds:
        """The bounds that are set."""
        return cls(settings.max_header_bytes, settings.max_headers, settings.body_seconds)


class _Refused(Exception):
    """The request will not be passed on.

    :param more: the client may still be sending.
    """

    def __init__(self, kind: str, detail: str, *, more: bool = True) -> None:
        super().__init__(detail)
        self.kind, self.more = KINDS[kind], more


class _ClientLeft(Exception):
    """The client hung up before its body was complete: there is nobody to answer."""


class Limits:
    """Passes on requests within the bounds, their bodies whole; answers the others itself."""

    def __init__(self, app: ASGIApp, bounds: Bounds) -> None:
        self._app, self._bounds = app, bounds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Check the head, take in the body, pass both on."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        scope = {**scope, "headers": _tidied(scope["headers"])}
        try:
            self._check_head(scope)
            if _has_body(scope):
                receive = _replayed(await self._body(receive), receive)
        except _Refused as refused:
            await _refuse(scope, receive, send, refused)
        except _ClientLeft:
            return
        else:
            await self._app(scope, receive, send)

    def _check_head(self, scope: Scope) -> None:
        """:raises _Refused: the head is too big, or announces a body that is."""
        headers, bounds = scope["headers"], self._bounds
        size = len(scope.get("raw_path") or b"") + len(scope.get("query_string") or b"")
        size += sum(len(name) + len(value) + 4 for name, value in headers)
        if len(headers) > bounds.headers:
            detail = f"more than {bounds.headers} headers; send fewer"
            raise _Refused("headers-too-large", detail, more=_has_body(scope))
        if size > bounds.header_bytes:
            detail = f"more than {bounds.header_bytes} bytes of headers; send less"
            raise _Refused("headers-too-large", detail, more=_has_body(scope))
        announced = Headers(raw=headers).get("content-length", "")
        if announced.isdecimal() and int(announced) > bounds.body_bytes:
            raise self._too_large()

    async def _body(self, receive: Receive) -> bytes:
        """The whole body. :raises _Refused: it is too large, or too slow."""
        body = bytearray()
        try:
            async with asyncio.timeout(self._bounds.body_seconds):
                while True:
                    message = await receive()
                    if message["type"] == "http.disconnect":
                        raise _ClientLeft
                    body += message.get("body", b"")
                    if len(body) > self._bounds.body_bytes:
                        raise self._too_large(more=message.get("more_body", False))
                    if not message.get("more_body"):
                        return bytes(body)
        except TimeoutError:
            seconds = f"{self._bounds.body_seconds:g}"
            raise _Refused(
                "body-too-slow", f"the body was not complete within {seconds} s; send it again",
                more=False,
            ) from None  # fmt: skip

    def _too_large(self, *, more: bool = True) -> _Refused:
        limit = self._bounds.body_bytes
        detail = f"the body is larger than {limit} bytes; send less"
        return _Refused("body-too-large", detail, more=more)


def _tidied(headers: list[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
    """The headers without orders to Serve, and without ids that are not safe to send back."""
    return [
        (name, value)
        for name, value in headers
        if name.lower() not in SERVES_ORDERS
        and (name != b"x-request-id" or SAFE_ID.fullmatch(value.decode("latin-1")))
    ]


def _has_body(scope: Scope) -> bool:
    headers = Headers(raw=scope["headers"])
    return "transfer-encoding" in headers or headers.get("content-length", "0") != "0"


def _replayed(body: bytes, receive: Receive) -> Receive:
    """A ``receive`` that gives the body in one message, and then what comes after it."""
    given = False

    async def replay() -> Message:
        nonlocal given
        if given:
            return await receive()
        given = True
        return {"type": "http.request", "body": body, "more_body": False}

    return replay


async def _refuse(scope: Scope, receive: Receive, send: Send, refused: _Refused) -> None:
    """A problem document, at once. What the client is still sending is thrown away for a while
    before the connection closes: one that closes under a sender loses the answer too."""
    head, body = problem_of(scope, refused.kind, str(refused))
    head["headers"].append((b"connection", b"close"))
    await send(head)
    await send({**body, "more_body": True})
    if refused.more:
        await _throw_away(receive)
    await send({"type": "http.response.body", "body": b""})


async def _throw_away(receive: Receive) -> None:
    """Read up to :data:`LINGER_BYTES` for up to :data:`LINGER_SECONDS`, and keep nothing."""
    left = LINGER_BYTES
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(LINGER_SECONDS):
            while left > 0:
                message = await receive()
                left -= len(message.get("body", b""))
                if message["type"] == "http.disconnect" or not message.get("more_body"):
                    return


def problem_of(scope: Scope, kind: Kind, detail: str) -> tuple[Message, Message]:
    """A problem document of the proxy's own: the start of the response and its body."""
    given = Headers(raw=scope["headers"])
    request_id = given.get("x-request-id") or str(uuid.uuid4())
    correlation_id = given.get("x-correlation-id") or ""
    problem = Problem(
        type=kind.type,
        title=kind.title,
        status=kind.status,
        detail=detail,
        instance=scope["path"].rstrip("/"),
        request_id=request_id,
    )
    body = json.dumps(problem.model_dump(by_alias=True, exclude_none=True)).encode()
    headers = [
        (b"content-type", b"application/problem+json"),
        (b"content-length", str(len(body)).encode()),
        (b"x-request-id", request_id.encode()),
        (
            b"x-correlation-id",
            (correlation_id if SAFE_ID.fullmatch(correlation_id) else request_id).encode(),
        ),
    ]
    if kind.status == 503:
        headers.append((b"retry-after", str(RETRY_AFTER_SECONDS).encode()))
    start = {"type": "http.response.start", "status": kind.status, "headers": headers}
    return start, {"type": "http.response.body", "body": body}
