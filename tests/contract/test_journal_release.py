"""An activation lets go of its job in good order, and another takes it up when it is time."""

from __future__ import annotations

import pytest

from orchestrator.errors import JobEnded, StaleEpoch
from orchestrator.jobs import JobStatus, StepState
from orchestrator.journal.base import Journal
from orchestrator.services import Usage
from tests.contract.journal_helpers import (
    JOB,
    history,
    journal_fixture,  # noqa: F401
    new_memo,
    started,
    url_fixture,  # noqa: F401
)

MOST = 5


async def test_a_released_job_is_left_alone_until_its_time_comes(journal: Journal) -> None:
    await started(journal, 1)

    assert await journal.release(JOB, 1, until=100_000, now=40_000)

    assert await journal.processing(99_999) == []
    assert [job.job_id for job in await journal.processing(100_000)] == [JOB]
    view = await journal.view(JOB)
    assert view is not None
    assert view.status is JobStatus.PROCESSING
    released = (await history(journal))[-1]
    assert (released.type, released.data) == ("job.released", {"until": 100_000})


async def test_waits_are_kept_and_running_steps_are_begun_again(journal: Journal) -> None:
    await started(journal, 1)
    await journal.begin_attempt(JOB, 1, "outline", 1, 1, 10)
    await journal.record_retry(JOB, 1, "outline", "503", 90_000, 20)
    await journal.begin_attempt(JOB, 1, "text", 1, 1, 30)

    await journal.release(JOB, 1, until=90_000, now=40)

    claim = await journal.claim(JOB, "node/2", 90_000, MOST)
    waiting, running = claim.steps[0], claim.steps[1]
    assert (waiting.state, waiting.next_attempt_at) == (StepState.WAITING, 90_000)
    assert running.state is StepState.PENDING


async def test_the_next_claim_forgets_the_time(journal: Journal) -> None:
    await started(journal, 1)
    await journal.release(JOB, 1, until=100_000, now=40_000)

    claim = await journal.claim(JOB, "node/2", 50_000, MOST)

    assert claim.epoch == 2
    assert [job.job_id for job in await journal.processing(50_000)] == [JOB]


async def test_time_asleep_counts_towards_the_deadline_and_oversleeping_does_not(
    journal: Journal,
) -> None:
    await started(journal, 1)
    await journal.release(JOB, 1, until=100_000, now=40_000)

    claim = await journal.claim(JOB, "node/2", 107_000, MOST)

    assert claim.idle_ms == 7_000


async def test_a_job_handed_over_at_once_was_nobodys_since_then(journal: Journal) -> None:
    await started(journal, 1)
    await journal.release(JOB, 1, until=40_000, now=40_000)

    claim = await journal.claim(JOB, "node/2", 47_000, MOST)

    assert claim.idle_ms == 7_000


async def test_leaving_in_good_order_is_not_dying(journal: Journal) -> None:
    await started(journal, 1)
    for epoch in range(1, 2 * MOST):
        await journal.release(JOB, epoch, until=0, now=epoch)
        claim = await journal.claim(JOB, "node/2", epoch, MOST)
        assert claim.epoch == epoch + 1


@pytest.mark.parametrize("ask", ["request_cancel", "request_pause"])
async def test_a_job_that_is_asked_to_stop_is_not_released(journal: Journal, ask: str) -> None:
    await started(journal, 1)
    await getattr(journal, ask)(JOB, 30)

    assert not await journal.release(JOB, 1, until=100_000, now=40)

    assert [job.job_id for job in await journal.processing(50)] == [JOB]
    assert (await history(journal))[-1].type != "job.released"


@pytest.mark.parametrize("ask", ["request_cancel", "request_pause"])
async def test_a_released_job_that_is_asked_to_stop_is_due_at_once(
    journal: Journal, ask: str
) -> None:
    await started(journal, 1)
    await journal.release(JOB, 1, until=100_000, now=40)

    await getattr(journal, ask)(JOB, 50)

    assert [job.stop_requested for job in await journal.processing(60)] == [ask.split("_")[1]]


async def test_a_release_that_arrives_twice_is_one(journal: Journal) -> None:
    await started(journal, 1)

    assert await journal.release(JOB, 1, until=100_000, now=40)
    assert await journal.release(JOB, 1, until=100_000, now=40)

    assert [event.type for event in await history(journal)].count("job.released") == 1


async def test_what_an_activation_had_under_way_comes_too_late_once_it_has_released(
    journal: Journal,
) -> None:
    await started(journal, 1)
    await journal.begin_attempt(JOB, 1, "text", 1, 1, 30)
    await journal.release(JOB, 1, until=40, now=40)
    before = await history(journal)

    for late in (
        journal.record_step(JOB, 1, "text", {"t": 1}, degraded=(), usage=Usage(), now=50),
        journal.record_memo(JOB, 1, new_memo("p")),
        journal.begin_attempt(JOB, 1, "check", 1, 1, 50),
        journal.flags(JOB, 1),
        journal.finish(JOB, 1, JobStatus.COMPLETED, now=50),
    ):
        with pytest.raises(StaleEpoch, match="epoch 1 released it"):
            await late

    assert await history(journal) == before
    assert (await journal.claim(JOB, "node/1", 60, MOST)).epoch == 2


async def test_a_stale_activation_cannot_release_the_job(journal: Journal) -> None:
    await started(journal, 1)
    await journal.claim(JOB, "node/2", 30, MOST)

    with pytest.raises(StaleEpoch):
        await journal.release(JOB, 1, until=100_000, now=40)
    assert [job.epoch for job in await journal.processing(50)] == [2]


async def test_an_ended_job_cannot_be_released(journal: Journal) -> None:
    await started(journal, 1)
    await journal.finish(JOB, 1, JobStatus.COMPLETED, now=30)

    with pytest.raises(JobEnded):
        await journal.release(JOB, 1, until=100_000, now=40)
