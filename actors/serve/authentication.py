"""Authentication before every route of an application: who has no credentials gets no further.

It stands around the whole application, so that a route added later is covered too. Open to
strangers is only what :data:`OPEN_TARGETS` names.
"""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Awaitable, Callable

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from orchestrator.errors import OrchestratorError
from orchestrator.problems import BASE, KINDS
from orchestrator.security.caller import OPEN, STRANGER, Caller
from orchestrator.security.verify import Reason, Refused, Verifier, credentials

log = logging.getLogger(__name__)

OPEN_TARGETS = frozenset(
    {b"/orchestrator/health", b"/orchestrator/docs", b"/orchestrator/openapi.json"}
    | {f"{BASE}{name}".encode() for name in KINDS}
)
"""Paths, exactly as sent, that answer strangers too. Credentials that are sent are checked."""

TELL_SECONDS = 10.0  # how often refusals are told in the log: a flood of them must not fill it

ReadBody = Callable[[Request], Awaitable[bytes]]
Answer = Callable[[Request, Exception], Awaitable[Response]]


class Gate:
    """Who may pass.

    :param verifier: None: authentication is off, and everyone may.
    :param clock: monotonic seconds.
    """

    def __init__(
        self, verifier: Verifier | None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._verifier, self._clock = verifier, clock
        self._refused: Counter[str] = Counter()
        self._told_at = float("-inf")

    async def caller(self, scope: Scope, read_body: Callable[[], Awaitable[bytes]]) -> Caller:
        """Who asks. :raises Refused: nobody we know."""
        if self._verifier is None:
            return OPEN
        target = target_of(scope)
        try:
            sent = credentials(scope["headers"])
            return await self._verifier.caller(
                sent, scope["method"], target.decode("latin-1"), read_body
            )
        except Refused as refused:
            if refused.reason is Reason.MISSING and target in OPEN_TARGETS:
                return STRANGER
            self._tell(refused.reason)
            raise

    def _tell(self, reason: Reason) -> None:
        """Count a refusal; tell of those since the last time now and then, never who or what."""
        self._refused[reason.value] += 1
        if self._clock() - self._told_at >= TELL_SECONDS:
            self._told_at = self._clock()
            log.warning("requests refused as not authenticated: %s", dict(self._refused))
            self._refused.clear()


_gates: dict[str, Gate] = {}


def install(application: str, gate: Gate) -> None:
    """Let *gate* stand before this process's application of that name."""
    _gates[application] = gate


class Authentication:
    """Lets a request through with its caller known (``request.state.caller``), or refuses it.

    :param name: of the application, as its gate is installed.
    :param read_body: reads a whole body and bounds it.
    :param answer: makes the answer of an error.
    """

    def __init__(self, app: ASGIApp, name: str, read_body: ReadBody, answer: Answer) -> None:
        self._app, self._name = app, name
        self._read_body, self._answer = read_body, answer

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, or answer it here."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
        elif scope["type"] == "http":  # a WebSocket has no route here: nobody accepts it
            await self._http(scope, receive, send)

    async def _http(self, scope: Scope, receive: Receive, send: Send) -> None:
        request, again = Request(scope, receive), Again(receive)

        async def read_body() -> bytes:
            again.body = await self._read_body(request)
            return again.body

        try:
            caller = await _gates[self._name].caller(scope, read_body)
        except ClientDisconnect:
            return
        except OrchestratorError as error:
            await (await self._answer(request, error))(scope, receive, send)
        else:
            scope.setdefault("state", {})["caller"] = caller
            await self._app(scope, again, send)


class Again:
    """What the application receives: the body that was read here, if one was, then what comes."""

    def __init__(self, receive: Receive) -> None:
        self.body: bytes | None = None
        self._receive = receive

    async def __call__(self) -> Message:
        """The next message."""
        if self.body is None:
            return await self._receive()
        body, self.body = self.body, None
        return {"type": "http.request", "body": body, "more_body": False}


def target_of(scope: Scope) -> bytes:
    """Path and query exactly as the client sent them."""
    path: bytes = scope["raw_path"].partition(b"?")[0]
    query: bytes = scope["query_string"]
    return path + b"?" + query if query else path
