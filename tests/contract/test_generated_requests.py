"""Requests made up from the OpenAPI document, thousands of them: whatever is sent, the answer is
one that the document has, with its headers and its body, and never a failure of ours.

The applications are the real ones over a real SQLite journal, behind the proxy's layers
(``tests/edge.py``). The last test plants bugs, so that this one is known to be able to fail.
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st
from schemathesis import GenerationMode
from schemathesis.core.failures import FailureGroup
from schemathesis.specs.openapi import checks

from actors.serve.contract import document
from actors.serve.openapi import APPS
from orchestrator.config import Settings
from orchestrator.jobs import JobStatus
from orchestrator.journal.base import Journal
from orchestrator.journal.opening import open_journal
from tests.contract.seeding import seeded
from tests.edge import Edge, no_actors

CHECKS = [
    schemathesis.checks.not_a_server_error,
    checks.status_code_conformance,
    checks.content_type_conformance,
    checks.response_headers_conformance,
    checks.response_schema_conformance,
    checks.negative_data_rejection,
]
"""Every check that looks at one answer. Of answers to what the schema allows it is not asked that
they are 2xx: a keyword of three dots is a string of three characters, and refused."""

SHARES = {
    "submit": {"submit": 700},
    "look": {"job": 300, "list": 300, "events": 200, "problem": 60},
    "ask": {"cancel": 80, "pause": 80, "resume": 80, "retry": 120, "erase": 80, "redeliver": 60},
    "see": {
        "deliveries": 40,
        "usage": 60,
        "health": 15,
        "breakers": 15,
        "metrics": 15,
        "openapi": 5,
        "docs": 5,
    },
}
"""How many requests of each kind; together more than 2,000."""

MOST_SECONDS = 0.02  # that a generated long poll waits


class OverSqlite:
    """The edge over a new journal, filled with the same jobs, each time it is started."""

    each = 12

    def __init__(self, folder: Path) -> None:
        self._folder, self._starts = folder, itertools.count()
        self.journal: Journal | None = None
        self.edge: Edge | None = None
        self.jobs: dict[JobStatus, list[str]] = {}

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            await self._live(receive, send)
            return
        assert self.edge is not None
        await self.edge(scope, receive, send)

    async def _live(self, receive: Any, send: Any) -> None:
        await receive()
        path = self._folder / f"journal-{next(self._starts)}.db"
        self.journal = await open_journal(f"sqlite+aiosqlite:///{path}")
        self.jobs = await seeded(self.journal, each=self.each)
        self.edge = Edge(self.journal, Settings())
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await self.journal.close()
        await send({"type": "lifespan.shutdown.complete"})


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OverSqlite]:
    with no_actors():
        yield OverSqlite(tmp_path_factory.mktemp("contract"))


@pytest.fixture(scope="module")
def api(app: OverSqlite) -> Any:
    """The document the service itself serves, with the service behind it."""
    return schemathesis.openapi.from_asgi("/orchestrator/openapi.json", app)


EXPECTED = {
    "submit": {("submit", 202), ("submit", 409), ("submit", 422)},
    "look": {
        ("job", 200), ("job", 202), ("job", 404), ("job", 422), ("list", 200), ("list", 422),
        ("events", 200), ("events", 404), ("events", 422), ("problem", 404),
    },
    "ask": {
        ("cancel", 200), ("cancel", 202), ("cancel", 404), ("pause", 202), ("pause", 409),
        ("resume", 202), ("retry", 202), ("retry", 409), ("retry", 422), ("erase", 204),
        ("erase", 404),
    },
    "see": {("health", 200), ("breakers", 200), ("metrics", 200), ("openapi", 200), ("docs", 200)},
}  # fmt: skip
"""What must have been seen among the answers, or the requests have not reached much."""


def test_the_shares_are_of_every_operation_and_two_thousand_requests() -> None:
    named = {name: number for share in SHARES.values() for name, number in share.items()}
    documented = {
        operation["operationId"]
        for item in document(APPS)["paths"].values()
        for operation in item.values()
    }

    assert set(named) == documented
    assert sum(named.values()) >= 2000


@pytest.mark.parametrize("share", SHARES)
def test_no_answer_is_off_the_document(share: str, app: OverSqlite, api: Any) -> None:
    seen: Counter[tuple[str, int]] = Counter()
    for name, number in SHARES[share].items():
        answers = requests_to(name, number, app, api)
        assert len(answers) >= number
        seen.update((name, answer.status_code) for answer in answers)

    assert EXPECTED[share] - seen.keys() == set()


def requests_to(name: str, number: int, app: OverSqlite, api: Any) -> list[Any]:
    """The answers to *number* generated requests to one operation, each of them checked. Half of
    the requests break the document's rules, where it has any that can be broken."""
    operation = api.find_operation_by_id(name)
    breakable = operation.body or operation.query
    halves = (GenerationMode.POSITIVE, GenerationMode.NEGATIVE if breakable else None)
    ids = job_ids(app, only_ended=name == "events")
    answers: list[Any] = []
    for mode in halves:
        requests = operation.as_strategy(generation_mode=mode or GenerationMode.POSITIVE)
        send = sender(answers, requests, ids, number // 2 + 1)
        send()
    return answers


def sender(
    answers: list[Any], requests: st.SearchStrategy[Any], ids: st.SearchStrategy[Any], number: int
) -> Callable[[], None]:
    """Something that sends *number* of these requests and notes their answers."""

    @seed(2026 + len(answers))
    @settings(
        max_examples=number,
        deadline=None,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
        report_multiple_bugs=False,
    )
    @given(requests, ids)
    def send(case: Any, job_id: str | None) -> None:
        if job_id is not None and "job_id" in case.path_parameters:
            case.path_parameters["job_id"] = job_id
        shorten_the_wait(case.query)
        answers.append(case.call_and_validate(checks=CHECKS))

    return send


def job_ids(app: OverSqlite, *, only_ended: bool) -> st.SearchStrategy[str | None]:
    """Ids of jobs in every state, mostly; None leaves the generated id. The events of jobs that
    have not ended are left out: such a stream has no end."""
    states = [status for status in app.jobs if status.has_ended or not only_ended]
    known = st.sampled_from([job_id for status in states for job_id in app.jobs[status]])
    return known | known | known | st.none()


def shorten_the_wait(query: dict[str, Any]) -> None:
    """Let a long poll that is allowed take no time worth the name."""
    wait = query.get("wait")
    if isinstance(wait, int | float) and not isinstance(wait, bool) and 0 <= wait <= 60:
        query["wait"] = min(wait, MOST_SECONDS)


# -- planted bugs ---------------------------------------------------------------------------


Change = Callable[[dict[str, Any], dict[str, Any]], None]
"""Changes the start of a response and its body on their way out."""


def crash(start: dict[str, Any], body: dict[str, Any]) -> None:
    start["status"] = 500


def teapot(start: dict[str, Any], body: dict[str, Any]) -> None:
    start["status"] = 418


def lose_the_id(start: dict[str, Any], body: dict[str, Any]) -> None:
    start["headers"] = [h for h in start["headers"] if h[0] != b"x-correlation-id"]


def lose_the_tag(start: dict[str, Any], body: dict[str, Any]) -> None:
    start["headers"] = [h for h in start["headers"] if h[0] != b"etag"]


def mislabel(start: dict[str, Any], body: dict[str, Any]) -> None:
    start["headers"] = [
        (name, b"text/plain" if name == b"content-type" else value)
        for name, value in start["headers"]
    ]


def add_a_field(start: dict[str, Any], body: dict[str, Any]) -> None:
    body["body"] = body["body"].replace(b'{"id"', b'{"colour":"red","id"')


def lose_a_field(start: dict[str, Any], body: dict[str, Any]) -> None:
    body["body"] = body["body"].replace(b'"totalSteps"', b'"steps_"')


def take_anything(start: dict[str, Any], body: dict[str, Any]) -> None:
    if start["status"] == 422:
        start["status"], body["body"] = 200, body["body"]


class Tampered(OverSqlite):
    """The same edge with a bug in it."""

    each = 2
    change: Change

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http" or not scope["path"].startswith("/orchestrator/job/"):
            await super().__call__(scope, receive, send)
            return
        held: list[dict[str, Any]] = []

        async def changed(message: dict[str, Any]) -> None:
            held.append({**message})
            if message["type"] == "http.response.body":
                type(self).change(held[0], held[-1])
                length = str(len(held[-1].get("body", b""))).encode()
                held[0]["headers"] = [
                    (name, length if name == b"content-length" else value)
                    for name, value in held[0]["headers"]
                ]
                for one in held:
                    await send(one)

        await super().__call__(scope, receive, changed)


@pytest.mark.parametrize(
    "change",
    [crash, teapot, lose_the_id, lose_the_tag, mislabel, add_a_field, lose_a_field, take_anything],
)
def test_a_planted_bug_is_found(change: Change, tmp_path: Path) -> None:
    kind = type("Planted", (Tampered,), {"change": staticmethod(change)})
    with no_actors():
        app = kind(tmp_path)
        api = schemathesis.openapi.from_asgi("/orchestrator/openapi.json", app)

        with pytest.raises(FailureGroup):
            requests_to("job", 40, app, api)
