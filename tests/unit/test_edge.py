"""What a client hears from Serve's proxy before its applications are there."""

from __future__ import annotations

import json
from typing import Any

import pytest
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from actors.edge import Interim


async def asked(app: ASGIApp, path: str = "/orchestrator/job/job_1") -> tuple[int, Any, bytes]:
    """Status, headers and body that come out through the middleware."""
    sent: list[Message] = []

    async def receive() -> Message:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Message) -> None:
        sent.append(message)

    scope = {"type": "http", "method": "GET", "path": path, "headers": []}
    await Interim(app)(scope, receive, send)
    body = b"".join(message.get("body", b"") for message in sent[1:])
    return sent[0]["status"], dict(sent[0]["headers"]), body


@pytest.mark.parametrize("status", [404, 500, 503])
async def test_the_proxys_own_answers_become_503_with_retry_after(status: int) -> None:
    own = PlainTextResponse("Path '/orchestrator/job/job_1' not found.", status)

    answered, headers, body = await asked(own)

    assert answered == 503
    assert int(headers[b"retry-after"]) > 0
    assert json.loads(body)["status"] == 503
    assert int(headers[b"content-length"]) == len(body)


async def test_a_request_that_a_dying_replica_left_unanswered_is_answered_503() -> None:
    async def silent(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()

    assert (await asked(silent))[0] == 503


@pytest.mark.parametrize(
    "ours",
    [
        JSONResponse({"status": "queued"}, 202),
        JSONResponse({"title": "No such job"}, 404, media_type="application/problem+json"),
        Response("jobs 1", 200, media_type="text/plain"),
    ],
)
async def test_the_applications_answers_pass_as_they_are(ours: Response) -> None:
    status, headers, body = await asked(ours)

    assert (status, body) == (ours.status_code, ours.body)
    assert headers == dict(ours.raw_headers)


async def test_other_paths_are_serves_own() -> None:
    assert (await asked(PlainTextResponse("no", 404), "/-/routes"))[0] == 404
