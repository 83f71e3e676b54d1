"""The Messages API stand-in, driven with the real SDK."""

from __future__ import annotations

import warnings
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import anthropic
import pytest

from orchestrator.sandbox import sandbox_environment
from orchestrator.sandbox.server import serve
from steps.models import HeadAnswer, OutlineAnswer
from tests.sandbox_helpers import Clock, Naps, block

MODEL = "claude-sonnet-5"


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def port(clock: Clock) -> AsyncIterator[int]:
    async with serve(0, sleep=Naps(), clock=clock) as number:
        yield number


@pytest.fixture
async def client(port: int) -> AsyncIterator[anthropic.AsyncAnthropic]:
    environment = sandbox_environment(port)
    async with anthropic.AsyncAnthropic(
        base_url=environment["ANTHROPIC_BASE_URL"],
        api_key=environment["ANTHROPIC_API_KEY"],
        max_retries=0,
    ) as made:
        yield made


def section_prompt(words: int = 300, **more: Any) -> str:
    section = {"id": "s3", "heading": "Common Mistakes", "kind": "body", "words": words, **more}
    return f"<task>write_section</task>\n{block('section', section)}"


def head_prompt(keyword: str = "AI in SEO") -> str:
    blocks = [block("request", {"keyword": keyword, "year": 2026})]
    blocks += [block(name, []) for name in ("keywords", "gaps", "questions")]
    return "\n".join(["<task>blueprint_head</task>", *blocks])


async def ask(
    client: anthropic.AsyncAnthropic, prompt: str, **more: Any
) -> anthropic.types.Message:
    settings: dict[str, Any] = {"model": MODEL, "max_tokens": 4096, **more}
    messages = settings.pop("messages", None) or [{"role": "user", "content": prompt}]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        return await client.messages.create(messages=messages, **settings)


def tool_of(model: type[Any], name: str) -> dict[str, Any]:
    tool = {"name": name, "description": "Answer.", "input_schema": model.model_json_schema()}
    choice = {"type": "tool", "name": name}
    return {"tools": [tool], "tool_choice": choice, "thinking": {"type": "disabled"}}


async def test_a_text_task_is_answered_with_one_text_block(
    client: anthropic.AsyncAnthropic,
) -> None:
    message = await ask(client, section_prompt())

    assert message.stop_reason == "end_turn"
    (content,) = message.content
    assert content.type == "text"
    assert content.text.startswith("<h2>Common Mistakes</h2>")
    assert message.usage.output_tokens == pytest.approx(len(content.text) / 4, abs=1)
    assert message.model == MODEL


async def test_every_answer_is_marked_as_the_sandboxs(client: anthropic.AsyncAnthropic) -> None:
    raw = await client.messages.with_raw_response.create(
        model=MODEL, max_tokens=50, messages=[{"role": "user", "content": "hello"}]
    )

    assert raw.headers["x-sota-sandbox"] == "1"
    assert raw.headers["request-id"].startswith("req_")


async def test_a_forced_tool_is_called_with_input_that_fits_its_schema(
    client: anthropic.AsyncAnthropic,
) -> None:
    message = await ask(client, head_prompt(), **tool_of(HeadAnswer, "blueprint_head"))

    assert message.stop_reason == "tool_use"
    (content,) = message.content
    assert content.type == "tool_use"
    head = HeadAnswer.model_validate(content.input)
    assert "AI in SEO" in head.title


async def test_structured_output_by_format_is_json_text(client: anthropic.AsyncAnthropic) -> None:
    schema = HeadAnswer.model_json_schema()
    message = await ask(
        client,
        head_prompt(),
        output_config={"format": {"type": "json_schema", "schema": schema}},
    )

    (content,) = message.content
    assert content.type == "text"
    assert HeadAnswer.model_validate_json(content.text).slug == "ai-in-seo"


async def test_a_long_answer_is_cut_and_can_be_continued_to_the_same_text(
    client: anthropic.AsyncAnthropic,
) -> None:
    whole = (await ask(client, section_prompt())).content[0]
    turns: list[dict[str, Any]] = [{"role": "user", "content": section_prompt()}]
    said = ""
    for _ in range(20):
        message = await ask(client, "", messages=turns, max_tokens=100)
        part = message.content[0]
        assert part.type == "text"
        said += part.text
        if message.stop_reason != "max_tokens":
            break
        assert message.usage.output_tokens == 100
        turns += [
            {"role": "assistant", "content": part.text.rstrip()},
            {"role": "user", "content": "Go on exactly where you stopped."},
        ]

    assert message.stop_reason == "end_turn"
    assert len(turns) > 5
    assert whole.type == "text"
    assert "".join(said.split()) == "".join(whole.text.split())


async def test_a_tool_call_over_the_limit_is_cut_too(client: anthropic.AsyncAnthropic) -> None:
    tool = tool_of(OutlineAnswer, "blueprint_outline")
    prompt = head_prompt().replace("blueprint_head", "blueprint_outline")

    message = await ask(client, prompt, max_tokens=20, **tool)

    assert message.stop_reason == "max_tokens"
    assert message.content[0].type == "tool_use"
    assert message.content[0].input == {}


async def test_a_marked_prefix_is_written_once_and_then_read_for_five_minutes(
    client: anthropic.AsyncAnthropic, clock: Clock
) -> None:
    system = [
        {"type": "text", "text": "Rules. " * 800, "cache_control": {"type": "ephemeral"}},
    ]
    usages = []
    for pause in (0, 100, 299, 301):
        clock.now += pause
        usages.append((await ask(client, section_prompt(), system=system)).usage)

    written = [usage.cache_creation_input_tokens for usage in usages]
    read = [usage.cache_read_input_tokens for usage in usages]
    assert written == [1400, 0, 0, 1400]
    assert read == [0, 1400, 1400, 0]
    assert all(usage.input_tokens < 100 for usage in usages)


async def test_a_short_prefix_is_not_cached(client: anthropic.AsyncAnthropic) -> None:
    system = [{"type": "text", "text": "Rules.", "cache_control": {"type": "ephemeral"}}]

    for _ in range(2):
        usage = (await ask(client, section_prompt(), system=system)).usage

    assert (usage.cache_creation_input_tokens, usage.cache_read_input_tokens) == (0, 0)


@pytest.mark.parametrize(
    ("change", "error", "part"),
    [
        ({"max_tokens": 0}, anthropic.BadRequestError, "max_tokens"),
        ({"model": "gpt-nothing"}, anthropic.NotFoundError, "gpt-nothing"),
        ({"extra_body": {"temperature": 0.2}}, anthropic.BadRequestError, "`temperature`"),
        (
            {"messages": [{"role": "assistant", "content": "x"}]},
            anthropic.BadRequestError,
            "first message",
        ),
        (
            {
                "messages": [
                    {"role": "user", "content": "x"},
                    {"role": "assistant", "content": "y"},
                ]
            },
            anthropic.BadRequestError,
            "must end with a user message",
        ),
        (
            {"tools": [], "tool_choice": {"type": "tool", "name": "gone"}},
            anthropic.BadRequestError,
            "Thinking may not be enabled",
        ),
        (
            {
                "tools": [],
                "tool_choice": {"type": "tool", "name": "gone"},
                "thinking": {"type": "disabled"},
            },
            anthropic.BadRequestError,
            "gone",
        ),
    ],
)
async def test_a_request_the_api_would_refuse_is_refused_in_its_words(
    client: anthropic.AsyncAnthropic,
    change: dict[str, Any],
    error: type[anthropic.APIStatusError],
    part: str,
) -> None:
    with pytest.raises(error) as raised:
        await ask(client, section_prompt(), **change)

    assert isinstance(raised.value.body, dict)
    assert part in raised.value.body["error"]["message"]
    assert raised.value.request_id


async def test_older_models_take_a_temperature_under_the_older_version(
    client: anthropic.AsyncAnthropic,
) -> None:
    old: dict[str, Any] = {
        "model": "claude-haiku-4-5",
        "extra_body": {"temperature": 0.2},
        "extra_headers": {"anthropic-version": "2023-06-01"},
    }
    message = await ask(client, "hello", **old)

    assert message.stop_reason == "end_turn"
    with pytest.raises(anthropic.BadRequestError, match="temperature"):
        await ask(client, "hello", **{**old, "extra_headers": {}})


async def test_without_a_key_the_answer_is_401_in_anthropics_shape(port: int) -> None:
    url = f"{sandbox_environment(port)['ANTHROPIC_BASE_URL']}/v1/messages"
    async with aiohttp.ClientSession() as session, session.post(url, json={}) as response:
        body = await response.json()

    assert response.status == 401
    assert body["type"] == "error"
    assert body["error"]["type"] == "authentication_error"


async def test_a_wrong_key_is_an_authentication_error(port: int) -> None:
    url = sandbox_environment(port)["ANTHROPIC_BASE_URL"]
    async with anthropic.AsyncAnthropic(base_url=url, api_key="invalid", max_retries=0) as client:
        with pytest.raises(anthropic.AuthenticationError):
            await ask(client, "hello")


async def test_broken_json_is_a_bad_request(port: int) -> None:
    url = f"{sandbox_environment(port)['ANTHROPIC_BASE_URL']}/v1/messages"
    async with (
        aiohttp.ClientSession() as session,
        session.post(url, data=b"{", headers={"x-api-key": "k"}) as response,
    ):
        assert response.status == 400
