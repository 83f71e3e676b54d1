"""Running a job: claims, fences, attempts, records, ends; and each write sent twice."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest
from sqlalchemy.exc import StatementError

from orchestrator.errors import (
    InvalidInput,
    JobEnded,
    JobNotFound,
    OrchestratorError,
    StaleEpoch,
)
from orchestrator.jobs import JobStatus, StepState
from orchestrator.journal.base import Journal
from orchestrator.services import Usage
from tests.contract.journal_helpers import (
    JOB,
    ended,
    history,
    journal_fixture,  # noqa: F401
    keys_fixture,  # noqa: F401
    new_job,
    new_memo,
    started,
    types,
    url_fixture,  # noqa: F401
    viewed,
)

pytestmark = pytest.mark.usefixtures("keys")

Write = Callable[[Journal, int], Awaitable[object]]

WRITES: dict[str, Write] = {
    "begin_attempt": lambda j, epoch: j.begin_attempt(JOB, epoch, "text", 1, 1, 10),
    "record_retry": lambda j, epoch: j.record_retry(JOB, epoch, "text", "oops", 50, 10),
    "record_wait": lambda j, epoch: j.record_wait(JOB, epoch, "text", "breaker", 50, 10),
    "record_step": lambda j, epoch: j.record_step(JOB, epoch, "text", {"a": 1}, now=10),
    "record_memo": lambda j, epoch: j.record_memo(JOB, epoch, new_memo("p")),
    "record_progress": lambda j, epoch: j.record_progress(JOB, epoch, "text", "1 of 2", 10),
    "finish": lambda j, epoch: j.finish(JOB, epoch, JobStatus.COMPLETED, now=10),
    "flags": lambda j, epoch: j.flags(JOB, epoch),
}
every_write = pytest.mark.parametrize("write", WRITES.values(), ids=WRITES)


# -- claiming ---------------------------------------------------------------------------------


async def test_a_claim_brings_everything_recorded(journal: Journal) -> None:
    claim = await started(journal, request={"keyword": "k"})
    await journal.record_memo(JOB, 1, new_memo("serp", [1], step=""))
    await journal.begin_attempt(JOB, 1, "outline", 7, 2, 2100)
    await journal.record_memo(JOB, 1, new_memo("part", {"v": 2}, cost=0.5))
    await journal.record_step(
        JOB, 1, "outline", {"o": 1}, degraded=["less"], usage=Usage(calls=3), now=2200
    )

    again = await journal.claim(JOB, "another", 9000, 5)

    assert (claim.epoch, again.epoch) == (1, 2)
    assert (again.request, again.client_id) == ({"keyword": "k"}, "client")
    assert (again.created_at, again.started_at) == (1001, 2000)
    assert (again.cancel_requested, again.pause_requested) == (False, False)
    done, waiting, _ = again.steps
    assert (done.slug, done.name, done.state) == ("outline", "Outline", StepState.COMPLETED)
    assert (done.version, done.attempts, done.output) == (7, 2, {"o": 1})
    assert (done.degraded, done.usage) == (("less",), Usage(calls=3))
    assert (done.started_at, done.ended_at) == (2100, 2200)
    assert (waiting.state, waiting.output) == (StepState.PENDING, None)
    assert {(m.step, m.part): m.value for m in again.memos} == {
        ("", "serp"): [1], ("text", "part"): {"v": 2},
    }  # fmt: skip
    assert {m.usage.cost_usd for m in again.memos} == {0.0, 0.5}


async def test_claims_are_counted_and_told(journal: Journal) -> None:
    await started(journal)
    await journal.claim(JOB, "another", 2000, 5)

    view = await viewed(journal)

    assert (view.status, view.attempt, view.started_at) == (JobStatus.PROCESSING, 2, 2000)
    assert view.queue_position is None
    assert await types(journal) == ["job.queued", "job.started", "job.resumed"]
    assert [e.data.get("attempt") for e in await history(journal)] == [None, 1, 2]


@pytest.mark.parametrize("status", [JobStatus.COMPLETED, JobStatus.FAILED, JobStatus.CANCELLED])
async def test_an_ended_job_cannot_be_claimed(journal: Journal, status: JobStatus) -> None:
    await ended(journal, status)

    with pytest.raises(JobEnded, match=status.value):
        await journal.claim(JOB, "me", 4000, 5)


async def test_a_paused_job_cannot_be_claimed(journal: Journal) -> None:
    await journal.submit(new_job())
    await journal.request_pause(JOB, 5)

    with pytest.raises(JobEnded, match="paused"):
        await journal.claim(JOB, "me", 2000, 5)


async def test_an_unknown_job_cannot_be_claimed(journal: Journal) -> None:
    with pytest.raises(JobNotFound):
        await journal.claim("job_none", "me", 2000, 5)


async def test_a_claim_brings_what_was_asked_meanwhile(journal: Journal) -> None:
    await started(journal)
    await journal.request_cancel(JOB, 2100)
    await journal.request_pause(JOB, 2200)

    claim = await journal.claim(JOB, "me", 3000, 5)

    assert (claim.cancel_requested, claim.pause_requested) == (True, True)
    assert await journal.flags(JOB, 2) == (True, True)


async def test_a_late_claim_does_not_count_idle_time_twice(journal: Journal) -> None:
    """A claim that was under way for long carries an old time; the next one does not."""
    await started(journal)  # at 2000
    await journal.claim(JOB, "on time", 5000, 5)
    await journal.claim(JOB, "late", 2500, 5)

    claim = await journal.claim(JOB, "next", 6000, 5)

    assert claim.idle_ms == 4000


async def test_a_restart_does_not_reset_retries(journal: Journal) -> None:
    await started(journal)
    await journal.begin_attempt(JOB, 1, "outline", 1, 3, 10)
    await journal.begin_attempt(JOB, 1, "text", 1, 4, 10)
    await journal.record_retry(JOB, 1, "text", "oops", 99_000, 20)

    running, waiting, _ = (await journal.claim(JOB, "me", 3000, 5)).steps

    assert (running.state, running.attempts) == (StepState.RUNNING, 3)
    assert (waiting.state, waiting.attempts) == (StepState.WAITING, 4)
    assert (waiting.next_attempt_at, waiting.error) == (99_000, "oops")


async def test_a_step_s_account_so_far_is_kept_with_each_wait_and_counted_once(
    journal: Journal,
) -> None:
    await started(journal)
    await journal.record_memo(JOB, 1, new_memo("p", cost=0.5))
    used = Usage(calls=1, input_tokens=10, cost_usd=0.1)
    for epoch in (1, 2):  # waiting and running, each taken over
        await journal.begin_attempt(JOB, epoch, "text", 1, epoch, 10)
        for _ in range(2):  # sent twice is once
            await journal.record_retry(JOB, epoch, "text", "oops", 50, 20, usage=used)
        _, text, _ = (await journal.claim(JOB, f"me {epoch}", 3000, 5)).steps
        assert text.usage == used
    await journal.begin_attempt(JOB, 3, "text", 1, 3, 60)
    more = used + Usage(calls=1, cost_usd=0.2)
    await journal.record_wait(JOB, 3, "text", "ai open", 90, 70, usage=more)

    _, text, _ = (await journal.claim(JOB, "me", 3000, 5)).steps
    view = await viewed(journal)

    assert text.usage == more
    assert (view.cost, [s.cost for s in view.steps]) == (0.8, [0.0, 0.8, 0.0])
    await journal.record_step(JOB, 4, "text", {}, usage=more + Usage(cost_usd=0.4), now=100)
    assert (await viewed(journal)).cost == 1.2


# -- poison -----------------------------------------------------------------------------------


async def test_activations_without_progress_poison_the_job(journal: Journal) -> None:
    await started(journal)
    await journal.begin_attempt(JOB, 1, "text", 1, 1, 10)
    await journal.record_retry(JOB, 1, "text", "ai: overloaded", 50, 10)
    for again in range(4):
        await journal.claim(JOB, f"me {again}", 2000, 5)

    with pytest.raises(JobEnded, match="poisoned"):
        await journal.claim(JOB, "me", 3000, 5)

    view = await viewed(journal)
    assert (view.status, view.completed_at, view.attempt) == (JobStatus.FAILED, 3000, 5)
    assert view.error == "poisoned: ai: overloaded"
    assert (await history(journal))[-1].data == {"error": view.error}
    with pytest.raises(JobEnded):
        await journal.claim(JOB, "me", 3000, 5)


async def test_a_poisoned_job_without_any_error_says_so(journal: Journal) -> None:
    await journal.submit(new_job())
    for again in range(2):
        await journal.claim(JOB, f"me {again}", 2000, 2)

    with pytest.raises(JobEnded):
        await journal.claim(JOB, "another", 2000, 2)

    assert ((await viewed(journal)).error or "").startswith("poisoned: its process ended")


@pytest.mark.parametrize("progress", ["record_step", "record_memo"])
async def test_progress_resets_the_poison_count(journal: Journal, progress: str) -> None:
    await started(journal)
    await journal.claim(JOB, "me", 2001, 2)
    await WRITES[progress](journal, 2)

    await journal.claim(JOB, "me", 2002, 2)
    claim = await journal.claim(JOB, "me", 2003, 2)

    assert claim.epoch == 4


async def test_a_claim_sent_twice_is_one(journal: Journal) -> None:
    """Its answer may be lost. Counted twice it would use up an activation that never ran."""
    first = await started(journal)
    events = await history(journal)

    assert await journal.claim(JOB, "me", 2000, 1) == first  # the limit is reached, by itself
    assert await history(journal) == events
    assert (await journal.claim(JOB, "another", 2000, 5)).epoch == 2
    assert (await journal.claim(JOB, "me", 2000, 5)).epoch == 3  # it was fenced meanwhile


async def test_a_claim_after_a_pause_is_another_one(journal: Journal) -> None:
    await started(journal)
    await journal.finish(JOB, 1, JobStatus.PAUSED, now=2000)
    with pytest.raises(JobEnded):
        await journal.claim(JOB, "me", 2000, 5)
    await journal.resume(JOB, 2000)

    assert (await journal.claim(JOB, "me", 2000, 5)).epoch == 3


# -- fencing ----------------------------------------------------------------------------------


@every_write
async def test_an_older_epoch_is_refused(journal: Journal, write: Write) -> None:
    await started(journal)
    await journal.claim(JOB, "another", 3000, 5)
    before = (await viewed(journal), await history(journal), await journal.claim(JOB, "m", 1, 9))

    with pytest.raises(StaleEpoch, match="epoch 1"):
        await write(journal, 1)

    after = await journal.claim(JOB, "m", 1, 9)
    assert (after.steps, after.memos) == (before[2].steps, before[2].memos)
    assert (await viewed(journal)).status is before[0].status
    assert [e.type for e in await history(journal)][:3] == [e.type for e in before[1]]


@every_write
async def test_a_write_to_an_ended_job_is_refused(journal: Journal, write: Write) -> None:
    await ended(journal, JobStatus.FAILED)
    before = await viewed(journal)

    with pytest.raises(JobEnded):
        await write(journal, 1)

    assert await viewed(journal) == before
    assert await types(journal) == ["job.queued", "job.started", "job.failed"]


@every_write
async def test_a_write_to_an_erased_job_is_refused(journal: Journal, write: Write) -> None:
    await ended(journal, JobStatus.FAILED)
    await journal.erase(JOB)

    with pytest.raises(JobEnded):
        await write(journal, 1)


@every_write
async def test_a_write_before_any_claim_is_refused(journal: Journal, write: Write) -> None:
    await journal.submit(new_job())

    with pytest.raises(JobEnded, match="queued"):
        await write(journal, 0)


@every_write
async def test_a_retry_fences_the_activation_before_it(journal: Journal, write: Write) -> None:
    await ended(journal, JobStatus.FAILED)
    await journal.retry(JOB, 4000)

    with pytest.raises(StaleEpoch):
        await write(journal, 1)


@every_write
async def test_a_write_sent_twice_is_one(journal: Journal, write: Write) -> None:
    await started(journal)
    await journal.begin_attempt(JOB, 1, "text", 1, 1, 5)
    try:
        first = await write(journal, 1)
        events, view = await history(journal), await viewed(journal)
        assert await write(journal, 1) == first
    except OrchestratorError as error:  # flags of a job that runs are read, never refused
        pytest.fail(f"refused: {error}")

    assert await history(journal) == events
    assert await viewed(journal) == view


# -- steps ------------------------------------------------------------------------------------


async def test_an_attempt_runs_waits_and_completes(journal: Journal) -> None:
    await started(journal)
    states = []

    async def note() -> None:
        step = (await viewed(journal)).steps[1]
        states.append((step.state, step.attempts, step.error, step.detail))

    await journal.begin_attempt(JOB, 1, "text", 1, 1, 10)
    await note()
    await journal.record_retry(JOB, 1, "text", "oops", 50, 20)
    await note()
    await journal.begin_attempt(JOB, 1, "text", 1, 2, 50)
    await note()
    await journal.record_wait(JOB, 1, "text", "ai open", 90, 60)
    await note()
    await journal.begin_attempt(JOB, 1, "text", 1, 2, 90)
    await journal.record_step(JOB, 1, "text", {"t": 1}, degraded=["short"], now=100)
    await note()

    assert states == [
        (StepState.RUNNING, 1, None, None),
        (StepState.WAITING, 1, "oops", None),
        (StepState.RUNNING, 2, None, None),
        (StepState.WAITING, 2, None, "ai open"),
        (StepState.COMPLETED, 2, None, None),
    ]
    step = (await viewed(journal)).steps[1]
    assert (step.started_at, step.ended_at, step.degraded) == (10, 100, ["short"])
    assert [(e.type, e.at, e.data) for e in await history(journal)][2:] == [
        ("step.started", 10, {"step": "Text", "number": 2, "attempt": 1}),
        ("step.retrying", 20, {"step": "Text", "number": 2, "attempt": 1, "error": "oops",
                               "nextAttemptAt": 50}),
        ("step.started", 50, {"step": "Text", "number": 2, "attempt": 2}),
        ("step.waiting", 60, {"step": "Text", "number": 2, "reason": "ai open", "until": 90}),
        ("step.started", 90, {"step": "Text", "number": 2, "attempt": 2}),
        ("step.completed", 100, {"step": "Text", "number": 2, "attempt": 2,
                                 "degraded": ["short"]}),
    ]  # fmt: skip


async def test_the_next_activation_begins_the_same_attempt_anew(journal: Journal) -> None:
    await started(journal)
    await journal.begin_attempt(JOB, 1, "text", 1, 1, 10)
    await journal.claim(JOB, "me", 3000, 5)
    await journal.begin_attempt(JOB, 2, "text", 1, 1, 3001)

    assert (await types(journal)).count("step.started") == 2


async def test_the_first_output_stays(journal: Journal) -> None:
    await started(journal)
    await journal.record_step(JOB, 1, "text", {"first": 1}, usage=Usage(cost_usd=1.0), now=10)
    await journal.record_step(JOB, 1, "text", {"second": 2}, usage=Usage(cost_usd=2.0), now=20)

    assert (await journal.claim(JOB, "me", 3000, 5)).steps[1].output == {"first": 1}
    assert (await viewed(journal)).cost == 1.0


async def test_a_completed_step_stays_completed(journal: Journal) -> None:
    await started(journal)
    await journal.record_step(JOB, 1, "text", {}, now=10)
    events = await history(journal)

    await journal.begin_attempt(JOB, 1, "text", 1, 1, 20)
    await journal.record_retry(JOB, 1, "text", "late", 99, 20)
    await journal.record_wait(JOB, 1, "text", "late", 99, 20)
    await journal.record_progress(JOB, 1, "text", "1 of 2", 20)

    assert (await viewed(journal)).steps[1].state is StepState.COMPLETED
    assert await history(journal) == events


async def test_the_first_memo_stays(journal: Journal) -> None:
    await started(journal)
    await journal.record_memo(JOB, 1, new_memo("p", "first", cost=0.25))
    await journal.record_memo(JOB, 1, new_memo("p", "second", cost=0.5))
    await journal.record_memo(JOB, 1, new_memo("p", "other step", step="check"))

    claim = await journal.claim(JOB, "me", 3000, 5)

    values = {(memo.step, memo.part): memo.value for memo in claim.memos}
    assert values == {("text", "p"): "first", ("check", "p"): "other step"}
    assert (await viewed(journal)).cost == 0.25


async def test_a_memo_may_be_nothing(journal: Journal) -> None:
    await started(journal)
    await journal.record_memo(JOB, 1, new_memo("p", None))

    [memo] = (await journal.claim(JOB, "me", 3000, 5)).memos

    assert memo.value is None


@pytest.mark.parametrize(
    "write",
    [
        lambda j: j.begin_attempt(JOB, 1, "wrong", 1, 1, 10),
        lambda j: j.record_step(JOB, 1, "wrong", {}, now=10),
        lambda j: j.record_progress(JOB, 1, "wrong", "1 of 2", 10),
        lambda j: j.finish(JOB, 1, JobStatus.FAILED, failed_step="wrong", now=10),
    ],
)
async def test_an_unknown_step_is_named(
    journal: Journal, write: Callable[[Journal], Awaitable[None]]
) -> None:
    await started(journal)

    with pytest.raises(InvalidInput, match="wrong"):
        await write(journal)

    assert await types(journal) == ["job.queued", "job.started"]
    assert (await viewed(journal)).status is JobStatus.PROCESSING


async def test_an_output_that_is_not_json_is_refused_and_hurts_nobody(journal: Journal) -> None:
    await started(journal)

    with pytest.raises((StatementError, ValueError), match="not JSON compliant"):
        await journal.record_step(JOB, 1, "text", {"n": float("nan")}, now=10)

    await journal.record_step(JOB, 1, "text", {"n": 1.0}, now=10)
    assert (await viewed(journal)).steps[1].state is StepState.COMPLETED
