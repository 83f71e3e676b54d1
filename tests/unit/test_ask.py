from __future__ import annotations

import asyncio

import pytest

from orchestrator.errors import (
    BreakerOpen,
    Misconfigured,
    PermanentError,
    ServiceError,
    StaleEpoch,
    TransientError,
)
from orchestrator.services import ModelReply, ModelRequest, Usage
from steps.asking.ask import (
    Answered,
    ask,
    ask_text,
    asked,
    both,
    cause,
    must_degrade,
    or_fallback,
    together,
    unfenced,
)
from steps.models import KeywordsAnswer
from tests.unit.steps_helpers import (
    AI_FAILS,
    AI_OPEN,
    AI_REFUSES,
    LOWER_MODEL,
    MODEL,
    FakeContext,
    blocks,
)

TASK = "semantic_keywords"
GOOD = {"phrases": [{"text": "roof load", "kind": "problem"}]}
BAD = {"phrases": [{"text": "roof load", "kind": "poem"}]}


async def asking(ctx: FakeContext) -> KeywordsAnswer:
    return await ask(ctx, TASK, "variants", KeywordsAnswer, request={"keyword": "x"})


def first_then(*values: object) -> object:
    left = list(values)
    return lambda _request: left.pop(0)


async def test_an_answer_is_validated_recorded_and_not_asked_for_again() -> None:
    ctx = FakeContext(replies={TASK: GOOD})

    answer = await asking(ctx)

    assert [item.text for item in answer.phrases] == ["roof load"]
    assert await asking(ctx) == answer
    assert await asking(ctx.replay()) == answer
    assert len(ctx.services.calls) == 1
    assert ctx.degraded == []


async def test_the_request_carries_schema_name_model_and_key() -> None:
    ctx = FakeContext(replies={TASK: GOOD})
    await asking(ctx)

    (request,) = ctx.services.asked(TASK)

    assert request.output_name == TASK
    assert request.output_schema == KeywordsAnswer.model_json_schema(by_alias=True)
    assert request.idempotency_key == ctx.key("variants")
    assert not request.fallback


async def test_a_bad_answer_is_asked_for_again_with_its_faults() -> None:
    ctx = FakeContext(replies={TASK: first_then(BAD, GOOD)})

    answer = await asking(ctx)

    first, second = ctx.services.asked(TASK)
    assert answer.phrases[0].kind == "problem"
    assert second.idempotency_key == f"{first.idempotency_key}:v2"
    assert second.prompt.startswith(first.prompt)
    (fault,) = blocks(second)["faults"]
    assert fault.startswith("phrases.0.kind: ")
    assert "poem" not in fault, "what the model wrote is not repeated to it as an instruction"


@pytest.mark.parametrize("bad", [BAD, {"other": 1}, ModelReply(model=MODEL, usage=Usage())])
async def test_two_bad_answers_are_a_failure_that_may_pass(bad: object) -> None:
    ctx = FakeContext(replies={TASK: bad})

    with pytest.raises(TransientError, match="refused twice"):
        await asking(ctx)

    assert ctx.memos == {}


async def test_a_later_attempt_does_not_repeat_the_key_of_a_refused_answer() -> None:
    ctx = FakeContext(replies={TASK: BAD}, attempt=2)

    with pytest.raises(TransientError):
        await asking(ctx)

    assert ctx.services.asked(TASK)[1].idempotency_key == ctx.key("variants") + ":v3"


async def test_a_check_of_the_step_refuses_like_the_schema_does() -> None:
    ctx = FakeContext(replies={TASK: GOOD})

    with pytest.raises(TransientError, match="too few"):
        await ask(
            ctx, TASK, "p", KeywordsAnswer, check=lambda _: ["too few"], request={"keyword": "x"}
        )


def only_lower(request: ModelRequest) -> object:
    return GOOD if request.fallback else AI_OPEN


async def test_an_open_breaker_turns_to_the_lower_cost_model_and_says_so() -> None:
    ctx = FakeContext(replies={TASK: only_lower})

    answered = await asked(ctx, TASK, "p", KeywordsAnswer, request={"keyword": "x"})

    assert isinstance(answered, Answered)
    assert answered.model == LOWER_MODEL
    assert ctx.degraded == ["lower-cost model: ai circuit breaker open"]
    assert answered.notes == tuple(ctx.degraded)


@pytest.mark.parametrize("final", [False, True])
async def test_a_main_model_that_keeps_failing_gives_way_when_no_retry_is_left(final: bool) -> None:
    """One of several models behind a breaker may be down alone: it does not open for that."""

    def only_lower_works(request: ModelRequest) -> object:
        return GOOD if request.fallback else AI_FAILS

    ctx = FakeContext(replies={TASK: only_lower_works}, final_attempt=final)
    if not final:
        with pytest.raises(TransientError):
            await asking(ctx)
        assert ctx.degraded == []
        return

    answered = await asked(ctx, TASK, "p", KeywordsAnswer, request={"keyword": "x"})

    assert answered.model == LOWER_MODEL
    assert ctx.degraded == [f"lower-cost model: {cause(AI_FAILS)}"]


async def test_a_replay_notes_the_same_degradation() -> None:
    ctx = FakeContext(replies={TASK: only_lower})
    await asking(ctx)
    again = ctx.replay()

    await asking(again)

    assert again.degraded == ctx.degraded != []


async def test_a_budget_nearly_used_up_is_noted_with_every_answer_it_lowered() -> None:
    why = "lower-cost model lower-model: 80% of the job's budget of $0.50 is used up"
    lowered = ModelReply(data=GOOD, model=LOWER_MODEL, usage=Usage(), lowered=why)
    ctx = FakeContext(replies={TASK: lowered})

    answered = await asked(ctx, TASK, "p", KeywordsAnswer, request={"keyword": "x"})

    assert answered.notes == (why,)
    assert ctx.degraded == [why]
    again = ctx.replay()
    await asked(again, TASK, "p", KeywordsAnswer, request={"keyword": "x"})
    assert again.degraded == [why]


async def test_both_breakers_open_is_an_open_breaker_and_nothing_is_recorded() -> None:
    ctx = FakeContext(replies={TASK: AI_OPEN})

    with pytest.raises(BreakerOpen):
        await asking(ctx)

    keys = [request.idempotency_key for request in ctx.services.asked(TASK)]
    assert keys == [ctx.key("variants"), ctx.key("variants") + ":lower"]
    assert ctx.memos == {}
    assert ctx.degraded == []


async def test_text_is_unfenced_and_an_empty_one_is_asked_for_again() -> None:
    ctx = FakeContext(replies={"write_section": first_then("  \n", "```html\n<h2>A</h2>\n```")})

    answer = await ask_text(ctx, "write_section", "s1", brief={}, section={})

    assert answer.text == "<h2>A</h2>"
    assert answer.model == MODEL
    assert await ask_text(ctx.replay(), "write_section", "s1", brief={}, section={}) == answer
    assert blocks(ctx.services.asked("write_section")[1])["faults"] == ["the answer was empty"]


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        ("<p>a</p>", "<p>a</p>"),
        ("```\n<p>a</p>\n```\n", "<p>a</p>"),
        ("<p>```</p>", "<p>```</p>"),
        ("```", "```"),
    ],
)
def test_one_fence_is_taken_off(raw: str, text: str) -> None:
    assert unfenced(raw) == text


async def failing(error: BaseException) -> str:
    raise error


async def fallen_back(ctx: FakeContext, error: BaseException) -> str:
    return await or_fallback(ctx, lambda: failing(error), lambda: "plan B", "plan A failed")


@pytest.mark.parametrize("error", [AI_OPEN, AI_REFUSES, Misconfigured("ai", "no key", status=401)])
async def test_open_and_refused_fall_back_at_once_and_say_why(error: ServiceError) -> None:
    ctx = FakeContext()

    assert await fallen_back(ctx, error) == "plan B"

    assert ctx.degraded == [f"plan A failed: {cause(error)}"]


async def test_what_may_pass_is_retried_while_a_retry_is_left() -> None:
    ctx = FakeContext()

    with pytest.raises(TransientError):
        await fallen_back(ctx, AI_FAILS)

    assert ctx.degraded == []


async def test_what_may_pass_falls_back_on_the_final_attempt() -> None:
    ctx = FakeContext(final_attempt=True)

    assert await fallen_back(ctx, AI_FAILS) == "plan B"

    assert ctx.degraded == ["plan A failed: ai failed with status 529"]


async def test_a_call_that_hangs_on_the_final_attempt_falls_back() -> None:
    ctx = FakeContext(final_attempt=True)

    async def hangs() -> str:
        await asyncio.Event().wait()
        return "never"

    got = await or_fallback(ctx, hangs, lambda: "plan B", "plan A failed", within=0.001)

    assert got == "plan B"
    assert ctx.degraded == ["plan A failed: no answer in time"]


@pytest.mark.parametrize("error", [StaleEpoch("newer"), ValueError("bug")])
async def test_what_is_no_services_fault_is_never_swallowed(error: Exception) -> None:
    ctx = FakeContext(final_attempt=True)

    with pytest.raises(type(error)):
        await fallen_back(ctx, error)


def test_the_decision_to_degrade_is_a_table() -> None:
    rows = [(error, last) for error in (AI_OPEN, AI_REFUSES, AI_FAILS) for last in (False, True)]

    decided = [must_degrade(error, final_attempt=last) for error, last in rows]

    assert decided == [True, True, True, True, False, True]


async def test_a_failed_neighbour_does_not_stop_calls_side_by_side() -> None:
    done: list[str] = []

    async def slow() -> str:
        await asyncio.sleep(0)
        done.append("slow")
        return "slow"

    with pytest.raises(PermanentError):
        await together(failing(AI_REFUSES), slow())

    assert done == ["slow"]


async def test_an_error_that_stops_the_activation_stops_its_neighbours() -> None:
    stopped: list[str] = []

    async def endless() -> str:
        try:
            await asyncio.Event().wait()
        finally:
            stopped.append("endless")
        return "never"

    with pytest.raises(StaleEpoch):
        await together(endless(), failing(AI_FAILS), failing(StaleEpoch("newer")))

    assert stopped == ["endless"]


async def test_who_cancels_the_whole_cancels_the_parts() -> None:
    stopped: list[str] = []

    async def endless() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            stopped.append("endless")

    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.001):
            await together(endless(), endless())

    assert stopped == ["endless", "endless"]


@pytest.mark.parametrize(
    ("errors", "raised"),
    [
        ([AI_FAILS, AI_OPEN], AI_OPEN),
        ([AI_FAILS, AI_OPEN, AI_REFUSES], AI_REFUSES),
        ([AI_REFUSES, StaleEpoch("newer")], StaleEpoch),
    ],
)
async def test_the_gravest_of_several_errors_is_raised(
    errors: list[Exception], raised: Exception | type[Exception]
) -> None:
    with pytest.raises(raised if isinstance(raised, type) else type(raised)):
        await together(*(failing(error) for error in errors))


async def test_both_keeps_the_order() -> None:
    async def one() -> int:
        return 1

    async def two() -> str:
        return "2"

    assert await both(one(), two()) == (1, "2")
