"""Texts that no id is made of, on both databases: each refuses some of them in its own way."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from orchestrator.journal.base import Journal
from orchestrator.journal.views import encode_cursor
from tests.contract.journal_helpers import journal_fixture, url_fixture  # noqa: F401
from tests.contract.test_edge import asked, edge_over
from tests.edge import no_actors

ODD = ["a\x00b", "é" * 300, "\u202e", "' OR 1=1 --", "x" * 5000]


@pytest.fixture(autouse=True)
def without_actors() -> Iterator[None]:
    with no_actors():
        yield


@pytest.mark.parametrize("odd", ODD)
async def test_no_job_has_an_odd_id(journal: Journal, odd: str) -> None:
    edge = edge_over(journal)
    asks = [("GET", ""), ("GET", "/events"), ("DELETE", "")]
    asks += [("POST", f"/{verb}") for verb in ("cancel", "pause", "resume", "retry")]

    for method, rest in asks:
        status, _, body = await asked(edge, f"job/{odd}{rest}", method=method)
        assert (status, json.loads(body)["status"]) == (404, 404)


@pytest.mark.parametrize("at", [2**63, -(2**63), 10**40])
async def test_a_cursor_made_up_is_refused(journal: Journal, at: int) -> None:
    for cursor in (
        encode_cursor(at, "job_1"),
        encode_cursor(1, "a\x00"),
        encode_cursor(1, "\ud800"),
    ):
        status, _, body = await asked(edge_over(journal), f"jobs?cursor={cursor}")
        assert status == 422
        assert json.loads(body)["errors"][0]["field"] == "cursor"
