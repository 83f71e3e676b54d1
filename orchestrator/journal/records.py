"""What goes into the journal and comes out of it. Times are epoch milliseconds (int)."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from orchestrator.jobs import JobStatus, StepState
from orchestrator.services import Usage
from orchestrator.tenants.quotas import Standing
from orchestrator.tenants.tiers import Tier


class Record(BaseModel):
    """Base of what goes into and comes out of the journal."""

    model_config = ConfigDict(frozen=True)


class NewJob(Record):
    """A job to be accepted.

    :param body_hash: SHA-256 of the canonical request; the same ``(client_id, request_id)``
        with another hash is a conflict.
    :param callback_lane: names the receiver that is to be told of the end, see
        :func:`orchestrator.outbox.lanes.lane_of`; the address itself is in *request*.
    :param publish: the status of the post that is to be made of the article.
    """

    id: str
    client_id: str
    request_id: str
    body_hash: str
    request: dict[str, Any]
    keyword: str
    mode: str
    priority: int = 0
    created_at: int
    callback_lane: str | None = None
    publish: Literal["publish", "draft"] | None = None
    steps: tuple[tuple[str, str], ...]  #: (slug, wire name) in wire order


class Submitted(Record):
    """The outcome of a submission: the job's id, and whether it was there already.

    :param standing: the client's tier, and what is left of its quotas.
    """

    job_id: str
    status: JobStatus
    created: bool
    standing: Standing = Standing(Tier.UNLIMITED)


class Head(Record):
    """How far a job is: where it stands, and the number of its newest event."""

    status: JobStatus
    seq: int


class MemoRecord(Record):
    """One recorded part of a step (or, with step ``""``, of the whole job)."""

    step: str
    part: str
    value: Any
    usage: Usage = Field(default_factory=Usage)
    started_at: int
    ended_at: int


class StepRecord(Record):
    """What is recorded of one step."""

    slug: str
    name: str
    state: StepState
    version: int = 0
    attempts: int = 0
    output: Any = None
    degraded: tuple[str, ...] = ()
    detail: str | None = None
    error: str | None = None
    usage: Usage = Field(default_factory=Usage)
    started_at: int | None = None
    ended_at: int | None = None
    next_attempt_at: int | None = None


class CacheLease(Record):
    """Who makes a value for the cache, and until when (epoch ms) others wait for it at most.

    :param owner: the id of the job that makes it, or :data:`OPEN_TO_ALL` where the last maker found
        that jobs cannot share the value now: everyone makes their own without waiting. (The
        cluster that runs a database's jobs holds such a lease too, under its own name.)
    :param stored_at: when the newest value was stored (epoch ms), so that who asks need not look
        for one that is not there; None: there is none.
    """

    owner: str
    until: int
    stored_at: int | None = None


OPEN_TO_ALL = ""
"""The owner of a lease that nobody waits for."""


class Claim(Record):
    """What an activation gets when it takes a job over: all it needs to go on.

    :param idle_ms: time since ``started_at`` in which no activation ran it (a machine was down,
        the job was paused); it does not count towards the job's deadline.
    :param request_id: of the submission; on the log lines of whoever runs the job.
    """

    job_id: str
    epoch: int
    request_id: str = ""
    request: dict[str, Any]
    client_id: str
    created_at: int
    started_at: int
    idle_ms: int = 0
    cancel_requested: bool = False
    pause_requested: bool = False
    steps: tuple[StepRecord, ...]
    memos: tuple[MemoRecord, ...]


class WaitingJob(Record):
    """A job that should have an actor: it waits for admission, or runs.

    :param label: keyword and step, for people: ``AI in SEO - 4/8 Generating Article``.
    :param epoch: of its newest activation.
    :param owner: who claimed it last, ``<node id>/<process id>``; empty before the first claim.
    :param seq: number of its newest event: it grows while the job gets on.
    :param stop_requested: ``cancel`` or ``pause`` when a client asked a running job to stop.
    """

    job_id: str
    client_id: str
    label: str
    priority: int
    created_at: int
    epoch: int = 0
    owner: str = ""
    seq: int = 0
    stop_requested: Literal["cancel", "pause"] | None = None


class BreakerRecord(Record):
    """A breaker's state as it survives its actor: an opaque JSON object of the breaker's own."""

    service: str
    state: dict[str, Any]
    updated_at: int


class Outgoing(Record):
    """An entry of the outbox that is due."""

    id: str
    job_id: str
    kind: Literal["webhook", "publish"]
    lane: str


class Parcel(Record):
    """An entry of the outbox, claimed, with all that is needed to send it.

    :param event: type of the event it tells of, and *created_at* its time.
    :param tries: attempts that failed since *since*, where its deadline counts from.
    :param data: what a webhook says of the job.
    :param callback_url: of a webhook: where to.
    :param publish: of a publication: the status the post is to have.
    :param post_id: the post to update, or None to make one.
    :param post_modified: when that post was changed last before the job read it (UTC, as
        :attr:`orchestrator.services.Post.modified`); None if the job did not read it.
    :param result: of a publication: the job's result.
    """

    id: str
    job_id: str
    kind: Literal["webhook", "publish"]
    event: str
    client_id: str
    request_id: str
    submitted_at: int
    created_at: int
    tries: int
    since: int
    data: dict[str, Any]
    callback_url: str | None = None
    publish: str | None = None
    post_id: int | None = None
    post_modified: str | None = None
    result: dict[str, Any] | None = None


class Report(Record):
    """What became of an attempt to send an entry of the outbox.

    :param outcome: ``done``; ``failed`` for good; ``retry`` at *next_at*; ``defer``: nothing was
        sent (an open breaker, no gateway), go on at *next_at* and count no attempt.
    :param outcome_data: the post that was made.
    """

    outcome: Literal["done", "failed", "retry", "defer"]
    at: int
    duration_ms: int
    status: int | None = None
    error: str | None = None
    answer: str | None = None
    next_at: int | None = None
    outcome_data: dict[str, Any] | None = None
