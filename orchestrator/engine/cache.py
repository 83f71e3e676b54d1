"""The cache that all jobs share: a value is found there, or one job makes it while others wait.

Without that, twenty jobs on one keyword that start together would all pay for the same answer.
Who makes it holds a lease in the journal. The lease has an expiry, so a maker that dies without a
word jams nothing; a maker that only was slow has lost nothing either, its value is stored all
the same.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterator
from functools import partial

from orchestrator.engine.memos import through_json
from orchestrator.engine.metering import charge
from orchestrator.engine.options import EngineOptions
from orchestrator.errors import OrchestratorError
from orchestrator.journal.base import Journal
from orchestrator.journal.records import OPEN_TO_ALL
from orchestrator.services import Usage
from orchestrator.step import Json, Reader, Unshared

KEEP_SECONDS = 7 * 24 * 3600.0
"""A value is kept at least this long, for the stale fallbacks (DESIGN section 4: seven days)."""

LEASE_SHARE = 0.5
"""A lease lasts for this share of what is left of its maker's attempt: longer than a healthy
make, and if it expires, one that waits has about as much time left to make the value itself."""

LEASE_SECONDS = (1.0, 30.0)
"""The shortest lease, and the one of a maker whose attempt has no time limit."""

FIRST_PAUSE, LONGEST_PAUSE = 0.2, 2.0  # seconds between two looks of one that waits

OPEN_SECONDS = 2 * LONGEST_PAUSE
"""For how long nobody waits after a value turned out not to be for sharing: all who are waiting
look within that time, and go on side by side instead of one after another."""

RELEASE_SECONDS = 5.0
"""Giving back a lease may take so long; then it is left to expire."""


class SharedCache:
    """The cache as one activation of a job sees it.

    :param owner: the job's id. A job that crashed while it made a value has its lease still,
        and goes on at once.
    """

    def __init__(self, journal: Journal, owner: str, options: EngineOptions) -> None:
        self._journal, self._owner, self._options = journal, owner, options
        self._locks: dict[tuple[str, str], asyncio.Lock] = defaultdict(asyncio.Lock)

    async def stale(
        self, kind: str, key: str, max_age: float, read: Reader | None = None
    ) -> Json | None:
        """The cached value if it is younger than *max_age* seconds and *read* can read it."""
        found = await self._journal.cache_get(kind, key)
        if found is None:
            return None
        value, stored_at = found
        return value if self._is_young(stored_at, max_age) and is_readable(value, read) else None

    def _is_young(self, stored_at: int, max_age: float) -> bool:
        return self._options.now_ms() - stored_at <= max_age * 1000

    async def get(
        self,
        kind: str,
        key: str,
        ttl: float,
        make: Callable[[], Awaitable[Json]],
        *,
        time_left: Callable[[], float | None],
        patient: bool = True,
        read: Reader | None = None,
    ) -> Json:
        """The value if it is younger than *ttl* seconds, else made: by one job at a time.

        :param time_left: seconds left of the caller's attempt; bounds its lease.
        :param patient: False: make it without waiting for another job.
        :param read: a value that it cannot read counts as missing; the one made takes its place.
        """
        async with self._locks[kind, key]:  # the job's own calls need no journal for this
            find = partial(self.stale, kind, key, ttl, read)
            found = await find()
            if found is None:
                found = await self._made_by_another(kind, key, ttl, time_left, patient, find)
            if found is not None:
                charge(Usage(cache_hits=1))
                return found
            charge(Usage(cache_misses=1))
            return await self._make(kind, key, ttl, make)

    async def _made_by_another(
        self,
        kind: str,
        key: str,
        ttl: float,
        time_left: Callable[[], float | None],
        patient: bool,
        find: Callable[[], Awaitable[Json | None]],
    ) -> Json | None:
        """The value once another job has made it; None when it is this job's turn."""
        for pause in self._pauses():
            now = self._options.now_ms()
            until = now + int(1000 * min(ttl, _lease_seconds(time_left())))
            lease = await self._journal.cache_lease(kind, key, self._owner, now, until)
            found = None
            if lease.stored_at is not None and self._is_young(lease.stored_at, ttl):
                found = await find()  # it was put since the last look
            if lease.owner == self._owner and found is not None:
                await self._release(kind, key)
            if found is not None or not patient or lease.owner in (self._owner, OPEN_TO_ALL):
                return found
            await self._options.sleep(pause)
        raise AssertionError("unreachable: the pauses never end")

    def _pauses(self) -> Iterator[float]:
        """Longer and longer, and spread, so that those who wait do not look as one."""
        longest = FIRST_PAUSE
        while True:
            yield longest * self._options.rand.uniform(0.5, 1.0)
            longest = min(1.5 * longest, LONGEST_PAUSE)

    async def _make(
        self, kind: str, key: str, ttl: float, make: Callable[[], Awaitable[Json]]
    ) -> Json:
        stored, open_until = False, 0
        try:
            value = await make()
            if isinstance(value, Unshared):
                open_until = self._options.now_ms() + int(OPEN_SECONDS * 1000)
                return through_json(value.value)
            value = through_json(value)
            keep_ms = int(max(ttl, KEEP_SECONDS) * 1000)
            await self._journal.cache_put(
                kind, key, value, self._options.now_ms(), keep_ms, job_id=self._owner
            )
            stored = True  # and that ended the lease
            return value
        finally:
            if not stored:
                await self._release(kind, key, open_until)

    async def _release(self, kind: str, key: str, open_until: int = 0) -> None:
        """Give the lease back, if that can be done soon; else it expires."""
        with contextlib.suppress(TimeoutError, OrchestratorError):
            async with asyncio.timeout(RELEASE_SECONDS):
                await self._journal.cache_release(kind, key, self._owner, open_until)


def is_readable(value: Json, read: Reader | None) -> bool:
    """Whether a cached value has the shape that its reader expects."""
    try:
        if read is not None:
            read(value)
    except (ValueError, KeyError, TypeError):
        return False
    return True


def _lease_seconds(time_left: float | None) -> float:
    shortest, usual = LEASE_SECONDS
    return usual if time_left is None else max(shortest, LEASE_SHARE * time_left)
