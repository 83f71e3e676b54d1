"""What a client over its limits hears, through the application's own error handling."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import httpx2
import pytest
from fastapi import FastAPI

from actors.limits import RETRY_AFTER_SECONDS
from actors.serve import authentication
from actors.serve.http import make_app
from actors.serve.rate import RequestRate
from orchestrator.errors import QueueFull
from orchestrator.tenants.quotas import Counted, Standing, charge, quotas
from orchestrator.tenants.tiers import LIMITS, Tier
from orchestrator.tenants.windows import hour, month


@pytest.fixture(autouse=True)
def _open_to_all() -> None:
    authentication.install("test", authentication.Gate(None))


async def get(app: FastAPI) -> httpx2.Response:
    transport = httpx2.ASGITransport(app=app)
    async with httpx2.AsyncClient(transport=transport, base_url="http://test") as client:
        return await client.get("/")


def refusing(**used: int) -> FastAPI:
    app = make_app("test")

    @app.get("/")
    async def route() -> None:
        now = int(time.time() * 1000)
        standing = Standing(Tier.FREE, quotas(LIMITS[Tier.FREE], Counted(**used), now))
        charge(standing, now, jobs=1, words=2_000)

    return app


async def test_the_hours_limit_is_told_with_its_number_and_its_reset() -> None:
    now = int(time.time() * 1000)
    answer = await get(refusing(jobs=5, words=2_500))
    told: dict[str, Any] = answer.json()

    assert answer.status_code == 429
    assert answer.headers["content-type"] == "application/problem+json"
    assert told["type"] == "/orchestrator/problems/quota-exceeded"
    assert (told["tier"], told["limit"], told["used"]) == ("free", 5, 5)
    assert told["violated-policies"] == ["jobs-per-hour"]
    assert told["resetsAt"] in {hour(now).ends, hour(now).ends + 3_600_000}
    assert "all 5 jobs of this hour are used; the limit resets at 20" in told["detail"]
    left = round((told["resetsAt"] - now) / 1000)
    assert abs(int(answer.headers["Retry-After"]) - left) <= 1
    assert answer.headers["RateLimit-Limit"] == "5"
    assert answer.headers["RateLimit-Remaining"] == "0"
    assert abs(int(answer.headers["RateLimit-Reset"]) - left) <= 1
    assert '"jobs-per-hour";q=5;w=3600' in answer.headers["RateLimit-Policy"]
    assert '"words-per-month";r=7500;t=' in answer.headers["RateLimit"]


async def test_the_months_limit_is_told_too() -> None:
    answer = await get(refusing(jobs=1, words=9_500))

    assert answer.status_code == 429
    assert answer.json()["violated-policies"] == ["words-per-month"]
    assert answer.json()["resetsAt"] == month(int(time.time() * 1000)).ends
    assert answer.headers["RateLimit-Limit"] == "10000"


async def test_a_full_queue_is_503_and_says_when_to_come_again() -> None:
    app = make_app("test")

    @app.get("/")
    async def route() -> None:
        raise QueueFull("7 jobs wait for admission already")

    answer = await get(app)

    assert answer.status_code == 503
    assert answer.headers["Retry-After"] == str(RETRY_AFTER_SECONDS)
    assert answer.json()["type"] == "/orchestrator/problems/queue-full"
    assert "7 jobs wait" in answer.json()["detail"]


async def test_requests_over_the_rate_are_refused_and_the_tier_is_asked_for_once() -> None:
    asked: list[str] = []

    async def tier_of(client_id: str) -> Tier:
        asked.append(client_id)
        await asyncio.sleep(0)
        return Tier.FREE

    rate, app = RequestRate(tier_of), make_app("test")

    @app.get("/")
    async def route() -> None:
        await rate.count("client")

    answers = await asyncio.gather(*(get(app) for _ in range(40)))

    refused = [answer for answer in answers if answer.status_code == 429]
    assert 15 <= len(refused) <= 20  # a burst of 20 passes, and two more for each second since
    assert asked == ["client"]
    assert refused[0].json()["violated-policies"] == ["requests"]
    assert refused[0].headers["Retry-After"] == "1"


async def test_while_the_journal_is_away_nobody_waits_longer_than_it_is_asked() -> None:
    asked = 0

    async def tier_of(_client_id: str) -> Tier:
        nonlocal asked
        asked += 1
        await asyncio.sleep(0.01)
        raise OSError("away")

    rate = RequestRate(tier_of)
    answers = await asyncio.gather(
        *(rate.count(f"client {n % 3}") for n in range(90)), return_exceptions=True
    )

    assert {type(answer) for answer in answers} == {OSError}
    assert asked == 3


async def test_the_unlimited_are_not_counted() -> None:
    async def tier_of(_client_id: str) -> Tier:
        return Tier.UNLIMITED

    rate = RequestRate(tier_of)

    assert {await rate.count("client") for _ in range(1000)} == {None}


async def test_a_client_whose_tier_nobody_can_tell_is_asked_for_again() -> None:
    answers: list[Tier | Exception] = [OSError("away"), Tier.FREE]

    async def tier_of(_client_id: str) -> Tier:
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    rate = RequestRate(tier_of)
    with pytest.raises(OSError, match="away"):
        await rate.count("client")

    assert await rate.count("client") is not None
