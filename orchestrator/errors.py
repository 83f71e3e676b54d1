"""Every error the orchestrator raises on purpose.

::

    OrchestratorError
    ├── InvalidInput            the caller must change the request            (HTTP 422)
    ├── Forbidden               the caller's key does not allow this          (HTTP 403)
    ├── RequestConflict         this request id was used with another body    (HTTP 409)
    ├── JobNotFound             no such job for this client                   (HTTP 404)
    ├── DeliveryNotFound        the job has no such message                   (HTTP 404)
    ├── IllegalTransition       the job is not in a state that allows this    (HTTP 409)
    ├── QuotaExceeded           the client has used up one of its limits      (HTTP 429)
    ├── QueueFull               too many jobs wait already; ask again later   (HTTP 503)
    ├── AtCapacity              the client runs as many jobs as it may: the job stays queued
    ├── JournalUnavailable      the journal cannot be reached; ask again      (HTTP 503)
    ├── JournalDamaged          the journal's database is corrupt: restore it (HTTP 500)
    │   └── JournalSealed       its content is sealed by a key that is not here (HTTP 500)
    ├── BackupRefused           a backup or a restore cannot be made as asked
    ├── StaleEpoch              a newer activation owns the job: stop at once
    ├── JobEnded                the job has already ended: nothing to run
    ├── ServiceError            an external service, one call
    │   ├── TransientError      worth another try, perhaps after ``retry_after`` seconds
    │   │   └── StepTimeout     an attempt ran into its time limit
    │   ├── BreakerOpen         refused by the circuit breaker: not an attempt
    │   └── PermanentError      trying again cannot help
    │       └── Misconfigured   a key or an address is missing or refused (401, 403)
    └── StepFailed              a step ended without a result, after all its retries

A step knows two kinds of failure: *try again* (:class:`TransientError`) and *stop*
(:class:`PermanentError`). Foreign exceptions are mapped to one of the two where a client
meets the foreign library, and nowhere else.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from orchestrator.services import Usage
    from orchestrator.tenants.quotas import Quota, Standing


class OrchestratorError(Exception):
    """Base of every error in this module."""

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle by attributes, so that errors cross process boundaries whole."""
        return (_rebuild, (type(self), self.args, self.__dict__.copy()))


def _rebuild(
    kind: type[OrchestratorError], args: tuple[Any, ...], state: Mapping[str, Any]
) -> OrchestratorError:
    error = kind.__new__(kind)
    error.args = args
    error.__dict__.update(state)
    return error


class InvalidInput(OrchestratorError):
    """The request cannot be accepted as it is.

    :param field: the offending field's wire name (``existingPages.3.url``).
    :param problem: what is wrong and how to mend it, in one sentence.
    """

    def __init__(self, field: str, problem: str) -> None:
        super().__init__(f"{field}: {problem}")
        self.field = field
        self.problem = problem


class Forbidden(OrchestratorError):
    """The caller is known, and may not do this; the message says who may."""


class RequestConflict(OrchestratorError):
    """The same ``(clientId, requestId)`` was submitted before with another body."""


class JobNotFound(OrchestratorError):
    """There is no such job, or it belongs to another client."""


class DeliveryNotFound(OrchestratorError):
    """The job has sent, and is to send, no such message."""


class IllegalTransition(OrchestratorError):
    """The job's state does not allow what was asked."""


class QuotaExceeded(OrchestratorError):
    """The client has used up one of its limits.

    :param detail: which, its number and when it resets.
    :param quota: the limit that is used up.
    :param standing: the client's tier and all its limits.
    :param retry_at: epoch ms from which on asking again makes sense, if before the reset.
    """

    def __init__(
        self, detail: str, quota: Quota, standing: Standing, *, retry_at: int | None = None
    ) -> None:
        super().__init__(detail)
        self.quota = quota
        self.standing = standing
        self.retry_at = quota.resets_at if retry_at is None else retry_at


class QueueFull(OrchestratorError):
    """As many jobs wait for admission as the service lets wait; nothing was accepted."""


class AtCapacity(OrchestratorError):
    """The client's jobs that run are as many as it may have at once: this one stays queued."""


class JournalUnavailable(OrchestratorError):
    """The journal cannot be reached or cannot write; nothing was lost, ask again."""


class JournalDamaged(OrchestratorError):
    """The journal's database is corrupt: trying again cannot help, an operator must restore it."""


class JournalSealed(JournalDamaged):
    """The journal's content is sealed by a key that this process does not have, or its own keys
    are none; the message names the setting. Nothing is lost: the key has to be given."""


class BackupRefused(OrchestratorError):
    """A backup or a restore cannot be made as asked; the message says what to do instead."""


class StaleEpoch(OrchestratorError):
    """A newer activation owns this job; this one must stop without writing."""


class JobEnded(OrchestratorError):
    """The job is completed, failed or cancelled: there is nothing left to run."""


class ServiceError(OrchestratorError):
    """A call to an external service failed.

    :param service: ``ai``, ``serper``, ``wordpress`` or ``web``.
    :param message: what happened; never contains a key, a header or a prompt.
    :param status: the HTTP status, where there was one.
    :ivar usage: what had been paid for when it failed (the first part of an answer whose
        continuation failed), or None.
    """

    usage: Usage | None = None

    def __init__(self, service: str, message: str, *, status: int | None = None) -> None:
        super().__init__(f"{service}: {message}")
        self.service = service
        self.status = status


class TransientError(ServiceError):
    """Worth another try.

    :param retry_after: seconds the service asked us to wait (``Retry-After``), or None.
    """

    def __init__(
        self,
        service: str,
        message: str,
        *,
        status: int | None = None,
        retry_after: float | None = None,
    ) -> None:
        super().__init__(service, message, status=status)
        self.retry_after = retry_after


class StepTimeout(TransientError):
    """An attempt of a step ran into its time limit."""


class BreakerOpen(ServiceError):
    """The circuit breaker of *service* refuses calls for about *retry_after* seconds.

    Being refused is not an attempt: it costs nothing and uses up no retry.
    """

    def __init__(self, service: str, retry_after: float) -> None:
        super().__init__(service, f"circuit breaker open, next try in {retry_after:.1f} s")
        self.retry_after = retry_after


class PermanentError(ServiceError):
    """Trying again cannot help: the call itself is refused."""


class Misconfigured(PermanentError):
    """A key or an address is missing or refused; the message names the setting to mend."""


class StepFailed(OrchestratorError):
    """A step ended without a result.

    :param step: the step's wire name.
    :param cause: the last error, in words.
    """

    def __init__(self, step: str, cause: str) -> None:
        super().__init__(f"{step}: {cause}")
        self.step = step
        self.cause = cause
