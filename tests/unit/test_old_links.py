"""Which links of the old page are dead: checked a few at a time, and not for ever."""

from __future__ import annotations

import asyncio

import pytest

from orchestrator.errors import TransientError
from orchestrator.models import SubmitRequest
from orchestrator.services import FetchRequest, Page
from steps.sources import old_links
from tests.unit.steps_helpers import FakeContext

URLS = [f"https://site.example/{n}" for n in range(12)]


def page(url: str, status: int = 200) -> Page:
    return Page(url=url, final_url=url, outcome="ok" if status == 200 else "dead", status=status)


def context(fetch: object) -> FakeContext:
    return FakeContext(request=SubmitRequest(keyword="heat pumps"), fetch=fetch, step="x")


async def test_what_answers_that_it_is_gone_is_dead_and_nothing_else() -> None:
    def fetch(request: FetchRequest) -> Page | Exception:
        answers = {"1": page(request.url, 404), "2": page(request.url, 410)}
        broken = TransientError("web", "no route")
        return answers.get(request.url[-1]) or (broken if "3" in request.url else page(request.url))

    dead = await old_links.dead(context(fetch), URLS[:5])

    assert dead == {URLS[1]: "status 404", URLS[2]: "status 410"}


async def test_three_are_asked_at_once_and_every_one_is_asked() -> None:
    now = most = 0

    async def fetch(request: FetchRequest) -> Page:
        nonlocal now, most
        now += 1
        most = max(most, now)
        for _ in range(5):
            await asyncio.sleep(0)
        now -= 1
        return page(request.url, 404)

    dead = await old_links.dead(context(fetch), URLS)

    assert list(dead) == URLS
    assert most == old_links.AT_ONCE == 3


async def test_what_has_not_answered_in_time_is_not_dead_and_the_rest_is_told(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(old_links, "WITHIN", 0.05)
    stopped = []

    async def fetch(request: FetchRequest) -> Page:
        if request.url == URLS[0]:
            return page(request.url, 404)
        try:
            await asyncio.Event().wait()
        finally:
            stopped.append(request.url)
        raise AssertionError

    dead = await old_links.dead(context(fetch), URLS)

    assert dead == {URLS[0]: "status 404"}
    assert sorted(stopped) == URLS[1:4]  # nobody goes on asking behind the step's back


async def test_a_time_limit_of_somebody_else_is_not_taken_for_ours() -> None:
    with pytest.raises(TimeoutError):
        await old_links.dead(context(TimeoutError()), URLS)
