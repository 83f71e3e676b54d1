"""The authenticated caller of a request, for routes: ``caller = caller_of(request)``."""

from __future__ import annotations

import time
import uuid

from fastapi import Request

from orchestrator.errors import Forbidden
from orchestrator.intake import ANONYMOUS
from orchestrator.security.caller import Caller
from orchestrator.security.records import Principal


def caller_of(request: Request) -> Caller:
    """Who asks, as the authentication around the application found.

    :raises RuntimeError: the application has no authentication around it: a bug, never let pass.
    """
    caller = getattr(request.state, "caller", None)
    if not isinstance(caller, Caller):
        raise RuntimeError("no authentication stands before this route")
    return caller


def principal_of(request: Request) -> Principal:
    """The same, for the audit log: one entry a request."""
    caller = caller_of(request)
    return Principal(
        client_id=caller.client_id or ANONYMOUS,
        key_id=caller.key_id,
        request_id=str(request.state.request_id),
        entry=uuid.uuid4().hex,
        at=int(time.time() * 1000),
    )


def client_of(request: Request, named: str | None) -> str | None:
    """The client a request is about: the caller's own, or whom an administrator names.

    :param named: the ``clientId`` that the request itself names.
    :returns: None where authentication is off, or an administrator names nobody: all of them.
    :raises Forbidden: it names another client.
    """
    caller = caller_of(request)
    if caller.admin:
        return named
    if named not in (None, caller.client_id):
        raise Forbidden(
            "clientId: it names another client than the one whose key this request was made with; "
            "leave it out, or use that client's key"
        )
    return caller.client_id


def require_admin(request: Request, what: str) -> None:
    """:raises Forbidden: only an administrator's key shows *what*."""
    if not caller_of(request).admin:
        raise Forbidden(
            f"{what} are about every client: ask with an administrator's key "
            "(`sota keys create CLIENT --admin`)"
        )
