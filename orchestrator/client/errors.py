"""What can go wrong between a client and the service."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from orchestrator.errors import OrchestratorError
from orchestrator.models import JobView
from orchestrator.problems import name_of


class ApiError(OrchestratorError):
    """The service refused the request.

    :param status: the HTTP status.
    :param title: the kind of problem, in words.
    :param detail: what is wrong with this request, and often the remedy.
    :param errors: one ``{field, problem}`` for each offending field, if any.
    :param retry_after: seconds the service asked us to wait, if it did.
    :param type: the problem's own type (``/orchestrator/problems/…``), if it is one.
    """

    def __init__(
        self,
        status: int,
        title: str,
        detail: str = "",
        errors: Sequence[Mapping[str, Any]] = (),
        *,
        retry_after: float | None = None,
        type: str = "",
    ) -> None:
        super().__init__(f"{status} {title}" + (f": {detail}" if detail else ""))
        self.status = status
        self.title = title
        self.detail = detail
        self.errors = [dict(error) for error in errors]
        self.retry_after = retry_after
        self.type = type

    @property
    def kind(self) -> str:
        """The last part of :attr:`type`; empty if it is no problem document of the service's."""
        return name_of(self.type)


class InvalidRequest(ApiError):
    """The request itself is refused (413, 422, 431): mend the fields that ``errors`` names."""


class Unauthenticated(ApiError):
    """The service does not know who asks (401)."""


class Forbidden(ApiError):
    """This client may not do that (403)."""


class NotFound(ApiError):
    """There is no such job, or it is another client's (404)."""


class RequestIdUsed(ApiError):
    """Another job was submitted under this request id (409)."""


class NotNow(ApiError):
    """The job's state does not allow what was asked (409)."""


class LimitReached(ApiError):
    """This client has had all it may have for now (429): see ``retry_after``."""


class Unavailable(ApiError):
    """The service could not answer in time, after every repetition that was allowed (5xx)."""


_BY_KIND: Mapping[str, type[ApiError]] = {
    "request-conflict": RequestIdUsed,
    "illegal-transition": NotNow,
}
_BY_STATUS: Mapping[int, type[ApiError]] = {
    401: Unauthenticated,
    403: Forbidden,
    404: NotFound,
    413: InvalidRequest,
    422: InvalidRequest,
    429: LimitReached,
    431: InvalidRequest,
    502: Unavailable,
    503: Unavailable,
    504: Unavailable,
}


def kind_of_error(status: int, problem_type: str) -> type[ApiError]:
    """The error to raise: by the problem's type where that says more than its status."""
    return _BY_KIND.get(name_of(problem_type)) or _BY_STATUS.get(status, ApiError)


class ServiceUnreachable(OrchestratorError):
    """No answer from the service, after every repetition that was allowed.

    :param url: where we asked.
    :param problem: the last failure, in words.
    """

    def __init__(self, url: str, problem: str) -> None:
        super().__init__(f"no answer from {url}: {problem}")
        self.url = url
        self.problem = problem


class StreamBroken(OrchestratorError):
    """The event stream cannot be had, or lacks events that it should have."""


class WaitExpired(OrchestratorError, TimeoutError):
    """The job had not ended when the time allowed for waiting was over; it goes on."""


class JobUnsuccessful(OrchestratorError):
    """The job ended without a result.

    :param view: the job as it ended: ``view.status``, ``view.error``.
    """

    def __init__(self, view: JobView) -> None:
        super().__init__(f"job {view.id} {view.status}: {view.error or 'no reason given'}")
        self.view = view
