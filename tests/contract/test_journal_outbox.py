"""The outbox: written with a job's end, claimed by one at a time, reported once."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from sqlalchemy import func, insert, select
from sqlalchemy.exc import IntegrityError

from orchestrator.errors import DeliveryNotFound, JobEnded
from orchestrator.jobs import JobStatus
from orchestrator.journal import tables
from orchestrator.journal.base import Journal
from orchestrator.journal.database import Database
from orchestrator.journal.outbox_writes import DIED
from orchestrator.journal.records import Parcel, Report
from tests.contract.journal_helpers import (
    JOB,
    database_fixture,  # noqa: F401
    history,
    journal_fixture,  # noqa: F401
    new_job,
    new_memo,
    started,
    types,
    url_fixture,  # noqa: F401
    viewed,
)

REQUEST = {"keyword": "AI in SEO", "callbackUrl": "https://hook.example/x"}
RESULT = {
    "content": "<h1>x</h1>",
    "qualityReport": {"score": 91.5, "passed": True},
    "metadata": {"wordCount": 2800, "degraded": [], "cost": 9.9},
}
DONE = Report(outcome="done", at=5000, duration_ms=7, status=204)
LATER = Report(
    outcome="retry", at=5000, duration_ms=7, status=500, error="500", answer="x" * 900, next_at=8000
)


async def completed(journal: Journal, number: int = 1, **changes: Any) -> str:
    """A job that has completed at 3000, having cost 25 cents; its id."""
    wanted = {"callback_lane": "lane", "request": REQUEST, **changes}
    claim = await started(journal, number, **wanted)
    await journal.record_memo(claim.job_id, claim.epoch, new_memo("p", cost=0.25))
    await journal.finish(claim.job_id, claim.epoch, JobStatus.COMPLETED, result=RESULT, now=3000)
    return claim.job_id


async def due(journal: Journal, now: int = 4000, per_lane: int = 9) -> list[str]:
    return [entry.id for entry in await journal.outbox_due(now, per_lane, 100)]


async def claimed(
    journal: Journal, entry: str, owner: str = "me@1", now: int = 4000, until: int = 6000
) -> Parcel | None:
    return await journal.outbox_claim(
        entry.split("_", 1)[1].rsplit("_", 1)[0], entry, owner, now, until
    )


# -- what goes in -----------------------------------------------------------------------------


async def test_a_completed_job_is_told_of_with_a_summary(journal: Journal) -> None:
    await completed(journal)
    (entry,) = await journal.outbox_due(3000, 9, 9)

    parcel = await claimed(journal, entry.id)

    assert entry.id == f"webhook_{JOB}_3"
    assert parcel is not None
    assert (parcel.event, parcel.created_at, parcel.callback_url) == (
        "job.completed", 3000, "https://hook.example/x",
    )  # fmt: skip
    assert parcel.data == {
        "summary": {"score": 91.5, "passed": True, "words": 2800, "degraded": [], "cost": 0.25}
    }
    assert (parcel.result, parcel.client_id, parcel.request_id) == (None, "client", "request-1")


async def test_nothing_is_sent_of_a_job_that_asked_for_nothing(journal: Journal) -> None:
    await completed(journal, callback_lane=None)

    assert await due(journal) == []
    assert await journal.deliveries(JOB) == []
    assert (await viewed(journal)).publication is None


async def end_by_finish(journal: Journal) -> None:
    claim = await started(journal, callback_lane="lane", publish="publish", request=REQUEST)
    await journal.finish(JOB, claim.epoch, JobStatus.FAILED, error="Text: gone", now=3000)


async def end_by_failed_step(journal: Journal) -> None:
    claim = await started(journal, callback_lane="lane", publish="publish", request=REQUEST)
    await journal.begin_attempt(JOB, claim.epoch, "text", 1, 1, 10)
    await journal.finish(
        JOB, claim.epoch, JobStatus.FAILED, error="Text: gone", failed_step="text", now=3000
    )


async def end_by_poison(journal: Journal) -> None:
    await started(journal, callback_lane="lane", publish="publish", request=REQUEST)
    with pytest.raises(JobEnded):
        await journal.claim(JOB, "other", 3000, 1)


async def end_by_cancelling_a_queued_job(journal: Journal) -> None:
    await journal.submit(new_job(callback_lane="lane", publish="publish", request=REQUEST))
    await journal.request_cancel(JOB, 3000)


async def end_by_cancelling_a_paused_job(journal: Journal) -> None:
    await journal.submit(new_job(callback_lane="lane", publish="publish", request=REQUEST))
    await journal.request_pause(JOB, 2500)
    await journal.request_cancel(JOB, 3000)


async def end_by_cancelling_a_running_job(journal: Journal) -> None:
    claim = await started(journal, callback_lane="lane", publish="publish", request=REQUEST)
    await journal.request_cancel(JOB, 2500)
    await journal.finish(JOB, claim.epoch, JobStatus.CANCELLED, now=3000)


async def end_by_a_pause_that_was_overtaken(journal: Journal) -> None:
    claim = await started(journal, callback_lane="lane", publish="publish", request=REQUEST)
    await journal.request_pause(JOB, 2400)
    await journal.request_cancel(JOB, 2500)
    await journal.finish(JOB, claim.epoch, JobStatus.PAUSED, now=3000)


@pytest.mark.parametrize(
    "end",
    [
        end_by_finish, end_by_failed_step, end_by_poison, end_by_cancelling_a_queued_job,
        end_by_cancelling_a_paused_job, end_by_cancelling_a_running_job,
        end_by_a_pause_that_was_overtaken,
    ],
)  # fmt: skip
async def test_every_way_to_end_is_told_once_and_publishes_nothing(
    journal: Journal, end: Any
) -> None:
    await end(journal)

    last = (await history(journal))[-1]
    (told,) = await journal.deliveries(JOB)

    assert (told.kind, told.type, told.created_at) == ("webhook", last.type, 3000)
    assert told.id == f"webhook_{JOB}_{last.seq}"
    assert (await viewed(journal)).publication is None


async def test_a_pause_is_told_to_nobody(journal: Journal) -> None:
    claim = await started(journal, callback_lane="lane", publish="publish")
    await journal.request_pause(JOB, 2500)
    await journal.finish(JOB, claim.epoch, JobStatus.PAUSED, now=3000)

    assert await journal.deliveries(JOB) == []


async def test_an_end_that_is_sent_twice_is_told_once(journal: Journal) -> None:
    await completed(journal, publish="draft")
    await journal.finish(JOB, 1, JobStatus.COMPLETED, result=RESULT, now=3000)

    assert sorted(await due(journal)) == [f"publish_{JOB}_4", f"webhook_{JOB}_4"]


async def test_a_retried_job_tells_of_both_ends(journal: Journal) -> None:
    await end_by_finish(journal)
    await journal.retry(JOB, 4000)
    claim = await journal.claim(JOB, "me", 4100, 5)
    await journal.finish(JOB, claim.epoch, JobStatus.COMPLETED, result=RESULT, now=5000)

    told = [(d.kind, d.type) for d in await journal.deliveries(JOB)]

    assert told == [
        ("webhook", "job.failed"), ("publish", "job.completed"), ("webhook", "job.completed"),
    ]  # fmt: skip


async def deliveries_beside(database: Database) -> list[Any]:
    """The outbox's rows, read beside the journal."""
    return await database.run(lambda conn: list(conn.execute(select(tables.outbox.c.kind))))


async def test_a_crash_before_the_commit_leaves_neither_end_nor_entry(
    journal: Journal, database: Database
) -> None:
    """One transaction: what fails in its last statement takes all of it back."""
    claim = await started(journal, callback_lane="lane", publish="draft")
    squatter = {
        "id": f"webhook_{JOB}_4", "job_id": JOB, "kind": "other", "event": "e", "seq": 1,
        "lane": "l", "state": "done", "attempts": 0, "tries": 0, "since": 1, "next_at": 1,
        "created_at": 1, "data": {},
    }  # fmt: skip
    await database.run(lambda conn: conn.execute(insert(tables.outbox), squatter))
    with pytest.raises(IntegrityError):
        await journal.finish(JOB, claim.epoch, JobStatus.COMPLETED, result=RESULT, now=3000)

    assert [d.kind for d in await deliveries_beside(database)] == ["other"]
    assert (await viewed(journal)).status is JobStatus.PROCESSING
    assert (await types(journal))[-1] == "job.started"


# -- the publication --------------------------------------------------------------------------


async def test_a_completed_job_is_published_from_its_result(journal: Journal) -> None:
    await completed(journal, callback_lane=None, publish="draft")
    queued = (await viewed(journal)).publication

    parcel = await claimed(journal, f"publish_{JOB}_4")

    assert queued is not None
    assert (queued.state, queued.next_at) == ("queued", 3000)
    assert parcel is not None
    assert (parcel.result, parcel.publish, parcel.post_id) == (RESULT, "draft", None)
    assert (await types(journal))[-2:] == ["publication.queued", "job.completed"]


@pytest.mark.parametrize(
    ("memo", "modified"),
    [({"id": 7, "modified": "2026-01-02T03:04:05"}, "2026-01-02T03:04:05"), ({"id": 7}, None)],
)
async def test_a_refreshed_post_is_updated_as_it_was_read(
    journal: Journal, memo: Any, modified: str | None
) -> None:
    request = {"keyword": "k", "mode": "refresh", "postId": 7}
    claim = await started(journal, publish="publish", request=request)
    await journal.record_memo(JOB, claim.epoch, new_memo("post", memo, step=""))
    await journal.finish(JOB, claim.epoch, JobStatus.COMPLETED, result=RESULT, now=3000)
    (entry,) = await due(journal)

    parcel = await claimed(journal, entry)

    assert parcel is not None
    assert (parcel.post_id, parcel.post_modified, parcel.submitted_at) == (7, modified, 1001)


async def test_a_publication_ends_with_an_event(journal: Journal) -> None:
    await completed(journal, publish="publish")
    entry = f"publish_{JOB}_4"
    await claimed(journal, entry)
    post = {"postId": 7, "url": "https://blog.example/x/"}

    assert await journal.outbox_report(
        JOB, entry, "me@1", DONE.model_copy(update={"outcome_data": post})
    )

    shown = (await viewed(journal)).publication
    last = (await history(journal))[-1]
    assert shown is not None
    assert (shown.state, shown.post_id, shown.url) == ("published", 7, "https://blog.example/x/")
    assert (last.type, last.at, last.data) == ("publication.published", 5007, post)
    page, _ = await journal.list_jobs()
    assert page[0].publication == shown


async def test_a_failed_publication_says_why_and_can_be_asked_for_again(journal: Journal) -> None:
    await completed(journal, publish="publish")
    entry = f"publish_{JOB}_4"
    await claimed(journal, entry)
    failed = Report(outcome="failed", at=5000, duration_ms=1, error="post 7 was changed")
    await journal.outbox_report(JOB, entry, "me@1", failed)
    before = (await viewed(journal)).publication

    again = await journal.redeliver(JOB, entry, 9000)
    twice = await journal.redeliver(JOB, entry, 9000)

    assert before is not None
    assert (before.state, before.error, before.next_at) == ("failed", "post 7 was changed", None)
    assert again == twice
    assert (again.state, again.next_at, len(again.attempts)) == ("queued", 9000, 1)
    assert (await types(journal))[-2:] == ["publication.failed", "publication.queued"]


async def test_what_is_published_is_not_published_again(journal: Journal) -> None:
    await completed(journal, publish="publish")
    entry = f"publish_{JOB}_4"
    await claimed(journal, entry)
    await journal.outbox_report(JOB, entry, "me@1", DONE)

    assert (await journal.redeliver(JOB, entry, 9000)).state == "delivered"
    assert entry not in await due(journal, 99_000)


# -- claiming ---------------------------------------------------------------------------------


async def test_of_many_who_claim_one_gets_it(journal: Journal) -> None:
    await completed(journal)
    (entry,) = await due(journal)

    got = await asyncio.gather(*(claimed(journal, entry, f"{n}@1") for n in range(20)))

    assert sum(parcel is not None for parcel in got) == 1
    assert await due(journal, 5999) == []


async def test_a_claim_that_is_kept_is_not_taken_over(journal: Journal) -> None:
    await completed(journal)
    (entry,) = await due(journal)
    await claimed(journal, entry, "me@1", until=6000)

    assert await journal.outbox_extend(JOB, entry, "me@1", 9000)
    assert not await journal.outbox_extend(JOB, entry, "other@1", 99_000)
    assert await claimed(journal, entry, "other@2", now=8999, until=9999) is None


async def test_claimed_and_died_is_sent_again_and_the_dead_report_nothing(
    journal: Journal,
) -> None:
    await completed(journal)
    (entry,) = await due(journal)
    await claimed(journal, entry, "dead@1", until=6000)

    after = await claimed(journal, entry, "heir@2", now=6000, until=9000)
    late = await journal.outbox_report(JOB, entry, "dead@1", DONE)
    in_time = await journal.outbox_report(JOB, entry, "heir@2", DONE)

    assert after is not None
    assert after.tries == 1
    assert (late, in_time) == (False, True)
    (delivery,) = await journal.deliveries(JOB)
    assert [(a.attempt, a.error, a.status) for a in delivery.attempts] == [
        (1, DIED, None), (2, None, 204),
    ]  # fmt: skip


@pytest.mark.parametrize("deaths", range(1, 5))
async def test_there_are_never_two_successes(journal: Journal, deaths: int) -> None:
    """Every sender delivers, and dies or dawdles before its report; all report in the end."""
    await completed(journal)
    (entry,) = await due(journal)
    owners = [f"{n}@{n}" for n in range(deaths + 1)]
    for n, owner in enumerate(owners):
        assert await claimed(journal, entry, owner, now=10_000 * (n + 1), until=10_000 * (n + 2))

    told = await asyncio.gather(
        *(journal.outbox_report(JOB, entry, owner, DONE) for owner in owners)
    )

    (delivery,) = await journal.deliveries(JOB)
    assert told == [False] * deaths + [True]
    assert sum(attempt.error is None for attempt in delivery.attempts) == 1
    assert delivery.state == "delivered"
    assert await due(journal, 10**9) == []


async def test_an_attempt_that_failed_is_logged_and_due_again(journal: Journal) -> None:
    await completed(journal)
    (entry,) = await due(journal)
    await claimed(journal, entry)

    assert await journal.outbox_report(JOB, entry, "me@1", LATER)

    (delivery,) = await journal.deliveries(JOB)
    (attempt,) = delivery.attempts
    assert (delivery.state, delivery.error, delivery.next_at) == ("queued", "500", 8000)
    assert (attempt.status, attempt.duration_ms, attempt.at) == (500, 7, 5000)
    assert attempt.answer == "x" * 500
    assert (await due(journal, 7999), await due(journal, 8000)) == ([], [entry])


async def test_what_was_put_off_is_no_attempt(journal: Journal) -> None:
    await completed(journal)
    (entry,) = await due(journal)
    await claimed(journal, entry)
    put_off = Report(outcome="defer", at=5000, duration_ms=0, error="open", next_at=8000)

    await journal.outbox_report(JOB, entry, "me@1", put_off)
    parcel = await claimed(journal, entry, "me@2", now=8000, until=9000)

    assert parcel is not None
    assert parcel.tries == 0
    assert (await journal.deliveries(JOB))[0].attempts == []


async def test_a_redelivery_has_the_old_id_and_a_new_deadline(journal: Journal) -> None:
    await completed(journal)
    (entry,) = await due(journal)
    await claimed(journal, entry)
    await journal.outbox_report(JOB, entry, "me@1", DONE)

    again = await journal.redeliver(JOB, entry, 9000)
    parcel = await claimed(journal, entry, "me@2", now=9000, until=9900)

    assert (again.id, again.state, again.next_at) == (entry, "queued", 9000)
    assert parcel is not None
    assert (parcel.id, parcel.tries, parcel.since) == (entry, 0, 9000)


async def test_what_is_being_sent_is_not_sent_beside_itself(journal: Journal) -> None:
    await completed(journal)
    (entry,) = await due(journal)
    await claimed(journal, entry)

    await journal.redeliver(JOB, entry, 4500)

    assert await due(journal, 5999) == []


async def test_only_ones_own_can_be_redelivered(journal: Journal) -> None:
    await completed(journal)
    await completed(journal, 2)

    for job_id, entry in ((JOB, "webhook_job_2_3"), (JOB, "nothing"), ("nobody", "nothing")):
        with pytest.raises(DeliveryNotFound):
            await journal.redeliver(job_id, entry, 9000)


async def test_one_lane_does_not_crowd_out_the_others(journal: Journal) -> None:
    for number in range(1, 13):
        await completed(journal, number, callback_lane="busy")
    await completed(journal, 13, callback_lane="idle")

    shown = await journal.outbox_due(9000, 4, 100)

    assert sorted(entry.lane for entry in shown) == ["busy"] * 4 + ["idle"]


async def test_what_stands_where_is_counted(journal: Journal) -> None:
    assert await journal.outbox_counts() == {}
    await completed(journal, publish="draft")
    await completed(journal, 2)
    await claimed(journal, f"publish_{JOB}_4")
    await journal.outbox_report(JOB, f"publish_{JOB}_4", "me@1", DONE)

    assert await journal.outbox_counts() == {("publish", "done"): 1, ("webhook", "queued"): 2}


async def test_an_erased_job_sends_nothing_more(journal: Journal, database: Database) -> None:
    await completed(journal, publish="draft")
    entry = f"webhook_{JOB}_4"
    await claimed(journal, entry)
    await journal.outbox_report(JOB, entry, "me@1", LATER)
    await claimed(journal, entry, "me@2", now=8000, until=9000)

    await journal.erase(JOB)

    assert await due(journal, 10**9) == []
    assert await journal.outbox_report(JOB, entry, "me@2", DONE) is False
    left = await database.run(
        lambda conn: conn.execute(select(func.count()).select_from(tables.deliveries)).scalar_one()
    )
    assert left == 0
