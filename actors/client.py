"""The Python client over Ray: a job's actor by name, the journal once it has retired.

::

    from actors.client import connect, get_job

    async def main() -> None:
        connect()                               # or ray.init(...) yourself
        job = get_job("job_1703169045000_a1b2c3d")
        async for event in job.events():
            print(event.seq, event.type)
        print((await job.result()).metadata.title)

    asyncio.run(main())

Import it before ``ray``, or set ``RAY_AUTH_MODE`` yourself: Ray reads it once.
"""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import AsyncGenerator, Awaitable, Callable
from typing import Any

import ray

from actors import options
from actors.journal import remote_journal
from orchestrator.client.handle import OnProgress, result_of, until_ended
from orchestrator.config import Settings
from orchestrator.errors import JobNotFound
from orchestrator.journal.base import Journal
from orchestrator.journal.records import Head
from orchestrator.models import EventView, JobView
from orchestrator.results import JobResult
from orchestrator.security.records import OPERATOR, Principal

PATIENCE = 30.0  # seconds to wait for the journal
LOOK_SECONDS = 0.25  # how often a job that is waited for is looked at

Sleep = Callable[[float], Awaitable[None]]


def connect(address: str = "auto") -> None:
    """Join the running cluster; a token of this account is used (``actors/__init__.py``).

    :param address: ``host:port`` of the cluster, ``ray://host:10001``, or ``auto``.
    """
    ray.init(
        address=address, namespace=options.NAMESPACE, log_to_driver=False, logging_level="warning"
    )


def get_job(job_id: str, settings: Settings | None = None) -> JobHandle:
    """A handle on a job; nothing is asked until one of its methods is awaited.

    :raises RuntimeError: this process has not joined a cluster; call :func:`connect` first.
    """
    if not ray.is_initialized():
        raise RuntimeError("not joined to a cluster: call actors.client.connect() first")
    return JobHandle(job_id, remote_journal(settings or Settings(), PATIENCE))


class JobHandle:
    """One job, whether its actor lives or has retired: a
    :class:`~orchestrator.client.handle.JobHandle` over Ray."""

    def __init__(self, job_id: str, journal: Journal, sleep: Sleep = asyncio.sleep) -> None:
        self.id = job_id
        self._journal, self._sleep = journal, sleep

    async def status(self) -> JobView:
        """The job now, from the journal, where its actor would look, too.

        :raises JobNotFound: there is no such job.
        """
        view = await self._journal.view(self.id)
        if view is None:
            raise JobNotFound(self.id)
        return view

    async def wait(
        self, on_progress: OnProgress | None = None, timeout: float | None = None
    ) -> JobView:
        """The job once it has ended. :raises WaitExpired: *timeout* seconds are over."""
        return await until_ended(self.id, self.views(), on_progress, timeout)

    async def result(self, timeout: float | None = None) -> JobResult:
        """The result, once there is one. :raises JobUnsuccessful: there will be none."""
        return result_of(await self.wait(timeout=timeout))

    async def views(self) -> AsyncGenerator[JobView, None]:
        """The job now, and again whenever it has changed, until it has ended."""
        seen = None
        while True:
            head = await self._head()
            if head != seen:
                seen, view = head, await self.status()
                yield view
                if view.status.has_ended:
                    return
            await self._sleep(LOOK_SECONDS)

    async def events(self, after: int = 0) -> AsyncGenerator[EventView, None]:
        """The events with ``seq > after`` until the job ends: each once, in order."""
        while True:
            head = await self._head()  # asked first: an end has its event by then
            batch = await self._journal.events(self.id, after)
            for event in batch:
                after = event.seq
                yield event
            if not batch:
                if head.status.has_ended:
                    return
                await self._sleep(LOOK_SECONDS)

    async def cancel(self) -> JobView:
        """Cancel the job; asking twice is asking once."""
        return await self._ask("request_cancel", tell="cancel")

    async def pause(self) -> JobView:
        """Pause the job; what it has done stays done."""
        return await self._ask("request_pause", tell="pause")

    async def resume(self) -> JobView:
        """Queue a paused job again."""
        return await self._ask("resume")

    async def retry(self, from_step: str | None = None) -> JobView:
        """Queue a failed or cancelled job again, from *from_step* (a slug) on if it is given."""
        return await self._ask("retry", from_step=from_step)

    async def erase(self) -> None:
        """Delete everything there is about the job; a running one is cancelled first."""
        await self._ask("request_cancel", tell="cancel")
        if not await self._journal.erase(self.id, by=_operator()):
            raise JobNotFound(self.id)

    def actor(self) -> Any | None:
        """The live job actor's Ray handle, or None."""
        return options.find(options.job_name(self.id))

    async def _ask(self, method: str, *, tell: str = "", **arguments: Any) -> JobView:
        """Write the request down first, then tell whoever is there to carry it out."""
        change = getattr(self._journal, method)
        by = _operator()
        view: JobView = await change(self.id, by.at, by=by, **arguments)
        actor = self.actor() if tell else None
        if actor is not None:
            getattr(actor, tell).remote()
        supervisor = options.find(options.SUPERVISOR)
        if supervisor is not None:
            supervisor.nudge.remote()
        return view

    async def _head(self) -> Head:
        head = (await self._journal.heads([self.id])).get(self.id)
        if head is None:
            raise JobNotFound(self.id)
        return head


def _operator() -> Principal:
    """Whoever has the cluster, for the audit log."""
    return Principal(client_id=OPERATOR, entry=uuid.uuid4().hex, at=int(time.time() * 1000))
