"""Every kind of problem document (RFC 9457): what a client may be told, and what to do about it.

The ``type`` of a problem is ``/orchestrator/problems/<name>``; the names are data for ever, since
clients tell problems apart by them. The service answers that address with the explanation here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

BASE = "/orchestrator/problems/"
"""What the ``type`` of every problem document begins with."""


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of problem.

    :param name: the last part of ``type``.
    :param status: the HTTP status it comes with.
    :param title: the same words in every document of this kind.
    :param meaning: what has happened.
    :param remedy: what the client can do.
    """

    name: str
    status: int
    title: str
    meaning: str
    remedy: str

    @property
    def type(self) -> str:
        """The ``type`` of its documents."""
        return BASE + self.name


KINDS: Mapping[str, Kind] = {
    kind.name: kind
    for kind in (
        Kind(
            "invalid-input", 422, "The request cannot be accepted as it is",
            "A field of the body, a query parameter or a header breaks a rule; `errors` lists "
            "each one with its problem. Nothing was stored.",
            "Mend the named fields and send the request again.",
        ),
        Kind(
            "body-too-large", 413, "The body is too large",
            "The body is larger than 2 MiB. Reading stopped there, and the connection is closed.",
            "Send less: shorten `existingContent`, or name the post by `postId`.",
        ),
        Kind(
            "body-too-slow", 408, "The body did not arrive in time",
            "The body was not complete within the time the service waits for one "
            "(`SOTA_BODY_SECONDS`). Nothing was stored, and the connection is closed.",
            "Send the same request again, over a better connection.",
        ),
        Kind(
            "headers-too-large", 431, "The request's headers are too large",
            "The request has more headers, or more bytes in them, than the service reads "
            "(`SOTA_MAX_HEADERS`, `SOTA_MAX_HEADER_BYTES`).",
            "Send fewer and shorter headers; cookies are not needed.",
        ),
        Kind(
            "unauthenticated", 401, "Authentication is required",
            "The request carries no signature and no key, or none that is good now. Which of the "
            "two, and whether there is such a client, is not said.",
            "Sign the request, or send a bearer key; docs/security.md says how. Check that the "
            "clock is right: a signature is good for five minutes.",
        ),
        Kind(
            "signature-replayed", 401, "This signature was used before",
            "Each signature is accepted once, and this one has been.",
            "Sign the request anew, with the time of now.",
        ),
        Kind(
            "forbidden", 403, "This key does not allow that",
            "The request is signed well, but asks for what its key does not allow: to act for "
            "another client, or to see what is for administrators.",
            "Leave `clientId` out, or use a key with the rights; `sota keys create --admin` makes "
            "one.",
        ),
        Kind(
            "quota-exceeded", 429, "A limit of this client is used up",
            "`detail` and `violated-policies` say which: jobs an hour, words a month, or requests "
            "a second; `resetsAt` when it begins anew. Nothing was stored.",
            "Wait for the seconds in `Retry-After`; `GET /orchestrator/usage` shows what is left.",
        ),
        Kind(
            "queue-full", 503, "Too many jobs wait already",
            "As many jobs are queued as the service holds (`SOTA_MAX_QUEUED`). Nothing was stored.",
            "Wait for the seconds in `Retry-After` and send the same request again.",
        ),
        Kind(
            "delivery-not-found", 404, "No such delivery",
            "The job has sent nothing, and is to send nothing, under this id.",
            "See `GET /orchestrator/job/{id}/deliveries` for what there is.",
        ),
        Kind(
            "job-not-found", 404, "No such job",
            "There is no job with this id, it has been erased, or it is another client's.",
            "Check the id; an erased job cannot be had back.",
        ),
        Kind(
            "request-conflict", 409, "This request id was used before",
            "A job with this `clientId` and `requestId` was accepted with another body.",
            "Use a new `requestId` for a new job, or send the first body again to get the first "
            "job's id.",
        ),
        Kind(
            "illegal-transition", 409, "The job's state does not allow this",
            "What was asked of the job cannot be done in the state it is in: pausing a job that "
            "has ended, retrying one that runs or has completed.",
            "Look at the job's `status`, and ask for what that allows.",
        ),
        Kind(
            "too-many-streams", 429, "Too many event streams",
            "This client holds as many event streams as it may (`SOTA_STREAMS_PER_CLIENT`).",
            "Close a stream, or poll the job with `?wait=30` instead.",
        ),
        Kind(
            "streams-full", 503, "Every event stream is taken",
            "The replica that was asked holds as many event streams as it may (`SOTA_STREAMS`).",
            "Wait for the seconds in `Retry-After`, or poll the job with `?wait=30` instead.",
        ),
        Kind(
            "starting", 503, "The service is starting; ask again",
            "The applications are not there yet, or the one that had the request died with it. "
            "Nothing is known of what was asked for.",
            "Wait for the seconds in `Retry-After` and send the same request again: a submission "
            "with the same `requestId` is one job.",
        ),
        Kind(
            "journal-unavailable", 503, "The journal is away; ask again",
            "The database did not answer, is full, or cannot be written. A submission that got "
            "this answer may or may not have been stored.",
            "Wait for the seconds in `Retry-After` and send the same request again, with the same "
            "`requestId`.",
        ),
        Kind(
            "journal-damaged", 500, "The journal is damaged; it must be restored",
            "The database is corrupt. Trying again cannot help.",
            "Tell the operator, who restores a backup (`sota restore`).",
        ),
        Kind(
            "journal-sealed", 500, "The journal is sealed by a key that is missing",
            "What was asked for is encrypted, and the service does not have its key.",
            "Tell the operator, who adds the key to `SOTA_ENCRYPTION_KEYS`.",
        ),
        Kind(
            "internal", 500, "Internal error",
            "Something went wrong that should not have. The logs have it under `requestId`.",
            "Tell the operator the `requestId`.",
        ),
        Kind(
            "http", 404, "Not Found",
            "The address or the method is none of the service's. The `status` is that of the "
            "answer: 404, or 405 with `Allow`.",
            "See /orchestrator/docs for what there is.",
        ),
    )
}  # fmt: skip
"""Every kind by name."""


def name_of(type_: object) -> str:
    """The name in a problem's ``type``; empty if it is none of ours."""
    return type_.removeprefix(BASE) if isinstance(type_, str) and type_.startswith(BASE) else ""
