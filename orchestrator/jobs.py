"""States of a job and of a step, and the legal moves between them.

The two enums are wire data: their values are stored and sent, and never change
(``tests/unit/test_names.py`` pins them). The journal guards each move with a
``WHERE status IN (...)`` built from :data:`TRANSITIONS`.
"""

from __future__ import annotations

import enum
import random
import string
from collections.abc import Mapping

from orchestrator.errors import IllegalTransition


class JobStatus(enum.StrEnum):
    """Where a job stands."""

    QUEUED = "queued"
    PROCESSING = "processing"
    PAUSED = "paused"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def has_ended(self) -> bool:
        """True once nothing will run any more, unless a client asks for a retry."""
        return self in ENDED


class StepState(enum.StrEnum):
    """Where a step of a job stands."""

    PENDING = "pending"
    RUNNING = "running"
    WAITING = "waiting"
    COMPLETED = "completed"
    FAILED = "failed"


ENDED = frozenset({JobStatus.COMPLETED, JobStatus.FAILED, JobStatus.CANCELLED})

TRANSITIONS: Mapping[JobStatus, frozenset[JobStatus]] = {
    JobStatus.QUEUED: frozenset(
        {JobStatus.PROCESSING, JobStatus.PAUSED, JobStatus.CANCELLED, JobStatus.FAILED}
    ),
    # processing -> processing: a new activation takes the job over with a higher epoch
    JobStatus.PROCESSING: frozenset({JobStatus.PROCESSING, JobStatus.PAUSED, *ENDED}),
    JobStatus.PAUSED: frozenset({JobStatus.QUEUED, JobStatus.CANCELLED, JobStatus.FAILED}),
    JobStatus.COMPLETED: frozenset(),
    JobStatus.FAILED: frozenset({JobStatus.QUEUED}),  # a client's retry
    JobStatus.CANCELLED: frozenset({JobStatus.QUEUED}),  # a client's retry
}


def sources_of(target: JobStatus) -> frozenset[JobStatus]:
    """The states from which a job may move to *target*."""
    return frozenset(source for source, targets in TRANSITIONS.items() if target in targets)


def check_transition(source: JobStatus, target: JobStatus) -> None:
    """Raise :class:`IllegalTransition` unless *source* may become *target*."""
    if target not in TRANSITIONS[source]:
        raise IllegalTransition(f"a job that is {source} cannot become {target}")


def new_job_id(now_ms: int, rand: random.Random) -> str:
    """A fresh job id: ``job_<13-digit epoch ms>_<9 characters of [a-z0-9]>``.

    :param now_ms: the time of submission in epoch milliseconds.
    """
    suffix = "".join(rand.choices(string.ascii_lowercase + string.digits, k=9))
    return f"job_{now_ms:013d}_{suffix}"
