"""The HTTP client: submit a job, watch it, take its result.

::

    from orchestrator.client import Client

    with Client("http://127.0.0.1:8000", client_id="blog") as client:
        job = client.submit("AI in SEO", existing_pages=[{"title": "…", "url": "https://…"}])
        view = job.wait(on_progress=lambda v: print(f"{v.progress:.0%} {v.step_name}"))
        print(view.status, job.result().metadata.word_count)

and the same with ``async``::

    from orchestrator.client import AsyncClient

    async with AsyncClient("http://127.0.0.1:8000") as client:
        job = await client.submit("AI in SEO")
        async for event in job.events():        # reconnects; never repeats, never skips
            print(event.seq, event.type, event.data)
        result = await job.result()             # a JobResult, or raises JobUnsuccessful

Calls are repeated on lost connections and on 429, 502, 503 and 504, with pauses that double and
jitter (``Retry-After`` is honoured), for up to *patience* seconds. A submission may be repeated
safely because it carries a ``requestId``, made once: the service answers a repetition with the
first job.

Where the service asks for keys, give ``key=`` (or set ``SOTA_CLIENT_KEY``): requests are then
signed, or carry the bearer key.

Errors: :class:`ApiError` is the service's own answer (an RFC 9457 problem), one of its kinds
where the problem's type or status says which (:class:`InvalidRequest`, :class:`NotFound`,
:class:`RequestIdUsed`, :class:`NotNow`, :class:`LimitReached`, :class:`Unauthenticated`,
:class:`Forbidden`, :class:`Unavailable`);
:class:`ServiceUnreachable` means there was none, :class:`WaitExpired` ends a wait,
:class:`JobUnsuccessful` says how a job ended, and
:class:`~orchestrator.errors.InvalidInput` refuses a request before it is sent.
"""

from orchestrator.client.aio import AsyncClient, HealthView
from orchestrator.client.errors import (
    ApiError,
    Forbidden,
    InvalidRequest,
    JobUnsuccessful,
    LimitReached,
    NotFound,
    NotNow,
    RequestIdUsed,
    ServiceUnreachable,
    StreamBroken,
    Unauthenticated,
    Unavailable,
    WaitExpired,
)
from orchestrator.client.handle import JobHandle
from orchestrator.client.jobs import AsyncJob
from orchestrator.client.request import SubmitFields
from orchestrator.client.sync import Client, Job
from orchestrator.results import JobResult

__all__ = [
    "ApiError",
    "AsyncClient",
    "AsyncJob",
    "Client",
    "Forbidden",
    "HealthView",
    "InvalidRequest",
    "Job",
    "JobHandle",
    "JobResult",
    "JobUnsuccessful",
    "LimitReached",
    "NotFound",
    "NotNow",
    "RequestIdUsed",
    "ServiceUnreachable",
    "StreamBroken",
    "SubmitFields",
    "Unauthenticated",
    "Unavailable",
    "WaitExpired",
]
