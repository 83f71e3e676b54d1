"""The same client without ``async``: it runs the asynchronous one in a loop of its own."""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from collections.abc import AsyncGenerator, Callable, Coroutine, Iterator, Mapping
from types import TracebackType
from typing import Any, Self, TypeVar, Unpack

from orchestrator.client.aio import PATIENCE, TIMEOUT, AsyncClient, Breakers, HealthView
from orchestrator.client.errors import WaitExpired
from orchestrator.client.handle import result_of
from orchestrator.client.jobs import AsyncJob
from orchestrator.client.request import SubmitFields
from orchestrator.client.transport import Signer
from orchestrator.jobs import JobStatus
from orchestrator.models import EventView, JobPage, JobView
from orchestrator.results import JobResult

T = TypeVar("T")


class Portal:
    """An event loop in a thread, and a way to run things in it from any other thread."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(
            target=self._loop.run_forever, name="sota-client", daemon=True
        )
        self._thread.start()

    @property
    def closed(self) -> bool:
        """True after :meth:`close`."""
        return self._loop.is_closed()

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """The outcome of *work*; if this thread is interrupted, it is cancelled."""
        future = asyncio.run_coroutine_threadsafe(work, self._loop)
        try:
            return future.result()
        except BaseException:
            future.cancel()
            raise

    def iterate(self, source: AsyncGenerator[T, None], seconds: float | None = None) -> Iterator[T]:
        """*source*, item by item, in this thread.

        :param seconds: for all items together. :raises TimeoutError: they are over.
        """
        deadline = None if seconds is None else time.monotonic() + seconds
        try:
            while True:
                try:
                    item = self.run(_next(source, deadline))
                except StopAsyncIteration:
                    return
                yield item
        finally:
            self.run(_close(source))

    def close(self) -> None:
        """End the loop and its thread."""
        self.run(self._loop.shutdown_asyncgens())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()


class Job:
    """One job; see :class:`~orchestrator.client.jobs.AsyncJob` for what each method promises."""

    def __init__(self, portal: Portal, job: AsyncJob) -> None:
        self.id = job.id
        self.accepted = job.accepted
        self._portal = portal
        self._job = job

    @property
    def warnings(self) -> list[str]:
        """What the service had to say about the submission."""
        return self._job.warnings

    def status(self) -> JobView:
        """The job now."""
        return self._portal.run(self._job.status())

    def wait(
        self,
        on_progress: Callable[[JobView], None] | None = None,
        timeout: float | None = None,
    ) -> JobView:
        """The job once it has ended; *on_progress* is called in this thread.

        :raises WaitExpired: *timeout* seconds are over.
        """
        try:
            for view in self._portal.iterate(self._job.views(), timeout):
                if on_progress:
                    on_progress(view)
                if view.status.has_ended:
                    return view
        except TimeoutError:
            raise WaitExpired(f"job {self.id} has not ended within {timeout:g} s") from None
        raise AssertionError("views() ends with the job")

    def result(self, timeout: float | None = None) -> JobResult:
        """The job's result, once there is one. :raises JobUnsuccessful: there will be none."""
        return result_of(self.wait(timeout=timeout))

    def events(self, after: int = 0) -> Iterator[EventView]:
        """The job's events with ``seq > after`` until it ends: each once, in order."""
        return self._portal.iterate(self._job.events(after))

    def cancel(self) -> JobView:
        """Cancel the job; asking twice is asking once."""
        return self._portal.run(self._job.cancel())

    def pause(self) -> JobView:
        """Pause the job; what it has done stays done."""
        return self._portal.run(self._job.pause())

    def resume(self) -> JobView:
        """Queue a paused job again."""
        return self._portal.run(self._job.resume())

    def retry(self, from_step: str | None = None) -> JobView:
        """Queue a failed or cancelled job again."""
        return self._portal.run(self._job.retry(from_step))

    def erase(self) -> None:
        """Delete everything the service holds about this job."""
        self._portal.run(self._job.erase())


class Client:
    """Talks to one service; see :class:`~orchestrator.client.aio.AsyncClient`."""

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
        self._client = AsyncClient(
            base_url,
            client_id=client_id,
            key=key,
            timeout=timeout,
            patience=patience,
            headers=headers,
            sign=sign,
        )
        self._portal = Portal()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    @property
    def base_url(self) -> str:
        """Where the service is."""
        return self._client.base_url

    def close(self) -> None:
        """Let go of every connection and of the thread; closing twice is closing once."""
        if not self._portal.closed:
            self._portal.run(self._client.close())
            self._portal.close()

    def submit(self, keyword: str, **fields: Unpack[SubmitFields]) -> Job:
        """Hand in a job. Repeating it is safe: it carries a request id."""
        return Job(self._portal, self._portal.run(self._client.submit(keyword, **fields)))

    def job(self, job_id: str) -> Job:
        """A handle on a job that is there already; nothing is asked yet."""
        return Job(self._portal, self._client.job(job_id))

    def list(
        self, *, status: JobStatus | str | None = None, limit: int = 50, cursor: str | None = None
    ) -> JobPage:
        """A page of this client's jobs, newest first."""
        return self._portal.run(self._client.list(status=status, limit=limit, cursor=cursor))

    def all_jobs(self, *, status: JobStatus | str | None = None) -> Iterator[JobView]:
        """Every job, page after page."""
        return self._portal.iterate(self._client.all_jobs(status=status))

    def health(self) -> HealthView:
        """How the service is."""
        return self._portal.run(self._client.health())

    def breakers(self) -> Breakers:
        """Every circuit breaker."""
        return self._portal.run(self._client.breakers())


async def _next(source: AsyncGenerator[T, None], deadline: float | None) -> T:
    seconds = None if deadline is None else max(0.0, deadline - time.monotonic())
    async with asyncio.timeout(seconds):
        return await anext(source)


async def _close(source: AsyncGenerator[Any, None]) -> None:
    """Close a generator; one that is being cancelled is given a moment to let go."""
    for pause in (0.0, 0.01, 0.1, 1.0):
        await asyncio.sleep(pause)
        with contextlib.suppress(RuntimeError):  # "already running"
            await source.aclose()
            return
