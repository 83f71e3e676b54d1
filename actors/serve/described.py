"""What the OpenAPI document says of each route beyond what its signature says.

A route that is not here still gets everything that holds for all of them
(:mod:`actors.serve.contract`); a test asks for an entry.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from actors.serve import samples
from orchestrator.journal.events import EventType

JSON = "application/json"
Schema = dict[str, Any]


def ref(name: str) -> Schema:
    """A schema of the document by its name."""
    return {"$ref": f"#/components/schemas/{name}"}


TEXT: Schema = {"type": "string"}
_COUNT: Schema = {"type": "integer", "minimum": 0}

MESSAGE: Schema = {
    "type": "object",
    "required": ["id", "event", "data"],
    "properties": {
        "id": {"type": "string", "pattern": "^[0-9]+$", "description": "The event's `seq`."},
        "event": {"type": "string", "enum": [str(kind) for kind in EventType]},
        "data": {
            "type": "string",
            "contentMediaType": JSON,
            "contentSchema": ref("EventView"),
            "description": "The event itself, as JSON.",
        },
    },
}
"""One Server-Sent Event."""


@dataclass(frozen=True, slots=True)
class Reply:
    """One successful response (or the 503 of ``health``, which is a report too).

    :param media: content type of the body; None: there is no body.
    :param headers: names of response headers of its own, from :data:`HEADERS`.
    """

    status: int
    says: str
    schema: Schema | None = None
    media: str | None = JSON
    headers: tuple[str, ...] = ()
    examples: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Route:
    """One route.

    :param kinds: names of the problems of its own (:data:`orchestrator.problems.KINDS`).
    :param body: schema of the request's body, if it reads one.
    """

    id: str
    tag: str
    summary: str
    replies: tuple[Reply, ...]
    kinds: tuple[str, ...] = ()
    body: Schema | None = None
    body_examples: Mapping[str, Any] = field(default_factory=dict)


HEADERS: Mapping[str, Schema] = {
    "X-Request-ID": {
        "description": "The request's id: the client's own, where it sent a safe one. It is on "
        "every log line about the request.",
        "schema": {"type": "string", "minLength": 1, "maxLength": 128},
        "required": True,
    },
    "X-Correlation-ID": {
        "description": "The id of what the request is part of: the client's own, or the request's.",
        "schema": {"type": "string", "minLength": 1, "maxLength": 128},
        "required": True,
    },
    "Retry-After": {
        "description": "Seconds to wait before the request is sent again.",
        "schema": {"type": "integer", "minimum": 0},
        "required": True,
    },
    "WWW-Authenticate": {
        "description": "The ways to say who asks.",
        "schema": {"type": "string"},
        "required": True,
    },
    **{
        name: {"description": says, "schema": schema, "required": False}
        for name, says, schema in (
            ("RateLimit-Limit", "The limit that is nearest its end.", _COUNT),
            ("RateLimit-Remaining", "What is left of it.", _COUNT),
            ("RateLimit-Reset", "Seconds until it begins anew.", _COUNT),
            ("RateLimit-Policy", "Every limit: its number `q` and its window `w`.", TEXT),
            ("RateLimit", "Every limit: what is left, `r`, and the seconds `t`.", TEXT),
        )
    },
    "ETag": {
        "description": "The state of the job; send it back as `If-None-Match`.",
        "schema": {"type": "string", "pattern": '^"[0-9a-f]{24}"$'},
        "required": True,
    },
    "Cache-Control": {
        "description": "The stream is not to be stored.",
        "schema": {"type": "string"},
        "required": True,
    },
}
"""Response headers by name."""

RATE_LIMITS = tuple(name for name in HEADERS if name.startswith("RateLimit"))
"""What a client that is limited is told of its limits."""

_AS_IT_IS = Reply(
    202, "The job as it is now: it has not ended.", ref("JobView"),
    examples={"processing": samples.PROCESSING, "queued": samples.QUEUED},
)  # fmt: skip
_ENDED = Reply(
    200, "The job has ended.", ref("JobView"),
    examples={"cancelled": samples.CANCELLED, "completed": samples.COMPLETED},
)  # fmt: skip


def _control(what: str, summary: str, kinds: tuple[str, ...] = ()) -> Route:
    return Route(what, "jobs", summary, (_ENDED, _AS_IT_IS), kinds)


PREFIX = "/orchestrator"

ROUTES: Mapping[tuple[str, str], Route] = {
    ("post", f"{PREFIX}/ultra-sota"): Route(
        "submit", "jobs", "Hand in a job",
        (
            Reply(
                202, "The job is on disk, and will end.", ref("SubmitAccepted"),
                headers=RATE_LIMITS,
                examples={"accepted": samples.ACCEPTED, "warned": samples.WARNED},
            ),
        ),
        ("invalid-input", "request-conflict", "forbidden", "quota-exceeded", "queue-full"),
        body=ref("SubmitRequest"),
        body_examples={"generate": samples.SUBMISSION, "refresh": samples.REFRESH},
    ),
    ("get", f"{PREFIX}/job/{{job_id}}"): Route(
        "job", "jobs", "Look at a job, or wait for it",
        (
            Reply(200, "The job has ended; a completed one has its `result`.", ref("JobView"),
                  headers=("ETag",), examples={"completed": samples.COMPLETED}),
            Reply(202, "The job has not ended.", ref("JobView"), headers=("ETag",),
                  examples={"processing": samples.PROCESSING, "queued": samples.QUEUED}),
            Reply(304, "The job is as it was (`If-None-Match`).", media=None, headers=("ETag",)),
        ),
    ),
    ("delete", f"{PREFIX}/job/{{job_id}}"): Route(
        "erase", "jobs", "Erase a job; a running one is cancelled first",
        (Reply(204, "Nothing is left of the job.", media=None),),
    ),
    ("get", f"{PREFIX}/job/{{job_id}}/events"): Route(
        "events", "jobs", "Follow a job's events",
        (
            Reply(
                200, "Server-Sent Events until the job has ended; the schema is that of each. "
                "Comments come every 15 s while nothing happens. The stream may end before the "
                "job does: take it up again with `Last-Event-ID`.",
                MESSAGE, "text/event-stream", headers=("Cache-Control",),
                examples={"event": samples.MESSAGE},
            ),
        ),
        ("too-many-streams", "streams-full"),
    ),
    ("post", f"{PREFIX}/job/{{job_id}}/cancel"): _control("cancel", "Cancel a job"),
    ("post", f"{PREFIX}/job/{{job_id}}/pause"): _control(
        "pause", "Pause a job", ("illegal-transition",)
    ),
    ("post", f"{PREFIX}/job/{{job_id}}/resume"): _control(
        "resume", "Queue a paused job again", ("illegal-transition",)
    ),
    ("post", f"{PREFIX}/job/{{job_id}}/retry"): _control(
        "retry", "Queue a failed or cancelled job again",
        ("illegal-transition", "quota-exceeded"),
    ),
    ("get", f"{PREFIX}/job/{{job_id}}/deliveries"): Route(
        "deliveries", "jobs", "See what a job sent: webhooks and publications",
        (Reply(200, "Every message with its attempts.", ref("DeliveryList")),),
    ),
    ("post", f"{PREFIX}/job/{{job_id}}/deliveries/{{delivery_id}}/redeliver"): Route(
        "redeliver", "jobs", "Send a webhook or publish again",
        (Reply(202, "It is queued, under its old id.", ref("DeliveryView")),),
        ("delivery-not-found", "illegal-transition"),
    ),
    ("get", f"{PREFIX}/usage"): Route(
        "usage", "clients", "See a client's limits and what it uses of them",
        (Reply(200, "Its tier, its limits, and what is used now.", ref("UsageView"),
               headers=RATE_LIMITS),),
        ("forbidden", "quota-exceeded"),
    ),
    ("get", f"{PREFIX}/jobs"): Route(
        "list", "jobs", "List jobs, newest first",
        (Reply(200, "A page of jobs, without results.", ref("JobPage"),
               examples={"page": samples.PAGE}),),
        ("forbidden",),
    ),
    ("get", f"{PREFIX}/breakers"): Route(
        "breakers", "service", "Look at the circuit breakers",
        (Reply(200, "Every breaker.", {"type": "array", "items": ref("BreakerView")},
               examples={"breakers": samples.BREAKERS}),),
    ),
    ("get", f"{PREFIX}/health"): Route(
        "health", "service", "Ask whether jobs can be accepted",
        (
            Reply(200, "Jobs can be accepted.", ref("Health"), examples={"ok": samples.HEALTHY}),
            Reply(503, "Jobs cannot be accepted; `journal` says why.", ref("Health"),
                  headers=("Retry-After",), examples={"unavailable": samples.UNHEALTHY}),
        ),
    ),
    ("get", f"{PREFIX}/metrics"): Route(
        "metrics", "service", "Metrics for Prometheus",
        (Reply(200, "The journal and the breakers, in Prometheus's text format.", TEXT,
               "text/plain", examples={"metrics": samples.METRICS}),),
        ("forbidden",),
    ),
    ("get", f"{PREFIX}/openapi.json"): Route(
        "openapi", "contract", "This document",
        (Reply(200, "The OpenAPI document.", {"type": "object"}),),
    ),
    ("get", f"{PREFIX}/docs"): Route(
        "docs", "contract", "This document, to read",
        (Reply(200, "A page that needs nothing but itself.", TEXT, "text/html"),),
    ),
    ("get", f"{PREFIX}/problems/{{kind}}"): Route(
        "problem", "contract", "Read what a problem's `type` means",
        (Reply(200, "What has happened and what to do about it.", TEXT, "text/html"),),
        ("http",),
    ),
}  # fmt: skip
"""The routes by method and path."""
