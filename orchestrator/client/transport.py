"""HTTP for the client: one call, repeated while that is safe and there is patience left."""

from __future__ import annotations

import asyncio
import email.utils
import json
import random
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import aiohttp
from yarl import URL

from orchestrator import __version__
from orchestrator.client.credentials import Credentials
from orchestrator.client.errors import ApiError, ServiceUnreachable, kind_of_error

AGAIN = frozenset({429, 502, 503, 504})
"""Statuses of a service that is restarting, overloaded or cut off for a moment, or that has had
enough of this client for a moment."""

NOT_DONE = frozenset({429, 503})
"""Those of them that say that nothing was done: repeating is safe whatever was asked."""

LOST = (aiohttp.ClientConnectionError, aiohttp.ClientPayloadError, TimeoutError)
"""A connection that could not be made, or broke, or went quiet."""

REPLAYED = "/signature-replayed"
"""Two processes of one client signed the same at the same millisecond: it is signed anew."""

BASE_SECONDS, MOST_SECONDS = 0.25, 5.0  # first and longest pause between repetitions
CONNECT_SECONDS = 10.0
QUIET_SECONDS = 45.0  # three of the service's 15 s pings missed: the stream is dead

Sleep = Callable[[float], Awaitable[None]]
Signer = Callable[[bytes], Mapping[str, str]]
"""Makes the headers that sign an exact body (``X-Signature``, ``X-Timestamp``)."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back: never an error status, except those the caller accepts."""

    status: int
    body: Any
    headers: Mapping[str, str]  #: found whatever their case


@dataclass(slots=True)
class Patience:
    """How long to go on trying: *seconds* of pauses in all, doubling, with jitter."""

    seconds: float
    rand: random.Random = field(default_factory=random.SystemRandom)
    tries: int = 0
    spent: float = 0.0

    def pause(self, asked: float | None = None) -> float | None:
        """Seconds to wait before the next try, or None when patience is at an end.

        :param asked: what ``Retry-After`` said; it wins when longer.
        """
        ours = min(BASE_SECONDS * 2.0**self.tries, MOST_SECONDS)
        pause = max(ours * self.rand.uniform(0.8, 1.2), asked or 0.0)
        if self.spent + pause > self.seconds:
            return None
        self.tries += 1
        self.spent += pause
        return pause


class Transport:
    """Sends requests to one service.

    :param timeout: seconds one answer may take.
    :param patience: seconds of pauses between repetitions of one call, in all.
    :param headers: sent with every request (an authorization, say).
    :param sign: makes the signature headers of a body.
    :param credentials: makes the headers that prove who sends a request.
    """

    def __init__(
        self,
        base_url: str,
        *,
        timeout: float,
        patience: float,
        headers: Mapping[str, str] | None = None,
        sign: Signer | None = None,
        credentials: Credentials | None = None,
        sleep: Sleep = asyncio.sleep,
    ) -> None:
        self.base_url = base_url.rstrip("/")
        self.timeout = timeout
        self.sleep = sleep
        self._patience = patience
        self._headers = {"User-Agent": f"sota-client/{__version__}", **(headers or {})}
        self._sign, self._credentials = sign, credentials
        self._session: aiohttp.ClientSession | None = None

    def patience(self) -> Patience:
        """A fresh allowance of repetitions."""
        return Patience(self._patience)

    async def close(self) -> None:
        """Let go of every connection."""
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def call(
        self,
        method: str,
        path: str,
        *,
        body: Mapping[str, Any] | None = None,
        params: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        repeatable: bool = True,
        accept: frozenset[int] = frozenset(),
        timeout: float | None = None,
    ) -> Answer:
        """One answer.

        :param repeatable: False: repeat only what surely was not carried out.
        :param accept: error statuses to hand back rather than raise.
        :param timeout: seconds, instead of the transport's own.
        :raises ApiError: the service refused.
        :raises ServiceUnreachable: no answer.
        """
        patience = self.patience()
        while True:
            try:
                return await self._once(method, path, body, params, headers, accept, timeout)
            except ApiError as error:
                again = error.status in NOT_DONE or (error.status in AGAIN and repeatable)
                again = again or error.type.endswith(REPLAYED)
                pause = patience.pause(error.retry_after) if again else None
                if pause is None:
                    raise
            except LOST as error:
                unsent = isinstance(error, aiohttp.ClientConnectorError)
                pause = patience.pause() if unsent or repeatable else None
                if pause is None:
                    raise ServiceUnreachable(self.base_url, in_words(error)) from error
            await self.sleep(pause)

    @asynccontextmanager
    async def stream(
        self, path: str, headers: Mapping[str, str]
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        """An open response that has no time limit, only one on silence.

        :raises ApiError: the service refused.
        """
        limits = aiohttp.ClientTimeout(
            total=None, sock_connect=CONNECT_SECONDS, sock_read=QUIET_SECONDS
        )
        url = URL(self.base_url + path)
        sent = {**headers, **self._proof("GET", url, b"")}
        async with self._open().get(url, headers=sent, timeout=limits) as got:
            if got.status >= 400:
                raise _problem(got, await _body(got))
            yield got

    async def _once(
        self,
        method: str,
        path: str,
        body: Mapping[str, Any] | None,
        params: Mapping[str, str] | None,
        headers: Mapping[str, str] | None,
        accept: frozenset[int],
        timeout: float | None,
    ) -> Answer:
        data = None if body is None else json.dumps(body, ensure_ascii=False).encode()
        sent = dict(headers or {})
        if data is not None:
            sent |= {"Content-Type": "application/json"}
        url = URL(self.base_url + path).update_query(params or {})
        sent |= self._proof(method, url, data or b"")
        async with self._open().request(
            method,
            url,
            data=data,
            headers=sent,
            timeout=aiohttp.ClientTimeout(total=timeout or self.timeout),
        ) as got:
            content = await _body(got)
            if got.status >= 400 and got.status not in accept:
                raise _problem(got, content)
            return Answer(got.status, content, got.headers)

    def _proof(self, method: str, url: URL, body: bytes) -> Mapping[str, str]:
        """The headers that prove who sends this; made anew each time, as a signature is accepted
        once."""
        signed = dict(self._sign(body)) if self._sign is not None else {}
        if self._credentials is not None:
            signed |= self._credentials(method, url.raw_path_qs, body)
        return signed

    def _open(self) -> aiohttp.ClientSession:
        """The session, made inside the loop that uses it."""
        if self._session is None or self._session.closed:
            self._session = aiohttp.ClientSession(headers=self._headers)
        return self._session


async def _body(response: aiohttp.ClientResponse) -> Any:
    """The body as JSON where it is, as text where not, None where there is none."""
    raw = await response.read()
    if not raw:
        return None
    try:
        return json.loads(raw)
    except ValueError:
        return raw.decode("utf-8", "replace")


def _problem(response: aiohttp.ClientResponse, body: Any) -> ApiError:
    """The answer as an error, whether it is a problem document or not."""
    known = body if isinstance(body, dict) else {}
    said = known.get("detail") or (body if isinstance(body, str) else "")
    errors = known.get("errors")
    status = 503 if _is_starting(response, body) else response.status
    problem_type = str(known.get("type") or "")
    return kind_of_error(status, problem_type)(
        status,
        str(known.get("title") or response.reason or "error"),
        said.strip()[:500] if isinstance(said, str) else json.dumps(said)[:500],
        [e for e in errors if isinstance(e, dict)] if isinstance(errors, list) else (),
        retry_after=seconds_of(response.headers.get("Retry-After"), time.time()),
        type=problem_type,
    )


def _is_starting(response: aiohttp.ClientResponse, body: Any) -> bool:
    """True for the 404 in plain text that Serve gives before our applications are there."""
    return response.status == 404 and isinstance(body, str) and "-/routes" in body


def seconds_of(retry_after: str | None, now: float) -> float | None:
    """``Retry-After`` in seconds, whether it is a number or a date; None if unreadable.

    :param now: epoch seconds.
    """
    if not retry_after:
        return None
    try:
        return max(0.0, float(retry_after))
    except ValueError:
        pass
    try:
        return max(0.0, email.utils.parsedate_to_datetime(retry_after).timestamp() - now)
    except ValueError:
        return None


def in_words(error: BaseException) -> str:
    """A failure to connect, as a person would say it."""
    if isinstance(error, aiohttp.ClientConnectorError):
        return error.strerror or str(error) or "cannot connect"
    if isinstance(error, TimeoutError):
        return "it took too long"
    return str(error) or type(error).__name__
