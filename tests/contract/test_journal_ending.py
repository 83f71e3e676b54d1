"""How an activation leaves a job: completed, failed, cancelled or paused."""

from __future__ import annotations

import pytest

from orchestrator.errors import IllegalTransition, InvalidInput, JobEnded
from orchestrator.jobs import JobStatus, StepState
from orchestrator.journal.base import Journal
from orchestrator.services import Usage
from tests.contract.journal_helpers import (
    JOB,
    ended,
    history,
    journal_fixture,  # noqa: F401
    keys_fixture,  # noqa: F401
    started,
    types,
    url_fixture,  # noqa: F401
    viewed,
)

pytestmark = pytest.mark.usefixtures("keys")


@pytest.mark.parametrize("status", [JobStatus.FAILED, JobStatus.CANCELLED, JobStatus.PAUSED])
async def test_what_unfinished_steps_used_is_part_of_the_jobs_cost(
    journal: Journal, status: JobStatus
) -> None:
    await started(journal)
    await journal.record_step(JOB, 1, "outline", {"o": 1}, usage=Usage(cost_usd=0.1), now=2100)
    await journal.begin_attempt(JOB, 1, "text", 1, 1, 2200)
    await journal.record_retry(JOB, 1, "text", "oops", 2300, 2200, usage=Usage(cost_usd=0.2))
    await journal.begin_attempt(JOB, 1, "text", 1, 2, 2400)
    used = {
        "outline": Usage(cost_usd=9.0),  # recorded with its output: not again
        "text": Usage(calls=3, cost_usd=0.5),  # all attempts together
        "check": Usage(calls=1, cost_usd=0.03),
    }

    for _ in range(2):
        await journal.finish(JOB, 1, status, usage=used, now=2500)

    view = await viewed(journal)
    assert view.cost == pytest.approx(0.63)
    assert [step.cost for step in view.steps] == [0.1, 0.5, 0.03]
    if status is not JobStatus.PAUSED:
        await journal.retry(JOB, 9000)
    else:
        await journal.resume(JOB, 9000)
    claim = await journal.claim(JOB, "me", 9100, 5)
    assert (claim.steps[1].usage.calls, claim.steps[1].usage.cost_usd) == (3, 0.5)


async def test_a_completed_job_has_its_result(journal: Journal) -> None:
    await started(journal)
    await journal.begin_attempt(JOB, 1, "check", 1, 1, 10)
    await journal.finish(JOB, 1, JobStatus.COMPLETED, result={"content": "<h1>"}, now=3000)

    view = await viewed(journal)

    assert (view.status, view.completed_at, view.progress) == (JobStatus.COMPLETED, 3000, 1.0)
    assert (view.result, view.error) == ({"content": "<h1>"}, None)
    assert (await history(journal))[-1].type == "job.completed"
    assert (await history(journal))[-1].data == {}


async def test_a_failed_job_names_its_step(journal: Journal) -> None:
    await started(journal)
    await journal.begin_attempt(JOB, 1, "outline", 1, 1, 10)
    await journal.begin_attempt(JOB, 1, "text", 1, 6, 10)
    await journal.finish(JOB, 1, JobStatus.FAILED, error="Text: gone", failed_step="text", now=3000)

    view = await viewed(journal)

    assert (view.status, view.error, view.result) == (JobStatus.FAILED, "Text: gone", None)
    assert [step.state for step in view.steps] == ["pending", "failed", "pending"]
    assert (view.steps[1].error, view.steps[1].ended_at) == ("Text: gone", 3000)
    assert [(e.type, e.data) for e in await history(journal)][-2:] == [
        ("step.failed", {"step": "Text", "number": 2, "attempt": 6, "error": "Text: gone"}),
        ("job.failed", {"error": "Text: gone"}),
    ]


async def test_a_different_end_is_refused(journal: Journal) -> None:
    await ended(journal, JobStatus.FAILED)

    with pytest.raises(JobEnded):
        await journal.finish(JOB, 1, JobStatus.COMPLETED, result={}, now=4000)

    assert (await viewed(journal)).status is JobStatus.FAILED


@pytest.mark.parametrize("status", [JobStatus.QUEUED, JobStatus.PROCESSING])
async def test_a_job_cannot_be_finished_into_running(journal: Journal, status: JobStatus) -> None:
    await started(journal)

    with pytest.raises(IllegalTransition):
        await journal.finish(JOB, 1, status, now=3000)


async def test_only_a_failed_job_has_a_failed_step(journal: Journal) -> None:
    await started(journal)

    with pytest.raises(InvalidInput, match="failed_step"):
        await journal.finish(JOB, 1, JobStatus.COMPLETED, failed_step="text", now=3000)


async def test_a_paused_job_keeps_its_waits(journal: Journal) -> None:
    await started(journal)
    await journal.begin_attempt(JOB, 1, "outline", 1, 2, 10)
    await journal.begin_attempt(JOB, 1, "text", 1, 3, 10)
    await journal.record_retry(JOB, 1, "text", "oops", 99_000, 20)
    await journal.request_pause(JOB, 25)
    await journal.finish(JOB, 1, JobStatus.PAUSED, now=30)
    await journal.finish(JOB, 1, JobStatus.PAUSED, now=30)

    paused = await viewed(journal)
    await journal.resume(JOB, 40)
    running, waiting, _ = (await journal.claim(JOB, "me", 50, 5)).steps

    assert (paused.status, paused.completed_at) == (JobStatus.PAUSED, None)
    assert (running.state, running.attempts) == (StepState.PENDING, 2)
    assert (waiting.state, waiting.attempts) == (StepState.WAITING, 3)
    assert waiting.next_attempt_at == 99_000
    assert (await types(journal))[-4:] == [
        "job.pause_requested", "job.paused", "job.queued", "job.resumed",
    ]  # fmt: skip
