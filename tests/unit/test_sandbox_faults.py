"""Faults on order, statistics and the latency profile, over HTTP."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import anthropic
import pytest

from orchestrator.cli.environment import sandbox_options
from orchestrator.cli.problems import CliError, settings_from_environment
from orchestrator.config import Settings
from orchestrator.sandbox import sandbox_environment
from orchestrator.sandbox.__main__ import arguments
from orchestrator.sandbox.server import serve
from orchestrator.sandbox.stats import KeyCounter
from tests.sandbox_helpers import Clock, Naps

SEARCH = {"q": "AI in SEO"}


class Api:
    """The sandbox's control API and one search to try it with."""

    def __init__(self, port: int, session: aiohttp.ClientSession, naps: Naps) -> None:
        self.base = f"http://127.0.0.1:{port}"
        self.environment = sandbox_environment(port)
        self.session = session
        self.naps = naps

    async def call(self, method: str, path: str, body: Any = None) -> tuple[int, Any]:
        async with self.session.request(method, f"{self.base}{path}", json=body) as response:
            return response.status, await response.json(content_type=None)

    async def fault(self, **fault: Any) -> tuple[int, Any]:
        return await self.call("POST", "/sandbox/faults", fault)

    async def search(self, key: str = "job_1:gap-analysis:serp") -> aiohttp.ClientResponse:
        headers = {"X-API-KEY": "k", "Idempotency-Key": key}
        url = f"{self.base}/serper/search"
        async with self.session.post(url, json=SEARCH, headers=headers) as response:
            await response.read()
            return response

    async def stats(self, query: str = "") -> Any:
        return (await self.call("GET", f"/sandbox/stats{query}"))[1]


@pytest.fixture
async def api() -> AsyncIterator[Api]:
    naps = Naps()
    async with (
        serve(0, sleep=naps, clock=Clock()) as port,
        aiohttp.ClientSession() as session,
    ):
        yield Api(port, session, naps)


async def test_a_counted_fault_fails_so_many_calls_and_is_gone(api: Api) -> None:
    status, _ = await api.fault(service="serper", status=503, count=2, retryAfter=7)
    assert status == 201

    answers = [await api.search() for _ in range(3)]

    assert [answer.status for answer in answers] == [503, 503, 200]
    assert answers[0].headers["Retry-After"] == "7"
    assert (await api.call("GET", "/sandbox/faults"))[1] == {"faults": []}


async def test_a_fault_without_a_count_lasts_until_it_is_cleared(api: Api) -> None:
    await api.fault(service="serper", status=500)
    before = [(await api.search()).status for _ in range(3)]

    await api.call("DELETE", "/sandbox/faults")

    assert before == [500, 500, 500]
    assert (await api.search()).status == 200


async def test_a_rate_fails_about_that_share(api: Api) -> None:
    await api.fault(service="serper", status=500, rate=0.3)

    failed = sum([(await api.search()).status == 500 for _ in range(200)])

    assert 35 <= failed <= 85


async def test_a_fault_can_be_meant_for_some_calls_only(api: Api) -> None:
    await api.fault(service="serper", status=500, match=":references:")

    assert (await api.search("job_1:gap-analysis:serp")).status == 200
    assert (await api.search("job_1:references:query:0")).status == 500


async def test_a_fault_of_one_service_leaves_the_others_alone(api: Api) -> None:
    await api.fault(service="wordpress", status=500)

    assert (await api.search()).status == 200
    status, body = await api.call("GET", "/wordpress/wp-json/wp/v2/posts/101")
    assert (status, body["data"]) == (500, {"status": 500})


async def test_a_dropped_connection_is_no_answer(api: Api) -> None:
    await api.fault(service="serper", disconnect=True, count=1)

    with pytest.raises(aiohttp.ClientError):
        await api.search()

    assert (await api.stats())["requests"]["serper"]["byStatus"] == {"disconnect": 1}
    assert (await api.search()).status == 200


async def test_a_timeout_holds_the_call_and_then_drops_it(api: Api) -> None:
    await api.fault(service="serper", timeout=30, count=1)

    with pytest.raises(aiohttp.ClientError):
        await api.search()

    assert api.naps.taken == [30]
    assert (await api.stats())["requests"]["serper"]["byStatus"] == {"timeout": 1}


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (429, anthropic.RateLimitError),
        (503, anthropic.ServiceUnavailableError),
        (529, anthropic.OverloadedError),
    ],
)
async def test_faults_of_one_model_reach_its_callers_in_the_apis_shape(
    api: Api, status: int, error: type[anthropic.APIStatusError]
) -> None:
    await api.fault(service="ai", status=status, model="claude-sonnet-5", retryAfter=3)
    client = anthropic.AsyncAnthropic(
        base_url=api.environment["ANTHROPIC_BASE_URL"], api_key="k", max_retries=0
    )

    async def ask(model: str) -> anthropic.types.Message:
        turn: Any = {"role": "user", "content": "hello"}
        return await client.messages.create(model=model, max_tokens=99, messages=[turn])

    async with client:
        with pytest.raises(error) as raised:
            await ask("claude-sonnet-5")
        assert (await ask("claude-haiku-4-5")).role == "assistant"

    assert raised.value.response.headers["retry-after"] == "3"


@pytest.mark.parametrize(
    ("fault", "field"),
    [
        ({"service": "post", "status": 500}, "service"),
        ({"service": "ai", "status": 200}, "status"),
        ({"service": "ai", "status": 500, "count": 0}, "count"),
        ({"service": "ai", "status": 500, "rate": 1.5}, "rate"),
        ({"service": "ai", "status": 500, "often": 2}, "often"),
        ({"service": "ai"}, "body"),
        ({"service": "ai", "status": 500, "timeout": 3}, "body"),
        ({"service": "ai", "timeout": 3, "retryAfter": 3}, "body"),
    ],
)
async def test_a_wrong_fault_is_refused_with_its_field(
    api: Api, fault: dict[str, Any], field: str
) -> None:
    status, problem = await api.fault(**fault)

    assert status == 422
    assert field in [error["field"] for error in problem["errors"]]
    assert (await api.call("GET", "/sandbox/faults"))[1] == {"faults": []}


async def test_statistics_count_requests_keys_and_what_is_in_flight(api: Api) -> None:
    for key in ("job_1:gap-analysis:serp", "job_1:gap-analysis:serp", "job_2:references:q0"):
        await api.search(key)
    async with api.session.get(f"{api.base}/serper/nothing") as response:
        assert response.status == 404

    stats = await api.stats()

    assert stats["requests"]["serper"] == {"total": 4, "byStatus": {"200": 3, "404": 1}}
    assert stats["keys"] == {"job_1:gap-analysis:serp": 2, "job_2:references:q0": 1}
    assert stats["inFlight"] == 0
    assert stats["peakInFlight"]["serper"] == 1
    assert (await api.stats("?keys=repeated"))["keys"] == {"job_1:gap-analysis:serp": 2}
    assert list((await api.stats("?prefix=job_2"))["keys"]) == ["job_2:references:q0"]
    assert (await api.call("GET", "/sandbox/stats?keys=some"))[0] == 422

    await api.call("DELETE", "/sandbox/stats")
    assert (await api.stats())["requests"] == {}


def test_remembered_keys_are_bounded_and_the_oldest_goes_first() -> None:
    counter = KeyCounter(limit=2)
    for key in ("a", "b", "a", "c"):
        counter.add(key)

    assert counter.counts() == {"a": 2, "c": 1}
    assert counter.forgotten == 1


async def test_the_profile_and_the_scale_can_be_changed_while_it_runs(api: Api) -> None:
    await api.search()
    assert api.naps.taken == []

    change = {"profile": "seed", "timeScale": 0.5}
    assert await api.call("PUT", "/sandbox/profile", change) == (200, {**change, "flaws": 0.5})
    await api.search()
    await api.call("PUT", "/sandbox/profile", {"timeScale": 0.25})
    await api.search()

    assert api.naps.taken == [1.0, 0.5]  # a search takes 2 s of the step's 45 in this profile
    assert (await api.call("PUT", "/sandbox/profile", {"profile": "fast"}))[0] == 422


def test_the_command_line_takes_its_defaults_from_the_settings() -> None:
    settings = Settings(sandbox_port=9123, sandbox_profile="seed", sandbox_time_scale=0.5)

    options = arguments(settings, ["--port", "9200"])

    assert (options.port, options.profile, options.time_scale) == (9200, "seed", 0.5)
    with pytest.raises(SystemExit):
        arguments(settings, ["--profile", "fast"])


def test_the_share_of_flaws_is_a_setting_an_option_and_never_out_of_range(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("SOTA_SANDBOX_FLAWS", "0.25")
    settings = settings_from_environment()

    assert arguments(settings, []).flaws == 0.25
    assert arguments(settings, ["--flaws", "0"]).flaws == 0.0
    assert arguments(Settings(sandbox_flaws=None), []).flaws is None
    assert arguments(Settings(sandbox_flaws=None), sandbox_options(settings)).flaws == 0.25
    assert not any("flaws" in option for option in sandbox_options(Settings(sandbox_flaws=None)))
    for wrong in ("1.01", "-0.1", "nan", "half"):
        with pytest.raises(SystemExit):
            arguments(settings, [f"--flaws={wrong}"])
        assert "give a number from 0 to 1" in capsys.readouterr().err
        monkeypatch.setenv("SOTA_SANDBOX_FLAWS", wrong)
        with pytest.raises(CliError, match="SOTA_SANDBOX_FLAWS: "):
            settings_from_environment()


async def test_a_caller_that_gives_up_is_no_longer_in_flight() -> None:
    entered, never = asyncio.Event(), asyncio.Event()

    async def sleep(_: float) -> None:
        entered.set()
        await never.wait()

    async with (
        serve(0, profile="live", sleep=sleep, clock=Clock()) as port,
        aiohttp.ClientSession() as session,
    ):
        api = Api(port, session, Naps())
        call = asyncio.ensure_future(api.search())
        await entered.wait()
        assert (await api.stats())["inFlight"] == 1
        call.cancel()
        while (await api.stats())["inFlight"]:
            await asyncio.sleep(0.001)
        assert (await api.stats())["requests"]["serper"]["byStatus"] == {"aborted": 1}


async def test_control_answers_carry_the_mark_too(api: Api) -> None:
    async with api.session.get(f"{api.base}/sandbox/health") as response:
        assert response.headers["x-sota-sandbox"] == "1"


async def test_drafts_are_flawed_as_the_profile_has_it_or_as_told(api: Api) -> None:
    assert (await api.call("GET", "/sandbox/profile"))[1]["flaws"] == 0.0
    assert (await api.call("PUT", "/sandbox/profile", {"profile": "seed"}))[1]["flaws"] == 0.5
    assert (await api.call("PUT", "/sandbox/profile", {"flaws": 0.1}))[1]["flaws"] == 0.1
    assert (await api.call("PUT", "/sandbox/profile", {"flaws": 2}))[0] == 422


async def test_the_time_charged_is_counted_by_step_whatever_the_scale(api: Api) -> None:
    await api.call("PUT", "/sandbox/profile", {"profile": "seed", "timeScale": 0.5})
    await api.search()
    await api.search("job_1:references:search:1")

    assert (await api.stats())["seconds"] == {"gap-analysis": 2.0, "references": 2.0}
    assert api.naps.taken == [1.0, 1.0]
