"""The Anthropic client against a server that speaks the Messages API."""

import asyncio
import json
import logging
import pickle
from contextlib import asynccontextmanager

import pytest
from aiohttp import web

from orchestrator.clients.anthropic import AnthropicClient
from orchestrator.clients.asking import complete
from orchestrator.clients.continuation import back_to_space, joined
from orchestrator.clients.model_traits import traits_of
from orchestrator.clients.pricing import cost_usd
from orchestrator.errors import Misconfigured, PermanentError, TransientError
from orchestrator.services import ModelRequest
from tests.unit.clients_helpers import NOW, SECRET, Stub, started, told

PRICES = {
    "claude-sonnet-5": (3.0, 15.0),
    "claude-haiku-4-5": (1.0, 5.0),
    "claude-opus-5-5": (4.0, 20.0),
}
SYSTEM = "You are the quiet librarian of Alexandria."
PROMPT = "<task>write_section</task> Tell of the purple elephant."
SCHEMA = {
    "type": "object",
    "properties": {
        "title": {"type": "string", "minLength": 3},
        "tags": {"type": "array", "items": {"type": "string"}, "maxItems": 5},
    },
    "required": ["title"],
}


def message(text="", stop="end_turn", **usage):
    used = {"input_tokens": 100, "output_tokens": 20} | usage
    return {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": "claude-sonnet-5",
        "content": [{"type": "text", "text": text}] if text else [],
        "stop_reason": stop,
        "stop_sequence": None,
        "usage": used,
    }


def problem(status, text="nope", kind="invalid_request_error", **headers):
    body = {"type": "error", "error": {"type": kind, "message": text}, "request_id": "req_7"}
    return (status, body, {"request-id": "req_7", **headers})


def request(**changes):
    base = {"system": SYSTEM, "prompt": PROMPT, "idempotency_key": "job_1:step:s1"}
    return ModelRequest(**{**base, "max_tokens": 50, **changes})


@asynccontextmanager
async def asked(*answers, handler=None, timeout=5.0):
    ticks = iter(range(1000))
    stub = Stub(answers=list(answers), handler=handler)
    async with started(stub):
        client = AnthropicClient(
            SECRET,
            base_url=stub.url,
            default_model="claude-sonnet-5",
            fallback_model="claude-haiku-4-5",
            prices=PRICES,
            timeout=timeout,
            clock=lambda: NOW,
            timer=lambda: float(next(ticks)),
        )
        try:
            yield client, stub
        finally:
            await client.close()


async def test_a_text_answer_with_its_usage_and_cost():
    usage = {"cache_creation_input_tokens": 1000, "cache_read_input_tokens": 2000}
    async with asked((200, message("<h2>Yes</h2>", **usage))) as (client, stub):
        reply = await client.generate(request())
    assert reply.text == "<h2>Yes</h2>"
    assert reply.data is None
    assert reply.model == "claude-sonnet-5"
    assert not reply.sandbox
    assert reply.usage.model_dump() == {
        "input_tokens": 100,
        "output_tokens": 20,
        "cache_read_tokens": 2000,
        "cache_write_tokens": 1000,
        "cost_usd": pytest.approx((100 * 3 + 1000 * 3.75 + 2000 * 0.3 + 20 * 15) / 1e6),
        "calls": 1,
        "seconds": 1.0,
        "sandbox_calls": 0,
        "cache_hits": 0,
        "cache_misses": 0,
    }
    sent = stub.seen[0]
    assert sent.path == "/v1/messages"
    assert sent.headers["Idempotency-Key"] == "job_1:step:s1"
    assert sent.headers["Authorization"] == f"Bearer {SECRET}"
    assert sent.body["system"] == [
        {"type": "text", "text": SYSTEM, "cache_control": {"type": "ephemeral"}}
    ]
    assert sent.body["messages"] == [{"role": "user", "content": PROMPT}]


async def test_a_sandbox_says_so():
    async with asked((200, message("x"), {"x-sota-sandbox": "1"})) as (client, _):
        reply = await client.generate(request())
    assert reply.sandbox
    assert reply.usage.sandbox_calls == 1


async def test_the_model_is_the_requested_the_default_or_the_lower_cost_one():
    async with asked((200, message("x"))) as (client, stub):
        await client.generate(request(model="claude-opus-5-5"))
        await client.generate(request())
        reply = await client.generate(request(model="claude-opus-5-5", fallback=True))
    asked_for = [seen.body["model"] for seen in stub.seen]
    assert asked_for == ["claude-opus-5-5", "claude-sonnet-5", "claude-haiku-4-5"]
    assert reply.usage.cost_usd == pytest.approx((100 * 1 + 20 * 5) / 1e6)


async def test_a_model_without_a_price_is_refused_before_it_costs_anything():
    async with asked((200, message("x"))) as (client, stub):
        with pytest.raises(Misconfigured, match="SOTA_MODEL_PRICES lacks claude-x"):
            await client.generate(request(model="claude-x"))
    assert stub.seen == []


async def test_temperature_and_thinking_go_only_where_they_are_taken():
    async with asked((200, message("x"))) as (client, stub):
        await client.generate(request(temperature=0.2))
        await client.generate(request(temperature=0.2, fallback=True))
        await client.generate(request(temperature=0.2, model="claude-opus-5-5"))
    sonnet, haiku, opus = (seen for seen in stub.seen)
    assert "temperature" not in sonnet.body
    assert sonnet.body["thinking"] == {"type": "disabled"}
    assert sonnet.headers["anthropic-version"] == "2026-10-21"
    assert haiku.body["temperature"] == 0.2
    assert haiku.headers["anthropic-version"] == "2023-06-01"
    assert "thinking" not in haiku.body
    assert not {"temperature", "thinking"} & opus.body.keys()


@pytest.mark.parametrize(
    ("model", "sampling", "thinking"),
    [
        ("claude-haiku-4-5", True, {}),
        ("claude-haiku-4-5-20251001", True, {}),
        ("claude-sonnet-4-6", True, {}),
        ("claude-opus-4-8", False, {}),
        ("claude-sonnet-5", False, {"type": "disabled"}),
        ("claude-sonnet-5-20260630", False, {"type": "disabled"}),
        ("claude-opus-5", False, {"type": "disabled"}),
        ("claude-haiku-5-5", False, {"type": "disabled"}),
        ("claude-sonnet-5-5", False, {"type": "between_tools"}),
        ("claude-opus-5-5", False, {}),
        ("claude-fable-5-2", False, {}),
        ("somebody-elses", False, {}),
    ],
)
def test_what_models_take(model, sampling, thinking):
    assert (traits_of(model).sampling, traits_of(model).thinking) == (sampling, thinking)


# -- structured output -----------------------------------------------------------------


async def test_a_structured_answer_is_asked_for_by_schema_and_read():
    data = {"title": "Elephants", "tags": ["purple"]}
    async with asked((200, message(json.dumps(data)))) as (client, stub):
        reply = await client.generate(request(output_schema=SCHEMA, output_name="write_section"))
    assert reply.data == data
    assert reply.text == ""
    form = stub.seen[0].body["output_config"]["format"]
    assert form["type"] == "json_schema"
    assert form["schema"]["required"] == ["title", "tags"]
    assert form["schema"]["additionalProperties"] is False
    assert "minLength" not in form["schema"]["properties"]["title"]


async def test_a_structured_answer_cut_short_is_asked_for_again_with_twice_the_tokens():
    whole = message(json.dumps({"title": "Yes"}))
    async with asked((200, message('{"tit', "max_tokens")), (200, whole)) as (client, stub):
        reply = await client.generate(request(output_schema=SCHEMA))
    assert reply.data == {"title": "Yes"}
    assert [seen.body["max_tokens"] for seen in stub.seen] == [50, 100]
    keys = [seen.headers["Idempotency-Key"] for seen in stub.seen]
    assert keys == ["job_1:step:s1", "job_1:step:s1:x2"]
    assert reply.usage.calls == 2
    assert reply.usage.output_tokens == 40


async def test_a_structured_answer_cut_twice_is_given_up():
    async with asked((200, message('{"tit', "max_tokens"))) as (client, stub):
        with pytest.raises(PermanentError, match="still cut off after 2 calls"):
            await client.generate(request(output_schema=SCHEMA))
    assert len(stub.seen) == 2


@pytest.mark.parametrize("text", ["no JSON at all", "[1, 2]", '"text"', "null", ""])
async def test_a_structured_answer_that_is_no_object_is_worth_another_try(text):
    async with asked((200, message(text))) as (client, _):
        with pytest.raises(TransientError, match="not a JSON object") as caught:
            await client.generate(request(output_schema=SCHEMA))
    assert "no JSON at all" not in told(caught.value)


def test_every_property_is_required_at_every_depth():
    inner = {"type": "object", "properties": {"a": {"type": "string"}}, "required": []}
    schema = {
        "type": "object",
        "$defs": {"Inner": inner},
        "properties": {"list": {"type": "array", "items": inner}, "type": {"type": "string"}},
    }
    whole = complete(schema)
    assert whole["required"] == ["list", "type"]
    assert whole["$defs"]["Inner"]["required"] == ["a"]
    assert whole["properties"]["list"]["items"]["required"] == ["a"]


# -- continuation ----------------------------------------------------------------------


async def test_a_cut_text_is_continued_and_joined():
    parts = [
        (200, message("<p>One two thr", "max_tokens")),
        (200, message("three four</p> <p>fi", "max_tokens")),
        (200, message("<p>five</p>")),
    ]
    async with asked(*parts) as (client, stub):
        reply = await client.generate(request())
    assert reply.text == "<p>One two three four</p> <p>five</p>"
    assert reply.usage.calls == 3
    assert reply.usage.seconds == 3.0
    keys = [seen.headers["Idempotency-Key"] for seen in stub.seen]
    assert keys == ["job_1:step:s1", "job_1:step:s1:c1", "job_1:step:s1:c2"]
    roles = [turn["role"] for turn in stub.seen[1].body["messages"]]
    assert roles == ["user", "assistant", "user"]  # never ends in the assistant's turn
    assert stub.seen[1].body["messages"][1]["content"] == "<p>One two"
    assert stub.seen[2].body["messages"][1]["content"].endswith("four</p>")


async def test_a_text_that_never_ends_is_given_up():
    async with asked((200, message("more and more", "max_tokens"))) as (client, stub):
        with pytest.raises(PermanentError, match="still cut off after 4 calls of up to 50 tokens"):
            await client.generate(request())
    assert len(stub.seen) == 4


async def test_what_was_paid_for_before_a_continuation_failed_is_told_with_the_error():
    parts = [(200, message("<p>One two thr", "max_tokens")), problem(529)]
    async with asked(*parts) as (client, _):
        with pytest.raises(TransientError) as caught:
            await client.generate(request())
    usage = pickle.loads(pickle.dumps(caught.value)).usage
    assert (usage.calls, usage.output_tokens) == (1, 20)
    assert usage.cost_usd == pytest.approx((100 * 3 + 20 * 15) / 1e6)


@pytest.mark.parametrize(
    ("answers", "calls"),
    [
        ([(200, message('{"tit', "max_tokens")), problem(500)], 1),
        ([(200, message("no JSON"))], 1),
        ([(200, message("", "refusal"))], 1),
        ([problem(400)], 0),
    ],
)
async def test_an_answer_of_no_use_is_paid_for_like_any_other(answers, calls):
    async with asked(*answers) as (client, _):
        with pytest.raises((TransientError, PermanentError)) as caught:
            await client.generate(request(output_schema=SCHEMA))
    assert caught.value.usage.calls == calls


async def test_an_answer_cut_before_its_first_word_is_asked_for_with_twice_the_tokens():
    """A model that thinks first may spend every token on that."""
    async with asked((200, message("", "max_tokens")), (200, message("Word."))) as (client, stub):
        reply = await client.generate(request(model="claude-opus-5-5"))
    assert reply.text == "Word."
    assert [seen.body["max_tokens"] for seen in stub.seen] == [50, 100]


async def test_an_answer_that_never_begins_is_given_up():
    async with asked((200, message("", "max_tokens"))) as (client, stub):
        with pytest.raises(PermanentError, match="still cut off after 2 calls"):
            await client.generate(request(max_tokens=40_000))
    assert [seen.body["max_tokens"] for seen in stub.seen] == [40_000, 64_000]


@pytest.mark.parametrize(
    ("cut", "said", "space"),
    [
        ("one two thr", "one two", " "),
        ("one two\n\n", "one two", "\n\n"),
        ("<p class=", "<p", " "),
        ("無間断的文字", "無間断的文字", ""),
        ("", "", ""),
        (" word", " word", ""),
    ],
)
def test_a_cut_answer_goes_back_to_its_last_space(cut, said, space):
    assert back_to_space(cut) == (said, space)


@pytest.mark.parametrize(
    ("said", "space", "more", "whole"),
    [
        ("one two", " ", "three", "one two three"),
        ("one two", " ", "\n three", "one two three"),
        ("無間", "", "断的", "無間断的"),
        ("and then the river rose", " ", "the river rose again", "and then the river rose again"),
        ("and then the river rose", " ", "then it fell", "and then the river rose then it fell"),
        ("one two", " ", "", "one two "),
    ],
)
def test_parts_are_joined_without_gap_or_repetition(said, space, more, whole):
    assert joined(said, space, more) == whole


# -- errors ----------------------------------------------------------------------------

ERRORS = [
    (400, PermanentError),
    (401, Misconfigured),
    (403, Misconfigured),
    (404, PermanentError),
    (408, TransientError),
    (413, PermanentError),
    (429, TransientError),
    (500, TransientError),
    (503, TransientError),
    (529, TransientError),
]


@pytest.mark.parametrize(("status", "kind"), ERRORS)
async def test_api_errors_become_ours_after_one_call(status, kind):
    async with asked(problem(status, **{"Retry-After": "3"})) as (client, stub):
        with pytest.raises(kind) as caught:
            await client.generate(request())
    assert type(caught.value) is kind
    assert caught.value.status == status
    assert caught.value.service == "ai"
    assert len(stub.seen) == 1
    assert getattr(caught.value, "retry_after", 3.0) == 3.0
    assert "req_7" in str(caught.value)  # for Anthropic's support


async def test_a_refused_key_says_which_setting():
    async with asked(problem(401, "invalid x-api-key", "authentication_error")) as (client, _):
        with pytest.raises(Misconfigured, match=r"ANTHROPIC_API_KEY is refused \(401\): set a"):
            await client.generate(request())


async def test_a_useful_message_of_the_api_is_passed_on():
    async with asked(problem(400, "max_tokens: 64001 > 64000")) as (client, _):
        with pytest.raises(PermanentError, match="max_tokens: 64001 > 64000"):
            await client.generate(request())


async def test_the_sdk_never_logs_prompts_or_headers(caplog):
    caplog.set_level(logging.DEBUG)
    async with asked((200, message("x"))) as (client, _):
        await client.generate(request())
    for part in (SECRET, "librarian", "elephant"):
        assert part not in caplog.text


@pytest.mark.parametrize("status", [400, 401, 403, 429, 500])
async def test_no_error_tells_key_or_prompt(status):
    echo = f"key {SECRET} system {SYSTEM} prompt {PROMPT}"
    async with asked(problem(status, echo)) as (client, _):
        with pytest.raises((PermanentError, TransientError)) as caught:
            await client.generate(request())
    for part in (SECRET, "librarian", "elephant"):
        assert part not in told(caught.value)
        assert part not in repr(client)


async def test_a_refusal_is_final():
    body = message("", "refusal") | {"stop_details": {"type": "refusal", "category": "cyber"}}
    async with asked((200, body)) as (client, _):
        with pytest.raises(PermanentError, match="refused to answer"):
            await client.generate(request())


async def test_a_full_context_window_is_final():
    async with asked((200, message("a", "model_context_window_exceeded"))) as (client, _):
        with pytest.raises(PermanentError, match="send less"):
            await client.generate(request())


@pytest.mark.parametrize(
    "answer",
    [
        (200, "<html>welcome to the hotel</html>", {"Content-Type": "text/html"}),
        (200, "{broken", {"Content-Type": "application/json"}),
        (200, {}),
        (200, {"type": "message", "content": None}),
        (200, []),
    ],
)
async def test_an_answer_that_is_no_message_is_worth_another_try(answer):
    async with asked(answer) as (client, _):
        with pytest.raises(TransientError):
            await client.generate(request())


async def test_a_slow_answer_is_a_timeout():
    async def slow(_seen):
        await asyncio.sleep(1)
        return web.json_response(message("late"))

    async with asked(handler=slow, timeout=0.05) as (client, _):
        with pytest.raises(TransientError, match="no answer in time"):
            await client.generate(request())


async def test_a_dropped_connection_is_worth_another_try():
    def drop(seen):
        seen.request.transport.abort()
        return web.Response()

    async with asked(handler=drop) as (client, _):
        with pytest.raises(TransientError, match="the call failed"):
            await client.generate(request())


async def test_nobody_listening_is_worth_another_try():
    client = AnthropicClient(
        SECRET,
        base_url="http://127.0.0.1:1",
        default_model="claude-sonnet-5",
        fallback_model="claude-haiku-4-5",
        prices=PRICES,
    )
    with pytest.raises(TransientError):
        await client.generate(request())
    await client.close()


def test_a_missing_key_names_the_setting():
    with pytest.raises(Misconfigured, match="ANTHROPIC_API_KEY is not set"):
        AnthropicClient("", default_model="a", fallback_model="b", prices={})


def test_cost_counts_the_cache_by_anthropics_factors():
    tokens = {"input_tokens": 1_000_000, "output_tokens": 1_000_000}
    assert cost_usd((3.0, 15.0), **tokens) == pytest.approx(18.0)
    cached = {"cache_write_tokens": 1_000_000, "cache_read_tokens": 1_000_000}
    assert cost_usd((3.0, 15.0), input_tokens=0, output_tokens=0, **cached) == pytest.approx(4.05)
