"""The journal: the one place where a job's truth is kept.

:class:`Journal` is the whole protocol. ``sql.py`` implements it over SQLAlchemy Core (SQLite
or PostgreSQL); the journal actor serves that implementation to the other actors.

Rules every implementation keeps:

* each state change and its event are written in one transaction;
* each write by a running job names its *epoch* and is refused with
  :class:`~orchestrator.errors.StaleEpoch` unless that epoch is the job's newest, and with
  :class:`~orchestrator.errors.JobEnded` if the job has ended;
* each write may safely be sent twice (the answer to the first may have been lost);
* a write has been committed to disk before its call returns;
* while the database is away, full or read-only a call raises
  :class:`~orchestrator.errors.JournalUnavailable`; when it is corrupt,
  :class:`~orchestrator.errors.JournalDamaged`.

Times are epoch milliseconds (int), as on the wire.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any, Protocol

from orchestrator.jobs import JobStatus
from orchestrator.journal.access import AccessJournal
from orchestrator.journal.outgoing import OutboxJournal
from orchestrator.journal.records import (
    BreakerRecord,
    CacheLease,
    Claim,
    Head,
    MemoRecord,
    NewJob,
    Submitted,
    WaitingJob,
)
from orchestrator.journal.tenancy import TenantJournal
from orchestrator.models import EventView, JobView
from orchestrator.security.records import Principal
from orchestrator.services import Usage

PURGE_BATCH = 20
"""Jobs purged at once. Measured on SQLite with jobs of 0.4 MB: 35 ms (200 at once: 280 ms), for
which every other write waits; more at once make the whole no faster."""


class Journal(AccessJournal, OutboxJournal, TenantJournal, Protocol):
    """See the module's docstring for the rules that hold for every method."""

    # -- accepting and reading ------------------------------------------------------------

    async def submit(self, job: NewJob, *, by: Principal | None = None) -> Submitted:
        """Accept a job and count it, or find the one with the same ``(client_id, request_id)``.

        :raises RequestConflict: the pair exists with another body.
        :raises QuotaExceeded: the client has used up a limit of its tier.
        :raises QueueFull: too many jobs wait already.
        """
        ...

    async def view(
        self, job_id: str, client_id: str | None = None, *, with_result: bool = True
    ) -> JobView | None:
        """The job as a client sees it, or None (also when it is another client's)."""
        ...

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
        """Newest first, without results; the cursor is opaque and stable.

        :param keyword: in the job's keyword, in capitals or not.
        :param created_after: accepted at this time or later (epoch ms).
        :param created_before: accepted before this time.
        :param cursor: where the page before ended. Jobs that were there when the first page was
            read come once each, whatever is added meanwhile.
        """
        ...

    async def events(self, job_id: str, after: int = 0, limit: int = 500) -> list[EventView]:
        """Events with ``seq > after`` in order."""
        ...

    async def heads(self, job_ids: Sequence[str]) -> dict[str, Head]:
        """How far these jobs are; those that are not there are left out."""
        ...

    # -- asking a job to change (any client, no epoch) ------------------------------------
    # *by* is who asks: the audit log gets an entry in the same transaction.

    async def request_cancel(
        self, job_id: str, now: int, *, by: Principal | None = None
    ) -> JobView:
        """Cancel: at once when queued or paused, else flag it for the running activation.

        Idempotent. :raises JobNotFound: no such job.
        """
        ...

    async def request_pause(self, job_id: str, now: int, *, by: Principal | None = None) -> JobView:
        """Pause: at once when queued, else flag it. :raises IllegalTransition: it has ended."""
        ...

    async def resume(self, job_id: str, now: int, *, by: Principal | None = None) -> JobView:
        """Paused -> queued (clears the flag). :raises IllegalTransition: it has ended."""
        ...

    async def retry(
        self,
        job_id: str,
        now: int,
        from_step: str | None = None,
        *,
        redo: Collection[str] | None = None,
        by: Principal | None = None,
    ) -> JobView:
        """Failed or cancelled -> queued again; failed steps start afresh, completed ones stay.

        Asked for again while the job is queued or runs because of it, it changes nothing. The job
        counts once more from now on, and no longer where it counted before.

        :param from_step: a step's slug: what it made and what the steps of *redo* made is
            forgotten, their recorded parts too, and is done again.
        :param redo: slugs of the steps that depend on *from_step*; None: all later ones.
        :raises InvalidInput: the job has no step *from_step*.
        :raises QuotaExceeded: its client has no words left for it.
        :raises IllegalTransition: the job has neither failed nor been cancelled, or is being
            retried from another step.
        """
        ...

    async def erase(self, job_id: str, *, by: Principal | None = None) -> bool:
        """Delete every row of a job, and the cache entries it made; False if there was none.

        Whatever its status: an activation that runs it finds its next write refused with
        :class:`~orchestrator.errors.JobEnded`. Cancel a running job first, so that it stops.
        On SQLite what was deleted is overwritten, in the file and in its log.
        """
        ...

    # -- running a job (epoch-fenced) -----------------------------------------------------

    async def claim(self, job_id: str, owner: str, now: int, max_activations: int) -> Claim:
        """Take the job over: the next epoch, status ``processing``, everything recorded.

        The same owner at the same *now* is the same claim, sent again.

        :param owner: who claims (node and process).
        :param max_activations: after this many claims without a recorded step or memo in
            between, the job is failed as ``poisoned`` instead.
        :raises JobEnded: it has ended (or is paused, or has just been failed as poisoned).
        :raises JobNotFound: no such job.
        :raises AtCapacity: it is queued, and its client runs as many jobs as it may.
        """
        ...

    async def begin_attempt(
        self, job_id: str, epoch: int, step: str, version: int, attempt: int, now: int
    ) -> None:
        """A step's attempt begins: state ``running``, ``attempts = attempt``."""
        ...

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
        """An attempt failed and another follows at *next_attempt_at*: state ``waiting``.

        *usage* is what the step's calls used outside memos in all its attempts so far; it takes
        the place of what was recorded before, and the next activation goes on from it.
        """
        ...

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
        """The step waits for a breaker until about *until*; no attempt is used up.

        *usage* as for :meth:`record_retry`.
        """
        ...

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
        """The step is completed with this output (a JSON value), and the poison count is reset.

        *usage* is what its calls used outside memos in all attempts; memos carry their own.
        """
        ...

    async def record_memo(self, job_id: str, epoch: int, memo: MemoRecord) -> None:
        """A part of a step is done. Resets the poison count. The first value written stays."""
        ...

    async def record_progress(
        self, job_id: str, epoch: int, step: str, detail: str, now: int
    ) -> None:
        """Sub-step progress for those who watch."""
        ...

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
        """End (or pause) the job; *failed_step* is the slug of the step that failed it.

        :param usage: by slug, what the calls of steps that are not completed have used outside
            memos in all their attempts, as for :meth:`record_retry`.
        """
        ...

    async def release(self, job_id: str, epoch: int, until: int, now: int) -> bool:
        """Let go of a running job in good order: another activation takes it up at *until*.

        The job stays ``processing``; :meth:`processing` leaves it out until then, and the next
        claim forgets the time. Leaving like this is not dying: the poison count is reset.

        :param until: epoch ms; *now* to hand the job over at once.
        :returns: False, and nothing is changed, when a cancel or a pause is asked for.
        """
        ...

    async def flags(self, job_id: str, epoch: int) -> tuple[bool, bool]:
        """``(cancel_requested, pause_requested)``; raises StaleEpoch or JobEnded like a write."""
        ...

    # -- what is shared between jobs ------------------------------------------------------

    async def cache_get(self, kind: str, key: str) -> tuple[Any, int] | None:
        """``(value, stored_at)`` however old it is, or None."""
        ...

    async def cache_put(
        self, kind: str, key: str, value: Any, now: int, keep_ms: int, job_id: str | None = None
    ) -> None:
        """Store a value and end the lease on it, whoever has it; the newest value stays.

        It may be purged *keep_ms* after *now*.

        :param job_id: the job that made it: the entry is erased with the job.
        :raises JobEnded: that job has been erased.
        """
        ...

    async def cache_lease(
        self, kind: str, key: str, owner: str, now: int, until: int
    ) -> CacheLease:
        """Take the right to make a value, unless somebody has it; returns the lease in force.

        *owner* has the right if it is named in the answer: the entry was free, its lease had
        expired (a dead maker jams nothing), or *owner* had it before and it now lasts until
        *until*. Of several who ask at once exactly one is named to all. Sent twice, the second
        renews the first; one that arrives after :meth:`cache_release` expires by itself.
        """
        ...

    async def cache_release(self, kind: str, key: str, owner: str, open_until: int = 0) -> None:
        """Give back *owner*'s lease without a value (:meth:`cache_put` ends a lease by itself).

        Nothing happens if another has it by now, or if this was sent before.

        :param open_until: jobs cannot share the value at present: until then nobody is to wait
            for anybody (see :data:`~orchestrator.journal.records.OPEN_TO_ALL`). 0: the next to ask
            takes over.
        """
        ...

    async def load_breaker(self, service: str) -> BreakerRecord | None:
        """The saved state of a breaker."""
        ...

    async def save_breaker(self, record: BreakerRecord) -> None:
        """Save a breaker's state; the newest wins."""
        ...

    async def breakers(self) -> list[BreakerRecord]:
        """Every breaker's saved state."""
        ...

    # -- supervision ----------------------------------------------------------------------

    async def queued(self, limit: int, starting: Collection[str] = ()) -> list[WaitingJob]:
        """Jobs to admit now, in that order: of clients that have room, in turn (see
        :mod:`orchestrator.tenants.fair`); inside a client the highest priority first, then the
        oldest.

        :param starting: jobs whose actors are being made: they are not given out again, and count
            as running for their clients.
        """
        ...

    async def processing(self, now: int) -> list[WaitingJob]:
        """Jobs that some activation should be running now.

        One that was released until later is not among them, unless it is asked to stop.
        """
        ...

    async def counts(self) -> dict[JobStatus, int]:
        """How many jobs stand where."""
        ...

    async def purge(self, ended_before: int, now: int, limit: int = PURGE_BATCH) -> int:
        """Delete jobs that ended before *ended_before*, and cache entries and leases that are
        dead at *now*.

        :param limit: most of each in this call; other writes wait for it.
        :returns: how many jobs and entries were deleted; 0 when none is left.
        """
        ...

    async def ping(self) -> None:
        """Raise :class:`JournalUnavailable` unless the database answers, and can be written."""
        ...

    async def close(self) -> None:
        """Finish what is queued and let go of the database."""
        ...
