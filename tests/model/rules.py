"""The promises of the journal, each a function of one change: what one write did to a job."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from orchestrator.errors import JobEnded, StaleEpoch
from orchestrator.jobs import ENDED, TRANSITIONS, JobStatus
from orchestrator.journal.group import AlreadyDone
from tests.model.snapshot import EventRow, Snapshot


class Violation(AssertionError):
    """A promise was broken."""


@dataclass(frozen=True, slots=True)
class Change:
    """One piece of work and what it did."""

    name: str  #: of the operation
    args: tuple[Any, ...]
    before: Snapshot
    after: Snapshot
    events: list[EventRow]
    value: Any = None
    error: Exception | None = None


FENCED = frozenset({
    "begin_attempt", "record_retry", "record_wait", "record_step", "record_memo",
    "record_progress", "finish", "release",
})  # fmt: skip
"""Writes that only the owner's epoch may do."""


def require(holds: bool, promise: str) -> None:
    """Raise :class:`Violation` unless the promise holds."""
    if not holds:
        raise Violation(promise)


def check(change: Change) -> None:
    """Hold every rule against the change."""
    for rule in ALWAYS:
        rule(change)
    if change.before.job is not None and change.after.job is not None:
        for rule in WHILE_IT_EXISTS:
            rule(change)


def a_refused_write_changes_nothing(change: Change) -> None:
    if change.error is not None:
        require(change.before == change.after, "a refused write changed something")


def only_the_owner_writes(change: Change) -> None:
    if change.name not in FENCED:
        return
    job, epoch = change.before.job, change.args[1]
    owned = (
        job is not None
        and (job.epoch, job.status) == (epoch, "processing")
        and job.owner is not None  # else that activation has released it, and writes no more
    )
    refused = isinstance(change.error, StaleEpoch | JobEnded)
    repeated = isinstance(change.error, AlreadyDone) and change.name in ("finish", "release")
    require(owned or refused or repeated, f"epoch {epoch} wrote, and does not own {job}")
    require(not (owned and refused), f"epoch {epoch} owns the job, and was refused")


def each_change_has_its_event(change: Change) -> None:
    """Progress, idle time and poison counts ride along; everything else is told."""
    before, after, events = change.before, change.after, change.events
    if after.job is None:
        require(change.name in ("erase", "purge") or before.job is None, "the job vanished")
        return
    told = [event.seq for event in events]
    first = before.events + 1
    require(told == list(range(first, after.events + 1)), f"events {told} after {first - 1}")
    require(after.job.last_seq == after.events, "the job's row counts other events than there are")
    changed = _told(before) != _told(after)
    require(changed == bool(events), f"changed: {changed}, and the events are {events}")
    most = 2 if change.name == "finish" else 1
    require(len(events) <= most, f"one write, and the events are {events}")


def _told(seen: Snapshot) -> Any:
    job = seen.job
    if job is None:
        return None
    flags = (job.cancel_requested, job.pause_requested, job.resume_requested)
    return job.status, job.epoch, job.attempt, flags, job.retried_at, seen.steps, seen.wake


def epochs_only_grow(change: Change) -> None:
    before, after = change.before.job, change.after.job
    assert before is not None
    assert after is not None
    require(after.epoch >= before.epoch, "the epoch shrank")
    if change.name == "claim" and change.error is None:
        require(after.epoch == before.epoch + 1, "a claim is the next epoch")


def every_move_is_legal(change: Change) -> None:
    before, after = change.before.job, change.after.job
    assert before is not None
    assert after is not None
    if before.status == after.status:
        return
    old, new = JobStatus(before.status), JobStatus(after.status)
    taken_back = (change.name, old, new) == ("finish", JobStatus.PROCESSING, JobStatus.QUEUED)
    require(new in TRANSITIONS[old] or taken_back, f"{change.name}: {old} -> {new}")
    if old in ENDED:
        require(change.name == "retry", f"{change.name} moved an ended job to {new}")
    if new is JobStatus.CANCELLED:
        require(bool(after.cancel_requested), "cancelled, and nobody had asked for it")
    if new is JobStatus.PAUSED and change.name == "finish":
        require(bool(before.pause_requested), "paused, and nobody had asked for it")


def a_retry_asked_for_once_happens_once(change: Change) -> None:
    before, after = change.before.job, change.after.job
    assert before is not None
    assert after is not None
    if change.name == "retry" and before.status != after.status:
        require(before.retried_at != change.args[1], "the same retry happened twice")


def the_first_value_stays(change: Change) -> None:
    """Nothing recorded is changed or lost, unless a retry from a step forgets it."""
    if change.name == "retry" and change.args[2] is not None:
        return
    kept = {key: change.after.memos.get(key) for key in change.before.memos}
    require(kept == change.before.memos, f"recorded memos changed: {change.before.memos} to {kept}")
    was = {step.slug: step for step in change.before.steps if step.state == "completed"}
    for step in change.after.steps:
        if step.slug in was:
            require(step == was[step.slug], f"the recorded step {step.slug} changed")


def progress_is_a_high_water_mark(change: Change) -> None:
    was = {step.slug for step in change.before.steps if step.begun}
    now = {step.slug for step in change.after.steps if step.begun}
    require(was <= now, "a step on the wire went backwards")


def times_make_sense(change: Change) -> None:
    job = change.after.job
    assert job is not None
    require((job.completed_at is not None) == (job.status in ENDED), "completedAt without an end")
    require(job.idle_ms >= 0, "negative idle time")


ALWAYS = (a_refused_write_changes_nothing, only_the_owner_writes, each_change_has_its_event)
WHILE_IT_EXISTS = (
    epochs_only_grow, every_move_is_legal, a_retry_asked_for_once_happens_once,
    the_first_value_stays, progress_is_a_high_water_mark, times_make_sense,
)  # fmt: skip
