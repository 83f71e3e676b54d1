"""What every handle on a job can do, over HTTP as over Ray."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from typing import Protocol

from orchestrator.client.errors import JobUnsuccessful, WaitExpired
from orchestrator.jobs import JobStatus
from orchestrator.models import EventView, JobView
from orchestrator.results import JobResult

OnProgress = Callable[[JobView], Awaitable[None] | None]
"""Called with a job's view, the first and whenever it has changed; may be asynchronous."""


class JobHandle(Protocol):
    """One job. :class:`~orchestrator.client.jobs.AsyncJob` and the Ray client's handle are such."""

    @property
    def id(self) -> str:
        """The job's id."""
        ...

    async def status(self) -> JobView:
        """The job now."""
        ...

    async def wait(
        self, on_progress: OnProgress | None = None, timeout: float | None = None
    ) -> JobView:
        """The job once it has ended. :raises WaitExpired: *timeout* seconds are over."""
        ...

    async def result(self, timeout: float | None = None) -> JobResult:
        """The result, once there is one. :raises JobUnsuccessful: there will be none."""
        ...

    def events(self, after: int = 0) -> AsyncGenerator[EventView, None]:
        """The events with ``seq > after`` until the job ends: each once, in order."""
        ...

    async def cancel(self) -> JobView:
        """Cancel the job; asking twice is asking once."""
        ...

    async def pause(self) -> JobView:
        """Pause the job; what it has done stays done."""
        ...

    async def resume(self) -> JobView:
        """Queue a paused job again."""
        ...

    async def retry(self, from_step: str | None = None) -> JobView:
        """Queue a failed or cancelled job again, from *from_step* (a slug) on if it is given."""
        ...

    async def erase(self) -> None:
        """Delete everything there is about the job; it must have ended."""
        ...


async def until_ended(
    job_id: str,
    views: AsyncGenerator[JobView, None],
    on_progress: OnProgress | None,
    timeout: float | None,
) -> JobView:
    """The last of a job's *views*, each of them told to *on_progress*.

    :param timeout: seconds. :raises WaitExpired: they are over before the job is.
    """
    try:
        async with asyncio.timeout(timeout), aclosing(views):
            async for view in views:
                told = on_progress(view) if on_progress else None
                if inspect.isawaitable(told):
                    await told
                if view.status.has_ended:
                    return view
    except TimeoutError:
        raise WaitExpired(f"job {job_id} has not ended within {timeout:g} s") from None
    raise AssertionError("the views of a job end with the job")


def result_of(view: JobView) -> JobResult:
    """The result of a job that has ended. :raises JobUnsuccessful: it has none."""
    if view.status != JobStatus.COMPLETED or view.result is None:
        raise JobUnsuccessful(view)
    return JobResult.model_validate(view.result)
