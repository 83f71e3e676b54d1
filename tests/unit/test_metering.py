"""The job's budget: kept by calls side by side too, and never passed in silence."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from orchestrator.engine import EngineOptions
from orchestrator.engine.activity import Activity
from orchestrator.engine.metering import FIRST_CALL_USD, Meter, MeteredServices, metered
from orchestrator.errors import PermanentError, TransientError
from orchestrator.services import ModelReply, ModelRequest, Usage
from tests.fakes import FakeClock, FakeServices, ask

MAIN, LOWER = "claude-sonnet-5", "claude-haiku-4-5"


class Model:
    """Answers after a moment at a fixed price, and counts the calls out at once."""

    def __init__(self, cost: float) -> None:
        self.cost, self.calls, self.now, self.most = cost, 0, 0, 0

    async def __call__(self, request: ModelRequest) -> ModelReply:
        self.calls += 1
        self.now += 1
        self.most = max(self.most, self.now)
        await asyncio.sleep(0.001)
        self.now -= 1
        usage = Usage(cost_usd=self.cost, calls=1, seconds=99.0, output_tokens=10)
        return ModelReply(text="t", model=LOWER if request.fallback else MAIN, usage=usage)


def services(model: Any, *, spent: float = 0.0, budget: float = 0.50) -> MeteredServices:
    clock = FakeClock()
    options = EngineOptions(budget_usd=budget, clock=clock, sleep=clock.sleep)
    return MeteredServices(FakeServices(model=model), options, Activity(), spent=spent)


async def asked(metering: MeteredServices, times: int, **more: Any) -> list[Any]:
    calls = (metering.generate(ask(str(n), **more)) for n in range(times))
    with metered(Meter()):
        return await asyncio.gather(*calls, return_exceptions=True)


@pytest.mark.parametrize("cost", [0.003, 0.02, 0.06, 0.3])
async def test_calls_side_by_side_pass_the_budget_by_one_call_at_most(cost: float) -> None:
    model = Model(cost)
    metering = services(model)
    await asked(metering, 1)  # what a call costs is known

    answers = await asked(metering, 400)

    refused = [answer for answer in answers if isinstance(answer, PermanentError)]
    assert 0.50 <= metering.spent < 0.50 + cost
    assert len(refused) == 401 - model.calls
    assert "SOTA_JOB_BUDGET_USD" in str(refused[0])


async def test_before_any_call_has_ended_its_cost_is_reckoned_with() -> None:
    model = Model(FIRST_CALL_USD)
    metering = services(model, budget=0.12)

    await asked(metering, 8)

    assert model.most == 3
    assert metering.spent == pytest.approx(0.15)


async def test_far_from_the_budget_calls_wait_for_nothing_but_a_slot() -> None:
    model = Model(0.001)

    await asked(services(model), 40)

    assert model.most == 8


async def test_a_failed_or_cancelled_call_leaves_its_room_to_others() -> None:
    async def fails(request: ModelRequest) -> ModelReply:
        await asyncio.sleep(0.001 if request.idempotency_key == "0" else 60)
        raise TransientError("ai", "busy")

    metering = services(fails, budget=0.04)
    with metered(Meter()):
        first = asyncio.ensure_future(metering.generate(ask("0")))
        second = asyncio.ensure_future(metering.generate(ask("1")))
        await asyncio.wait({first})
        await asyncio.sleep(0.01)
        second.cancel()
        await asyncio.wait({second})
        metering._inner.model = Model(0.01)  # type: ignore[attr-defined]
        assert (await metering.generate(ask("2"))).text == "t"


async def test_an_answer_of_the_lower_cost_model_says_so_and_why() -> None:
    metering = services(Model(0.01), spent=0.40)

    (reply,) = await asked(metering, 1, model=MAIN)

    assert reply.lowered == (
        "lower-cost model claude-haiku-4-5: 80% of the job's budget of $0.50 is used up"
    )


async def test_who_asked_for_the_lower_cost_model_got_what_it_asked_for() -> None:
    metering = services(Model(0.01), spent=0.40)

    replies = [*await asked(metering, 1, model=LOWER), *await asked(metering, 1, fallback=True)]

    assert [reply.lowered for reply in replies] == [None, None]


async def test_what_was_paid_for_before_a_failure_counts() -> None:
    async def fails(request: ModelRequest) -> ModelReply:
        error = TransientError("ai", "the continuation failed")
        error.usage = Usage(cost_usd=0.2, calls=1, seconds=5.0, output_tokens=7)
        raise error

    metering, meter = services(fails), Meter()
    with metered(meter), pytest.raises(TransientError):
        await metering.generate(ask("k"))

    assert metering.spent == pytest.approx(0.2)
    assert meter.usage == Usage(cost_usd=0.2, calls=1, output_tokens=7)


async def test_a_call_is_counted_and_timed_once() -> None:
    metering, meter = services(Model(0.1)), Meter()
    with metered(meter):
        await metering.generate(ask("k"))

    assert (meter.usage.calls, meter.usage.seconds) == (1, 0.0)
