"""The cache that jobs share, over the real journal (a SQLite file), with a fake clock."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any, cast

import pytest

from orchestrator.engine import EngineOptions, JobRun
from orchestrator.engine.cache import KEEP_SECONDS, LONGEST_PAUSE, OPEN_SECONDS, SharedCache
from orchestrator.engine.metering import Meter, metered
from orchestrator.errors import JournalUnavailable, TransientError
from orchestrator.jobs import JobStatus
from orchestrator.journal.base import Journal
from orchestrator.journal.opening import open_journal
from orchestrator.journal.records import NewJob
from orchestrator.services import ModelRequest, SearchReply, SearchRequest, Usage
from orchestrator.step import Json, Pipeline, Step, StepContext, Unshared
from steps import semantic_keywords
from tests.fakes import FakeClock
from tests.unit.steps_helpers import FakeServices as StepServices
from tests.unit.steps_helpers import blocks

TTL = 3600.0
ATTEMPT = 30.0  #: seconds left of every caller's attempt
LEASE = 15.0

Make = Callable[[], Awaitable[Json]]


@pytest.fixture(name="journal")
async def journal_fixture(tmp_path: Path) -> AsyncIterator[Journal]:
    journal = await open_journal(f"sqlite+aiosqlite:///{tmp_path}/journal.db")
    yield journal
    await journal.close()


class Jobs:
    """As many jobs as are asked for, on one journal and one clock."""

    def __init__(self, journal: Journal, *, moving: bool = True) -> None:
        """
        :param moving: False: waiting takes no time, so no lease ever expires.
        """
        self.journal, self.clock, self.meter = journal, FakeClock(), Meter()
        self.accepted: set[str] = set()
        sleep = self.clock.sleep if moving else self._stand_still
        self.options = EngineOptions(clock=self.clock, sleep=sleep, rand=random.Random(1))

    async def _stand_still(self, seconds: float) -> None:
        self.clock.slept.append(seconds)
        await asyncio.sleep(0)

    def job(self, number: int) -> SharedCache:
        return SharedCache(self.journal, f"job_{number}", self.options)

    async def get(self, number: int, make: Make, **more: Any) -> Json:
        return await self.asks(self.job(number), make, **more)

    async def asks(self, job: SharedCache, make: Make, **more: Any) -> Json:
        await self.accept(job._owner)
        with metered(self.meter):
            return await job.get("k", "x", TTL, make, **{"time_left": lambda: ATTEMPT, **more})

    async def accept(self, job_id: str) -> None:
        """Have the job in the journal: only what is there can leave something in the cache."""
        if job_id not in self.accepted:
            self.accepted.add(job_id)
            await self.journal.submit(
                NewJob(
                    id=job_id, client_id="c", request_id=job_id, body_hash="h", request={},
                    keyword="k", mode="generate", created_at=1, steps=(("a", "A"),),
                )
            )  # fmt: skip


class Maker:
    """Counts who makes and how many do so at once; *first* is done before the first value."""

    def __init__(self, first: Exception | asyncio.Event | None = None) -> None:
        self.made, self.now, self.most, self.first = 0, 0, 0, first

    async def __call__(self) -> Json:
        self.made += 1
        number = self.made
        self.now += 1
        self.most = max(self.most, self.now)
        try:
            if number == 1 and isinstance(self.first, asyncio.Event):
                await self.first.wait()
            await asyncio.sleep(0.02)
            if number == 1 and isinstance(self.first, Exception):
                raise self.first
        finally:
            self.now -= 1
        return {"by": number}


async def test_of_twenty_jobs_at_once_one_makes_and_all_have_its_value(journal: Journal) -> None:
    jobs, make = Jobs(journal, moving=False), Maker()

    values = await asyncio.gather(*(jobs.get(number, make) for number in range(20)))

    assert make.made == 1
    assert values == [{"by": 1}] * 20
    assert (jobs.meter.usage.cache_hits, jobs.meter.usage.cache_misses) == (19, 1)


async def test_calls_of_one_job_at_once_make_one_value(journal: Journal) -> None:
    jobs, make = Jobs(journal, moving=False), Maker()
    job = jobs.job(1)

    await asyncio.gather(*(jobs.asks(job, make) for _ in range(5)))

    assert make.made == 1
    assert jobs.clock.slept == []


async def test_when_the_maker_fails_exactly_one_other_takes_over_at_once(journal: Journal) -> None:
    jobs, make = Jobs(journal, moving=False), Maker(first=TransientError("ai", "busy"))

    answers = await asyncio.gather(
        *(jobs.get(number, make) for number in range(20)), return_exceptions=True
    )

    assert make.made == 2
    assert make.most == 1
    assert sum(isinstance(answer, TransientError) for answer in answers) == 1
    assert [answer for answer in answers if answer == {"by": 2}] == [{"by": 2}] * 19


async def test_a_cancelled_maker_gives_its_lease_back(journal: Journal) -> None:
    jobs, make = Jobs(journal, moving=False), Maker(first=asyncio.Event())
    first = asyncio.ensure_future(jobs.get(1, make))
    while not make.made:
        await asyncio.sleep(0)

    first.cancel()
    await asyncio.wait({first})

    assert await jobs.get(2, make) == {"by": 2}
    assert jobs.clock.slept == []


async def test_when_the_maker_hangs_one_other_makes_after_its_lease_and_no_sooner(
    journal: Journal,
) -> None:
    free = asyncio.Event()
    jobs, make = Jobs(journal), Maker(first=free)
    hanging = asyncio.ensure_future(jobs.get(0, make))
    while not make.made:
        await asyncio.sleep(0)
    began = jobs.clock.now
    seen: list[float] = []

    async def notes_when() -> Json:
        seen.append(jobs.clock.now - began)
        return await make()

    assert await jobs.get(1, notes_when) == {"by": 2}
    assert await jobs.get(2, notes_when) == {"by": 2}
    assert make.made == 2
    assert LEASE <= seen[0] <= LEASE + LONGEST_PAUSE

    free.set()  # it was only slow: its value is stored all the same, and is the newer one
    assert await hanging == {"by": 1}
    assert await jobs.get(3, notes_when) == {"by": 1}


async def test_a_job_that_crashed_while_it_made_a_value_goes_on_at_once(journal: Journal) -> None:
    jobs = Jobs(journal)
    now = jobs.options.now_ms()
    await journal.cache_lease("k", "x", "job_1", now, now + 15_000)  # and then it was killed

    assert await jobs.get(1, Maker()) == {"by": 1}
    assert jobs.clock.slept == []


async def test_a_lease_is_no_longer_than_the_value_would_be_fresh(journal: Journal) -> None:
    jobs, never = Jobs(journal), Maker(first=asyncio.Event())
    with metered(Meter()):
        hanging = asyncio.ensure_future(
            jobs.job(1).get("k", "x", 2.0, never, time_left=lambda: ATTEMPT)
        )
    while not never.made:
        await asyncio.sleep(0)

    await jobs.get(2, never)
    hanging.cancel()

    assert sum(jobs.clock.slept) < 2.0 + LONGEST_PAUSE


async def test_a_value_not_for_sharing_is_kept_from_others_who_then_go_side_by_side(
    journal: Journal,
) -> None:
    jobs, make = Jobs(journal, moving=False), Maker()

    async def unshared() -> Json:
        return Unshared(await make())

    values = await asyncio.gather(*(jobs.get(number, unshared) for number in range(6)))

    assert sorted(value["by"] for value in values) == [1, 2, 3, 4, 5, 6]
    assert make.most > 1
    assert await journal.cache_get("k", "x") is None
    jobs.clock.now += OPEN_SECONDS
    await asyncio.gather(*(jobs.get(number, make) for number in range(6)))
    assert make.made == 7, "later one makes for all again"


async def test_one_without_patience_makes_it_itself(journal: Journal) -> None:
    jobs, make = Jobs(journal), Maker(first=asyncio.Event())
    hanging = asyncio.ensure_future(jobs.get(0, make))
    while not make.made:
        await asyncio.sleep(0)

    assert await jobs.get(1, make, patient=False) == {"by": 2}
    assert jobs.clock.slept == []
    assert await jobs.get(2, make) == {"by": 2}
    hanging.cancel()
    await asyncio.wait({hanging})


async def test_one_that_waits_is_stopped_by_its_own_time_limit(journal: Journal) -> None:
    jobs, make = Jobs(journal, moving=False), Maker(first=asyncio.Event())
    hanging = asyncio.ensure_future(jobs.get(0, make))
    while not make.made:
        await asyncio.sleep(0)

    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.1):
            await jobs.get(1, make)

    assert make.made == 1
    hanging.cancel()
    await asyncio.wait({hanging})


async def test_a_lease_that_cannot_be_given_back_hides_no_error(
    journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def away(*args: Any) -> None:
        raise JournalUnavailable("away")

    monkeypatch.setattr(journal, "cache_release", away)

    with pytest.raises(TransientError):
        await Jobs(journal).get(1, Maker(first=TransientError("ai", "busy")))


async def test_a_value_is_kept_for_the_stale_fallbacks_and_no_longer(journal: Journal) -> None:
    jobs = Jobs(journal)
    await jobs.get(1, Maker())

    stored = jobs.options.now_ms()
    await journal.purge(0, stored + int(KEEP_SECONDS * 1000))
    assert await journal.cache_get("k", "x") is not None
    await journal.purge(0, stored + int(KEEP_SECONDS * 1000) + 1)
    assert await journal.cache_get("k", "x") is None


async def test_who_makes_a_value_asks_once_for_it_and_once_for_the_lease(
    journal: Journal,
) -> None:
    asked: list[str] = []

    class Counting:
        def __getattr__(self, name: str) -> Any:
            asked.append(name)
            return getattr(journal, name)

    jobs = Jobs(cast(Journal, Counting()), moving=False)
    await jobs.accept("job_1")
    asked.clear()
    await jobs.get(1, Maker())
    await jobs.get(1, Maker())

    assert asked == ["cache_get", "cache_lease", "cache_put", "cache_get"]


def knows_its_maker(value: Json) -> object:
    return value["by"]


async def test_a_value_that_its_reader_refuses_is_made_anew_by_one_and_replaced(
    journal: Journal,
) -> None:
    jobs, make = Jobs(journal, moving=False), Maker()
    await journal.cache_put("k", "x", {"made_by": 0}, jobs.options.now_ms(), 1_000_000)

    values = await asyncio.gather(
        *(jobs.get(number, make, read=knows_its_maker) for number in range(5))
    )

    assert values == [{"by": 1}] * 5
    assert make.made == 1
    assert (jobs.meter.usage.cache_hits, jobs.meter.usage.cache_misses) == (4, 1)
    assert await jobs.job(6).stale("k", "x", TTL, knows_its_maker) == {"by": 1}
    assert await jobs.job(6).stale("k", "x", TTL, lambda value: value["from"]) is None


async def test_who_waits_looks_less_and_less_often_and_not_in_step_with_others(
    journal: Journal,
) -> None:
    now = Jobs(journal).options.now_ms()
    await journal.cache_lease("k", "x", "dead", now, now + 15_000)
    jobs = Jobs(journal)
    await jobs.get(1, Maker())

    assert jobs.clock.slept[0] < 0.2
    assert max(jobs.clock.slept) <= LONGEST_PAUSE
    assert len(set(jobs.clock.slept)) == len(jobs.clock.slept) < 20


async def test_twenty_jobs_on_one_keyword_pay_for_it_once(journal: Journal) -> None:
    """The real step, twenty times at once over one journal: four calls, not eighty."""
    services = StepServices(
        {"semantic_keywords": keywords_answer}, search=SearchReply(related_searches=["roof load"])
    )
    line = one_step(semantic_keywords.STEP)
    options = Jobs(journal, moving=False).options
    for number in range(20):
        await submit(journal, line, number, options)
    claims = [await journal.claim(f"job_{n}", "me", options.now_ms(), 5) for n in range(20)]

    ended = await asyncio.gather(
        *(JobRun(claim, line, journal, services, options).drive() for claim in claims)
    )

    assert ended == [JobStatus.COMPLETED] * 20
    assert len(services.asked("semantic_keywords")) == 3
    assert len(services.of(SearchRequest)) == 1
    views = [await journal.view(f"job_{number}") for number in range(20)]
    costs = sorted(view.cost for view in views if view is not None)
    assert costs[:-1] == [0.0] * 19
    assert costs[-1] > 0


def one_step(step: Step) -> Pipeline:
    return Pipeline((step,), finish=lambda request, outputs, run: {**run, **outputs})


async def submit(journal: Journal, line: Pipeline, number: int, options: EngineOptions) -> None:
    await journal.submit(
        NewJob(
            id=f"job_{number}", client_id="c", request_id=str(number), body_hash="h",
            request={"keyword": "solar panels"}, keyword="solar panels", mode="generate",
            created_at=options.now_ms(),
            steps=tuple((step.slug, step.name) for step in line.steps),
        )
    )  # fmt: skip


async def test_after_an_upgrade_values_of_the_old_shape_fail_no_job(
    journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    services = StepServices(
        {"semantic_keywords": keywords_answer}, search=SearchReply(related_searches=["roof load"])
    )
    line, jobs = one_step(semantic_keywords.STEP), Jobs(journal)
    stored: list[tuple[str, str]] = []
    put = journal.cache_put

    async def noted(kind: str, key: str, *more: Any, **named: Any) -> None:
        stored.append((kind, key))
        await put(kind, key, *more, **named)

    monkeypatch.setattr(journal, "cache_put", noted)
    for number in (1, 2):
        for kind, key in set(stored):  # as the release before had stored them
            await put(kind, key, [{"words": 1}], jobs.options.now_ms(), 1_000_000)
        jobs.clock.now += 1
        await submit(journal, line, number, jobs.options)
        claim = await journal.claim(f"job_{number}", "me", jobs.options.now_ms(), 5)
        run = JobRun(claim, line, journal, services, jobs.options)
        assert await run.drive() is JobStatus.COMPLETED

    assert {kind for kind, _ in stored} == {"keywords", "serp"}
    assert len(services.of(SearchRequest)) == 2


async def test_a_recorded_part_that_was_cached_before_a_crash_is_found_again_not_made(
    journal: Journal,
) -> None:
    """The process dies after the value is in the cache, and before it is the step's part."""
    jobs, make, dying = Jobs(journal), Maker(), asyncio.Event()

    async def run(ctx: StepContext) -> dict[str, Any]:
        return {"part": await ctx.memo("part", lambda: ctx.cached("k", "x", TTL, make))}

    async def dies(*args: Any) -> None:
        dying.set()
        await asyncio.Event().wait()

    line = one_step(Step(name="A", slug="a", version=1, timeout=30.0, run=run))
    await submit(journal, line, 1, jobs.options)
    claim = await journal.claim("job_1", "first", jobs.options.now_ms(), 5)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(journal, "record_memo", dies)
        first = asyncio.ensure_future(
            JobRun(claim, line, journal, StepServices(), jobs.options).drive()
        )
        await dying.wait()
        first.cancel()
        await asyncio.wait({first})
    claim = await journal.claim("job_1", "second", jobs.options.now_ms(), 5)
    assert claim.memos == ()

    again = JobRun(claim, line, journal, StepServices(), jobs.options)

    assert await again.drive() is JobStatus.COMPLETED
    assert make.made == 1
    view = await journal.view("job_1")
    assert view is not None
    assert view.result is not None
    assert view.result["cache"] == {"hits": 1, "misses": 0}
    assert view.result["a"] == {"part": {"by": 1}}


async def keywords_answer(request: ModelRequest) -> dict[str, Any]:
    await asyncio.sleep(0.01)
    kind = blocks(request)["request"]["kinds"][0]
    return {"phrases": [{"text": f"{kind} of a roof", "kind": kind}]}


def test_usage_of_older_journals_is_read_without_the_new_counts() -> None:
    assert Usage.model_validate({"calls": 1}).cache_hits == 0
