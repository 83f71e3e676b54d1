"""What clients may ask of a job: cancel, pause, resume, retry, erase."""

from __future__ import annotations

import pytest
from sqlalchemy import func, select

from orchestrator.errors import IllegalTransition, InvalidInput, JobEnded, JobNotFound
from orchestrator.jobs import ENDED, JobStatus, StepState
from orchestrator.journal.base import Journal
from orchestrator.journal.database import Database
from orchestrator.journal.tables import ledger, metadata
from orchestrator.services import Usage
from tests.contract.journal_helpers import (
    JOB,
    database_fixture,  # noqa: F401
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

every_end = pytest.mark.parametrize("status", sorted(ENDED))


# -- cancel -----------------------------------------------------------------------------------


async def test_a_queued_job_is_cancelled_at_once(journal: Journal) -> None:
    await journal.submit(new_job())

    view = await journal.request_cancel(JOB, 5000)

    assert (view.status, view.completed_at) == (JobStatus.CANCELLED, 5000)
    assert await types(journal) == ["job.queued", "job.cancelled"]


async def test_a_paused_job_is_cancelled_at_once(journal: Journal) -> None:
    await journal.submit(new_job())
    await journal.request_pause(JOB, 4000)

    assert (await journal.request_cancel(JOB, 5000)).status is JobStatus.CANCELLED


async def test_a_running_job_is_asked_to_stop(journal: Journal) -> None:
    await started(journal)

    view = await journal.request_cancel(JOB, 5000)

    assert (view.status, view.cancel_requested) == (JobStatus.PROCESSING, True)
    assert await journal.flags(JOB, 1) == (True, False)
    await journal.finish(JOB, 1, JobStatus.CANCELLED, now=5001)
    assert (await types(journal))[-2:] == ["job.cancel_requested", "job.cancelled"]


@every_end
async def test_cancelling_what_has_ended_changes_nothing(
    journal: Journal, status: JobStatus
) -> None:
    await ended(journal, status)
    before = await viewed(journal)

    assert await journal.request_cancel(JOB, 5000) == before.model_copy(update={"result": None})
    assert len(await history(journal)) == 3


async def test_a_completion_under_way_overtakes_a_cancellation(journal: Journal) -> None:
    """What is done is not thrown away; that a cancel was asked for stays to be seen."""
    await started(journal)
    await journal.request_cancel(JOB, 2200)
    await journal.finish(JOB, 1, JobStatus.COMPLETED, result={"r": 1}, now=2300)

    view = await journal.request_cancel(JOB, 2400)

    assert (view.status, view.cancel_requested) == (JobStatus.COMPLETED, True)
    assert (await types(journal))[-2:] == ["job.cancel_requested", "job.completed"]


async def test_a_cancellation_overtakes_a_pause(journal: Journal) -> None:
    """Otherwise a job cancelled while it stops for a pause would stay paused for ever."""
    await started(journal)
    await journal.request_pause(JOB, 2100)
    await journal.request_cancel(JOB, 2200)
    await journal.finish(JOB, 1, JobStatus.PAUSED, now=2300)

    view = await viewed(journal)

    assert (view.status, view.completed_at) == (JobStatus.CANCELLED, 2300)
    await journal.finish(JOB, 1, JobStatus.PAUSED, now=2300)  # sent twice


# -- pause and resume -------------------------------------------------------------------------


async def test_a_queued_job_is_paused_at_once(journal: Journal) -> None:
    await journal.submit(new_job())

    view = await journal.request_pause(JOB, 5000)

    assert (view.status, view.queue_position) == (JobStatus.PAUSED, None)
    assert await journal.queued(5) == []


async def test_a_running_job_is_asked_to_pause(journal: Journal) -> None:
    await started(journal)

    assert (await journal.request_pause(JOB, 5000)).status is JobStatus.PROCESSING
    assert await journal.flags(JOB, 1) == (False, True)


@every_end
async def test_what_has_ended_cannot_pause_or_resume(journal: Journal, status: JobStatus) -> None:
    await ended(journal, status)

    with pytest.raises(IllegalTransition, match="paused"):
        await journal.request_pause(JOB, 5000)
    with pytest.raises(IllegalTransition, match="resumed"):
        await journal.resume(JOB, 5000)


async def test_a_resumed_job_is_queued_without_flags(journal: Journal) -> None:
    await started(journal)
    await journal.request_pause(JOB, 2100)
    await journal.finish(JOB, 1, JobStatus.PAUSED, now=2200)

    view = await journal.resume(JOB, 5000)

    assert (view.status, view.queue_position) == (JobStatus.QUEUED, 1)
    claim = await journal.claim(JOB, "me", 6000, 5)
    assert (claim.pause_requested, claim.started_at) == (False, 2000)
    assert (await history(journal))[-2].data == {"reason": "resumed"}


async def test_a_pause_can_be_taken_back_before_it_happens(journal: Journal) -> None:
    await started(journal)
    await journal.request_pause(JOB, 2100)
    await journal.resume(JOB, 2200)

    assert await journal.flags(JOB, 1) == (False, False)
    assert (await viewed(journal)).status is JobStatus.PROCESSING


async def test_a_pause_taken_back_too_late_queues_the_job_again(journal: Journal) -> None:
    """The activation saw the first flag, not that it was taken back."""
    await started(journal)
    await journal.request_pause(JOB, 2100)
    await journal.resume(JOB, 2200)
    await journal.finish(JOB, 1, JobStatus.PAUSED, now=2300)

    assert (await viewed(journal)).status is JobStatus.QUEUED
    assert (await types(journal))[-3:] == ["job.resume_requested", "job.paused", "job.queued"]


@pytest.mark.parametrize("ask", ["request_cancel", "request_pause", "resume", "retry"])
async def test_an_unknown_job_cannot_be_asked(journal: Journal, ask: str) -> None:
    with pytest.raises(JobNotFound, match="job_none"):
        await getattr(journal, ask)("job_none", 5000)


# -- retry ------------------------------------------------------------------------------------


async def half_done(journal: Journal) -> None:
    """A job that failed in its second step, after some work."""
    await started(journal)
    await journal.begin_attempt(JOB, 1, "outline", 1, 1, 2100)
    await journal.record_memo(JOB, 1, new_memo("serp", step="", cost=0.001))
    await journal.record_memo(JOB, 1, new_memo("o", step="outline", cost=0.01))
    await journal.record_step(JOB, 1, "outline", {"o": 1}, usage=Usage(cost_usd=0.1), now=2200)
    await journal.begin_attempt(JOB, 1, "text", 1, 6, 2300)
    await journal.record_memo(JOB, 1, new_memo("section", cost=0.02))
    await journal.finish(JOB, 1, JobStatus.FAILED, error="e", failed_step="text", now=2400)


async def test_a_retry_keeps_what_was_done(journal: Journal) -> None:
    await half_done(journal)

    view = await journal.retry(JOB, 9000)
    claim = await journal.claim(JOB, "me", 9100, 5)

    assert (view.status, view.error) == (JobStatus.QUEUED, None)
    assert (view.started_at, view.completed_at) == (None, None)
    assert view.cost == 0.131
    assert [(s.state, s.attempts, s.error) for s in claim.steps] == [
        (StepState.COMPLETED, 1, None), (StepState.PENDING, 0, None), (StepState.PENDING, 0, None),
    ]  # fmt: skip
    assert claim.steps[0].output == {"o": 1}
    assert {memo.part for memo in claim.memos} == {"serp", "o", "section"}
    assert claim.started_at == 9100  # its deadline counts anew
    assert (await history(journal))[-2].data == {"reason": "retried"}


async def test_a_retry_from_a_step_does_it_and_later_ones_again(journal: Journal) -> None:
    await half_done(journal)

    await journal.retry(JOB, 9000, from_step="text")
    claim = await journal.claim(JOB, "me", 9100, 5)

    assert [s.state for s in claim.steps] == ["completed", "pending", "pending"]
    assert {memo.part for memo in claim.memos} == {"serp", "o"}
    assert (await history(journal))[-2].data == {"reason": "retried", "fromStep": "text"}


@pytest.mark.parametrize("from_step", [None, "text"])
async def test_what_failed_attempts_cost_stays_spent_after_a_retry(
    journal: Journal, from_step: str | None
) -> None:
    await started(journal)
    await journal.begin_attempt(JOB, 1, "text", 1, 1, 10)
    await journal.record_retry(JOB, 1, "text", "oops", 50, 20, usage=Usage(cost_usd=0.1))
    await journal.finish(JOB, 1, JobStatus.FAILED, error="e", failed_step="text", now=2400)

    assert (await journal.retry(JOB, 9000, from_step=from_step)).cost == 0.1


async def test_a_retry_redoes_only_the_steps_that_it_is_told(journal: Journal) -> None:
    """What does not depend on the named step stays, its paid parts too."""
    await half_done(journal)
    await journal.retry(JOB, 8000)
    await journal.claim(JOB, "me", 8100, 5)
    await journal.record_step(JOB, 3, "text", {"t": 1}, now=8200)
    await journal.finish(JOB, 3, JobStatus.FAILED, error="e", failed_step="check", now=8300)

    await journal.retry(JOB, 9000, from_step="outline", redo=("check",))
    claim = await journal.claim(JOB, "me", 9100, 5)

    assert [s.state for s in claim.steps] == ["pending", "completed", "pending"]
    assert {memo.part for memo in claim.memos} == {"serp", "section"}


async def test_a_retry_asked_for_again_while_the_job_goes_on_changes_nothing(
    journal: Journal,
) -> None:
    """Another client, or the same one that did not hear the answer, at another time."""
    await half_done(journal)
    await journal.retry(JOB, 9000, from_step="text")
    queued = await history(journal)

    assert (await journal.retry(JOB, 9500, from_step="text")).status is JobStatus.QUEUED
    assert await history(journal) == queued
    await journal.claim(JOB, "me", 9600, 5)
    await journal.request_pause(JOB, 9700)
    await journal.resume(JOB, 9800)
    running = await history(journal)
    assert (await journal.retry(JOB, 9900, from_step="text")).status is JobStatus.PROCESSING
    assert await history(journal) == running


@pytest.mark.parametrize("other", [None, "outline"])
async def test_a_retry_from_elsewhere_is_refused_while_one_goes_on(
    journal: Journal, other: str | None
) -> None:
    await half_done(journal)
    await journal.retry(JOB, 9000, from_step="text")

    with pytest.raises(IllegalTransition, match="it goes on from text"):
        await journal.retry(JOB, 9500, from_step=other)


async def test_a_retry_of_a_job_about_to_be_cancelled_or_paused_is_refused(
    journal: Journal,
) -> None:
    await half_done(journal)
    await journal.retry(JOB, 9000)
    await journal.request_pause(JOB, 9100)
    with pytest.raises(IllegalTransition, match="paused"):
        await journal.retry(JOB, 9200)
    await journal.resume(JOB, 9300)
    await journal.claim(JOB, "me", 9400, 5)
    await journal.request_cancel(JOB, 9500)

    with pytest.raises(IllegalTransition, match="being cancelled"):
        await journal.retry(JOB, 9600)


async def test_a_retry_from_the_first_step_does_everything_again(journal: Journal) -> None:
    await half_done(journal)

    view = await journal.retry(JOB, 9000, from_step="outline")
    claim = await journal.claim(JOB, "me", 9100, 5)

    assert {(s.state, s.output, s.attempts) for s in claim.steps} == {("pending", None, 0)}
    assert claim.memos == ()
    assert (view.cost, view.progress) == (0.131, 0.0)  # what was spent stays spent


async def test_a_cancelled_job_can_be_retried(journal: Journal) -> None:
    await started(journal)
    await journal.request_cancel(JOB, 2100)
    await journal.finish(JOB, 1, JobStatus.CANCELLED, now=2200)

    view = await journal.retry(JOB, 9000)

    assert (view.status, view.cancel_requested) == (JobStatus.QUEUED, False)


async def test_a_poisoned_job_can_be_retried(journal: Journal) -> None:
    await started(journal)
    await journal.claim(JOB, "me", 3000, 2)
    with pytest.raises(JobEnded, match="poisoned"):
        await journal.claim(JOB, "me", 3001, 2)
    await journal.retry(JOB, 9000)

    assert (await journal.claim(JOB, "me", 9100, 2)).epoch > 3


async def test_the_same_retry_sent_twice_is_one(journal: Journal) -> None:
    await half_done(journal)
    await journal.retry(JOB, 9000, from_step="text")
    before = await history(journal)

    view = await journal.retry(JOB, 9000, from_step="text")

    assert view.status is JobStatus.QUEUED
    assert await history(journal) == before


async def test_a_retry_sent_again_does_not_undo_what_came_after_it(journal: Journal) -> None:
    """Its first answer was lost, and meanwhile another client cancelled the job."""
    await half_done(journal)
    await journal.retry(JOB, 9000)
    await journal.request_cancel(JOB, 9001)
    before = await history(journal)

    view = await journal.retry(JOB, 9000)

    assert view.status is JobStatus.CANCELLED
    assert await history(journal) == before


async def test_time_before_a_retry_is_not_idle_time_of_the_new_start(journal: Journal) -> None:
    await half_done(journal)
    await journal.retry(JOB, 9000)

    claim = await journal.claim(JOB, "me", 60_000, 5)

    assert (claim.started_at, claim.idle_ms) == (60_000, 0)


async def test_only_failed_and_cancelled_jobs_can_be_retried(journal: Journal) -> None:
    await journal.submit(new_job(1))
    await started(journal, 2)
    await ended(journal, JobStatus.COMPLETED, 3)

    for job_id in ("job_1", "job_2", "job_3"):
        with pytest.raises(IllegalTransition, match="retried"):
            await journal.retry(job_id, 9000)


async def test_a_retry_from_an_unknown_step_changes_nothing(journal: Journal) -> None:
    await half_done(journal)

    with pytest.raises(InvalidInput, match=r"fromStep: .*'nonsense'"):
        await journal.retry(JOB, 9000, from_step="nonsense")

    assert (await viewed(journal)).status is JobStatus.FAILED


# -- erase and purge --------------------------------------------------------------------------


async def rows(database: Database) -> dict[str, int]:
    """How many rows each table has."""
    return await database.run(
        lambda conn: {
            table.name: conn.execute(select(func.count()).select_from(table)).scalar_one()
            for table in metadata.sorted_tables
        }
    )


async def test_an_erased_job_leaves_no_row(journal: Journal, database: Database) -> None:
    await half_done(journal)

    assert await journal.erase(JOB)
    assert await journal.view(JOB) is None
    left = await rows(database)
    left.pop("shared_keys")
    assert left.pop("ledger") == 1  # it counts for its client still, without its name
    assert not any(left.values())
    assert await database.run(lambda conn: conn.execute(select(ledger.c.job_id)).scalar()) != JOB
    assert not await journal.erase(JOB)


async def test_a_job_that_is_erased_while_it_runs_stays_erased(
    journal: Journal, database: Database
) -> None:
    """Whatever its activation still writes is refused; no row comes back."""
    await started(journal)
    await journal.begin_attempt(JOB, 1, "text", 1, 1, 2100)
    await journal.cache_put("serp", "k", {"v": 1}, 2100, 10**6, JOB)
    await journal.cache_lease("serp", "l", JOB, 2100, 9000)
    await journal.cache_put("serp", "another's", {"v": 2}, 2100, 10**6)

    assert await journal.erase(JOB)

    for late in (
        journal.record_memo(JOB, 1, new_memo("p")),
        journal.record_step(JOB, 1, "text", {"t": 1}, now=2200),
        journal.record_retry(JOB, 1, "text", "oops", 3000, 2200),
        journal.record_progress(JOB, 1, "text", "1 of 2", 2200),
        journal.finish(JOB, 1, JobStatus.COMPLETED, result={"r": 1}, now=2200),
        journal.release(JOB, 1, 9000, 2200),
        journal.flags(JOB, 1),
        journal.cache_put("serp", "k", {"v": 3}, 2200, 10**6, JOB),
    ):
        with pytest.raises(JobEnded, match="erased"):
            await late
    with pytest.raises(JobNotFound):
        await journal.claim(JOB, "another", 2300, 5)
    assert await journal.cache_get("serp", "k") is None
    assert await journal.cache_get("serp", "another's") == ({"v": 2}, 2100)
    counts = {table: count for table, count in (await rows(database)).items() if count}
    counts.pop("shared_keys", None)
    assert counts == {"cache": 1, "ledger": 1}  # another's, and what it counts for its client


async def test_an_entry_that_another_job_made_anew_is_that_jobs(journal: Journal) -> None:
    for number in (1, 2):
        await started(journal, number)
        await journal.cache_put("serp", "k", {"v": number}, 2000 + number, 10**6, f"job_{number}")

    await journal.erase("job_1")

    assert await journal.cache_get("serp", "k") == ({"v": 2}, 2002)


async def test_a_request_id_is_free_again_after_erasure(journal: Journal) -> None:
    await half_done(journal)
    await journal.erase(JOB)

    assert (await journal.submit(new_job(body_hash="other"))).created


async def test_a_purge_takes_the_oldest_ended_jobs(journal: Journal, database: Database) -> None:
    for number in (1, 2, 3):
        await started(journal, number)
        await journal.finish(f"job_{number}", 1, JobStatus.COMPLETED, now=5000 - number)
    await journal.submit(new_job(4))

    assert await journal.purge(4999, 9000, limit=1) == 1
    assert await journal.view("job_3") is None
    assert await journal.purge(4999, 9000) == 1
    assert await journal.purge(4999, 9000) == 0
    assert {job.id for job in (await journal.list_jobs())[0]} == {"job_1", "job_4"}
    assert (await rows(database))["events"] == 4


async def test_a_purge_takes_dead_cache_entries(journal: Journal) -> None:
    await journal.cache_put("serp", "dead", 1, now=1000, keep_ms=10)
    await journal.cache_put("serp", "kept", 2, now=1000, keep_ms=11)

    await journal.purge(0, now=1011)

    assert await journal.cache_get("serp", "dead") is None
    assert await journal.cache_get("serp", "kept") == (2, 1000)
