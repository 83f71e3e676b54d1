"""A deadline and a size for the head of every request, where the bytes arrive.

uvicorn has neither: its keep-alive time runs between requests only, so a client that sends a byte
of a header now and then holds its connection for ever, and a head without an end fills the memory
(httptools reads on; h11 stops at 64 KiB). No ASGI application sees a request before its head is
complete, so this is done in the protocol itself. Serve makes uvicorn's ``AutoHTTPProtocol``;
:func:`install` puts one that counts in its place, in the proxy's process.
"""

from __future__ import annotations

import asyncio
import logging
import uuid
from typing import Any

from uvicorn.protocols.http import auto
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from orchestrator.models import Problem
from orchestrator.problems import KINDS, Kind

log = logging.getLogger(__name__)

_REASONS = {408: "Request Timeout", 431: "Request Header Fields Too Large"}


class BoundedHeads(HttpToolsProtocol):
    """uvicorn's protocol; closes connections whose heads are too slow or too big."""

    head_seconds: float = 10.0
    head_bytes: int = 16_384

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._deadline: asyncio.TimerHandle | None = None
        self._pending = 0  # bytes of a head that is not complete
        self._in_head = True

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Give the first head its time: a client that connects and is silent has it too."""
        super().connection_made(transport)
        self._start_clock()

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop the clock."""
        self._stop_clock()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Read on, unless the head is over its size."""
        super().data_received(data)
        if self._in_head and self._deadline is not None:
            self._pending += len(data)
            if self._pending > self.head_bytes:
                self._end(KINDS["headers-too-large"])

    def on_message_begin(self) -> None:
        """A head begins; the first one's clock runs since the connection was made."""
        super().on_message_begin()
        self._in_head, self._pending = True, 0
        if self._deadline is None:
            self._start_clock()

    def on_headers_complete(self) -> None:
        """The head is complete: what follows is the application's to bound."""
        self._in_head = False
        self._stop_clock()
        super().on_headers_complete()

    def _start_clock(self) -> None:
        self._deadline = self.loop.call_later(
            self.head_seconds, self._end, KINDS["body-too-slow"], "the request's head"
        )

    def _stop_clock(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _end(self, kind: Kind, what: str = "") -> None:
        """Answer once, unless an answer is still under way, and close."""
        self._stop_clock()
        if not self.transport.is_closing() and (self.cycle is None or self.cycle.response_complete):
            self.transport.write(_answer(kind, what))
        self.transport.close()


def _answer(kind: Kind, what: str) -> bytes:
    """A whole response, as bytes."""
    detail = f"{what} did not arrive in time" if what else kind.title
    request_id = str(uuid.uuid4())
    document = Problem(
        type=kind.type,
        title=kind.title,
        status=kind.status,
        detail=detail,
        request_id=request_id,
    )
    body = document.model_dump_json(by_alias=True, exclude_none=True).encode()
    head = (
        f"HTTP/1.1 {kind.status} {_REASONS[kind.status]}\r\n"
        "content-type: application/problem+json\r\n"
        f"x-request-id: {request_id}\r\nx-correlation-id: {request_id}\r\n"
        f"content-length: {len(body)}\r\nconnection: close\r\n\r\n"
    )
    return head.encode() + body


def install(head_seconds: float, head_bytes: int) -> None:
    """Have every server of this process that is started from now on use :class:`BoundedHeads`."""
    if auto.AutoHTTPProtocol not in (HttpToolsProtocol, BoundedHeads):
        log.warning("heads have no deadline: uvicorn does not use httptools here")
        return
    BoundedHeads.head_seconds, BoundedHeads.head_bytes = head_seconds, head_bytes
    auto.AutoHTTPProtocol = BoundedHeads
