"""The types of a job's events. Wire data: the values are stored and sent, and never change."""

from __future__ import annotations

import enum


class EventType(enum.StrEnum):
    """What happened to a job, in the past tense.

    The data of an event may hold ``step`` (wire name), ``number``, ``attempt``, ``degraded``,
    ``detail``, ``error``, ``reason``, ``fromStep``, ``until``, ``nextAttemptAt``, ``postId`` and
    ``url``; never a result and never a secret.
    """

    JOB_QUEUED = "job.queued"  #: submitted, resumed or retried: see ``reason``
    JOB_STARTED = "job.started"  #: the first activation took the job over
    JOB_RESUMED = "job.resumed"  #: a later activation took it over, after a crash or a pause
    JOB_RELEASED = "job.released"  #: its activation left in good order; taken up at ``until``
    JOB_CANCEL_REQUESTED = "job.cancel_requested"
    JOB_PAUSE_REQUESTED = "job.pause_requested"
    JOB_RESUME_REQUESTED = "job.resume_requested"  #: a pause asked for is not wanted any more
    JOB_PAUSED = "job.paused"
    JOB_COMPLETED = "job.completed"
    JOB_FAILED = "job.failed"
    JOB_CANCELLED = "job.cancelled"
    STEP_STARTED = "step.started"  #: an attempt began
    STEP_RETRYING = "step.retrying"  #: an attempt failed and another follows
    STEP_WAITING = "step.waiting"  #: a breaker is open: no attempt is used up
    STEP_PROGRESS = "step.progress"
    STEP_COMPLETED = "step.completed"
    STEP_FAILED = "step.failed"
    PUBLICATION_QUEUED = "publication.queued"  #: with the job's completion, or redelivered
    PUBLICATION_PUBLISHED = "publication.published"  #: after the job's end
    PUBLICATION_FAILED = "publication.failed"  #: after the job's end, and for good
