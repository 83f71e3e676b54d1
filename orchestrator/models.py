"""The wire: what clients send and what they get back.

Field names are Python's on the inside and camelCase on the wire (aliases). Times on the
wire are epoch milliseconds, as the original service had them.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, HttpUrl, StringConstraints, field_validator
from pydantic.alias_generators import to_camel

from orchestrator.jobs import JobStatus, StepState

KEYWORD_MIN, KEYWORD_MAX = 3, 200  #: characters, DESIGN section 4
MAX_PAGES = 500  #: existingPages
Mode = Literal["generate", "refresh"]
MAX_BODY_BYTES = 2 * 1024 * 1024  #: of a request's body


class Wire(BaseModel):
    """Base of everything that crosses the wire: camelCase aliases, strict about extras."""

    model_config = ConfigDict(
        alias_generator=to_camel, populate_by_name=True, extra="forbid", frozen=True
    )


class ExistingPage(Wire):
    """A page of the client's own site that the article may link to."""

    model_config = ConfigDict(extra="ignore")

    title: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=300)]
    slug: Annotated[str, StringConstraints(strip_whitespace=True, max_length=300)] = ""
    url: HttpUrl


class SubmitRequest(Wire):
    """The body of ``POST /orchestrator/ultra-sota``, keys of the client's removed.

    Unknown fields are ignored, because older clients send some; fields that carry secrets
    (:data:`DROPPED_FIELDS`) are dropped at the edge before this model sees them.
    """

    model_config = ConfigDict(extra="ignore")

    keyword: Annotated[
        str,
        StringConstraints(strip_whitespace=True, min_length=KEYWORD_MIN, max_length=KEYWORD_MAX),
    ]

    @field_validator("keyword")
    @classmethod
    def _has_words(cls, keyword: str) -> str:
        if not any(character.isalnum() for character in keyword):
            raise ValueError("has no letter or digit; say what the article is about")
        return keyword

    existing_pages: list[ExistingPage] = Field(default_factory=list, max_length=MAX_PAGES)
    model: str | None = Field(default=None, max_length=100)
    mode: Mode = "generate"
    existing_content: str | None = None
    post_id: int | None = Field(default=None, ge=1)
    use_god_mode: bool = False
    serp_data: dict[str, Any] | None = None
    neuron_data: dict[str, Any] | None = None
    recent_news: list[Any] | dict[str, Any] | str | None = None
    locale: Annotated[str, StringConstraints(pattern=r"^[a-z]{2}(-[A-Z]{2})?$")] = "en-US"
    request_id: str | None = Field(default=None, min_length=1, max_length=200)
    client_id: str | None = Field(default=None, min_length=1, max_length=200)
    timestamp: int | None = Field(default=None, ge=0)
    priority: int = Field(default=0, ge=-100, le=100)
    callback_url: HttpUrl | None = None
    publish: bool | Literal["draft"] = False


DROPPED_FIELDS = ("serperApiKey", "aiClient", "apiKey", "anthropicApiKey", "wordpressPassword")
"""Request fields that carry secrets for historical reasons: accepted, never stored."""


class SubmitAccepted(Wire):
    """The answer to an accepted submission (202)."""

    job_id: str
    status: JobStatus
    request_id: str
    warnings: list[str] = Field(default_factory=list)


class StepView(Wire):
    """One step of a job as a client sees it."""

    name: str
    state: StepState
    attempts: int = 0
    started_at: int | None = None
    ended_at: int | None = None
    degraded: list[str] = Field(default_factory=list)
    detail: str | None = None  #: sub-step progress, such as ``section 3 of 8``
    error: str | None = None
    cost: float = 0.0  #: US dollars


class PublicationView(Wire):
    """How far the publication of a completed job's article is."""

    state: Literal["queued", "published", "failed"]
    post_id: int | None = None
    url: str | None = None
    error: str | None = None  #: of the last attempt, or why it failed for good
    attempts: int = 0
    next_at: int | None = None  #: of the next attempt, while queued


class AttemptView(Wire):
    """One attempt to deliver a message."""

    attempt: int
    at: int
    duration_ms: int | None = None
    status: int | None = None  #: of the receiver's answer, where there was one
    error: str | None = None  #: None: it arrived
    answer: str | None = None  #: the beginning of a failing receiver's own words


class DeliveryView(Wire):
    """One message to the outside, and every attempt to deliver it."""

    id: str  #: of a webhook: its ``webhook-id``
    kind: Literal["webhook", "publish"]
    type: str  #: of the event it tells of, such as ``job.completed``
    state: Literal["queued", "delivered", "failed"]
    created_at: int
    next_at: int | None = None
    done_at: int | None = None
    error: str | None = None
    attempts: list[AttemptView] = Field(default_factory=list)


class DeliveryList(Wire):
    """``GET /orchestrator/job/{id}/deliveries``."""

    deliveries: list[DeliveryView]


class JobView(Wire):
    """A job as a client sees it (``GET /orchestrator/job/{id}``)."""

    id: str
    status: JobStatus
    step: int  #: 1-based number of the highest step begun, 0 before the first
    total_steps: int
    step_name: str | None = None
    created_at: int
    started_at: int | None = None
    completed_at: int | None = None
    result: dict[str, Any] | None = None
    error: str | None = None
    request_id: str
    keyword: str
    mode: str = "generate"
    steps: list[StepView] = Field(default_factory=list)
    progress: float = 0.0  #: 0..1
    #: what runs now, such as ``Generating Article: sections 3 of 8``, in wire order
    activity: list[str] = Field(default_factory=list)
    cost: float = 0.0  #: US dollars
    attempt: int = 0  #: activations of the job's actor so far
    queue_position: int | None = None  #: an estimate, see docs/tenants.md
    cancel_requested: bool = False
    publication: PublicationView | None = None  #: once completed, if it was asked for


class JobPage(Wire):
    """A page of ``GET /orchestrator/jobs``."""

    jobs: list[JobView]
    next_cursor: str | None = None


class EventView(Wire):
    """One entry of a job's append-only event log; ``seq`` is contiguous from 1."""

    seq: int
    type: str
    at: int
    data: dict[str, Any] = Field(default_factory=dict)


class BreakerView(Wire):
    """A circuit breaker as ``GET /orchestrator/breakers`` shows it.

    It opens when there are ``failures`` up to the ``threshold`` within the window *and* the
    ``failure_rate`` of the latest calls there, 0 to 1, is up to its threshold, too.
    """

    service: str
    state: Literal["closed", "open", "half-open"]
    failures: int
    threshold: int
    failure_rate: float | None = None
    failure_rate_threshold: float = 0.0
    window_seconds: float
    cooldown_seconds: float
    opened_at: int | None = None
    retry_after: float | None = None
    opened_count: int = 0


class Health(Wire):
    """``GET /orchestrator/health``: ``status`` is ``ok`` while jobs can be accepted."""

    status: str
    journal: str = ""
    jobs: dict[str, int] = Field(default_factory=dict)


class Problem(Wire):
    """An RFC 9457 problem document."""

    model_config = ConfigDict(extra="allow")

    type: str = "about:blank"
    title: str
    status: int
    detail: str
    instance: str | None = None
    request_id: str | None = None
    errors: list[dict[str, Any]] = Field(default_factory=list)
