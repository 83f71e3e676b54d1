"""The ledger: what was recorded, kept apart from the journal, and held against its rows."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection

from orchestrator.jobs import ENDED
from orchestrator.journal.records import MemoRecord, NewJob
from tests.model import snapshot
from tests.model.replay import Replayed
from tests.model.rules import Change, Violation, check, require
from tests.model.snapshot import NOTHING, Snapshot

POISON_RESET = frozenset({"record_step", "record_memo", "release"})
_CARRIES_USAGE = frozenset({"record_step", "record_retry", "record_wait"})
CENT = 1e-9  #: dollars that two sums may differ by


@dataclass
class JobLedger:
    """One job's account."""

    job_id: str
    max_activations: int
    job_timeout: float
    now: Snapshot = NOTHING  #: as it was last committed
    replayed: Replayed | None = None
    accepted: bool = False  #: a client has its 202
    erased: bool = False
    generation: int = 0  #: grows when recorded values are forgotten on purpose
    claims: int = 0  #: since the last progress
    latest: int = 0  #: the newest time that an event carries, in epoch milliseconds
    cost_usd: float = 0.0
    releases: int = 0  #: until later
    retries: Counter[str] = field(default_factory=Counter)  #: failed attempts, by slug
    accounts: dict[str, float] = field(default_factory=lambda: defaultdict(float))
    """Dollars that each step said it had cost so far, by slug."""
    claimed: dict[int, tuple[int, Snapshot]] = field(default_factory=dict)
    """Generation and rows at the moment of each claim, by epoch."""

    def take(self, change: Change) -> None:
        """Check one committed change and enter it."""
        require(
            change.before == self.now, f"{change.name} found other rows than were committed last"
        )
        check(change)
        self._replay(change)
        if change.error is None:
            self._count(change)
        self.now = change.after
        self._hold_against_rows(change)

    # -- what the simulated processes say they see and do ---------------------------------

    def of_generation(self, epoch: int) -> bool:
        """True if what *epoch* recorded has not been forgotten on purpose since."""
        return not self.erased and self.claimed[epoch][0] == self.generation

    def runs(self, epoch: int, slug: str) -> None:
        """A step's ``run()`` begins: nobody may have recorded it."""
        recorded = self.claimed[epoch][1].completed | self._mine(epoch).completed
        require(slug not in recorded, f"the recorded step {slug} runs again")

    def makes(self, epoch: int, key: tuple[str, str]) -> None:
        """A part is being made: nobody may have recorded it."""
        recorded = self.claimed[epoch][1].memos.keys() | self._mine(epoch).memos.keys()
        require(key not in recorded, f"the recorded part {key} is made again")

    def _mine(self, epoch: int) -> Snapshot:
        """The rows as they are now, for whoever still owns the job."""
        owner = self.now.job.epoch if self.now.job is not None else None
        return self.now if owner == epoch else NOTHING

    def seen(self, epoch: int, key: tuple[str, str], value: Any) -> None:
        """A step was given this value of a part: it must be the recorded one."""
        if self.of_generation(epoch):
            recorded = self.now.memos.get(key)
            require(recorded is not None, f"{key} is used, and not recorded")
            assert recorded is not None
            require(json.loads(recorded[0]) == value, f"{key}: {recorded[0]} stands, {value} used")

    def acknowledged(self, method: str, args: tuple[Any, ...]) -> None:
        """A write was answered: it must be there."""
        if method == "record_memo" and self.of_generation(args[1]):
            memo: MemoRecord = args[2]
            require((memo.step, memo.part) in self.now.memos, f"{memo.part}: answered, not there")
        elif method == "record_step" and self.of_generation(args[1]):
            require(args[2] in self.now.completed, f"{args[2]}: answered, not there")

    # -- checks of each change -------------------------------------------------------------

    def _replay(self, change: Change) -> None:
        if change.after.job is None:
            self.erased = self.erased or change.before.job is not None
            return
        if self.replayed is None:
            self.replayed = Replayed({step.slug: step.number for step in change.after.steps})
        for event in change.events:
            self.replayed.apply(event)
            self.latest = max(self.latest, event.at)
        differences = self.replayed.differences(change.after)
        require(not differences, f"after {change.name}: {differences}")

    def _count(self, change: Change) -> None:
        name, args = change.name, change.args
        fresh = change.before.memos.keys() ^ change.after.memos.keys()
        if name == "record_memo" and fresh:
            self.cost_usd += args[2].usage.cost_usd
        elif name in _CARRIES_USAGE:
            self._enter_account(args[2], args[5].cost_usd)
            self.retries[args[2]] += name == "record_retry"
        elif name == "finish":  # of steps that end without a result
            for slug, usage in args[6].items():
                if slug not in change.before.completed:
                    self._enter_account(slug, usage.cost_usd)
        elif name == "release" and change.value:
            self.releases += args[2] > args[3]
        self._count_claims(change)
        if name == "retry" and _queued_again(change):
            self.generation += args[2] is not None
            self._close_accounts(change)
            self.retries = Counter(
                {s: n for s, n in self.retries.items() if self._keeps(change, s)}
            )

    def _enter_account(self, slug: str, total: float) -> None:
        """A step says what it cost so far: never less than before."""
        before = self.accounts[slug]
        require(total >= before - CENT, f"{slug} had cost {before}, and now {total}")
        self.cost_usd += total - before
        self.accounts[slug] = total

    def _close_accounts(self, change: Change) -> None:
        """A retry from a step: it and the later ones begin new accounts."""
        numbers = {step.slug: step.number for step in change.before.steps}
        first = numbers.get(change.args[2], len(numbers) + 1)
        for slug, number in numbers.items():
            if number >= first:
                self.accounts[slug] = 0.0

    def _keeps(self, change: Change, slug: str) -> bool:
        return slug in change.after.completed

    def _count_claims(self, change: Change) -> None:
        job = change.after.job
        if change.name == "claim" and job is not None:
            poisoned = job.status == "failed"
            require(
                poisoned == (self.claims >= self.max_activations),
                f"poisoned: {poisoned}, after {self.claims} claims without progress",
            )
            self.claims += 1
            self.claimed[job.epoch] = (self.generation, change.after)
        elif (change.name in POISON_RESET and change.value is not False) or _queued_again(change):
            self.claims = 0

    def _hold_against_rows(self, change: Change) -> None:
        job = self.now.job
        if job is None:
            return
        rows = sum(step.cost_usd for step in self.now.steps)
        rows += sum(cost for _, cost in self.now.memos.values()) + job.dropped_cost_usd
        require(
            abs(rows - self.cost_usd) < CENT, f"{self.cost_usd} were recorded, the rows say {rows}"
        )
        for step in self.now.steps:
            if step.begun and step.state != "pending":
                most = 1 + self.retries[step.slug]
                require(step.attempts <= most, f"{step.slug}: {step.attempts} attempts of {most}")
        if job.started_at is not None:
            most = max(0, self.latest - job.started_at)
            require(job.idle_ms <= most, f"idle for {job.idle_ms} of {most} ms")
        if job.status == "completed":
            states = {step.state for step in self.now.steps}
            require(states == {"completed"}, f"completed, and its steps are {states}")
        if job.status == "failed" and change.before.job != job:
            self._check_failure(change)

    def _check_failure(self, change: Change) -> None:
        job = self.now.job
        assert job is not None
        error = job.error or ""
        if error.startswith("poisoned: "):
            return  # counted with the claim
        if error.startswith("the job did not end"):
            ran = (job.completed_at or 0) - (job.started_at or 0) - job.idle_ms
            require(ran >= 1000 * self.job_timeout - 2, f"its time ended after {ran} ms")
            return
        spent = "attempt 6 of 6" in error or "permanent" in error
        require(spent, f"failed for no reason: {error}")


def _queued_again(change: Change) -> bool:
    before, after = change.before.job, change.after.job
    if before is None or after is None or after.status != "queued":
        return False
    return before.status != "queued"


class Ledger:
    """The accounts of all jobs: the audit of an :class:`~tests.model.store.AuditedJournal`."""

    def __init__(self, max_activations: int, job_timeout: float) -> None:
        self.jobs: dict[str, JobLedger] = {}
        self.refused: Counter[str] = Counter()
        self._limits = (max_activations, job_timeout)
        self._pending: list[tuple[JobLedger, Change]] = []
        self._drafts: dict[str, Snapshot] = {}

    def __getitem__(self, job_id: str) -> JobLedger:
        if job_id not in self.jobs:
            self.jobs[job_id] = JobLedger(job_id, *self._limits)
        return self.jobs[job_id]

    @property
    def current(self) -> JobLedger | None:
        """The job that is there now, or was last."""
        living = [job for job in self.jobs.values() if job.now.job is not None]
        return living[-1] if living else next(reversed(self.jobs.values()), None)

    def begin(self) -> None:
        """What a transaction did that was rolled back is forgotten."""
        self._pending.clear()
        self._drafts.clear()

    def work(
        self, conn: Connection, operation: Callable[..., Any], *args: Any, **kwargs: Any
    ) -> Any:
        """Do *operation*, and note what it did to its job."""
        if not args or not isinstance(args[0], str | NewJob) or operation.__name__ in _NOT_OF_A_JOB:
            return operation(conn, *args, **kwargs)
        job = self[args[0].id if isinstance(args[0], NewJob) else args[0]]
        before = snapshot.read(conn, job.job_id)
        self._check_nothing_between(job, before)
        try:
            value = operation(conn, *args, **kwargs)
        except Exception as error:
            self.refused[type(error).__name__] += 1
            note = Change(operation.__name__, args, before, before, [], error=error)
            self._pending.append((job, note))
            raise
        after = snapshot.read(conn, job.job_id)
        events = snapshot.events_after(conn, job.job_id, before.events)
        self._drafts[job.job_id] = after
        self._pending.append(
            (job, Change(operation.__name__, args, before, after, events, value=value))
        )
        return value

    def _check_nothing_between(self, job: JobLedger, before: Snapshot) -> None:
        expected = self._drafts.get(job.job_id, job.now)
        require(before == expected, "rows changed outside of every write, or by a refused one")

    def committed(self) -> None:
        """Enter what is on disk now."""
        pending, self._pending = self._pending, []
        self._drafts.clear()
        for job, change in pending:
            job.take(change)

    def owned(self, job_id: str) -> JobLedger | None:
        """The job if it is there and has been created."""
        job = self.jobs.get(job_id)
        return job if job is not None and job.now.job is not None else None

    def final(self, conn: Connection) -> None:
        """When everything is over: accepted jobs have ended, and the rows are what was entered."""
        for job in self.jobs.values():
            require(snapshot.read(conn, job.job_id) == job.now, "rows changed after the last write")
            row = job.now.job
            if row is None:
                require(job.erased or not job.accepted, f"{job.job_id} was accepted, and is lost")
            elif row.status not in ENDED:
                raise Violation(f"{job.job_id} is {row.status}, and nothing happens any more")


_NOT_OF_A_JOB = frozenset({"cache_put", "save_breaker", "purge"})
