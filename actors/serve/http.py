"""What both applications share: request ids, problem documents, and the body's limit."""

from __future__ import annotations

import logging
import math
import time
import uuid
from collections.abc import Iterator, Mapping
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from fastapi.routing import APIRoute
from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from actors.limits import RETRY_AFTER_SECONDS, SAFE_ID
from actors.serve.authentication import Authentication
from actors.serve.places import StreamsFull, TooManyStreams
from orchestrator import errors
from orchestrator.intake import RejectedBody
from orchestrator.models import MAX_BODY_BYTES, Problem
from orchestrator.security.verify import Reason, Refused
from orchestrator.telemetry import context as log_context
from orchestrator.tenants.headers import rate_limit_headers

log = logging.getLogger(__name__)

PROBLEM_JSON = "application/problem+json"

PROBLEMS: Mapping[type[Exception], tuple[int, str, str]] = {
    errors.InvalidInput: (422, "invalid-input", "The request cannot be accepted as it is"),
    errors.Forbidden: (403, "forbidden", "This key does not allow that"),
    errors.RequestConflict: (409, "request-conflict", "This request id was used before"),
    errors.JobNotFound: (404, "job-not-found", "No such job"),
    errors.DeliveryNotFound: (404, "delivery-not-found", "No such delivery"),
    errors.IllegalTransition: (409, "illegal-transition", "The job's state does not allow this"),
    errors.QueueFull: (503, "queue-full", "Too many jobs wait already"),
    errors.JournalUnavailable: (503, "journal-unavailable", "The journal is away; ask again"),
    errors.JournalSealed: (500, "journal-sealed", "The journal is sealed by a key that is missing"),
    TooManyStreams: (429, "too-many-streams", "Too many event streams"),
    StreamsFull: (503, "streams-full", "Every event stream is taken"),
    errors.JournalDamaged: (500, "journal-damaged", "The journal is damaged; it must be restored"),
}
"""Our errors on the wire: status, type and title."""

CHALLENGES = 'Bearer realm="orchestrator", SOTA-HMAC-SHA256 realm="orchestrator"'
_HOW = (
    "sign the request (X-Client-Id, X-Timestamp, X-Signature) or send a key "
    "(Authorization: Bearer sota_…); docs/security.md says how"
)
REFUSALS: Mapping[Reason, str] = {
    Reason.MISSING: f"no credentials came with it: {_HOW}",
    Reason.MALFORMED: f"its credentials cannot be read: {_HOW}",
    Reason.AMBIGUOUS: "what was signed could mean another request too: a signed request has a body "
    "at /orchestrator/ultra-sota only, and no '.' in path or query there",
    Reason.EXPIRED: "its timestamp is more than five minutes from the service's time: set the "
    "clock, and sign it anew",
    Reason.REJECTED: f"its credentials are not accepted: {_HOW}",
    Reason.REPLAYED: "its signature was accepted before: sign it anew, with a new X-Timestamp",
}
"""What a 401 says: never which part of the credentials was wrong."""


class BodyTooLarge(errors.OrchestratorError):
    """The body is larger than :data:`~orchestrator.models.MAX_BODY_BYTES`."""


class RequestIds:
    """Takes ``X-Request-ID`` and ``X-Correlation-ID`` or makes them; logs and returns both.

    Serve's proxy itself makes and returns the request id; only the other is added here.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on with its ids known."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        request_id = _taken(headers.get("x-request-id")) or str(uuid.uuid4())
        ids = {
            "request_id": request_id,
            "correlation_id": _taken(headers.get("x-correlation-id")) or request_id,
        }
        scope.setdefault("state", {}).update(ids)
        log_context.set(ids)

        async def send_with_ids(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message)["X-Correlation-ID"] = ids["correlation_id"]
            await send(message)

        await self._app(scope, receive, send_with_ids)


class ExactPrefix:
    """Lets a request for the route prefix itself, without a last slash, reach the route ``/``.

    Serve keeps the prefix in the path, so FastAPI would answer such a request with a redirect,
    which clients do not follow for a POST.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, its path ending in a slash if it was the prefix alone."""
        if scope["type"] == "http" and scope["path"] == scope.get("root_path"):
            scope = {**scope, "path": scope["path"] + "/"}
        await self._app(scope, receive, send)


class Unexpected:
    """Answers what nobody expected with a problem document, inside :class:`RequestIds`.

    A handler for ``Exception`` would run outside every middleware, where no ids are added.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on; what was begun and broke off is left to the server to cut."""
        begun = False

        async def watched(message: Message) -> None:
            nonlocal begun
            begun = True
            await send(message)

        try:
            await self._app(scope, receive, watched)
        except Exception as error:
            if begun or scope["type"] != "http":
                raise
            response = await _unexpected(Request(scope, receive), error)
            await response(scope, receive, send)


def make_app(title: str) -> FastAPI:
    """A FastAPI application that answers errors as RFC 9457 problem documents."""
    app = FastAPI(
        title=title, docs_url=None, redoc_url=None, openapi_url=None, redirect_slashes=False
    )
    app.add_middleware(ExactPrefix)
    app.add_middleware(Authentication, name=title, read_body=read_limited, answer=_our_problem)
    app.add_middleware(Unexpected)
    app.add_middleware(RequestIds)
    app.add_exception_handler(errors.OrchestratorError, _our_problem)
    app.add_exception_handler(HTTPException, _http_problem)
    app.add_exception_handler(RequestValidationError, _invalid_query)
    return app


async def read_limited(request: Request) -> bytes:
    """The request's body.

    :raises BodyTooLarge: reading stops as soon as it is over the limit.
    """
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > MAX_BODY_BYTES:
            raise BodyTooLarge(f"the body is larger than {MAX_BODY_BYTES} bytes; send less")
    return bytes(body)


def request_id(request: Request) -> str:
    """The id of this request, as taken or made by :class:`RequestIds`."""
    return str(request.state.request_id)


def problem(
    request: Request,
    status: int,
    kind: str,
    title: str,
    detail: str,
    headers: Mapping[str, str] | None = None,
    **more: Any,
) -> JSONResponse:
    """An RFC 9457 answer. :param headers: beside ``Retry-After``, which every 503 has."""
    document = Problem(
        type=f"/orchestrator/problems/{kind}",
        title=title,
        status=status,
        detail=detail,
        instance=request.url.path.rstrip("/"),
        request_id=request_id(request),
        **more,
    )
    again = {"Retry-After": str(RETRY_AFTER_SECONDS)} if status in (429, 503) else {}
    return JSONResponse(
        document.model_dump(by_alias=True, exclude_none=True),
        status_code=status,
        media_type=PROBLEM_JSON,
        headers={**again, **(headers or {})},
    )


async def _our_problem(request: Request, error: Exception) -> JSONResponse:
    if isinstance(error, BodyTooLarge):
        return problem(request, 413, "body-too-large", "The body is too large", str(error))
    if isinstance(error, Refused):
        return _unauthenticated(request, error.reason)
    if isinstance(error, errors.QuotaExceeded):
        return _over_quota(request, error)
    for kind, (status, name, title) in PROBLEMS.items():
        if isinstance(error, kind):
            return problem(request, status, name, title, str(error), errors=_fields_of(error))
    return await _unexpected(request, error)


def _unauthenticated(request: Request, reason: Reason) -> JSONResponse:
    replayed = reason is Reason.REPLAYED
    kind = "signature-replayed" if replayed else "unauthenticated"
    title = "This signature was used before" if replayed else "Authentication is required"
    answer = problem(request, 401, kind, title, REFUSALS[reason])
    answer.headers["WWW-Authenticate"] = CHALLENGES
    return answer


def _over_quota(request: Request, error: errors.QuotaExceeded) -> JSONResponse:
    """429: which limit, its number and when it resets, in words, members and headers.

    ``violated-policies`` is the member that the RateLimit draft gives to such a problem
    (draft-ietf-httpapi-ratelimit-headers-09, section "Quota Exceeded").
    """
    now, quota = int(time.time() * 1000), error.quota
    retry_after = max(1, math.ceil((error.retry_at - now) / 1000))
    return problem(
        request,
        429,
        "quota-exceeded",
        "A limit of this client is used up",
        str(error),
        headers={
            "Retry-After": str(retry_after),
            **rate_limit_headers(error.standing.quotas, now, first=quota),
        },
        tier=error.standing.tier,
        limit=quota.limit,
        used=quota.used,
        **{"resetsAt": quota.resets_at, "violated-policies": [quota.policy]},
    )


def _fields_of(error: Exception) -> list[dict[str, str]]:
    """The offending fields, each with its problem."""
    if isinstance(error, RejectedBody):
        return error.errors
    if isinstance(error, errors.InvalidInput):
        return [{"field": error.field, "problem": error.problem}]
    return []


async def _http_problem(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)
    answer = problem(request, error.status_code, "http", str(error.detail), str(error.detail))
    answer.headers.update(error.headers or {})
    if error.status_code == 405:
        answer.headers["Allow"] = ", ".join(sorted(_allowed(request)))
    return answer


def _allowed(request: Request) -> set[str]:
    """Every method of the address; Starlette names those of the first route that has it."""
    path = request.scope["path"].removeprefix(request.scope.get("root_path", ""))
    return {
        method
        for route in routes_of(request.app)
        if route.path_regex.match(path)
        for method in route.methods or ()
    }


def routes_of(app: FastAPI) -> Iterator[APIRoute]:
    """Every route of an application, those of included routers too."""
    todo: list[Any] = list(app.routes)
    while todo:
        route = todo.pop()
        if isinstance(route, APIRoute):
            yield route
        else:
            todo += getattr(getattr(route, "original_router", None), "routes", ())


async def _invalid_query(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)
    found = [{"field": str(e["loc"][-1]), "problem": str(e["msg"])} for e in error.errors()]
    status, name, title = PROBLEMS[errors.InvalidInput]
    detail = f"{found[0]['field']}: {found[0]['problem']}"
    return problem(request, status, name, title, detail, errors=found)


async def _unexpected(request: Request, error: Exception) -> JSONResponse:
    log.error("unexpected error at %s", request.url.path, exc_info=error)
    detail = "an unexpected error; the logs have it under this request id"
    return problem(request, 500, "internal", "Internal error", detail)


def _taken(given: str | None) -> str | None:
    """The client's id if it is safe to log and to send back."""
    return given if given and SAFE_ID.fullmatch(given) else None
