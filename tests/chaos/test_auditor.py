"""The auditor can fail: each bug is planted in the real code, run, and found."""

from __future__ import annotations

import asyncio
import random
from collections import defaultdict
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest

from orchestrator import breaker as breakers
from orchestrator.breaker import Breaker, BreakerPolicy, Outcome, Permit
from orchestrator.engine import EngineOptions, JobRun
from orchestrator.errors import JournalUnavailable
from orchestrator.jobs import JobStatus
from orchestrator.journal import attempts, changes, lifecycle
from orchestrator.journal.base import Journal
from orchestrator.journal.group import GroupCommitter
from orchestrator.journal.opening import open_journal
from orchestrator.journal.records import Claim, NewJob, Submitted
from orchestrator.models import SubmitRequest
from orchestrator.services import ModelReply, ModelRequest, Usage
from orchestrator.step import Json, Pipeline, Step, StepContext
from tests.chaos import rows
from tests.chaos.auditor import Violation, audit
from tests.chaos.record import Accepted, BreakerSighting, Run, Seen, Sighting, now_ms
from tests.fakes import FakeServices
from tests.model.planted import planted

JOB = "job_1"
NOTHING = rows.Rows([], [], [], [], {}, [])
STEPS = (("plan", "Plan"), ("write", "Write"), ("check", "Check"))


async def _text(ctx: StepContext, part: str) -> str:
    async def make() -> Json:
        request = ModelRequest(system="s", prompt=part, idempotency_key=ctx.key(part))
        return {"text": (await ctx.services.generate(request)).text}

    return str((await ctx.memo(part, make))["text"])


async def _one_part(ctx: StepContext) -> dict[str, Json]:
    return {"text": await _text(ctx, "part")}


async def _two_parts(ctx: StepContext) -> dict[str, Json]:
    parts = [await _text(ctx, "first"), await _text(ctx, "second")]
    await ctx.progress(2, 2, "part")
    return {"text": " ".join(parts)}


def _finish(request: SubmitRequest, outputs: Any, run: Any) -> dict[str, Any]:
    text = outputs["write"]["text"]
    return {"content": f"<h1>{text}</h1>", "references": [{"url": "u"}], "metadata": run}


LINE = Pipeline(
    (
        Step("Plan", "plan", 1, 5.0, _one_part),
        Step("Write", "write", 1, 5.0, _two_parts, needs=("plan",)),
        Step("Check", "check", 1, 5.0, _one_part, needs=("write",)),
    ),
    finish=_finish,
)


class Outside(FakeServices):
    """Keeps the times of calls, as the sandbox does, and holds back those it is told to."""

    def __init__(self) -> None:
        super().__init__(model=self._reply)
        self.calls: dict[str, list[int]] = defaultdict(list)
        self.held: dict[str, asyncio.Event] = {}
        self.arrived: dict[str, asyncio.Event] = defaultdict(asyncio.Event)

    async def _reply(self, request: ModelRequest) -> ModelReply:
        key = request.idempotency_key
        self.calls[key].append(now_ms())
        self.arrived[key].set()
        if key in self.held:
            await self.held.pop(key).wait()
        return ModelReply(text="words", model="m", usage=Usage())


class Bench:
    """The real journal (a SQLite file) and engine, one client, and no Ray."""

    def __init__(self, journal: Journal, path: Path) -> None:
        self.journal, self.path = journal, path
        self.outside, self.seen = Outside(), Seen()
        self.options = EngineOptions(rand=random.Random(1))

    async def submit(self) -> None:
        job = NewJob(
            id=JOB, client_id="c", request_id="r", body_hash="h", request={"keyword": "chaos"},
            keyword="chaos", mode="generate", created_at=now_ms(), steps=STEPS,
        )  # fmt: skip
        submitted = await self.journal.submit(job)
        self.seen.add(Accepted(submitted.job_id, "c", "r", now_ms()))

    async def claim(self, owner: str) -> Claim:
        return await self.journal.claim(JOB, owner, now_ms(), 5)

    def activation(self, claim: Claim) -> asyncio.Future[JobStatus]:
        run = JobRun(claim, LINE, self.journal, self.outside, self.options)
        return asyncio.ensure_future(run.drive())

    async def look(self) -> None:
        view = await self.journal.view(JOB)
        assert view is not None
        self.seen.add(Sighting(JOB, now_ms(), view.status.value, view.step, view.attempt))

    def audited(self) -> list[Violation]:
        counts = {key: len(times) for key, times in self.outside.calls.items()}
        found = rows.read(f"sqlite:///{self.path}")
        return audit(Run(found, self.seen, dict(self.outside.calls), counts, {}))

    def promises(self) -> set[str]:
        return {violation.promise for violation in self.audited()}


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    path = tmp_path / "journal.db"
    journal = await open_journal(f"sqlite+aiosqlite:///{path}")
    yield Bench(journal, path)
    await journal.close()


async def killed_and_resumed(bench: Bench) -> None:
    """A job whose first process dies while it writes, and whose second completes it."""
    held = bench.outside.held[f"{JOB}:write:second"] = asyncio.Event()
    await bench.submit()
    first = bench.activation(await bench.claim("first"))
    await bench.outside.arrived[f"{JOB}:write:second"].wait()
    await bench.look()
    first.cancel()
    await asyncio.wait({first})
    held.set()
    await asyncio.sleep(0.15)  # more than the auditor's slack
    await bench.activation(await bench.claim("second"))
    await bench.look()


async def hung_and_replaced(bench: Bench) -> None:
    """A job whose first process stands still, is replaced, and goes on."""
    first_held = bench.outside.held[f"{JOB}:write:second"] = asyncio.Event()
    await bench.submit()
    first = bench.activation(await bench.claim("first"))
    await bench.outside.arrived[f"{JOB}:write:second"].wait()
    second_claim = await bench.claim("second")
    second_held = bench.outside.held[f"{JOB}:write:second"] = asyncio.Event()
    bench.outside.arrived.clear()
    second = bench.activation(second_claim)
    await bench.outside.arrived[f"{JOB}:write:second"].wait()
    first_held.set()
    await asyncio.wait({first}, timeout=0.3)
    second_held.set()
    await asyncio.gather(first, second, return_exceptions=True)
    await bench.look()


async def test_a_job_that_was_killed_and_resumed_breaks_no_promise(bench: Bench) -> None:
    await killed_and_resumed(bench)

    assert bench.audited() == []
    assert len(bench.outside.calls[f"{JOB}:write:second"]) == 2  # it was in flight


async def test_a_job_whose_process_hung_and_was_replaced_breaks_no_promise(bench: Bench) -> None:
    await hung_and_replaced(bench)

    assert bench.audited() == []


async def test_fencing_off_is_found(bench: Bench) -> None:
    with planted("fencing_off"):
        await hung_and_replaced(bench)

    assert "a step is begun by the newest epoch" in bench.promises()


async def test_an_answer_before_the_commit_is_found(bench: Bench) -> None:
    async def lost(self: Any, *args: Any) -> None:
        raise JournalUnavailable("the power went before the commit")

    submit = bench.journal.submit

    async def careless(job: NewJob) -> Any:
        with patch.object(GroupCommitter, "run", lost):
            try:
                return await submit(job)
            except JournalUnavailable:
                return Submitted(job_id=job.id, status=JobStatus.QUEUED, created=True)

    with patch.object(bench.journal, "submit", careless):
        await bench.submit()

    assert bench.promises() == {"no accepted job is lost"}


async def test_a_status_that_goes_back_is_found(bench: Bench) -> None:
    """The claim takes jobs that have ended."""
    anything = changes.jobs.c.status != "nonsense"
    claim = changes.job_change(
        anything,
        status=JobStatus.PROCESSING,
        epoch=changes.jobs.c.epoch + 1,
        owner=changes.new("owner"),
        attempt=changes.jobs.c.attempt + 1,
    )
    await killed_and_resumed(bench)
    with patch.object(lifecycle, "_CLAIM", claim):
        again = bench.activation(await bench.claim("third"))
        await bench.look()
        await asyncio.wait({again})

    assert "a status never goes back" in bench.promises()


async def test_a_lost_event_is_found(bench: Bench) -> None:
    emit = changes.emit

    def forgetful(conn: Any, job_id: str, seq: int, kind: str, at: int, **data: Any) -> None:
        if (kind, data.get("number")) != ("step.completed", 2):
            emit(conn, job_id, seq, kind, at, **data)  # type: ignore[arg-type]

    with patch.object(attempts, "emit", forgetful):
        await killed_and_resumed(bench)

    assert "events are contiguous" in bench.promises()


async def killed_resumed_and_forgetful(bench: Bench) -> None:
    """Like :func:`killed_and_resumed`, and the second forgets what the first had recorded."""
    claim = bench.claim

    async def forgetful(owner: str) -> Claim:
        taken = await claim(owner)
        steps = [record.model_copy(update={"state": "pending"}) for record in taken.steps]
        return taken.model_copy(update={"steps": steps, "memos": []})

    bench.claim = forgetful  # type: ignore[method-assign]
    await killed_and_resumed(bench)


async def test_a_recorded_step_that_runs_again_is_found(bench: Bench) -> None:
    await killed_resumed_and_forgetful(bench)

    assert bench.promises() == {"recorded calls stay"}


async def test_a_completed_step_that_is_begun_again_is_found(bench: Bench) -> None:
    """The same, and the journal lets a completed step be begun."""
    begin = changes.step_change(
        attempts.steps.c.state != "nonsense",
        **attempts._RUNNING,
        begun=True,
        version=changes.new("version"),
    )
    with patch.object(attempts, "_BEGIN", begin):
        await killed_resumed_and_forgetful(bench)

    assert "recorded steps do not run again" in bench.promises()


def probe_that_dies(breaker: Breaker, seconds: float) -> Seen:
    """A service fails, its breaker opens, and whoever probes it dies without a word; what a
    client sees of the breaker meanwhile, while others go on asking for leave."""
    seen, now, calls = Seen(), 0.0, 0
    for _ in range(breaker.policy.threshold):
        permit = breaker.admit(now)
        assert isinstance(permit, Permit)
        breaker.report(permit, Outcome.FAILURE, now)
    while now < seconds:
        now += 2.0
        calls += isinstance(breaker.admit(now), Permit)
        refuses = breaker.retry_after(now) is not None
        seen.add(BreakerSighting("ai", int(now * 1000), breaker.state.value, refuses, calls))
    return seen


def breaker_promises(seen: Seen) -> set[str]:
    return {one.promise for one in audit(Run(NOTHING, seen, {}, {}, {}))}


def test_a_probe_whose_lease_never_ends_is_found() -> None:
    leased = breakers.POLICIES["ai"]
    for_ever = BreakerPolicy(leased.threshold, leased.window, leased.cooldown, float("inf"))

    assert breaker_promises(probe_that_dies(Breaker(for_ever), 400)) == {"no breaker is jammed"}
    # As it is, a probe that dies is followed by another, and that by another.
    assert breaker_promises(probe_that_dies(Breaker(leased), 400)) == set()


def test_a_second_external_write_is_found() -> None:
    key = f"{JOB}:post:publish"

    assert audit(Run(NOTHING, Seen(), {}, {}, {key: 1})) == []
    (violation,) = audit(Run(NOTHING, Seen(), {}, {}, {key: 2}))
    assert violation.promise == "external writes happen once"


@pytest.mark.parametrize(
    ("state", "writes", "found"),
    [
        ("done", {f"{JOB}:publish": 1}, set()),
        ("done", {}, {"what is to be published is"}),
        ("queued", {}, {"what is to be published is"}),
        (None, {}, {"what is to be published is"}),
    ],
)
async def test_a_publication_that_is_lost_is_found(
    bench: Bench, state: str | None, writes: dict[str, int], found: set[str]
) -> None:
    await killed_and_resumed(bench)
    judged = rows.read(f"sqlite:///{bench.path}")
    judged.jobs[0]["publish"] = "draft"
    if state is not None:
        judged.publications.append({"job_id": JOB, "state": state, "error": None})

    promises = {one.promise for one in audit(Run(judged, bench.seen, {}, {}, writes))}

    assert promises == found


async def test_an_article_that_nobody_wanted_published_is_found(bench: Bench) -> None:
    await killed_and_resumed(bench)
    judged = rows.read(f"sqlite:///{bench.path}")

    (violation,) = audit(Run(judged, bench.seen, {}, {}, {f"{JOB}:publish": 1}))

    assert violation.promise == "what is to be published is"
