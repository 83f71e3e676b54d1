"""Webhooks to clients' receivers: guarded, signed, once per call, and never following redirects."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable

import aiohttp

from orchestrator.clients.connecting import Resolve, guarded_session, system_resolve
from orchestrator.clients.failures import retry_after
from orchestrator.clients.guard import Refused, check_url, pairs_of
from orchestrator.outbox.signing import client_key, signed_headers
from orchestrator.services import DeliverReply, DeliverRequest

TIMEOUT = 10.0
"""Seconds a receiver has for everything. The specification of Standard Webhooks recommends 15 to
30; issue 5 says 10, and a receiver that queues what it gets needs a fraction of one."""

PER_HOST = 8
"""Connections to one receiver's host: twice what the courier has under way, so that calls whose
courier died do not use up the time of the next."""

MAX_ANSWER = 500  #: characters kept of what a failing receiver says
GONE = 410  #: the receiver wants no more

HEADERS = {
    "User-Agent": "SotaOrchestrator/0.1 (webhooks)",
    "Content-Type": "application/json",
    "Accept": "*/*",
    "Accept-Encoding": "identity",
    "Connection": "close",  # an idle connection would have been hung up by the next job's end
}


class WebhookSender:
    """Sends webhooks.

    :param masters: master secrets, the current one first.
    :param allow_hosts: ``host:port`` texts that may be reached although they are private.
    :param resolve: from a name to addresses; tests bring their own.
    :param clock: epoch seconds; dates the signature, and reads ``Retry-After`` dates.
    """

    def __init__(
        self,
        masters: tuple[str, ...],
        *,
        allow_hosts: Iterable[str] = (),
        resolve: Resolve = system_resolve,
        timeout: float = TIMEOUT,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._masters, self._timeout, self._clock = masters, timeout, clock
        self._allowed = pairs_of(allow_hosts, "SOTA_WEBHOOK_ALLOW_HOSTS")
        self._resolve = resolve
        self._session: aiohttp.ClientSession | None = None

    async def close(self) -> None:
        """Let go of the connections."""
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def deliver(self, request: DeliverRequest) -> DeliverReply:
        """Make one attempt; raises nothing for what a receiver does."""
        try:
            async with asyncio.timeout(self._timeout):
                return await self._post(request)
        except Refused as refused:
            return DeliverReply(error=f"callbackUrl is refused: {refused}", final=True)
        except TimeoutError:
            return DeliverReply(error=f"no answer within {self._timeout:g} s")
        except (aiohttp.ClientError, OSError, ValueError) as error:
            return DeliverReply(error=_reason(error))

    async def _post(self, request: DeliverRequest) -> DeliverReply:
        target = check_url(request.url, self._allowed)
        if self._session is None:
            self._session = guarded_session(
                self._resolve, self._allowed, per_host=PER_HOST, headers=HEADERS
            )
        body = request.body.encode()
        keys = [client_key(master, request.client_id) for master in self._masters]
        signed = signed_headers(keys, request.message_id, int(self._clock()), body)
        async with self._session.post(
            target.url, data=body, headers=signed, allow_redirects=False
        ) as response:
            if 200 <= response.status < 300:
                return DeliverReply(status=response.status)
            return await self._failed(response)

    async def _failed(self, response: aiohttp.ClientResponse) -> DeliverReply:
        said = await response.content.read(4 * MAX_ANSWER)
        gone = response.status == GONE
        return DeliverReply(
            status=response.status,
            error="410 Gone: the receiver wants no more" if gone else f"status {response.status}",
            final=gone,
            answer=said.decode("utf-8", "replace")[:MAX_ANSWER],
            retry_after=retry_after(response.headers, self._clock()),
        )


def _reason(error: Exception) -> str:
    """A connection's failure in words that are the same each time."""
    if isinstance(error, aiohttp.ClientConnectorDNSError):
        return "the receiver's name cannot be resolved"
    if isinstance(error, aiohttp.ClientSSLError | aiohttp.ClientConnectorCertificateError):
        return "the receiver's certificate or encryption does not hold"
    if isinstance(error, aiohttp.ClientConnectionError | OSError):
        return "the connection to the receiver failed"
    return f"the receiver's answer is broken ({type(error).__name__})"
