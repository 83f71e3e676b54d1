"""The model of a job: what its events alone say of it.

If the journal writes each change and its event in one transaction, then replaying the events
gives the very state that stands in the rows, after every single write.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from tests.model.snapshot import EventRow, JobRow, Snapshot

LIVE = {"running", "waiting"}


@dataclass
class Replayed:
    """The state that a row of events leads to."""

    numbers: dict[str, int]  #: of the job's steps, by slug
    status: str = ""
    cancel: bool = False
    pause: bool = False
    resume: bool = False
    wake: int | None = None
    steps: dict[int, str] = field(default_factory=dict)
    attempts: dict[int, int] = field(default_factory=dict)
    begun: set[int] = field(default_factory=set)

    def apply(self, event: EventRow) -> None:
        """Take one event in."""
        RULES[event.type](self, event)

    def differences(self, seen: Snapshot) -> list[str]:
        """What the rows say otherwise."""
        job = seen.job
        assert job is not None
        told = {
            "status": (self.status, job.status),
            "flags": ((self.cancel, self.pause, self.resume), _flags(job)),
            "steps": ({n: self.steps.get(n, "pending") for n, *_ in seen.steps},
                      {step.number: step.state for step in seen.steps}),
            "attempts": ({n: self.attempts.get(n, 0) for n, *_ in seen.steps},
                         {step.number: step.attempts for step in seen.steps}),
            "wake": (self.wake, seen.wake),
            "begun": (self.begun, {step.number for step in seen.steps if step.begun}),
        }  # fmt: skip
        return [f"{what}: {a} by events, {b} in rows" for what, (a, b) in told.items() if a != b]

    # -- what each event means ------------------------------------------------------------

    def queued(self, event: EventRow) -> None:
        facts = event.facts
        self.status, self.pause, self.resume = "queued", False, False
        if facts["reason"] == "retried":
            self.cancel = False
            self._start_afresh(facts.get("fromStep"))

    def _start_afresh(self, from_slug: str | None) -> None:
        first = None if from_slug is None else self.numbers[from_slug]
        for number, state in self.steps.items():
            if state != "completed" or (first is not None and number >= first):
                self.steps[number], self.attempts[number] = "pending", 0

    def taken_over(self, event: EventRow) -> None:
        self.status, self.wake = "processing", None

    def released(self, event: EventRow) -> None:
        self.wake = event.facts["until"]
        self._settle({"running"})

    def cancel_requested(self, event: EventRow) -> None:
        self.cancel = True

    def pause_requested(self, event: EventRow) -> None:
        self.pause, self.resume = True, False

    def resume_requested(self, event: EventRow) -> None:
        self.pause, self.resume = False, True

    def paused(self, event: EventRow) -> None:
        self.status, self.pause = "paused", False
        self._settle({"running"})

    def ended(self, event: EventRow) -> None:
        if event.type == "job.cancelled" and self.status in ("queued", "paused"):
            self.cancel = True
        self.status = event.type.removeprefix("job.")
        self._settle(LIVE)

    def _settle(self, states: set[str]) -> None:
        for number, state in self.steps.items():
            if state in states:
                self.steps[number] = "pending"

    def step_moved(self, event: EventRow) -> None:
        facts = event.facts
        number = facts["number"]
        self.steps[number] = STEP_STATES[event.type]
        if event.type == "step.started":
            self.attempts[number] = facts["attempt"]
        if event.type in ("step.started", "step.completed"):
            self.begun.add(number)

    def step_progressed(self, event: EventRow) -> None:
        assert self.steps[event.facts["number"]] == "running"


def _flags(job: JobRow) -> tuple[bool, bool, bool]:
    return bool(job.cancel_requested), bool(job.pause_requested), bool(job.resume_requested)


STEP_STATES = {
    "step.started": "running",
    "step.retrying": "waiting",
    "step.waiting": "waiting",
    "step.completed": "completed",
    "step.failed": "failed",
}

RULES: dict[str, Callable[[Replayed, EventRow], None]] = {
    "job.queued": Replayed.queued,
    "job.started": Replayed.taken_over,
    "job.resumed": Replayed.taken_over,
    "job.released": Replayed.released,
    "job.cancel_requested": Replayed.cancel_requested,
    "job.pause_requested": Replayed.pause_requested,
    "job.resume_requested": Replayed.resume_requested,
    "job.paused": Replayed.paused,
    "job.completed": Replayed.ended,
    "job.failed": Replayed.ended,
    "job.cancelled": Replayed.ended,
    "step.progress": Replayed.step_progressed,
    **dict.fromkeys(STEP_STATES, Replayed.step_moved),
}
"""Every type of event."""
