"""A small stand-in for the service, for the client's and the command line's tests."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web
from aiohttp.test_utils import TestServer

from orchestrator.client.sync import Portal

STEPS = (
    "Semantic Keywords",
    "Gap Analysis",
    "Article Blueprint",
    "Generating Article",
    "Auto-fix",
    "References",
    "Internal Links",
    "Running Quality Validation",
)
RESULT: dict[str, Any] = {
    "content": "<h1>Drip & drop</h1><p>Text.</p>",
    "semanticKeywords": ["drip"],
    "gapAnalysis": {"gaps": [], "competitorKeywords": [], "missingKeywords": []},
    "references": [
        {"title": "A", "url": "https://a.example", "source": "a.example", "status": "valid"}
    ],
    "qualityReport": {"passed": True, "score": 91.5, "checks": [], "summary": "Good."},
    "metadata": {
        "title": "Drip & drop",
        "metaDescription": 'All about "drip"',
        "slug": "drip-drop",
        "wordCount": 2801,
        "internalLinks": [{"anchorText": "x", "targetSlug": "y"}],
        "jsonLd": {"@type": "Article", "headline": "</script><b>"},
        "model": "claude-sonnet-5",
        "cost": 0.1234,
        "timings": {"sequentialSeconds": 99.5, "elapsedSeconds": 21.25, "criticalPath": []},
        "degraded": ["References"],
        "sandbox": True,
    },
}


def job_view(status: str = "processing", *, done: int = 0, **more: Any) -> dict[str, Any]:
    """A job on the wire with its first *done* steps completed and the next one running."""
    steps = [
        {"name": name, "state": "completed" if n < done else "pending", "attempts": int(n < done)}
        for n, name in enumerate(STEPS)
    ]
    if status == "processing" and done < 8:
        steps[done] |= {"state": "running", "attempts": 1, "detail": "part 2 of 5"}
    view = {
        "id": "job_1",
        "status": status,
        "step": min(done + 1, 8),
        "totalSteps": 8,
        "stepName": STEPS[min(done, 7)],
        "createdAt": 1_700_000_000_000,
        "startedAt": 1_700_000_001_000,
        "requestId": "r1",
        "keyword": "drip",
        "steps": steps,
        "progress": done / 8,
        "cost": 0.01 * done,
        "attempt": 1,
    }
    if status == "completed":
        view |= {"result": RESULT, "completedAt": 1_700_000_021_000}
    return view | more


def event(seq: int, kind: str = "step.progress", **data: Any) -> dict[str, Any]:
    """An event on the wire."""
    return {"seq": seq, "type": kind, "at": 1_700_000_000_000 + seq, "data": data}


@dataclass
class FakeService:
    """Answers from lists that a test fills; remembers what it was asked.

    :param views: what ``GET job`` answers, one after another; the last one stays.
    :param events: the job's event log.
    :param cuts: for each connection to the stream, after how many events it breaks.
    :param failures: what happens to the next requests: a (status, headers) or ``drop``.
    """

    views: list[dict[str, Any]] = field(default_factory=lambda: [job_view("completed", done=8)])
    events: list[dict[str, Any]] = field(default_factory=list)
    cuts: list[int] = field(default_factory=list)
    failures: list[tuple[int, dict[str, str]] | str] = field(default_factory=list)
    has_stream: bool = True
    stream_refusals: int = 0  #: how many streams there is no place for
    lost_answers: int = 0  #: how many submissions are taken without their answer arriving
    unhealthy: bool = False
    ended: bool = False  #: whether the job is past all steering
    submissions: list[dict[str, Any]] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)
    last_event_ids: list[str | None] = field(default_factory=list)

    def app(self) -> web.Application:
        """The service as an application."""
        app = web.Application(middlewares=[self._middleware()])
        job = "/orchestrator/job/{id}"
        app.router.add_post("/orchestrator/ultra-sota", self._submit)
        app.router.add_get(job, self._job)
        app.router.add_delete(job, self._erase)
        app.router.add_get(f"{job}/events", self._events)
        app.router.add_post(f"{job}/{{what}}", self._ask)
        app.router.add_get("/orchestrator/jobs", self._jobs)
        app.router.add_get("/orchestrator/health", self._health)
        app.router.add_get("/orchestrator/breakers", self._breakers)
        return app

    def _middleware(self) -> Any:
        @web.middleware
        async def observe(request: web.Request, handler: Any) -> web.StreamResponse:
            self.requests.append(f"{request.method} {request.path_qs}")
            if self.failures:
                failure = self.failures.pop(0)
                if isinstance(failure, str):
                    assert request.transport is not None
                    request.transport.abort()
                    raise ConnectionResetError
                status, headers = failure
                kind = f"/orchestrator/problems/{headers.get('X-Kind', 'starting')}"
                return problem(status, "Trouble", "come back", headers=headers, type=kind)
            return await handler(request)

        return observe

    async def _submit(self, request: web.Request) -> web.Response:
        body = await request.json()
        if body["keyword"] == "refused":
            errors = [{"field": "model", "problem": "unknown model"}]
            return problem(422, "The request cannot be accepted", "model: unknown", errors=errors)
        if body["requestId"] not in [seen["requestId"] for seen in self.submissions]:
            self.submissions.append(body)
        if self.lost_answers:
            self.lost_answers -= 1
            assert request.transport is not None
            request.transport.abort()
            raise ConnectionResetError
        answer = {"jobId": "job_1", "status": "queued", "requestId": body["requestId"]}
        return web.json_response(answer | {"warnings": ["mind the gap"], "new": 1}, status=202)

    async def _job(self, request: web.Request) -> web.Response:
        if request.match_info["id"] != "job_1":
            return problem(404, "No such job", request.match_info["id"])
        view = self.views.pop(0) if len(self.views) > 1 else self.views[0]
        tag = f'"{hash(json.dumps(view))}"'
        if request.headers.get("If-None-Match") == tag:
            return web.Response(status=304, headers={"ETag": tag})
        status = 200 if view["status"] in {"completed", "failed", "cancelled"} else 202
        return web.json_response(view, status=status, headers={"ETag": tag})

    async def _events(self, request: web.Request) -> web.StreamResponse:
        if not self.has_stream:
            return problem(404, "Not Found", "no such path")
        if self.stream_refusals:
            self.stream_refusals -= 1
            kind = "/orchestrator/problems/too-many-streams"
            return problem(429, "Too many", "close one", {"Retry-After": "2"}, type=kind)
        self.last_event_ids.append(request.headers.get("Last-Event-ID"))
        after = int(self.last_event_ids[-1] or 0)
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        due = [e for e in self.events if e["seq"] > after]
        cut = self.cuts.pop(0) if self.cuts else None
        for entry in due[:cut]:
            await response.write(sse(entry))
        if cut is not None:
            await asyncio.sleep(0.005)  # let what was written be read before the line breaks
            assert request.transport is not None
            request.transport.abort()
        return response

    async def _ask(self, request: web.Request) -> web.Response:
        what = request.match_info["what"]
        if what == "resume":
            return problem(409, "The job's state does not allow this", "it has ended")
        if self.ended:
            return web.json_response(self.views[0])
        return web.json_response(job_view("queued", cancelRequested=what == "cancel"), status=202)

    async def _erase(self, request: web.Request) -> web.Response:
        return web.Response(status=204)

    async def _jobs(self, request: web.Request) -> web.Response:
        if request.query.get("cursor") == "page2":
            return web.json_response({"jobs": [job_view(id="job_0")], "nextCursor": None})
        return web.json_response({"jobs": [job_view(done=3)], "nextCursor": "page2"})

    async def _health(self, request: web.Request) -> web.Response:
        if self.unhealthy:
            body = {"status": "unavailable", "journal": "away", "jobs": {}}
            return web.json_response(body, status=503)
        return web.json_response({"status": "ok", "journal": "ok", "jobs": {"queued": 2}})

    async def _breakers(self, request: web.Request) -> web.Response:
        closed = {
            "service": "ai", "state": "closed", "failures": 1, "threshold": 3,
            "failureRate": 0.05, "failureRateThreshold": 0.5, "windowSeconds": 120.0,
            "cooldownSeconds": 30.0,
        }  # fmt: skip
        opened = closed | {"service": "serper", "state": "open", "retryAfter": 7.5}
        return web.json_response([closed, opened])


def sse(entry: dict[str, Any]) -> bytes:
    """An event as the service writes it, with a ping before it."""
    text = f": ping\r\n\r\nid: {entry['seq']}\r\nevent: {entry['type']}\r\n"
    return f"{text}data: {json.dumps(entry)}\r\n\r\n".encode()


def problem(
    status: int, title: str, detail: str, headers: dict[str, str] | None = None, **more: Any
) -> web.Response:
    """An RFC 9457 answer."""
    document = {"type": "about:blank", "title": title, "status": status, "detail": detail} | more
    return web.json_response(
        document, status=status, headers=headers, content_type="application/problem+json"
    )


@asynccontextmanager
async def serving(service: FakeService) -> AsyncIterator[str]:
    """The service on a free port of this loop; its base URL."""
    server = TestServer(service.app())
    await server.start_server()
    try:
        yield str(server.make_url("")).rstrip("/")
    finally:
        await server.close()


@contextmanager
def serving_in_a_thread(service: FakeService) -> Iterator[str]:
    """The same for tests that are not asynchronous."""
    portal = Portal()
    context = serving(service)
    url = portal.run(context.__aenter__())  # type: ignore[arg-type]
    try:
        yield url
    finally:
        portal.run(context.__aexit__(None, None, None))  # type: ignore[arg-type]
        portal.close()
