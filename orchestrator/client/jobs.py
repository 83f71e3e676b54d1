"""A handle on one job."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing

from orchestrator.client.errors import ApiError, ServiceUnreachable, StreamBroken
from orchestrator.client.handle import OnProgress, result_of, until_ended
from orchestrator.client.stream import EventStream
from orchestrator.client.transport import Transport
from orchestrator.client.wire import read
from orchestrator.models import EventView, JobView, SubmitAccepted
from orchestrator.results import JobResult

POLL_SECONDS = 30.0  # how long the service may hold a poll
POLL_PAUSE_SECONDS = 0.5  # between polls: a service that does not hold them is not hammered
GATHER_SECONDS = 0.1  # events that come this close together are one change
LOOK_SECONDS = 30.0  # a job is looked at this often even if its stream says nothing


class AsyncJob:
    """One job. Made by ``client.submit(...)`` or ``client.job(id)``; asks only when told to.

    :param accepted: what the service answered to the submission, if this handle is from one.
    """

    def __init__(
        self, transport: Transport, job_id: str, accepted: SubmitAccepted | None = None
    ) -> None:
        self.id = job_id
        self.accepted = accepted
        self._transport = transport
        self._path = f"/orchestrator/job/{job_id}"

    @property
    def warnings(self) -> list[str]:
        """What the service had to say about the submission."""
        return list(self.accepted.warnings) if self.accepted else []

    async def status(self) -> JobView:
        """The job now."""
        answer = await self._transport.call("GET", self._path)
        return read(JobView, answer.body)

    async def wait(
        self, on_progress: OnProgress | None = None, timeout: float | None = None
    ) -> JobView:
        """The job once it has ended, its result with it.

        :param on_progress: called with the job's view now and whenever it has changed.
        :param timeout: seconds to wait at most. :raises WaitExpired: they are over.
        """
        return await until_ended(self.id, self.views(), on_progress, timeout)

    async def result(self, timeout: float | None = None) -> JobResult:
        """The job's result, once there is one.

        :raises JobUnsuccessful: the job failed or was cancelled.
        """
        return result_of(await self.wait(timeout=timeout))

    def events(self, after: int = 0) -> AsyncGenerator[EventView, None]:
        """The job's events with ``seq > after`` until it ends: each once, in order.

        Lost connections are taken up again where they broke.
        :raises ServiceUnreachable: the service stays away for longer than our patience.
        :raises StreamBroken: the stream lacks events, or is none.
        """
        return EventStream(self._transport, self._path, after).events()

    async def views(self) -> AsyncGenerator[JobView, None]:
        """The job now, and again whenever it has changed, until it has ended."""
        try:
            async with aclosing(self._by_events()) as views:
                async for view in views:
                    yield view
            return
        except (ApiError, StreamBroken, ServiceUnreachable):
            pass  # no stream to be had: ask again and again; real trouble shows there too
        async with aclosing(self._by_polling()) as views:
            async for view in views:
                yield view

    async def cancel(self) -> JobView:
        """Cancel the job; asking twice is asking once."""
        return await self._ask("cancel")

    async def pause(self) -> JobView:
        """Pause the job; what it has done stays done."""
        return await self._ask("pause")

    async def resume(self) -> JobView:
        """Queue a paused job again."""
        return await self._ask("resume")

    async def retry(self, from_step: str | None = None) -> JobView:
        """Queue a failed or cancelled job again.

        :param from_step: a step's slug: run it and what follows anew, instead of only what
            was not completed.
        """
        return await self._ask("retry", repeatable=False, from_step=from_step)

    async def erase(self) -> None:
        """Delete everything the service holds about this job; it must have ended."""
        await self._transport.call("DELETE", self._path, repeatable=False)

    async def _ask(
        self, what: str, *, repeatable: bool = True, from_step: str | None = None
    ) -> JobView:
        params = {"fromStep": from_step} if from_step else None
        answer = await self._transport.call(
            "POST", f"{self._path}/{what}", params=params, repeatable=repeatable
        )
        return read(JobView, answer.body)

    async def _by_events(self) -> AsyncGenerator[JobView, None]:
        """A view for each burst of events."""
        news = asyncio.Event()
        reader = asyncio.create_task(self._read_events(news))
        try:
            while True:
                news.clear()
                view = await self.status()
                yield view
                if view.status.has_ended:
                    return
                if reader.done():
                    await reader  # raises what ended it; a retried job starts a new stream
                    reader = asyncio.create_task(self._read_events(news))
                await _either(news, LOOK_SECONDS)
                await self._transport.sleep(GATHER_SECONDS)
        finally:
            reader.cancel()
            await asyncio.gather(reader, return_exceptions=True)

    async def _read_events(self, news: asyncio.Event) -> None:
        try:
            stream = EventStream(self._transport, self._path, 0, insist=False)
            async for _ in stream.events():
                news.set()
        finally:
            news.set()

    async def _by_polling(self) -> AsyncGenerator[JobView, None]:
        """A view for each change the service tells us of in a long poll."""
        tag = ""
        while True:
            answer = await self._transport.call(
                "GET",
                self._path,
                params={"wait": f"{POLL_SECONDS:g}"} if tag else None,
                headers={"If-None-Match": tag} if tag else None,
                timeout=self._transport.timeout + POLL_SECONDS,
            )
            tag = answer.headers.get("ETag", tag)
            if answer.status != 304:
                view = read(JobView, answer.body)
                yield view
                if view.status.has_ended:
                    return
            await self._transport.sleep(POLL_PAUSE_SECONDS)


async def _either(news: asyncio.Event, seconds: float) -> None:
    """Wait for news, but not for ever."""
    try:
        async with asyncio.timeout(seconds):
            await news.wait()
    except TimeoutError:
        pass
