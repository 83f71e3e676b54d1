"""One look for all who wait: a replica asks the journal for every watched job in one query."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress

from orchestrator.errors import OrchestratorError
from orchestrator.journal.base import Journal
from orchestrator.journal.records import Head

log = logging.getLogger(__name__)

LOOK_SECONDS = 0.25  # how often the watched jobs are looked at


class Sight:
    """What is known of one watched job."""

    def __init__(self) -> None:
        self.watchers = 0
        self.head: Head | None = None  #: None: not looked at yet, or the job is not there
        self._looked = False
        self._change = asyncio.Event()

    def see(self, head: Head | None) -> None:
        """Take in what a look has shown; wake those who wait if it is new."""
        if self._looked and head == self.head:
            return
        self.head, self._looked = head, True
        self._change.set()
        self._change = asyncio.Event()

    async def beyond(self, seq: int) -> Head | None:
        """The job once it has an event after *seq* or has ended; None once it is not there."""
        while True:
            change = self._change
            if self._looked and (
                self.head is None or self.head.seq > seq or self.head.status.has_ended
            ):
                return self.head
            await change.wait()

    async def moved(self, known: Head | None, seconds: float) -> None:
        """Return once the job is not as *known* any more, or after *seconds*."""
        if self.head == known:
            with suppress(TimeoutError):
                async with asyncio.timeout(seconds):
                    await self._change.wait()


class Watch:
    """Looks at the watched jobs every :data:`LOOK_SECONDS` while there are any.

    :param read: gives the journal to look in. A look that fails is made again; those who wait
        go on waiting.
    """

    def __init__(self, read: Callable[[], Awaitable[Journal]], every: float = LOOK_SECONDS) -> None:
        self._read, self._every = read, every
        self._jobs: dict[str, Sight] = {}
        self._somebody_new = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    @contextmanager
    def on(self, job_id: str) -> Iterator[Sight]:
        """Watch the job inside this block."""
        sight = self._jobs.setdefault(job_id, Sight())
        sight.watchers += 1
        self._somebody_new.set()
        if self._task is None or self._task.done():
            self._task = asyncio.ensure_future(self._look_on())
        try:
            yield sight
        finally:
            sight.watchers -= 1
            if not sight.watchers:
                self._jobs.pop(job_id, None)

    async def _look_on(self) -> None:
        """Look again and again, at once when somebody new is there."""
        while self._jobs:
            self._somebody_new.clear()
            await self._look()
            with suppress(TimeoutError):
                async with asyncio.timeout(self._every):
                    await self._somebody_new.wait()

    async def _look(self) -> None:
        watched = dict(self._jobs)
        try:
            heads = await (await self._read()).heads(list(watched))
        except OrchestratorError as error:
            log.warning("the watched jobs could not be looked at: %s", type(error).__name__)
            return
        except Exception:  # whatever it was: those who wait must not wait for a task that ended
            log.exception("the watched jobs could not be looked at")
            return
        for job_id, sight in watched.items():
            sight.see(heads.get(job_id))
