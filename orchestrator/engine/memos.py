"""What a job has recorded of its parts: look up, else make and record."""

from __future__ import annotations

import asyncio
import json
from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterable

from orchestrator.engine.activity import Activity
from orchestrator.engine.metering import Meter, charge, metered
from orchestrator.engine.options import EngineOptions
from orchestrator.journal.base import Journal
from orchestrator.journal.records import MemoRecord
from orchestrator.services import Usage
from orchestrator.step import Json

JOB_SCOPE = ""
"""The step under which a value of the whole job is recorded."""


def through_json(value: Json) -> Json:
    """The value as a replay would see it.

    :raises TypeError: JSON cannot carry it.
    :raises ValueError: it holds NaN or infinity.
    """
    return json.loads(json.dumps(value, allow_nan=False))


class Memos:
    """The recorded parts of one job. The first value recorded is the value for ever."""

    def __init__(
        self,
        journal: Journal,
        job_id: str,
        epoch: int,
        recorded: Iterable[MemoRecord],
        options: EngineOptions,
        activity: Activity,
    ) -> None:
        self._journal, self._job_id, self._epoch = journal, job_id, epoch
        self._options, self._activity = options, activity
        self._recorded = {(memo.step, memo.part): memo for memo in recorded}
        self._recording: dict[tuple[str, str], asyncio.Task[MemoRecord]] = {}
        self._locks: dict[tuple[str, str], asyncio.Lock] = defaultdict(asyncio.Lock)
        self._arrivals: dict[tuple[str, str], asyncio.Event] = defaultdict(asyncio.Event)

    async def get(self, step: str, part: str, make: Callable[[], Awaitable[Json]]) -> Json:
        """The value of *part* in *step*; made at most once at a time, recorded before use."""
        async with self._locks[step, part]:
            memo = self._recorded.get((step, part))
            if memo is None:
                recording = self._recording.get((step, part)) or await self._make(step, part, make)
                memo = await asyncio.shield(recording)
            return through_json(memo.value)  # a copy: steps may change what they get

    async def _make(
        self, step: str, part: str, make: Callable[[], Awaitable[Json]]
    ) -> asyncio.Task[MemoRecord]:
        """Make the value and begin to record it.

        An attempt that is cut off meanwhile cannot call the record back: it goes on without it,
        and the next attempt takes up what becomes of it instead of making the value again.
        """
        started, meter = self._options.now_ms(), Meter()
        try:
            with metered(meter):
                value = through_json(await make())
        except BaseException:
            charge(meter.usage)  # paid for, although there is nothing to record it with
            raise
        memo = MemoRecord(
            step=step,
            part=part,
            value=value,
            usage=meter.usage,
            started_at=started,
            ended_at=self._options.now_ms(),
        )
        recording = asyncio.create_task(self._record(memo))
        recording.add_done_callback(_retrieve)
        self._recording[step, part] = recording
        return recording

    async def _record(self, memo: MemoRecord) -> MemoRecord:
        with self._activity.writing():
            await self._journal.record_memo(self._job_id, self._epoch, memo)
        self._recorded[memo.step, memo.part] = memo
        self._arrivals[memo.step, memo.part].set()
        return memo

    async def arrival(self, step: str, part: str) -> None:
        """Wait until *part* of *step* is recorded, by whoever makes it."""
        if (step, part) not in self._recorded:
            await self._arrivals[step, part].wait()

    def peek(self, step: str, part: str) -> Json | None:
        """The recorded value of *part* in *step*, or None when there is none yet."""
        memo = self._recorded.get((step, part))
        return None if memo is None else through_json(memo.value)

    def usage(self, step: str | None = None) -> Usage:
        """What every recorded part used, together; of one *step*, or of all."""
        memos = self._recorded.values()
        return sum((memo.usage for memo in memos if step in (None, memo.step)), Usage())


def _retrieve(recording: asyncio.Task[MemoRecord]) -> None:
    """Nobody may be waiting for it any more; that its error is not raised then is meant."""
    if not recording.cancelled():
        recording.exception()
