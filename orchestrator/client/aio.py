"""The asynchronous client."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from types import TracebackType
from typing import Self, Unpack

from orchestrator.client.credentials import credentials
from orchestrator.client.jobs import AsyncJob
from orchestrator.client.request import SubmitFields, wire_body
from orchestrator.client.transport import Signer, Transport
from orchestrator.client.wire import read
from orchestrator.jobs import JobStatus
from orchestrator.models import BreakerView, Health, JobPage, JobView, SubmitAccepted

TIMEOUT = 30.0  #: seconds one answer may take
PATIENCE = 30.0  #: seconds of pauses between repetitions of one call, in all


Breakers = list[BreakerView]
HealthView = Health


class AsyncClient:
    """Talks to one service. Use it as ``async with``, or call :meth:`close`.

    :param base_url: ``http://host:port`` of the service.
    :param client_id: who submits; the service keeps clients' jobs apart by it.
    :param timeout: seconds one answer may take.
    :param patience: seconds to go on trying while the service is away.
    :param headers: sent with every request.
    :param key: as ``sota keys create`` printed it; ``SOTA_CLIENT_KEY`` when not given. A signing
        key needs the *client_id* (or ``SOTA_CLIENT_ID``) it was made for.
    :param sign: makes the headers that sign an exact body, where the service wants it.
    """

    def __init__(
        self,
        base_url: str = "http://127.0.0.1:8000",
        *,
        client_id: str | None = None,
        key: str | None = None,
        timeout: float = TIMEOUT,
        patience: float = PATIENCE,
        headers: Mapping[str, str] | None = None,
        sign: Signer | None = None,
    ) -> None:
        self.client_id = client_id
        self._transport = Transport(
            base_url,
            timeout=timeout,
            patience=patience,
            headers=headers,
            sign=sign,
            credentials=credentials(key, client_id),
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()

    @property
    def base_url(self) -> str:
        """Where the service is."""
        return self._transport.base_url

    async def close(self) -> None:
        """Let go of every connection."""
        await self._transport.close()

    async def submit(self, keyword: str, **fields: Unpack[SubmitFields]) -> AsyncJob:
        """Hand in a job. Repeating it is safe: it carries a request id.

        :raises InvalidInput: it cannot be sent as it is.
        :raises ApiError: the service refuses it (409: the request id was used before).
        """
        body = wire_body(keyword, self.client_id, fields)
        answer = await self._transport.call("POST", "/orchestrator/ultra-sota", body=body)
        accepted = read(SubmitAccepted, answer.body)
        return AsyncJob(self._transport, accepted.job_id, accepted)

    def job(self, job_id: str) -> AsyncJob:
        """A handle on a job that is there already; nothing is asked yet."""
        return AsyncJob(self._transport, job_id)

    async def list(
        self, *, status: JobStatus | str | None = None, limit: int = 50, cursor: str | None = None
    ) -> JobPage:
        """A page of this client's jobs (of all, without a client id), newest first.

        :param cursor: ``next_cursor`` of the page before.
        """
        wanted = {
            "status": status and str(status),
            "limit": str(limit),
            "cursor": cursor,
            "clientId": self.client_id,
        }
        params = {name: value for name, value in wanted.items() if value}
        answer = await self._transport.call("GET", "/orchestrator/jobs", params=params)
        return read(JobPage, answer.body)

    async def all_jobs(
        self, *, status: JobStatus | str | None = None
    ) -> AsyncGenerator[JobView, None]:
        """Every job, page after page."""
        cursor = None
        while True:
            page = await self.list(status=status, cursor=cursor)
            for view in page.jobs:
                yield view
            cursor = page.next_cursor
            if not cursor:
                return

    async def health(self) -> HealthView:
        """How the service is; a service that is up but unwell answers too."""
        answer = await self._transport.call("GET", "/orchestrator/health", accept=frozenset({503}))
        return read(HealthView, answer.body)

    async def breakers(self) -> Breakers:
        """Every circuit breaker."""
        answer = await self._transport.call("GET", "/orchestrator/breakers")
        body = answer.body
        return [read(BreakerView, item) for item in (body if isinstance(body, list) else [body])]
