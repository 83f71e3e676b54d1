"""The engine over the real journal (a SQLite file), with a fake clock and fake services."""

from __future__ import annotations

import asyncio
import dataclasses
import functools
import itertools
import math
import random
from collections.abc import AsyncIterator, Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from orchestrator.engine import EngineOptions, JobRun
from orchestrator.errors import (
    BreakerOpen,
    JobEnded,
    Misconfigured,
    PermanentError,
    StaleEpoch,
    TransientError,
)
from orchestrator.jobs import JobStatus, StepState
from orchestrator.journal.base import Journal
from orchestrator.journal.opening import open_journal
from orchestrator.journal.records import NewJob
from orchestrator.models import JobView
from orchestrator.services import ModelReply, ModelRequest, SearchRequest, Usage
from orchestrator.step import Pipeline, Step, StepContext, critical_path
from steps import PIPELINE
from tests.fakes import FakeClock, FakeServices, ask

Run = Callable[[StepContext], Any]


def step(slug: str, run: Run, *, needs: tuple[str, ...] = (), **more: Any) -> Step:
    return Step(
        name=slug.title(), slug=slug, version=1, run=run, needs=needs,
        timeout=more.pop("timeout", 30.0), **more,
    )  # fmt: skip


def pipeline(*steps: Step) -> Pipeline:
    return Pipeline(steps, finish=lambda request, outputs, run: {"outputs": outputs, "run": run})


class Bench:
    """A journal with one job in it, and the means to run it again and again."""

    def __init__(self, journal: Journal) -> None:
        self.journal = journal
        self._activations = itertools.count(1)
        self.clock = FakeClock()
        self.services = FakeServices()
        self.options = EngineOptions(
            clock=self.clock,
            sleep=self.clock.sleep,
            rand=random.Random(1),
            hibernate_after=math.inf,
        )

    async def submit(self, line: Pipeline) -> None:
        await self.journal.submit(
            NewJob(
                id="job_1", client_id="c", request_id="r", body_hash="h",
                request={"keyword": "AI in SEO"}, keyword="AI in SEO", mode="generate",
                created_at=self.options.now_ms(),
                steps=tuple((s.slug, s.name) for s in line.steps),
            )
        )  # fmt: skip

    async def claim(self, line: Pipeline, options: EngineOptions | None = None) -> JobRun:
        owner = f"test {next(self._activations)}"
        claim = await self.journal.claim("job_1", owner, self.options.now_ms(), 5)
        return JobRun(claim, line, self.journal, self.services, options or self.options)

    async def run(self, line: Pipeline) -> JobStatus:
        await self.submit(line)
        return await (await self.claim(line)).drive()

    async def view(self) -> JobView:
        view = await self.journal.view("job_1")
        assert view is not None
        return view


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    journal = await open_journal(f"sqlite+aiosqlite:///{tmp_path}/journal.db")
    yield Bench(journal)
    await journal.close()


def gives(value: dict[str, Any]) -> Run:
    async def run(ctx: StepContext) -> dict[str, Any]:
        return value

    return run


def fails(*errors: Exception) -> tuple[Run, list[int]]:
    """A step that raises each error in turn and then succeeds; and the attempts it saw."""
    left, seen = list(errors), []

    async def run(ctx: StepContext) -> dict[str, Any]:
        seen.append(ctx.attempt)
        if left:
            raise left.pop(0)
        return {"attempt": ctx.attempt}

    return run, seen


async def test_steps_run_when_their_needs_are_met_and_make_the_result(bench: Bench) -> None:
    async def both(ctx: StepContext) -> dict[str, Any]:
        return {"sum": (await ctx.output("a"))["n"] + (await ctx.output("b"))["n"]}

    line = pipeline(
        step("a", gives({"n": 1})), step("b", gives({"n": 2})), step("c", both, needs=("a", "b"))
    )

    assert await bench.run(line) is JobStatus.COMPLETED
    view = await bench.view()
    assert view.result is not None
    assert view.result["outputs"]["c"] == {"sum": 3}
    assert [s.state for s in view.steps] == ["completed"] * 3


async def test_a_recorded_step_is_not_run_again(bench: Bench) -> None:
    run, seen = fails()
    blocked = asyncio.Event()

    async def hang(ctx: StepContext) -> dict[str, Any]:
        blocked.set()
        await asyncio.sleep(60)
        return {}

    line = pipeline(step("a", run), step("b", hang, needs=("a",)))
    await bench.submit(line)
    first = asyncio.ensure_future((await bench.claim(line)).drive())
    await blocked.wait()
    first.cancel()  # the process dies
    await asyncio.wait({first})

    again = pipeline(step("a", run), step("b", gives({}), needs=("a",)))
    assert await (await bench.claim(again)).drive() is JobStatus.COMPLETED
    assert seen == [1]


async def test_new_code_and_prompts_change_nothing_that_is_recorded(bench: Bench) -> None:
    """Deployed between two lives of a job: other code and prompts, under the same version for the
    step under way (its parts keep their form), and a higher one for the completed step."""
    blocked = asyncio.Event()

    def part(text: str) -> Any:
        async def make() -> str:
            return text

        return make

    async def old_b(ctx: StepContext) -> dict[str, Any]:
        await ctx.memo("first", part("first by the old prompt"))
        await ctx.shared("page", part("page of the old code"))
        blocked.set()
        await asyncio.sleep(60)
        return {}

    async def new_b(ctx: StepContext) -> dict[str, Any]:
        return {
            "first": await ctx.memo("first", part("first by the new prompt")),
            "page": await ctx.shared("page", part("page of the new code")),
            "second": await ctx.memo("second", part("second by the new prompt")),
            "a": await ctx.output("a"),
        }

    old = pipeline(step("a", gives({"by": "old"})), step("b", old_b, needs=("a",)))
    await bench.submit(old)
    first = asyncio.ensure_future((await bench.claim(old)).drive())
    await blocked.wait()
    first.cancel()  # the process dies, and the new one has the new code
    await asyncio.wait({first})

    a, b = step("a", gives({"by": "new"})), step("b", new_b, needs=("a",))
    new = pipeline(dataclasses.replace(a, version=2), b)
    assert await (await bench.claim(new)).drive() is JobStatus.COMPLETED
    result = (await bench.view()).result
    assert result is not None
    assert result["outputs"] == {
        "a": {"by": "old"},
        "b": {
            "first": "first by the old prompt",
            "page": "page of the old code",
            "second": "second by the new prompt",
            "a": {"by": "old"},
        },
    }


async def test_a_crash_repeats_only_the_part_in_flight(bench: Bench) -> None:
    reached = asyncio.Event()
    crash = True

    async def run(ctx: StepContext) -> dict[str, Any]:
        async def part(name: str) -> str:
            reply = await ctx.services.generate(ask(ctx.key(name)))
            return reply.text

        await ctx.memo("one", lambda: part("one"))
        if crash:
            reached.set()
            await asyncio.sleep(60)
        return {"two": await ctx.memo("two", lambda: part("two"))}

    line = pipeline(step("a", run))
    await bench.submit(line)
    first = asyncio.ensure_future((await bench.claim(line)).drive())
    await reached.wait()
    first.cancel()
    await asyncio.wait({first})
    crash = False
    await (await bench.claim(line)).drive()

    assert bench.services.asked == ["job_1:a:one", "job_1:a:two"]


async def test_retries_wait_as_specified_and_are_counted(bench: Bench) -> None:
    run, seen = fails(*[TransientError("ai", "busy") for _ in range(5)])

    assert await bench.run(pipeline(step("a", run))) is JobStatus.COMPLETED
    assert seen == [1, 2, 3, 4, 5, 6]
    assert [int(s) for s in bench.clock.slept] == [2, 4, 8, 16, 32]
    assert (await bench.view()).steps[0].attempts == 6


async def test_after_five_retries_the_step_and_the_job_fail(bench: Bench) -> None:
    run, seen = fails(*[TransientError("ai", "busy") for _ in range(9)])

    assert await bench.run(pipeline(step("a", run))) is JobStatus.FAILED
    view = await bench.view()
    assert len(seen) == 6
    assert view.error is not None
    assert "ai: busy" in view.error
    assert view.steps[0].state == "failed"


async def test_a_longer_retry_after_is_waited_out(bench: Bench) -> None:
    run, _ = fails(TransientError("ai", "slow down", retry_after=45))

    await bench.run(pipeline(step("a", run)))

    assert bench.clock.slept == [45]


async def test_a_restart_does_not_reset_the_retries(bench: Bench) -> None:
    run, seen = fails(*[TransientError("ai", "busy") for _ in range(9)])
    line = pipeline(step("a", run))
    await bench.submit(line)
    woken, third_wait = itertools.count(), asyncio.Event()

    async def dies_in_the_third_wait(seconds: float) -> None:
        if next(woken) == 2:
            third_wait.set()
            await asyncio.sleep(60)
        await bench.clock.sleep(seconds)

    dying = EngineOptions(clock=bench.clock, sleep=dies_in_the_third_wait, rand=random.Random(1))
    first = asyncio.ensure_future((await bench.claim(line, dying)).drive())
    await third_wait.wait()
    first.cancel()  # the process dies
    await asyncio.wait({first})
    assert seen == [1, 2, 3]
    bench.clock.slept.clear()

    assert await (await bench.claim(line)).drive() is JobStatus.FAILED
    assert seen == [1, 2, 3, 4, 5, 6]
    assert [round(s) for s in bench.clock.slept] == [8, 16, 32]  # the unfinished wait first


async def test_an_open_breaker_is_not_an_attempt(bench: Bench) -> None:
    run, seen = fails(*[BreakerOpen("ai", 30.0) for _ in range(12)])

    assert await bench.run(pipeline(step("a", run))) is JobStatus.COMPLETED
    assert seen == [1] * 13
    assert (await bench.view()).steps[0].attempts == 1
    assert all(30 <= s <= 31 for s in bench.clock.slept)


async def test_the_jobs_deadline_bounds_the_wait_for_a_breaker(bench: Bench) -> None:
    async def closed(ctx: StepContext) -> dict[str, Any]:
        raise BreakerOpen("ai", 30.0)

    async def real_sleep(seconds: float) -> None:
        await asyncio.sleep(0.01)

    line = pipeline(step("a", closed))
    await bench.submit(line)
    options = EngineOptions(
        job_timeout=0.2, clock=bench.clock, sleep=real_sleep, hibernate_after=math.inf
    )

    assert await (await bench.claim(line, options)).drive() is JobStatus.FAILED
    error = (await bench.view()).error
    assert error is not None
    assert "within its 0.2 s" in error


async def test_time_in_which_nobody_ran_the_job_does_not_use_up_its_deadline(bench: Bench) -> None:
    reached = asyncio.Event()

    async def hang(ctx: StepContext) -> dict[str, Any]:
        reached.set()
        await asyncio.sleep(60)
        return {}

    await bench.submit(line := pipeline(step("a", hang)))
    first = asyncio.ensure_future((await bench.claim(line)).drive())
    await reached.wait()
    first.cancel()  # the machine goes down for the night
    await asyncio.wait({first})
    bench.clock.now += 10 * 3600

    again = await bench.claim(pipeline(step("a", gives({}))))
    assert await again.drive() is JobStatus.COMPLETED


async def test_a_step_over_its_time_limit_is_tried_again(bench: Bench) -> None:
    calls = itertools.count()

    async def slow_once(ctx: StepContext) -> dict[str, Any]:
        if next(calls) == 0:
            await asyncio.sleep(60)
        return {}

    assert await bench.run(pipeline(step("a", slow_once, timeout=0.05))) is JobStatus.COMPLETED
    assert (await bench.view()).steps[0].attempts == 2


async def test_a_part_cut_off_while_it_is_recorded_is_not_made_again(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = itertools.count(1)
    record = bench.journal.record_memo

    async def slowly(*args: Any) -> None:
        await record(*args)
        await asyncio.sleep(0.2)  # on disk, and the answer is slow

    async def run(ctx: StepContext) -> Any:
        return await ctx.memo("part", make)

    async def make() -> dict[str, int]:
        return {"made": next(made)}

    monkeypatch.setattr(bench.journal, "record_memo", slowly)
    assert await bench.run(pipeline(step("a", run, timeout=0.1))) is JobStatus.COMPLETED

    view = await bench.view()
    assert view.steps[0].attempts > 1
    assert view.result is not None
    assert view.result["outputs"]["a"] == {"made": 1}
    assert next(made) == 2


async def test_waiting_for_another_step_does_not_use_up_the_time_limit(bench: Bench) -> None:
    async def slow(ctx: StepContext) -> dict[str, Any]:
        await asyncio.sleep(0.3)
        return {"n": 1}

    async def waits(ctx: StepContext) -> dict[str, Any]:
        return dict(await ctx.output("a"))

    line = pipeline(step("a", slow), step("b", waits, timeout=0.1, awaits=("a",)))

    assert await bench.run(line) is JobStatus.COMPLETED
    assert (await bench.view()).steps[1].attempts == 1


@pytest.mark.parametrize(
    "error", [PermanentError("ai", "bad request", status=400), Misconfigured("ai", "set a key")]
)
async def test_a_permanent_error_is_not_tried_again(bench: Bench, error: Exception) -> None:
    run, seen = fails(error)

    assert await bench.run(pipeline(step("a", run))) is JobStatus.FAILED
    assert seen == [1]


async def test_a_bug_in_a_step_ends_the_job_and_names_itself(bench: Bench) -> None:
    run, _ = fails(ZeroDivisionError("division by zero"))

    assert await bench.run(pipeline(step("a", run))) is JobStatus.FAILED
    error = (await bench.view()).error
    assert error is not None
    assert "ZeroDivisionError" in error


@pytest.mark.parametrize("value", [{"x": object()}, {"x": float("nan")}, {"x": {1, 2}}])
async def test_a_result_that_json_cannot_carry_fails_the_step(
    bench: Bench, value: dict[str, Any]
) -> None:
    assert await bench.run(pipeline(step("a", gives(value)))) is JobStatus.FAILED


async def test_the_first_run_sees_what_a_replay_would_see(bench: Bench) -> None:
    seen = []

    async def run(ctx: StepContext) -> dict[str, Any]:
        async def make() -> Any:
            return {"pair": (1, 2), 3: "three"}

        seen.append(await ctx.memo("m", make))
        return {}

    await bench.run(pipeline(step("a", run)))

    assert seen == [{"pair": [1, 2], "3": "three"}]


async def test_one_failed_step_stops_the_others(bench: Bench) -> None:
    cancelled = asyncio.Event()

    async def long(ctx: StepContext) -> dict[str, Any]:
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            cancelled.set()
            raise
        return {}

    async def bad(ctx: StepContext) -> dict[str, Any]:
        await asyncio.sleep(0.05)
        raise PermanentError("ai", "no")

    assert await bench.run(pipeline(step("a", long), step("b", bad))) is JobStatus.FAILED
    assert cancelled.is_set()


async def test_cancel_stops_the_calls_in_flight(bench: Bench) -> None:
    in_flight, given_up = asyncio.Event(), asyncio.Event()

    async def never(request: ModelRequest) -> ModelReply:
        in_flight.set()
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            given_up.set()
            raise
        raise AssertionError

    async def run(ctx: StepContext) -> dict[str, Any]:
        await ctx.services.generate(ask(ctx.key("x")))
        return {}

    bench.services.model = never
    line = pipeline(step("a", run))
    await bench.submit(line)
    job = await bench.claim(line)
    driving = asyncio.ensure_future(job.drive())
    await in_flight.wait()
    await bench.journal.request_cancel("job_1", bench.options.now_ms())
    job.stop("cancel")

    assert await driving is JobStatus.CANCELLED
    assert given_up.is_set()
    assert (await bench.view()).status is JobStatus.CANCELLED


async def test_a_cancel_asked_before_the_claim_is_honoured(bench: Bench) -> None:
    run, seen = fails()
    line = pipeline(step("a", run))
    await bench.submit(line)
    await bench.journal.claim("job_1", "dead", bench.options.now_ms(), 5)
    await bench.journal.request_cancel("job_1", bench.options.now_ms())

    assert await (await bench.claim(line)).drive() is JobStatus.CANCELLED
    assert seen == []


async def test_a_stale_activation_cannot_record_and_is_told_so(bench: Bench) -> None:
    started, proceed = asyncio.Event(), asyncio.Event()

    async def run(ctx: StepContext) -> dict[str, Any]:
        started.set()
        await proceed.wait()
        return {"who": "stale"}

    line = pipeline(step("a", run))
    await bench.submit(line)
    stale = asyncio.ensure_future((await bench.claim(line)).drive())
    await started.wait()
    fresh = await bench.claim(pipeline(step("a", gives({"who": "fresh"}))))
    proceed.set()

    with pytest.raises(StaleEpoch):
        await stale
    assert await fresh.drive() is JobStatus.COMPLETED
    view = await bench.view()
    assert view.result is not None
    assert view.result["outputs"]["a"] == {"who": "fresh"}


# -- hibernating and handing over -------------------------------------------------------------


def sleepy(bench: Bench) -> EngineOptions:
    """Options under which a job that waits over 30 s hibernates, and its sleeps do not end."""
    return dataclasses.replace(bench.options, sleep=lambda _: asyncio.Event().wait())


async def test_a_job_that_only_waits_for_long_hibernates_until_its_wait_ends(bench: Bench) -> None:
    run, seen = fails(TransientError("ai", "503", retry_after=45.0))
    line = pipeline(step("a", run), step("b", gives({}), needs=("a",)))
    await bench.submit(line)
    bench.options = dataclasses.replace(bench.options, hibernate_after=30.0)
    began = bench.options.now_ms()

    assert await (await bench.claim(line, sleepy(bench))).drive() is JobStatus.PROCESSING

    assert await bench.journal.processing(began + 44_000) == []
    bench.clock.now += 46
    assert [j.job_id for j in await bench.journal.processing(bench.options.now_ms())] == ["job_1"]
    assert await (await bench.claim(line)).drive() is JobStatus.COMPLETED
    assert seen == [1, 2]


async def test_a_job_with_a_step_blocked_on_the_waiting_one_hibernates_too(bench: Bench) -> None:
    run, _ = fails(BreakerOpen("ai", 60.0))

    async def blocked(ctx: StepContext) -> dict[str, Any]:
        return {"a": await ctx.output("a")}

    line = pipeline(step("a", run), step("b", blocked, awaits=("a",)))
    await bench.submit(line)
    bench.options = dataclasses.replace(bench.options, hibernate_after=30.0)

    assert await (await bench.claim(line, sleepy(bench))).drive() is JobStatus.PROCESSING
    bench.clock.now += 62
    assert await (await bench.claim(line)).drive() is JobStatus.COMPLETED


@pytest.mark.parametrize("wait", [5.0, 29.0])
async def test_a_short_wait_is_waited_out_awake(bench: Bench, wait: float) -> None:
    run, _ = fails(TransientError("ai", "503", retry_after=wait))
    bench.options = dataclasses.replace(bench.options, hibernate_after=30.0)

    assert await bench.run(pipeline(step("a", run))) is JobStatus.COMPLETED


async def test_a_job_with_a_call_in_flight_does_not_hibernate(bench: Bench) -> None:
    answer = asyncio.Event()
    run, _ = fails(TransientError("ai", "503", retry_after=60.0))

    async def slow(request: ModelRequest) -> ModelReply:
        await answer.wait()
        return ModelReply(text="w", model="m", usage=Usage())

    async def calls(ctx: StepContext) -> dict[str, Any]:
        async def part() -> str:
            return (await ctx.services.generate(ask(ctx.key("p")))).text

        return {"text": await ctx.memo("p", part)}

    bench.services.model = slow
    line = pipeline(step("a", run), step("b", calls))
    await bench.submit(line)
    bench.options = dataclasses.replace(bench.options, hibernate_after=30.0)
    driving = asyncio.ensure_future((await bench.claim(line, sleepy(bench))).drive())
    await asyncio.sleep(0.1)

    assert not driving.done()
    answer.set()
    assert await driving is JobStatus.PROCESSING
    assert (await bench.view()).steps[1].state == "completed"


async def test_a_job_hibernates_no_longer_than_its_deadline(bench: Bench) -> None:
    run, _ = fails(*[TransientError("ai", "503", retry_after=500.0)] * 3)
    line = pipeline(step("a", run))
    await bench.submit(line)
    bench.options = dataclasses.replace(bench.options, hibernate_after=30.0, job_timeout=100.0)

    assert await (await bench.claim(line, sleepy(bench))).drive() is JobStatus.PROCESSING
    bench.clock.now += 101
    assert len(await bench.journal.processing(bench.options.now_ms())) == 1
    assert await (await bench.claim(line, sleepy(bench))).drive() is JobStatus.FAILED


async def test_handing_over_lets_the_call_in_flight_land_and_begins_no_other(bench: Bench) -> None:
    asked, answer = asyncio.Event(), asyncio.Event()

    async def slow(request: ModelRequest) -> ModelReply:
        asked.set()
        await answer.wait()
        return ModelReply(text="w", model="m", usage=Usage())

    async def two_parts(ctx: StepContext) -> dict[str, Any]:
        async def part(name: str) -> str:
            return (await ctx.services.generate(ask(ctx.key(name)))).text

        for name in ("one", "two"):
            await ctx.memo(name, functools.partial(part, name))
        return {}

    bench.services.model = slow
    line = pipeline(step("a", two_parts))
    await bench.submit(line)
    patient = dataclasses.replace(bench.options, sleep=lambda _: asyncio.sleep(0.001))
    run = await bench.claim(line, patient)
    driving = asyncio.ensure_future(run.drive())
    await asked.wait()

    run.stop("release")
    await asyncio.sleep(0.05)
    answer.set()

    assert await driving is JobStatus.PROCESSING
    assert await (await bench.claim(line)).drive() is JobStatus.COMPLETED
    assert bench.services.asked == ["job_1:a:one", "job_1:a:two"]


async def test_handing_over_lets_the_record_under_way_land(bench: Bench) -> None:
    """A step that only computes has no call in flight; what it made is recorded all the same."""
    recording, recorded = asyncio.Event(), asyncio.Event()
    record = bench.journal.record_step

    async def slow_record(*args: Any, **named: Any) -> None:
        recording.set()
        await recorded.wait()
        await record(*args, **named)

    async def computes(ctx: StepContext) -> dict[str, Any]:
        return {"made": 1}

    async def calls(ctx: StepContext) -> dict[str, Any]:
        return {"text": (await ctx.services.generate(ask(ctx.key("p")))).text}

    bench.journal.record_step = slow_record  # type: ignore[method-assign]
    line = pipeline(step("a", computes), step("b", calls, needs=("a",)))
    await bench.submit(line)
    patient = dataclasses.replace(bench.options, sleep=lambda _: asyncio.sleep(0.001))
    run = await bench.claim(line, patient)
    driving = asyncio.ensure_future(run.drive())
    await recording.wait()

    run.stop("release")
    await asyncio.sleep(0.05)
    assert not driving.done()
    recorded.set()

    assert await driving is JobStatus.PROCESSING
    view = await bench.journal.view("job_1")
    assert view is not None
    assert view.steps[0].state is StepState.COMPLETED
    assert bench.services.asked == []


async def test_handing_over_does_not_wait_for_ever(bench: Bench) -> None:
    async def never(request: ModelRequest) -> ModelReply:
        await asyncio.Event().wait()
        raise AssertionError

    async def calls(ctx: StepContext) -> dict[str, Any]:
        return {"text": (await ctx.services.generate(ask(ctx.key("p")))).text}

    bench.services.model = never
    line = pipeline(step("a", calls))
    await bench.submit(line)
    run = await bench.claim(line)
    driving = asyncio.ensure_future(run.drive())
    await asyncio.sleep(0.05)

    run.stop("release")

    assert await driving is JobStatus.PROCESSING
    assert sum(bench.clock.slept) >= bench.options.handover_grace


async def test_a_cancel_during_the_handing_over_is_honoured(bench: Bench) -> None:
    blocked = asyncio.Event()

    async def hang(request: ModelRequest) -> ModelReply:
        blocked.set()
        await asyncio.Event().wait()
        raise AssertionError

    async def calls(ctx: StepContext) -> dict[str, Any]:
        return {"text": (await ctx.services.generate(ask(ctx.key("p")))).text}

    bench.services.model = hang
    line = pipeline(step("a", calls))
    await bench.submit(line)
    run = await bench.claim(line)
    driving = asyncio.ensure_future(run.drive())
    await blocked.wait()
    await bench.journal.request_cancel("job_1", bench.options.now_ms())

    run.stop("release")

    assert await driving is JobStatus.CANCELLED


# -- two versions of the code -----------------------------------------------------------------


async def test_a_job_begun_on_the_old_code_finishes_on_the_new(bench: Bench) -> None:
    blocked = asyncio.Event()

    async def old_text(ctx: StepContext) -> dict[str, Any]:
        async def part() -> str:
            return "old words"

        await ctx.memo("words", part)
        blocked.set()
        await asyncio.Event().wait()
        return {}

    async def new_text(ctx: StepContext) -> dict[str, Any]:
        async def part() -> list[str]:  # the memo of the same name has another shape now
            return ["new", "words", (await ctx.output("plan"))["topic"]]

        return {"words": await ctx.memo("words", part)}

    old = pipeline(step("plan", gives({"topic": "old"})), step("text", old_text, needs=("plan",)))
    plan = dataclasses.replace(step("plan", gives({"topic": "new"})), version=2)
    text = dataclasses.replace(step("text", new_text, needs=("plan",)), version=2)
    await bench.submit(old)
    first = asyncio.ensure_future((await bench.claim(old)).drive())
    await blocked.wait()
    first.cancel()  # the old process ends
    await asyncio.wait({first})

    assert await (await bench.claim(pipeline(plan, text))).drive() is JobStatus.COMPLETED

    result = (await bench.view()).result
    assert result is not None
    assert result["outputs"] == {
        "plan": {"topic": "old"},  # recorded: never made again, whatever the code says now
        "text": {"words": ["new", "words", "old"]},
    }


async def test_an_ended_job_cannot_be_claimed(bench: Bench) -> None:
    line = pipeline(step("a", gives({})))
    await bench.run(line)

    with pytest.raises(JobEnded):
        await bench.claim(line)


async def test_the_last_attempt_knows_that_it_is_the_last(bench: Bench) -> None:
    flags = []

    async def run(ctx: StepContext) -> dict[str, Any]:
        flags.append(ctx.final_attempt)
        if ctx.final_attempt:
            ctx.degrade("did without")
            return {}
        raise TransientError("serper", "down")

    assert await bench.run(pipeline(step("a", run))) is JobStatus.COMPLETED
    assert flags == [False] * 5 + [True]
    view = await bench.view()
    assert view.steps[0].degraded == ["did without"]
    assert view.result is not None
    assert view.result["run"]["degraded"] == ["A"]


async def test_a_shared_value_is_made_once_for_the_whole_job(bench: Bench) -> None:
    async def run(ctx: StepContext) -> dict[str, Any]:
        async def make() -> str:
            await asyncio.sleep(0.01)
            return (await ctx.services.generate(ask("job_1:serp"))).text

        return {"v": await ctx.shared("serp", make)}

    await bench.run(pipeline(step("a", run), step("b", run)))

    assert bench.services.asked == ["job_1:serp"]


async def test_a_cached_value_is_fresh_for_its_time_and_stale_after(bench: Bench) -> None:
    made = itertools.count(1)
    seen: list[Any] = []

    async def make() -> int:
        return next(made)

    async def run(ctx: StepContext) -> dict[str, Any]:
        seen.append(await ctx.cached("k", "x", 60, make))
        bench.clock.now += 59
        seen.append(await ctx.cached("k", "x", 60, make))
        bench.clock.now += 2
        seen.append(await ctx.stale("k", "x", 3600))
        seen.append(await ctx.stale("k", "x", 60))
        seen.append(await ctx.cached("k", "x", 60, make))
        return {}

    await bench.run(pipeline(step("a", run)))

    assert seen == [1, 1, 1, None, 2]


async def test_cost_and_tokens_are_those_of_the_calls(bench: Bench) -> None:
    async def model(request: ModelRequest) -> ModelReply:
        usage = Usage(input_tokens=100, output_tokens=20, cost_usd=0.01)
        return ModelReply(text="t", model="m", usage=usage, sandbox=True)

    async def run(ctx: StepContext) -> dict[str, Any]:
        async def part() -> str:
            return (await ctx.services.generate(ask(ctx.key("x")))).text

        await ctx.memo("in", part)
        await part()
        return {}

    bench.services.model = model
    await bench.run(pipeline(step("a", run)))

    view = await bench.view()
    assert view.cost == pytest.approx(0.02)
    assert view.result is not None
    assert view.result["run"]["tokens"]["input"] == 200
    assert view.result["run"]["sandbox"] is True


async def test_near_its_budget_a_job_uses_the_lower_cost_model_and_past_it_fails(
    bench: Bench,
) -> None:
    cheaper = []

    async def model(request: ModelRequest) -> ModelReply:
        cheaper.append(request.fallback)
        return ModelReply(text="t", model="m", usage=Usage(cost_usd=0.2))

    async def run(ctx: StepContext) -> dict[str, Any]:
        for n in range(9):
            await ctx.services.generate(ask(ctx.key(str(n))))
        return {}

    bench.services.model = model

    assert await bench.run(pipeline(step("a", run))) is JobStatus.FAILED
    assert cheaper == [False, False, True]
    error = (await bench.view()).error
    assert error is not None
    assert "SOTA_JOB_BUDGET_USD" in error


async def test_what_failed_attempts_and_parts_have_cost_is_part_of_the_jobs_cost(
    bench: Bench,
) -> None:
    async def model(request: ModelRequest) -> ModelReply:
        return ModelReply(text="t", model="m", usage=Usage(cost_usd=0.01))

    async def run(ctx: StepContext) -> dict[str, Any]:
        async def part() -> str:
            await ctx.services.generate(ask(ctx.key("x")))
            if ctx.attempt == 1:
                raise TransientError("ai", "the answer was refused twice")
            return (await ctx.services.generate(ask(ctx.key("y")))).text

        return {"t": await ctx.memo("part", part)}

    bench.services.model = model
    await bench.run(pipeline(step("a", run)))

    assert (await bench.view()).cost == pytest.approx(0.03)


def priced(cost: float) -> Callable[[ModelRequest], Any]:
    """A model whose every answer costs so many dollars."""

    async def model(request: ModelRequest) -> ModelReply:
        return ModelReply(text="t", model="m", usage=Usage(cost_usd=cost))

    return model


async def test_what_a_job_that_fails_for_good_has_cost_is_in_its_cost(bench: Bench) -> None:
    """The last attempt's calls, and those of a step that runs beside it, are on no record."""
    paid = asyncio.Event()

    async def run(ctx: StepContext) -> dict[str, Any]:
        await ctx.services.generate(ask(ctx.key("x")))
        await paid.wait()
        raise PermanentError("ai", "no")

    async def beside(ctx: StepContext) -> dict[str, Any]:
        await ctx.services.generate(ask(ctx.key("y")))
        paid.set()
        await asyncio.sleep(60)
        return {}

    bench.services.model = priced(0.1)

    assert await bench.run(pipeline(step("a", run), step("b", beside))) is JobStatus.FAILED
    view = await bench.view()
    assert view.cost == pytest.approx(0.2)
    assert [one.cost for one in view.steps] == [0.1, 0.1]
    await bench.journal.retry("job_1", bench.options.now_ms() + 1)
    assert (await bench.view()).cost == pytest.approx(0.2)


async def test_what_a_cancelled_job_has_cost_is_in_its_cost(bench: Bench) -> None:
    waiting = asyncio.Event()

    async def run(ctx: StepContext) -> dict[str, Any]:
        await ctx.services.generate(ask(ctx.key("x")))
        waiting.set()
        await asyncio.sleep(60)
        return {}

    bench.services.model = priced(0.1)
    await bench.submit(line := pipeline(step("a", run)))
    job = await bench.claim(line)
    driving = asyncio.ensure_future(job.drive())
    await waiting.wait()
    job.stop("cancel")

    assert await driving is JobStatus.CANCELLED
    assert (await bench.view()).cost == 0.1


async def test_what_an_earlier_activation_s_attempts_cost_stays_in_cost_and_budget(
    bench: Bench,
) -> None:
    """The job hibernates after each attempt that was paid for, until its budget is used up."""
    bench.services.model = priced(0.25)
    bench.options = dataclasses.replace(bench.options, hibernate_after=30.0)

    async def run(ctx: StepContext) -> dict[str, Any]:
        await ctx.services.generate(ask(str(ctx.attempt)))
        raise TransientError("web", "busy", retry_after=60)

    await bench.submit(line := pipeline(step("a", run)))
    for spent in (0.25, 0.5):
        assert await (await bench.claim(line, sleepy(bench))).drive() is JobStatus.PROCESSING
        assert (await bench.view()).cost == spent
        bench.clock.now += 60

    assert await (await bench.claim(line)).drive() is JobStatus.FAILED
    view = await bench.view()
    assert view.error is not None
    assert "SOTA_JOB_BUDGET_USD" in view.error
    assert view.cost == 0.5
    assert bench.services.asked == ["1", "2"]


async def test_a_crash_does_not_lose_what_the_attempts_before_it_have_cost(bench: Bench) -> None:
    bench.services.model = priced(0.1)
    crashing = asyncio.Event()

    async def run(ctx: StepContext) -> dict[str, Any]:
        await ctx.services.generate(ask(str(ctx.attempt)))
        if len(bench.services.asked) == 1:
            raise BreakerOpen("web", 1.0)
        if ctx.attempt == 1:
            raise TransientError("web", "busy")
        if not crashing.is_set():
            crashing.set()
            await asyncio.sleep(60)
        return {}

    await bench.submit(line := pipeline(step("a", run)))
    first = asyncio.ensure_future((await bench.claim(line)).drive())
    await crashing.wait()
    first.cancel()  # the process dies
    await asyncio.wait({first})

    assert await (await bench.claim(line)).drive() is JobStatus.COMPLETED
    view = await bench.view()
    assert view.result is not None
    assert (view.cost, view.result["run"]["cost"]) == (0.3, 0.3)  # not what was in flight


async def test_a_request_that_names_no_model_is_for_the_default_one(bench: Bench) -> None:
    seen: list[str | None] = []

    async def run(ctx: StepContext) -> dict[str, Any]:
        seen.append(ctx.request.model)
        return {}

    line = pipeline(step("a", run))
    await bench.submit(line)
    options = EngineOptions(clock=bench.clock, default_model="claude-sonnet-5")
    await (await bench.claim(line, options)).drive()

    assert seen == ["claude-sonnet-5"]


async def test_what_came_from_other_jobs_is_counted(bench: Bench) -> None:
    async def make() -> int:
        return 1

    async def run(ctx: StepContext) -> dict[str, Any]:
        await ctx.cached("k", "x", 60, make)
        return {"v": await ctx.memo("m", lambda: ctx.cached("k", "x", 60, make))}

    await bench.run(pipeline(step("a", run)))

    result = (await bench.view()).result
    assert result is not None
    assert result["run"]["cache"] == {"hits": 1, "misses": 1}


async def test_no_more_calls_at_once_than_allowed(bench: Bench) -> None:
    now, most = 0, 0

    async def model(request: ModelRequest) -> ModelReply:
        nonlocal now, most
        now += 1
        most = max(most, now)
        await asyncio.sleep(0.001)
        now -= 1
        return ModelReply(text="t", model="m", usage=Usage())

    async def run(ctx: StepContext) -> dict[str, Any]:
        await asyncio.gather(*(ctx.services.generate(ask(ctx.key(str(n)))) for n in range(30)))
        return {}

    bench.services.model = model
    await bench.run(pipeline(step("a", run)))

    assert most == 8


def test_a_pipeline_with_a_cycle_or_an_unknown_need_is_refused() -> None:
    with pytest.raises(ValueError, match="unknown steps"):
        pipeline(step("a", gives({}), needs=("z",)))
    with pytest.raises(ValueError, match="cycle"):
        pipeline(step("a", gives({}), needs=("b",)), step("b", gives({}), needs=("a",)))


async def test_a_part_of_a_running_step_can_be_had_as_soon_as_it_is_recorded(bench: Bench) -> None:
    taken = asyncio.Event()

    async def slow(ctx: StepContext) -> dict[str, Any]:
        await ctx.memo("first", lambda: _soon("one"))
        await asyncio.wait_for(taken.wait(), 5)
        return {}

    async def eager(ctx: StepContext) -> dict[str, Any]:
        first = await ctx.part("a", "first")
        taken.set()
        return {"first": first, "never": await ctx.part("a", "never")}

    line = pipeline(step("a", slow), step("b", eager, awaits=("a",)))

    assert await bench.run(line) is JobStatus.COMPLETED
    result = (await bench.view()).result
    assert result is not None
    assert result["outputs"]["b"] == {"first": "one", "never": None}


@pytest.mark.parametrize("version", [1, 2])
async def test_a_part_is_found_whatever_the_version_of_its_step(bench: Bench, version: int) -> None:
    async def slow(ctx: StepContext) -> dict[str, Any]:
        await ctx.memo("first", lambda: _soon("one"))
        return {}

    async def eager(ctx: StepContext) -> dict[str, Any]:
        return {"first": await ctx.part("a", "first")}

    a = dataclasses.replace(step("a", slow), version=version)

    assert await bench.run(pipeline(a, step("b", eager, awaits=("a",)))) is JobStatus.COMPLETED
    result = (await bench.view()).result
    assert result is not None
    assert result["outputs"]["b"] == {"first": "one"}


async def test_a_part_of_a_step_that_an_older_version_completed_is_found(bench: Bench) -> None:
    blocked = asyncio.Event()

    async def old_a(ctx: StepContext) -> dict[str, Any]:
        await ctx.memo("first", lambda: _soon("by version 1"))
        return {}

    async def hang(ctx: StepContext) -> dict[str, Any]:
        blocked.set()
        await asyncio.sleep(60)
        return {}

    async def eager(ctx: StepContext) -> dict[str, Any]:
        return {"first": await ctx.part("a", "first")}

    await bench.submit(old := pipeline(step("a", old_a), step("b", hang, needs=("a",))))
    first = asyncio.ensure_future((await bench.claim(old)).drive())
    await blocked.wait()
    first.cancel()  # the process dies, and the new one has the new code
    await asyncio.wait({first})

    new_a = dataclasses.replace(step("a", gives({})), version=2)
    new = pipeline(new_a, step("b", eager, needs=("a",)))
    assert await (await bench.claim(new)).drive() is JobStatus.COMPLETED
    result = (await bench.view()).result
    assert result is not None
    assert result["outputs"]["b"] == {"first": "by version 1"}


@pytest.mark.parametrize(("version", "key"), [(1, "job_1:a:x"), (2, "job_1:a:v2:x")])
async def test_a_new_version_s_calls_do_not_carry_the_old_one_s_keys(
    bench: Bench, version: int, key: str
) -> None:
    async def run(ctx: StepContext) -> dict[str, Any]:
        await ctx.services.generate(ask(ctx.key("x")))
        return {}

    await bench.run(pipeline(dataclasses.replace(step("a", run), version=version)))

    assert bench.services.asked == [key]


async def _soon(value: str) -> str:
    await asyncio.sleep(0.001)
    return value


async def test_the_clock_stands_still_until_the_last_wait_is_over(bench: Bench) -> None:
    async def slow(ctx: StepContext) -> dict[str, Any]:
        await ctx.memo("first", lambda: _soon("one"))
        await asyncio.sleep(0.3)
        return {}

    async def waits(ctx: StepContext) -> dict[str, Any]:
        await asyncio.gather(ctx.part("a", "first"), ctx.output("a"))
        return {}

    line = pipeline(step("a", slow), step("b", waits, timeout=0.1, awaits=("a",)))

    assert await bench.run(line) is JobStatus.COMPLETED
    assert (await bench.view()).steps[1].attempts == 1


async def test_the_timings_tell_each_step_s_calls_and_leave_out_the_time_nobody_ran_it(
    bench: Bench,
) -> None:
    async def model(request: ModelRequest) -> ModelReply:
        await bench.clock.sleep(4)
        # what the client timed itself is the same call, not another one
        return ModelReply(text="t", model="m", usage=Usage(calls=1, seconds=4.0))

    def calls(*parts: str) -> Run:
        async def run(ctx: StepContext) -> dict[str, Any]:
            for part in parts:
                await ctx.memo(part, partial(_asked, ctx, part))
            await ctx.shared("everybody's", lambda: _asked(ctx, "shared"))
            return {}

        return run

    async def _asked(ctx: StepContext, part: str) -> str:
        return (await ctx.services.generate(ask(ctx.key(part)))).text

    bench.services.model = model
    line = pipeline(step("a", calls("1", "2")), step("b", calls("1"), needs=("a",)))
    await bench.submit(line)
    await bench.claim(line)  # and its machine goes down at once
    await bench.clock.sleep(1000)

    assert await (await bench.claim(line)).drive() is JobStatus.COMPLETED
    result = (await bench.view()).result
    assert result is not None
    timings = result["run"]["timings"]
    assert timings["idleSeconds"] == 1000.0
    assert timings["elapsedSeconds"] == timings["sequentialSeconds"] == 16.0
    assert timings["criticalPath"] == ["A", "B"]
    assert timings["steps"] == [
        {"name": "A", "start": 1000.0, "end": 1012.0, "sequentialSeconds": 8.0},
        {"name": "B", "start": 1012.0, "end": 1016.0, "sequentialSeconds": 4.0},
    ]


@pytest.mark.parametrize(
    ("spans", "path"),
    [
        ({"a": (0, 10), "b": (0, 12), "c": (12, 20)}, ["b", "c"]),
        ({"a": (0, 13), "b": (0, 12), "c": (13, 20)}, ["a", "c"]),
        # c began with b but ended by waiting for it, and only the path that decided counts
        ({"a": (0, 1), "b": (1, 9), "c": (1, 11), "d": (1, 10)}, ["a", "b", "c"]),
        ({}, []),
    ],
)
def test_the_critical_path_is_the_chain_that_decided_the_end(
    spans: dict[str, tuple[float, float]], path: list[str]
) -> None:
    waits = {"c": ("a", "b"), "b": ("a",), "d": ("a",)} if "d" in spans else {"c": ("a", "b")}

    assert critical_path(spans, waits) == path


async def test_searches_do_not_wait_for_models(bench: Bench) -> None:
    searched = asyncio.Event()

    async def model(request: ModelRequest) -> ModelReply:
        await asyncio.wait_for(searched.wait(), 5)
        return ModelReply(text="t", model="m", usage=Usage())

    async def run(ctx: StepContext) -> dict[str, Any]:
        asked = [ctx.services.generate(ask(ctx.key(str(n)))) for n in range(8)]
        models = asyncio.gather(*asked)
        await asyncio.sleep(0)
        await ctx.services.search(SearchRequest(query="q", idempotency_key=ctx.key("s")))
        searched.set()
        await models
        return {}

    bench.services.model = model

    assert await bench.run(pipeline(step("a", run))) is JobStatus.COMPLETED


async def test_a_step_may_only_ask_for_what_it_declares(bench: Bench) -> None:
    async def nosy(ctx: StepContext) -> dict[str, Any]:
        return dict(await ctx.output("a"))

    line = pipeline(step("a", gives({})), step("b", nosy))

    assert await bench.run(line) is JobStatus.FAILED


def test_the_dependants_of_a_step_are_all_that_use_what_it_made() -> None:
    def needs(slug: str, *others: str, awaits: tuple[str, ...] = ()) -> Step:
        return dataclasses.replace(step(slug, gives({}), needs=others), awaits=awaits)

    line = pipeline(
        needs("d", "c", awaits=("b",)), needs("a"), needs("b", "a"), needs("c"), needs("e", "d")
    )

    assert line.dependants("a") == {"b", "d", "e"}
    assert line.dependants("c") == {"d", "e"}
    assert line.dependants("e") == set()


def test_a_step_is_found_by_slug_or_by_the_name_that_clients_see() -> None:
    found = PIPELINE.find("References")

    assert found is not None
    assert found is PIPELINE.find("references")
    assert PIPELINE.find("nonsense") is None
    assert PIPELINE.dependants(found.slug) == {"internal-links", "quality-validation"}
    assert "references" not in PIPELINE.dependants("auto-fix")
