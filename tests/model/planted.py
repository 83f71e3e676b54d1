"""Bugs to plant: each breaks one promise, so that the model can show that it would notice."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any
from unittest.mock import patch

from sqlalchemy import Connection, Table, bindparam

from orchestrator.engine import memos as engine_memos
from orchestrator.jobs import JobStatus
from orchestrator.journal import attempts, changes, commands, lifecycle
from orchestrator.journal.changes import job_change, new
from orchestrator.journal.sql import SqlJournal
from orchestrator.journal.tables import jobs, memos
from tests.model.network import CalleeGone, RemoteJournal
from tests.model.store import AuditedJournal

Plant = Callable[[ExitStack], None]


def fencing_off(stack: ExitStack) -> None:
    """The guard of every owned write lets older epochs through."""
    anyone = (jobs.c.epoch >= bindparam("owned_by"), jobs.c.status == JobStatus.PROCESSING)
    statements = {
        "_TOUCH": job_change(*anyone),
        "_TOUCH_WITH_ERROR": job_change(*anyone, last_error=new("error")),
        "_TOUCH_WITH_GAIN": job_change(*anyone, activations_since_progress=0),
        "_GAIN": job_change(*anyone, emits=0, activations_since_progress=0),
    }
    for name, statement in statements.items():
        stack.enter_context(patch.object(attempts, name, statement))


def a_lost_request_counts_as_answered(stack: ExitStack) -> None:
    """The caller takes the loss of its request for success: the write is dropped."""
    send = RemoteJournal._send

    async def careless(self: Any, method: str, args: Any, kwargs: Any) -> Any:
        try:
            return await send(self, method, args, kwargs)
        except CalleeGone:
            if method in ("record_memo", "record_step"):
                return None
            raise

    stack.enter_context(patch.object(RemoteJournal, "_send", careless))


def answered_before_the_commit(stack: ExitStack) -> None:
    """A failed commit is not seen: the caller is told that all is well."""
    write = SqlJournal._write

    async def careless(self: Any, key: str, operation: Any, *args: Any, **kwargs: Any) -> Any:
        try:
            return await write(self, key, self._audit.work, operation, *args, **kwargs)
        except Exception as error:
            if "JournalUnavailable" in type(error).__name__ and operation.__name__ in RECORDS:
                return None
            raise

    stack.enter_context(patch.object(AuditedJournal, "_write", careless))


RECORDS = ("record_memo", "record_step")


def the_last_value_stays(stack: ExitStack) -> None:
    """A memo that is recorded again replaces the first."""

    def upsert(conn: Connection, table: Table, values: Any) -> bool:
        statement = changes.insert_into(conn.dialect.name, memos).values(**values)
        replaced = {"value": statement.excluded.value, "cost_usd": statement.excluded.cost_usd}
        keys = list(memos.primary_key)
        conn.execute(statement.on_conflict_do_update(index_elements=keys, set_=replaced))
        return True

    stack.enter_context(patch.object(attempts, "insert_new", upsert))


def events_come_after_the_commit(stack: ExitStack) -> None:
    """Events are written in a transaction of their own, after the change's."""
    late: list[Callable[[Connection], None]] = []
    write = AuditedJournal._write

    def later(conn: Connection, *args: Any, **data: Any) -> None:
        late.append(lambda conn: changes.emit(conn, *args, **data))

    async def two_commits(self: Any, *args: Any, **kwargs: Any) -> Any:
        value = await write(self, *args, **kwargs)
        while late:
            await self._group.run("", late.pop(0))
        return value

    for module in (attempts, commands, lifecycle):
        stack.enter_context(patch.object(module, "emit", later))
    stack.enter_context(patch.object(AuditedJournal, "_write", two_commits))


def the_poison_count_is_never_reset(stack: ExitStack) -> None:
    """Progress does not count: a job that is often interrupted dies of it."""
    stack.enter_context(patch.object(attempts, "_TOUCH_WITH_GAIN", job_change(*changes.OWNED)))
    stack.enter_context(patch.object(attempts, "_GAIN", job_change(*changes.OWNED, emits=0)))


def a_part_cut_off_is_made_again(stack: ExitStack) -> None:
    """An attempt that is cut off while it records takes the record back (as it once was)."""

    async def record(self: Any, step: str, part: str, make: Any) -> Any:
        memo = await made(self, step, part, make)
        self._recorded[step, part] = memo
        done: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        done.set_result(memo)
        return done

    async def made(self: Any, step: str, part: str, make: Any) -> Any:
        with engine_memos.metered(engine_memos.Meter()) as meter:
            value = engine_memos.through_json(await make())
        now = self._options.now_ms()
        memo = engine_memos.MemoRecord(
            step=step, part=part, value=value, usage=meter.usage, started_at=now, ended_at=now
        )
        await self._journal.record_memo(self._job_id, self._epoch, memo)
        return memo

    stack.enter_context(patch.object(engine_memos.Memos, "_make", record))


def a_completion_may_not_arrive_twice(stack: ExitStack) -> None:
    """The same completion, sent again, is written again."""
    again = changes.step_change(
        attempts.steps.c.state != "nonsense", state="completed", begun=True, output=new("output"),
        degraded=new("degraded"), usage=new("usage"), cost_usd=new("cost_usd"),
        ended_at=bindparam("now"), error=None, detail=None, next_attempt_at=None,
    )  # fmt: skip
    stack.enter_context(patch.object(attempts, "_COMPLETE", again))


def a_crash_counts_as_a_failed_attempt(stack: ExitStack) -> None:
    """A step that was running when its process died goes on with the next attempt."""

    async def resume_point(job: Any, record: Any) -> int:
        return int(record.attempts) + 1

    stack.enter_context(patch("orchestrator.engine.attempts._resume_point", resume_point))


def what_failed_attempts_cost_is_forgotten(stack: ExitStack) -> None:
    """Each activation begins a step's account at nothing (as it once was)."""
    stack.enter_context(
        patch("orchestrator.engine.attempts.Meter", lambda usage: engine_memos.Meter())
    )


PLANTED: dict[str, Plant] = {
    plant.__name__: plant
    for plant in (
        fencing_off, a_lost_request_counts_as_answered, answered_before_the_commit,
        the_last_value_stays, events_come_after_the_commit, the_poison_count_is_never_reset,
        a_part_cut_off_is_made_again, a_completion_may_not_arrive_twice,
        a_crash_counts_as_a_failed_attempt, what_failed_attempts_cost_is_forgotten,
    )
}  # fmt: skip


@contextmanager
def planted(name: str) -> Iterator[None]:
    """The bug is there inside the block."""
    with ExitStack() as stack:
        PLANTED[name](stack)
        yield
