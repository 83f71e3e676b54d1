"""The journal over SQLAlchemy Core: SQLite or PostgreSQL.

:class:`SqlJournal` only dispatches. Writes go to the group committer (``commands.py``,
``lifecycle.py``, ``attempts.py``, ``shared.py``); reads go straight to the database
(``reads.py``) and never wait for a writer.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, Concatenate, ParamSpec, TypeVar

from sqlalchemy import Connection

from orchestrator.errors import JobEnded, JournalUnavailable
from orchestrator.jobs import JobStatus
from orchestrator.journal import (
    attempts,
    commands,
    content,
    lifecycle,
    queue,
    reads,
    shared,
)
from orchestrator.journal.access_rows import audited
from orchestrator.journal.access_sql import SqlAccess
from orchestrator.journal.base import PURGE_BATCH
from orchestrator.journal.database import Database, open_database
from orchestrator.journal.engine import is_sqlite, parse_url
from orchestrator.journal.faults import faults_mapped, is_outage
from orchestrator.journal.group import GroupCommitter, GroupStats
from orchestrator.journal.ledger import QueueGauge
from orchestrator.journal.outbox_sql import SqlOutbox
from orchestrator.journal.probe import WriteProbe
from orchestrator.journal.reads import Wanted
from orchestrator.journal.records import (
    Claim,
    Head,
    MemoRecord,
    NewJob,
    Submitted,
    WaitingJob,
)
from orchestrator.journal.sealing import CLEAR, Vault
from orchestrator.journal.shared_sql import SqlShared
from orchestrator.journal.tenancy_sql import SqlTenants
from orchestrator.models import EventView, JobView
from orchestrator.security.records import Action, Principal
from orchestrator.services import Usage
from orchestrator.tenants.tiers import NO_LIMITS, Tenancy

P = ParamSpec("P")
T = TypeVar("T")

READERS = 4
"""Reads at once in one process: Serve replicas are many and PostgreSQL's limit is 100."""

MAX_BATCH_SQLITE = 256
"""Most writes in one commit."""

MAX_BATCH_POSTGRESQL = 60
"""Fewer than the 64 subtransactions that a PostgreSQL backend caches: past them, the
visibility checks of every other session slow down."""


class SqlJournal(SqlAccess, SqlOutbox, SqlShared, SqlTenants):
    """The :class:`~orchestrator.journal.base.Journal` over a database.

    :param url: see :func:`~orchestrator.journal.engine.parse_url`.
    :param read_only: reads only; a write raises :class:`PermissionError`.
    :param vault: the keys that seal clients' content; none: it is kept in clear.
    :param rules: what clients may have.
    """

    def __init__(
        self,
        url: str,
        *,
        read_only: bool = False,
        vault: Vault = CLEAR,
        rules: Tenancy = NO_LIMITS,
    ) -> None:
        parsed = parse_url(url)
        self._rules, self._gauge = rules, QueueGauge(rules.max_queued)
        self._reader = open_database(parsed, read_only=True, size=READERS, vault=vault)
        self._closed = self._unscrubbed = self._erased = False
        self._writer: Database | None = None
        self._group: GroupCommitter | None = None
        self._probe: WriteProbe | None = None
        if not read_only:
            self._writer = open_database(parsed, vault=vault)
            batch = MAX_BATCH_SQLITE if is_sqlite(parsed) else MAX_BATCH_POSTGRESQL
            self._group = GroupCommitter(self._writer.run, max_batch=batch)
            self._probe = WriteProbe(self._group)

    @property
    def stats(self) -> GroupStats:
        """Counters of the group commit; all zero for a read-only journal."""
        return self._group.stats if self._group is not None else GroupStats()

    @property
    def waiting(self) -> int:
        """Writes queued for the next commit."""
        return self._group.waiting if self._group is not None else 0

    async def announce(self) -> None:
        """Check that the keys open what is sealed, and say which there are.

        :raises JournalSealed: they do not.
        """
        await self._write("", content.announce)

    # -- accepting and reading ------------------------------------------------------------

    async def submit(self, job: NewJob, *, by: Principal | None = None) -> Submitted:
        """Accept a job, or find the one with the same ``(client_id, request_id)``."""
        # Every submission of a client in one place of the batch: they wait for each other.
        key = f"client {job.client_id}"
        operation = audited(commands.submit, Action.SUBMIT, job.id, by)
        return await self._write(key, operation, job, self._rules, self._gauge)

    async def view(
        self, job_id: str, client_id: str | None = None, *, with_result: bool = True
    ) -> JobView | None:
        """The job as a client sees it, or None (also when it is another client's)."""
        return await self._read(reads.view, job_id, client_id, with_result, self._rules)

    async def list_jobs(
        self,
        *,
        client_id: str | None = None,
        status: JobStatus | None = None,
        keyword: str | None = None,
        mode: str | None = None,
        created_after: int | None = None,
        created_before: int | None = None,
        limit: int = 50,
        cursor: str | None = None,
    ) -> tuple[list[JobView], str | None]:
        """Newest first, without results. :raises InvalidInput: the cursor is none of ours."""
        wanted = Wanted(client_id, status, keyword, mode, created_after, created_before)
        return await self._read(reads.list_jobs, wanted, limit, cursor, self._rules)

    async def events(self, job_id: str, after: int = 0, limit: int = 500) -> list[EventView]:
        """Events with ``seq > after`` in order."""
        return await self._read(reads.events_after, job_id, after, limit)

    async def heads(self, job_ids: Sequence[str]) -> dict[str, Head]:
        """How far these jobs are; those that are not there are left out."""
        return await self._read(reads.heads, list(job_ids))

    # -- asking a job to change -----------------------------------------------------------

    async def request_cancel(
        self, job_id: str, now: int, *, by: Principal | None = None
    ) -> JobView:
        """Cancel: at once when queued or paused, else flag it for the running activation."""
        operation = audited(commands.request_cancel, Action.CANCEL, job_id, by)
        await self._write(job_id, operation, job_id, now)
        return await self._read(reads.require_view, job_id, self._rules)

    async def request_pause(self, job_id: str, now: int, *, by: Principal | None = None) -> JobView:
        """Pause: at once when queued, else flag it."""
        operation = audited(commands.request_pause, Action.PAUSE, job_id, by)
        await self._write(job_id, operation, job_id, now)
        return await self._read(reads.require_view, job_id, self._rules)

    async def resume(self, job_id: str, now: int, *, by: Principal | None = None) -> JobView:
        """Paused -> queued; a pause that is only asked for is taken back."""
        operation = audited(commands.resume, Action.RESUME, job_id, by)
        await self._write(job_id, operation, job_id, now)
        return await self._read(reads.require_view, job_id, self._rules)

    async def retry(
        self,
        job_id: str,
        now: int,
        from_step: str | None = None,
        *,
        redo: Collection[str] | None = None,
        by: Principal | None = None,
    ) -> JobView:
        """Failed or cancelled -> queued; *from_step* and those of *redo* are done again.

        :raises InvalidInput: the job has no step *from_step*.
        """
        operation = audited(commands.retry, Action.RETRY, job_id, by, fromStep=from_step)
        await self._write(job_id, operation, job_id, now, from_step, redo, self._rules)
        return await self._read(reads.require_view, job_id, self._rules)

    async def erase(self, job_id: str, *, by: Principal | None = None) -> bool:
        """Delete every row of a job, and the cache entries it made; False if there was none."""
        operation = audited(commands.erase, Action.ERASE, job_id, by)
        erased = await self._write(job_id, operation, job_id)
        self._erased = self._erased or erased
        await self._scrub()
        return erased

    # -- running a job --------------------------------------------------------------------

    async def claim(self, job_id: str, owner: str, now: int, max_activations: int) -> Claim:
        """Take the job over under the next epoch."""
        epoch = await self._write(
            job_id, lifecycle.claim, job_id, owner, now, max_activations, self._rules
        )
        if isinstance(epoch, JobEnded):
            raise epoch
        return await self._read(reads.everything, job_id, epoch)

    async def begin_attempt(
        self, job_id: str, epoch: int, step: str, version: int, attempt: int, now: int
    ) -> None:
        """A step's attempt begins."""
        await self._write(
            job_id, attempts.begin_attempt, job_id, epoch, step, version, attempt, now
        )

    async def record_retry(
        self,
        job_id: str,
        epoch: int,
        step: str,
        error: str,
        next_attempt_at: int,
        now: int,
        *,
        usage: Usage | None = None,
    ) -> None:
        """An attempt failed and another follows at *next_attempt_at*."""
        await self._write(
            job_id, attempts.record_retry, job_id, epoch, step, error, next_attempt_at, usage, now
        )

    async def record_wait(
        self,
        job_id: str,
        epoch: int,
        step: str,
        reason: str,
        until: int,
        now: int,
        *,
        usage: Usage | None = None,
    ) -> None:
        """The step waits for a breaker; no attempt is used up."""
        await self._write(
            job_id, attempts.record_wait, job_id, epoch, step, reason, until, usage, now
        )

    async def record_step(
        self,
        job_id: str,
        epoch: int,
        step: str,
        output: Any,
        *,
        degraded: Sequence[str] = (),
        usage: Usage | None = None,
        now: int,
    ) -> None:
        """The step is completed with this output; the first output stays."""
        await self._write(
            job_id, attempts.record_step, job_id, epoch, step, output, degraded, usage, now
        )

    async def record_memo(self, job_id: str, epoch: int, memo: MemoRecord) -> None:
        """A part of a step is done; the first value stays."""
        await self._write(job_id, attempts.record_memo, job_id, epoch, memo)

    async def record_progress(
        self, job_id: str, epoch: int, step: str, detail: str, now: int
    ) -> None:
        """Sub-step progress for those who watch."""
        await self._write(job_id, attempts.record_progress, job_id, epoch, step, detail, now)

    async def finish(
        self,
        job_id: str,
        epoch: int,
        status: JobStatus,
        *,
        result: Any = None,
        error: str | None = None,
        failed_step: str | None = None,
        usage: Mapping[str, Usage] | None = None,
        now: int,
    ) -> None:
        """End or pause the job."""
        await self._write(
            job_id, lifecycle.finish, job_id, epoch, status, result, error, failed_step,
            usage or {}, now,
        )  # fmt: skip

    async def release(self, job_id: str, epoch: int, until: int, now: int) -> bool:
        """Let go of a running job until *until*; False if it is asked to stop."""
        return await self._write(job_id, lifecycle.release, job_id, epoch, until, now)

    async def flags(self, job_id: str, epoch: int) -> tuple[bool, bool]:
        """``(cancel_requested, pause_requested)``."""
        return await self._read(reads.flags, job_id, epoch)

    # -- supervision ----------------------------------------------------------------------

    async def queued(self, limit: int, starting: Collection[str] = ()) -> list[WaitingJob]:
        """Jobs to admit now, in that order, of clients that have room."""
        return await self._read(queue.queued, limit, starting, self._rules)

    async def processing(self, now: int) -> list[WaitingJob]:
        """Jobs that some activation should be running now."""
        return await self._read(reads.processing, now)

    async def counts(self) -> dict[JobStatus, int]:
        """How many jobs stand where."""
        return await self._read(reads.counts)

    async def purge(self, ended_before: int, now: int, limit: int = PURGE_BATCH) -> int:
        """Delete jobs that ended before *ended_before*, and dead cache entries."""
        purged = await self._write("", shared.purge, ended_before, now, limit)
        if purged:
            self._unscrubbed = True
        elif self._unscrubbed or self._erased:  # the last batch is through
            await self._scrub(rewrite=self._erased)
            self._erased = self._erased and self._unscrubbed
        return purged

    async def ping(self) -> None:
        """Read a row, and, unless read-only, write one (at most once in five seconds).

        :raises JournalUnavailable: it does not answer, lacks our tables, or cannot write.
        """
        await self._read(reads.ping)
        if self._probe is not None:
            await self._probe()

    async def close(self) -> None:
        """Finish what is queued and let go of the database."""
        self._closed = True
        if self._group is not None:
            await self._group.close()
        for database in (self._writer, self._reader):
            if database is not None:
                await database.close()

    # -- how ------------------------------------------------------------------------------

    async def _scrub(self, *, rewrite: bool = False) -> None:
        """Leave nothing of deleted rows in the database's log; tried again by the next purge.

        :param rewrite: nor fragments of them in the gaps of its pages.
        """
        if self._writer is not None:
            self._unscrubbed = not await self._writer.scrub(rewrite=rewrite)

    async def _write(
        self,
        key: str,
        operation: Callable[Concatenate[Connection, P], T],
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> T:
        """Have *operation* done by the group committer; *key* names the row it is about."""
        if self._group is None:
            raise PermissionError("this journal is read-only: send writes to the journal actor")
        return await self._group.run(key, lambda conn: operation(conn, *args, **kwargs))

    async def _read(
        self,
        query: Callable[Concatenate[Connection, P], T],
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> T:
        """Run *query* in one transaction; once more if the first connection was a dead one."""
        if self._closed:
            raise JournalUnavailable("the journal is closed")
        with faults_mapped():
            try:
                return await self._reader.run(lambda conn: query(conn, *args, **kwargs))
            except Exception as error:
                if not is_outage(error):
                    raise
            return await self._reader.run(lambda conn: query(conn, *args, **kwargs))
