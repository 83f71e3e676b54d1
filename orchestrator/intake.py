"""From a request's raw body to a job that can be accepted: parse, check, drop secrets.

Nothing here touches the network or the journal, so every refusal is cheap and testable.
"""

from __future__ import annotations

import hashlib
import json
import random
import re
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from pydantic import ValidationError

from orchestrator.clients.guard import Pairs, Refused, check_url
from orchestrator.errors import InvalidInput
from orchestrator.jobs import new_job_id
from orchestrator.journal.records import NewJob
from orchestrator.models import DROPPED_FIELDS, SubmitRequest
from orchestrator.outbox.lanes import lane_of
from orchestrator.wording import problems

ANONYMOUS = "anonymous"
"""The client id of a submission that names none."""

_TAG = re.compile(r"<[^<>]*>")
_WORDS = re.compile(r"\w")
_VOLATILE = ("requestId", "clientId", "timestamp")  # not part of what is asked for


@dataclass(frozen=True, slots=True)
class Intake:
    """An acceptable submission: the job to be journaled, and what to tell the client."""

    job: NewJob
    warnings: tuple[str, ...]


class RejectedBody(InvalidInput):
    """The body breaks one or more rules; ``errors`` lists each field with its remedy."""

    def __init__(self, errors: list[dict[str, str]]) -> None:
        super().__init__(errors[0]["field"], errors[0]["problem"])
        self.errors = errors


def read_body(raw: bytes) -> dict[str, Any]:
    """The body as a JSON object.

    :raises RejectedBody: it is not JSON, or not an object.
    """
    try:
        body = json.loads(raw)
    except (ValueError, RecursionError) as error:
        raise _rejected("body", f"not valid JSON ({error}); send one JSON object") from error
    if not isinstance(body, dict):
        raise _rejected("body", f"a JSON {type(body).__name__}; send one JSON object")
    return body


def accept(
    body: Mapping[str, Any],
    *,
    steps: tuple[tuple[str, str], ...],
    allowed_models: tuple[str, ...],
    now_ms: int,
    rand: random.Random,
    request_id: str | None = None,
    callback_hosts: Pairs = frozenset(),
    publishes: bool = True,
) -> Intake:
    """Check a body and make the job of it.

    :param steps: the pipeline's (slug, name) pairs, recorded with the job.
    :param request_id: used when the body names none (an ``X-Request-ID`` header, say).
    :param callback_hosts: hosts and ports that callbackUrl may name although they are private.
    :param publishes: whether there is a WordPress to publish to.
    :raises RejectedBody: naming every offending field and what to do about it.
    """
    kept, warnings = _drop_secrets(body)
    request = _validated(kept)
    _check_model(request, allowed_models)
    _check_mode(request)
    _check_callback(request, callback_hosts)
    warnings += [*_unknown(kept), *_beside_mode(request)]
    if request.publish and not publishes:
        warnings.append(
            "publish will fail as things are: the service has no WORDPRESS_BASE_URL; the article "
            "will be in the result"
        )
    payload = request.model_dump(mode="json", by_alias=True, exclude_none=True)
    job = NewJob(
        id=new_job_id(now_ms, rand),
        client_id=request.client_id or ANONYMOUS,
        request_id=request.request_id or request_id or str(uuid.UUID(int=rand.getrandbits(128))),
        body_hash=_fingerprint(payload),
        request=payload,
        keyword=request.keyword,
        mode=request.mode,
        priority=request.priority,
        created_at=now_ms,
        callback_lane=lane_of(str(request.callback_url)) if request.callback_url else None,
        publish=_post_status(request),
        steps=steps,
    )
    return Intake(job, tuple(warnings))


def _drop_secrets(body: Mapping[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """The body without fields that carry keys, and a warning for each dropped one."""
    kept = {name: value for name, value in body.items() if name not in DROPPED_FIELDS}
    warnings = [
        f"{name} was dropped: keys belong in the service's environment, not in requests"
        for name in DROPPED_FIELDS
        if name in body
    ]
    return kept, warnings


def _validated(body: Mapping[str, Any]) -> SubmitRequest:
    try:
        return SubmitRequest.model_validate(body)
    except ValidationError as error:
        raise RejectedBody(problems(error.errors(include_url=False, include_input=False))) from None


def _check_model(request: SubmitRequest, allowed: tuple[str, ...]) -> None:
    if request.model is not None and request.model not in allowed:
        raise _rejected("model", f"unknown model; use one of {', '.join(allowed)}, or leave it out")


def _check_mode(request: SubmitRequest) -> None:
    if request.mode != "refresh":
        return
    content = (request.existing_content or "").strip()
    if not content and request.post_id is None:
        raise _rejected(
            "existingContent",
            "is missing: mode refresh needs the old page's HTML here, or the number of a "
            "WordPress post in postId",
        )
    if content and not _WORDS.search(_TAG.sub(" ", content)):
        raise _rejected("existingContent", "has no words: send the old page's HTML with its text")


def _beside_mode(request: SubmitRequest) -> list[str]:
    """Warnings about the old page where it is not what will be worked on."""
    given = {"existingContent": request.existing_content, "postId": request.post_id}
    if request.mode == "generate":
        return [
            f"{name} was ignored: mode generate writes a new article; "
            "send mode refresh to rework an old one"
            for name, value in given.items()
            if value
        ]
    if (request.existing_content or "").strip() and request.post_id is not None:
        return ["postId was not read: existingContent was sent too and is what is refreshed"]
    return []


def _unknown(body: Mapping[str, Any]) -> list[str]:
    """A warning for each field nobody knows: a misspelt one would else be lost without a word."""
    known = {field.alias for field in SubmitRequest.model_fields.values()}
    known |= set(SubmitRequest.model_fields)
    return [
        f"{name[:80]} was ignored: no such field" for name in list(body)[:50] if name not in known
    ]


def _check_callback(request: SubmitRequest, allowed: Pairs) -> None:
    """Refuse what can be seen to lead inside; the address of a name is checked at delivery."""
    if request.callback_url is None:
        return
    try:
        check_url(str(request.callback_url), allowed)
    except Refused as refused:
        raise _rejected(
            "callbackUrl",
            f"will not be called: {refused}; use a public http or https address on port 80 or 443",
        ) from None


def _post_status(request: SubmitRequest) -> Literal["publish", "draft"] | None:
    if request.publish == "draft":
        return "draft"
    return "publish" if request.publish else None


def _fingerprint(payload: Mapping[str, Any]) -> str:
    """SHA-256 over the canonical JSON of what is asked for, ids and time left out."""
    asked = {name: value for name, value in payload.items() if name not in _VOLATILE}
    text = json.dumps(asked, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def _rejected(field: str, problem: str) -> RejectedBody:
    return RejectedBody([{"field": field, "problem": problem}])
