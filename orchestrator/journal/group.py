"""Group commit: many concurrent writes, one transaction, one flush to disk.

Each piece of work runs in its own savepoint, so one that fails takes nothing else with it.
A caller has its answer only after the commit. Work that waits while a batch is being
committed makes the next batch, so batches grow with the load by themselves.
"""

from __future__ import annotations

import asyncio
import itertools
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Protocol, TypeVar

from sqlalchemy import Connection

from orchestrator.errors import JournalUnavailable
from orchestrator.journal.faults import Fault, fault_of, faults_mapped

T = TypeVar("T")
Work = Callable[[Connection], T]


class Transact(Protocol):
    """Runs work in one transaction and returns its result after the commit."""

    async def __call__(self, work: Work[T], /) -> T:
        """Run *work*; on any error roll everything back and raise it."""
        ...


class AlreadyDone(Exception):
    """Raised by work that finds it was done before: nothing is written, the caller gets
    *value* as if it had been done now."""

    def __init__(self, value: Any = None) -> None:
        super().__init__()
        self.value = value


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one piece of work in a batch: a value or an error."""

    value: Any = None
    error: Exception | None = None


@dataclass(frozen=True, slots=True)
class GroupStats:
    """Counters since the start, for metrics: *failures* are transactions that were lost."""

    batches: int = 0
    operations: int = 0
    failures: int = 0
    largest: int = 0


@dataclass(slots=True)
class _Waiting:
    key: str
    work: Work[Any]
    future: asyncio.Future[Any] = field(repr=False)


class GroupCommitter:
    """Queues work and commits it in batches.

    :param transact: opens, commits and rolls back the transaction of a batch.
    :param max_batch: most pieces of work in one transaction.
    """

    def __init__(self, transact: Transact, *, max_batch: int) -> None:
        self.stats = GroupStats()
        self._transact, self._max_batch = transact, max_batch
        self._queue: deque[_Waiting] = deque()
        self._task: asyncio.Task[None] | None = None
        self._closed = False

    async def run(self, key: str, work: Work[T]) -> T:
        """Have *work* done and committed; returns its result or raises its error.

        :param key: the row it is about. Work of one key is done in the order it came; a
            batch is sorted by key, so that two committers never lock rows crosswise.
        :raises JournalUnavailable: the transaction could not be committed, twice.
        :raises JournalDamaged: the database is corrupt.
        """
        if self._closed:
            raise JournalUnavailable("the journal is closed")
        waiting = _Waiting(key, work, asyncio.get_running_loop().create_future())
        self._queue.append(waiting)
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._commit_all(), name="group-commit")
        result: T = await waiting.future
        return result

    @property
    def waiting(self) -> int:
        """How many pieces of work are queued now."""
        return len(self._queue)

    async def close(self) -> None:
        """Refuse new work and finish what is queued."""
        self._closed = True
        if self._task is not None:
            await asyncio.wait({self._task})

    async def _commit_all(self) -> None:
        while batch := self._take():
            try:
                outcomes = await self._commit(batch)
            except asyncio.CancelledError:
                self._abandon(batch)
                raise
            except Exception as error:
                outcomes = [Outcome(error=error)] * len(batch)
            for waiting, outcome in zip(batch, outcomes, strict=True):
                _answer(waiting.future, outcome)

    def _take(self) -> list[_Waiting]:
        """The next batch; callers who have gone away are dropped."""
        batch: list[_Waiting] = []
        while self._queue and len(batch) < self._max_batch:
            waiting = self._queue.popleft()
            if not waiting.future.done():
                batch.append(waiting)
        return sorted(batch, key=lambda waiting: waiting.key)

    async def _commit(self, batch: Sequence[_Waiting]) -> list[Outcome]:
        """Commit the batch; once more if the database failed, as every write is repeatable."""
        works = [waiting.work for waiting in batch]
        for last_try in (False, True):
            try:
                outcomes = await self._transact(lambda connection: run_batch(connection, works))
            except Exception as error:
                self.stats = replace(self.stats, failures=self.stats.failures + 1)
                if last_try or fault_of(error) is not Fault.OUTAGE:
                    with faults_mapped():
                        raise
            else:
                self._count(len(batch))
                return outcomes
        raise AssertionError("unreachable: the last try returns or raises")

    def _count(self, size: int) -> None:
        was = self.stats
        self.stats = replace(
            was,
            batches=was.batches + 1,
            operations=was.operations + size,
            largest=max(was.largest, size),
        )

    def _abandon(self, batch: Sequence[_Waiting]) -> None:
        """The committer is being cancelled: nobody may be left waiting for it."""
        gone = Outcome(error=JournalUnavailable("the journal was stopped"))
        for waiting in itertools.chain(batch, self._queue):
            _answer(waiting.future, gone)
        self._queue.clear()


def run_batch(connection: Connection, works: Sequence[Work[Any]]) -> list[Outcome]:
    """Run each piece of work in a savepoint of its own.

    An outage or damage ends the whole batch.
    """
    return [_run_one(connection, work) for work in works]


def _run_one(connection: Connection, work: Work[Any]) -> Outcome:
    # Plain statements: SQLAlchemy's own begin_nested costs six times as much CPU.
    connection.exec_driver_sql("SAVEPOINT work")
    try:
        outcome = Outcome(value=work(connection))
    except AlreadyDone as done:
        outcome, undo = Outcome(value=done.value), True
    except Exception as error:
        if fault_of(error) is not Fault.BUG:
            raise
        outcome, undo = Outcome(error=error), True
    else:
        undo = False
    if undo:
        connection.exec_driver_sql("ROLLBACK TO SAVEPOINT work")
    connection.exec_driver_sql("RELEASE SAVEPOINT work")
    return outcome


def _answer(future: asyncio.Future[Any], outcome: Outcome) -> None:
    if future.done():  # the caller has gone away
        return
    if outcome.error is None:
        future.set_result(outcome.value)
    else:
        future.set_exception(outcome.error)
