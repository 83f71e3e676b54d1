"""Which running jobs still live: a decision over what was seen of each. No clock, no Ray.

A job that gets on writes events, and needs no asking. One that is quiet is asked for a sign of
life; one that does not answer has its process looked at. A process that computes may just be
slow to answer and is given a minute; one that does nothing at all (stopped, stuck, its node
frozen) is lost, and the job is given to another. The journal's epoch fences whatever is left
of it, so a wrong guess costs the calls in flight and nothing else.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

QUIET_SECONDS = 1.5
"""A job without an event for so long is asked for a sign of life."""

CONFIRM_SECONDS = 5.0
"""Every job is asked at least so often: the asking tells an activation that it still owns its
job (``actors/job.py`` asks the journal when nobody has told it for longer)."""

ASKED_PER_SECOND = 100
"""With many jobs each is asked less often, so that asking stays cheap."""

SILENT_SECONDS = 2.5
"""An actor that has not answered for so long has its process looked at. Together with the two
looks and the start of another this keeps within the ten seconds that a job may lie still."""

LOOK_SECONDS = 1.5
"""Between two looks at a silent process: one that gets any CPU at all shows it by then."""

BUSY_SECONDS = 60.0
"""A process that computes without answering is given up after this."""

STARTING_SECONDS = 60.0
"""Ray gives a worker process this long to register (``worker_register_timeout_seconds``)."""


@dataclass(slots=True)
class _Watch:
    """What is known of one job's actor. Times are the caller's seconds."""

    epoch: int
    seq: int
    moved_at: float  #: its last event
    told_at: float  #: its last answer
    asked_at: float | None = None  #: of the question that is still open
    starts_until: float = 0.0  #: it may be silent, until it has claimed the job
    looked_at: float | None = None
    cpu: float | None = None


class Vigil:
    """Watches the running jobs. Every method takes the time, in seconds of any one clock."""

    def __init__(self) -> None:
        self._watches: dict[str, _Watch] = {}

    def keep_only(self, job_ids: Collection[str]) -> None:
        """Forget every other job."""
        self._watches = {job: watch for job, watch in self._watches.items() if job in job_ids}

    def forget(self, job_id: str) -> None:
        """Forget this job."""
        self._watches.pop(job_id, None)

    def saw(self, job_id: str, epoch: int, seq: int, now: float) -> None:
        """The journal shows the job at this epoch and event."""
        watch = self._watches.get(job_id)
        if watch is None or epoch > watch.epoch:
            self._watches[job_id] = _Watch(epoch, seq, moved_at=now, told_at=now)
        elif seq > watch.seq:
            watch.seq, watch.moved_at = seq, now

    def starts(self, job_id: str, epoch: int, now: float) -> None:
        """An actor was made for the job, or is being restarted; *epoch* is the one before it."""
        self._watches[job_id] = _Watch(
            epoch, 0, moved_at=now, told_at=now, starts_until=now + STARTING_SECONDS
        )

    def starting(self, now: float) -> int:
        """How many actors have been made and have not claimed their jobs yet."""
        return sum(now < watch.starts_until for watch in self._watches.values())

    def to_ask(self, now: float) -> list[str]:
        """Jobs to ask for a sign of life now."""
        pace = max(1.0, len(self._watches) / ASKED_PER_SECOND)
        return [
            job_id
            for job_id, watch in self._watches.items()
            if watch.asked_at is None
            and now >= watch.starts_until
            and now - watch.told_at
            >= max(
                QUIET_SECONDS if now - watch.moved_at >= QUIET_SECONDS else CONFIRM_SECONDS, pace
            )
        ]

    def asked(self, job_id: str, now: float) -> None:
        """The job's actor has been asked."""
        if (watch := self._watches.get(job_id)) is not None:
            watch.asked_at = now

    def answered(self, job_id: str, now: float) -> None:
        """It has answered."""
        if (watch := self._watches.get(job_id)) is not None:
            watch.told_at, watch.asked_at = now, None
            watch.looked_at = watch.cpu = None

    def to_look_at(self, now: float) -> list[str]:
        """Jobs whose processes are to be looked at: asked, silent, and not just looked at."""
        return [
            job_id
            for job_id, watch in self._watches.items()
            if watch.asked_at is not None
            and now - watch.asked_at >= SILENT_SECONDS
            and (watch.looked_at is None or now - watch.looked_at >= LOOK_SECONDS)
        ]

    def looked(self, job_id: str, cpu: float | None, now: float) -> bool:
        """Its process has used *cpu* seconds, or cannot be seen (None); True if it is lost."""
        watch = self._watches.get(job_id)
        if watch is None or watch.asked_at is None:
            return False
        before, watch.cpu, watch.looked_at = watch.cpu, cpu, now
        if cpu is None or now - watch.asked_at >= BUSY_SECONDS:
            return True
        return before is not None and cpu <= before
