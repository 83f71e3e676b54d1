"""Quotas, jobs at once, the queue's limit and fair turns, over each database and under load."""

from __future__ import annotations

import asyncio
import itertools
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from sqlalchemy import text

from orchestrator.errors import AtCapacity, QueueFull, QuotaExceeded
from orchestrator.jobs import JobStatus
from orchestrator.journal import ledger
from orchestrator.journal.base import Journal
from orchestrator.journal.database import Database
from orchestrator.journal.opening import open_journal
from orchestrator.journal.records import Submitted
from orchestrator.tenants.quotas import Policy
from orchestrator.tenants.tiers import NO_LIMITS, Tenancy, Tier
from orchestrator.tenants.windows import DAY_MS, HOUR_MS
from tests.contract.journal_helpers import (
    database_fixture,  # noqa: F401
    new_job,
    new_memo,
    url_fixture,  # noqa: F401
    viewed,
)

NOON = 1_795_521_600_000  # 2026-11-24T12:00:00Z
DECEMBER = 1_796_083_200_000  # 2026-12-01T00:00:00Z
ALL_FREE = Tenancy(Tier.FREE)


@asynccontextmanager
async def opened(url: str, rules: Tenancy = ALL_FREE) -> AsyncIterator[Journal]:
    journal = await open_journal(url, migrate=False, rules=rules)
    yield journal
    await journal.close()


@pytest.fixture(name="journal")
async def free_journal(url: str) -> AsyncIterator[Journal]:
    """A journal in which a client without a tier has the smallest."""
    async with opened(url) as journal:
        yield journal


_numbers = itertools.count(1)


async def submit(journal: Journal, at: int = NOON, **changes: Any) -> Submitted:
    return await journal.submit(new_job(next(_numbers), created_at=at, **changes))


async def refusals(journal: Journal, at: int, most: int = 20, **changes: Any) -> Policy:
    """Submit until refused; by what."""
    for _ in range(most):
        try:
            await submit(journal, at, **changes)
        except QuotaExceeded as error:
            return error.quota.policy
    raise AssertionError(f"{most} were accepted")


async def complete(journal: Journal, job_id: str, words: int, now: int = NOON) -> None:
    claim = await journal.claim(job_id, f"me-{job_id}", now, 5)
    result = {"metadata": {"wordCount": words}}
    await journal.finish(job_id, claim.epoch, JobStatus.COMPLETED, result=result, now=now)


# -- jobs an hour -----------------------------------------------------------------------------


async def test_of_200_concurrent_submits_five_are_accepted(url: str) -> None:
    """Through three writers at once, as after a restart that overlaps."""
    async with opened(url) as one, opened(url) as two, opened(url) as three:
        writers = itertools.cycle((one, two, three))
        answers = await asyncio.gather(
            *(submit(next(writers)) for _ in range(200)), return_exceptions=True
        )
        listed, _ = await one.list_jobs(limit=200)

    accepted = [answer for answer in answers if isinstance(answer, Submitted)]
    refused = [answer for answer in answers if isinstance(answer, QuotaExceeded)]
    assert (len(accepted), len(refused), len(listed)) == (5, 195, 5)
    left = sorted(answer.standing.quotas[0].remaining for answer in accepted)
    assert left == [0, 1, 2, 3, 4]  # each was told its own
    assert {(r.quota.policy, r.quota.limit, r.quota.used, r.retry_at) for r in refused} == {
        (Policy.JOBS, 5, 5, NOON + HOUR_MS)
    }


async def test_an_hour_turns_at_its_end(url: str) -> None:
    async with opened(url, Tenancy(Tier.FREE, reserved_words=0)) as journal:
        for _ in range(5):
            await submit(journal, NOON)
        with pytest.raises(QuotaExceeded) as raised:
            await submit(journal, NOON + HOUR_MS - 1)
        assert raised.value.quota.policy is Policy.JOBS

        await submit(journal, NOON + HOUR_MS)
        usage = await journal.usage("client", NOON + HOUR_MS)

    assert (usage.hour.jobs, usage.hour.remaining, usage.day.jobs) == (1, 4, 6)


async def test_the_same_request_is_found_although_the_quota_is_spent(journal: Journal) -> None:
    first = await submit(journal, request_id="again")
    await refusals(journal, NOON)
    before = await journal.usage("client", NOON)

    again = await submit(journal, NOON, request_id="again")

    assert (again.job_id, again.created) == (first.job_id, False)
    assert await journal.usage("client", NOON) == before


async def test_the_same_request_from_many_counts_once(url: str) -> None:
    async with opened(url) as one, opened(url) as two:
        writers = itertools.cycle((one, two))
        answers = await asyncio.gather(
            *(submit(next(writers), request_id="same") for _ in range(40))
        )
        usage = await one.usage("client", NOON)

    assert len({answer.job_id for answer in answers}) == 1
    assert sum(answer.created for answer in answers) == 1
    assert usage.hour.jobs == 1


async def test_cancelling_and_erasing_give_nothing_back(journal: Journal) -> None:
    for _ in range(5):
        job_id = (await submit(journal)).job_id
        await journal.request_cancel(job_id, NOON)
        await journal.erase(job_id)

    with pytest.raises(QuotaExceeded, match="jobs of this hour"):
        await submit(journal)


async def test_clients_are_counted_apart(journal: Journal) -> None:
    await refusals(journal, NOON, client_id="a")

    assert (await submit(journal, client_id="b")).created


async def test_a_refused_job_leaves_nothing(journal: Journal, database: Database) -> None:
    await refusals(journal, NOON)

    def count(conn: Any) -> set[int]:
        tables = ("jobs", "bodies", "ledger")
        return {conn.execute(text(f"SELECT COUNT(*) FROM {t}")).scalar_one() for t in tables}

    assert await database.run(count) == {5}


async def test_the_unlimited_are_counted_and_not_limited(url: str) -> None:
    async with opened(url, NO_LIMITS) as journal:
        answers = await asyncio.gather(*(submit(journal) for _ in range(60)))
        usage = await journal.usage("client", NOON)

    assert answers[0].standing.quotas == ()
    assert (usage.hour.jobs, usage.hour.remaining, usage.tier) == (60, None, Tier.UNLIMITED)


# -- words a month ----------------------------------------------------------------------------


async def test_words_are_reserved_and_then_those_of_the_article(journal: Journal) -> None:
    job_id = (await submit(journal)).job_id
    reserved = (await journal.usage("client", NOON)).month
    await complete(journal, job_id, 2_750)
    written = (await journal.usage("client", NOON)).month

    assert (reserved.words, reserved.words_reserved, reserved.remaining) == (0, 2_000, 8_000)
    assert (written.words, written.words_reserved, written.remaining) == (2_750, 0, 7_250)


async def test_words_that_are_used_up_come_back_when_the_month_turns_at_utc(
    journal: Journal,
) -> None:
    for hour in range(3):
        answer = await submit(journal, NOON + hour * HOUR_MS)
        await complete(journal, answer.job_id, 3_000)

    with pytest.raises(QuotaExceeded) as raised:
        await submit(journal, DECEMBER - 1)
    assert (raised.value.quota.policy, raised.value.retry_at) == (Policy.WORDS, DECEMBER)
    assert (raised.value.quota.used, raised.value.quota.limit) == (9_000, 10_000)

    assert (await submit(journal, DECEMBER)).created
    assert (await journal.usage("client", DECEMBER)).month.words == 0


@pytest.mark.parametrize("end", [JobStatus.FAILED, JobStatus.CANCELLED])
async def test_a_job_without_an_article_gives_its_words_back(
    journal: Journal, end: JobStatus
) -> None:
    job_id = (await submit(journal)).job_id
    await journal.claim(job_id, "me", NOON, 5)
    await journal.finish(job_id, 1, end, error="e", now=NOON)

    assert (await journal.usage("client", NOON)).month.remaining == 10_000


async def test_a_poisoned_job_gives_its_words_back(journal: Journal) -> None:
    job_id = (await submit(journal)).job_id
    await journal.claim(job_id, "me", NOON, 1)
    with pytest.raises(Exception, match="poisoned"):
        await journal.claim(job_id, "another", NOON + 1, 1)

    assert (await journal.usage("client", NOON)).month.words_reserved == 0


async def test_retries_cannot_collect_words(journal: Journal) -> None:
    """Cancelled jobs of two hours, all retried: only as many as the month has words for."""
    jobs = []
    for hour in range(2):
        for _ in range(5):
            jobs.append((await submit(journal, NOON + hour * HOUR_MS)).job_id)
            await journal.request_cancel(jobs[-1], NOON + hour * HOUR_MS)

    answers = await asyncio.gather(
        *(journal.retry(job_id, NOON + 2 * HOUR_MS) for job_id in jobs), return_exceptions=True
    )

    refused = [answer for answer in answers if isinstance(answer, QuotaExceeded)]
    assert (len(refused), {error.quota.policy for error in refused}) == (5, {Policy.WORDS})
    assert (await journal.usage("client", NOON + 2 * HOUR_MS)).hour.jobs == 5
    standing = Counter([(await viewed(journal, job_id)).status for job_id in jobs])
    assert standing == {JobStatus.QUEUED: 5, JobStatus.CANCELLED: 5}


async def test_a_paused_job_keeps_its_words(journal: Journal) -> None:
    job_id = (await submit(journal)).job_id
    await journal.request_pause(job_id, NOON)

    assert (await journal.usage("client", NOON)).month.words_reserved == 2_000


async def test_costs_are_the_jobs_own_before_and_after_their_end(journal: Journal) -> None:
    job_id = (await submit(journal)).job_id
    await journal.claim(job_id, "me", NOON, 5)
    await journal.record_memo(job_id, 1, new_memo("p", cost=0.25))
    before = (await journal.usage("client", NOON)).month.cost
    await journal.finish(job_id, 1, JobStatus.FAILED, error="e", now=NOON)
    after = (await journal.usage("client", NOON)).month.cost
    await journal.retry(job_id, NOON + 1, from_step="outline")
    again = (await journal.usage("client", NOON)).month.cost
    await journal.request_cancel(job_id, NOON + 2)
    await journal.erase(job_id)

    assert (before, after, again) == (0.25, 0.25, 0.25)
    assert (await journal.usage("client", NOON)).month.cost == 0.25


async def test_a_job_erased_before_its_end_gives_its_words_back_and_keeps_its_cost(
    journal: Journal, database: Database
) -> None:
    job_id = (await submit(journal)).job_id
    await journal.claim(job_id, "me", NOON, 5)
    await journal.record_memo(job_id, 1, new_memo("p", cost=0.25))
    await database.run(lambda conn: ledger.forget_job(conn, job_id))
    month = (await journal.usage("client", NOON)).month

    assert (month.jobs, month.words_reserved, month.remaining) == (1, 0, 10_000)
    assert month.cost == 0.25 + 0.25  # the entry's, and that of the job, which is still there


async def test_entries_are_purged_once_no_window_looks_at_them(journal: Journal) -> None:
    old = (await submit(journal, NOON - 40 * DAY_MS)).job_id
    await journal.request_cancel(old, NOON - 40 * DAY_MS)
    await submit(journal, NOON - 40 * DAY_MS)  # still queued
    await journal.request_cancel((await submit(journal, NOON)).job_id, NOON)

    assert await journal.purge(0, NOON) == 0  # October is last month
    assert await journal.purge(0, DECEMBER) == 1
    assert (await journal.usage("client", NOON)).month.jobs == 1


# -- at once ----------------------------------------------------------------------------------


async def test_of_many_claims_of_a_client_one_is_admitted(url: str) -> None:
    """Through three writers at once; PostgreSQL may refuse all but never admits two."""
    async with opened(url) as one, opened(url) as two, opened(url) as three:
        jobs = [(await submit(one)).job_id for _ in range(5)]
        writers = itertools.cycle((one, two, three))
        answers = await asyncio.gather(
            *(next(writers).claim(job_id, "me", NOON, 5) for job_id in jobs),
            return_exceptions=True,
        )
        usage = await one.usage("client", NOON)

    refused = [answer for answer in answers if isinstance(answer, AtCapacity)]
    assert (len(refused), usage.running, usage.queued) == (4, 1, 4)


async def test_only_jobs_of_clients_with_room_are_given_out(journal: Journal) -> None:
    first, second = [(await submit(journal, at)).job_id for at in (NOON, NOON + 1)]
    assert [job.job_id for job in await journal.queued(10)] == [first]
    assert await journal.queued(10, {first}) == []  # being started counts as running

    await journal.claim(first, "me", NOON, 5)
    assert await journal.queued(10) == []

    await journal.finish(first, 1, JobStatus.FAILED, error="e", now=NOON)
    assert [job.job_id for job in await journal.queued(10)] == [second]


async def test_what_runs_already_is_taken_over_whatever_the_limit(journal: Journal) -> None:
    await journal.set_tier("client", Tier.PRO, NOON)
    jobs = [(await submit(journal)).job_id for _ in range(4)]
    for job_id in jobs[:3]:
        await journal.claim(job_id, "me", NOON, 5)
    await journal.set_tier("client", Tier.FREE, NOON)

    for job_id in jobs[:3]:
        assert (await journal.claim(job_id, "after a crash", NOON + 1, 5)).epoch == 2
    with pytest.raises(AtCapacity, match="3 jobs of 1 at once"):
        await journal.claim(jobs[3], "me", NOON + 1, 5)


async def test_a_job_refused_for_now_is_queued_still_and_admitted_later(journal: Journal) -> None:
    first, second = [(await submit(journal)).job_id for _ in range(2)]
    await journal.claim(first, "me", NOON, 5)
    with pytest.raises(AtCapacity):
        await journal.claim(second, "me", NOON, 5)
    assert (await viewed(journal, second)).status is JobStatus.QUEUED

    await journal.finish(first, 1, JobStatus.FAILED, error="e", now=NOON)

    assert (await journal.claim(second, "me", NOON, 5)).epoch == 1


# -- the queue's limit ------------------------------------------------------------------------


async def test_the_queue_takes_so_many_and_no_more(url: str) -> None:
    async with opened(url, Tenancy(max_queued=7)) as journal:
        answers = await asyncio.gather(
            *(submit(journal, request_id=f"r{n}") for n in range(30)), return_exceptions=True
        )
        accepted = [answer for answer in answers if isinstance(answer, Submitted)]
        assert len(accepted) == 7
        assert sum(isinstance(answer, QueueFull) for answer in answers) == 23

        await journal.claim(accepted[0].job_id, "me", NOON, 5)  # room for one, known at once
        assert (await submit(journal)).created
        with pytest.raises(QueueFull, match="SOTA_MAX_QUEUED"):
            await submit(journal)
        taken = next(n for n, answer in enumerate(answers) if isinstance(answer, Submitted))
        assert not (await submit(journal, request_id=f"r{taken}")).created


async def test_a_job_that_the_queue_refused_counts_for_nothing(url: str) -> None:
    async with opened(url, Tenancy(Tier.FREE, max_queued=1)) as journal:
        await submit(journal)
        with pytest.raises(QueueFull):
            await submit(journal)

        assert (await journal.usage("client", NOON)).hour.jobs == 1


# -- tiers ------------------------------------------------------------------------------------


async def test_a_tier_is_kept_and_listed(journal: Journal) -> None:
    await journal.set_tier("b", Tier.PRO, 1)
    await journal.set_tier("a", Tier.ENTERPRISE, 2)
    await journal.set_tier("b", Tier.PRO, 3)  # the same once more changes nothing

    assert [(one.client_id, one.tier, one.changed_at) for one in await journal.client_tiers()] == [
        ("a", Tier.ENTERPRISE, 2),
        ("b", Tier.PRO, 1),
    ]
    assert [await journal.tier_of(name) for name in "abc"] == [
        Tier.ENTERPRISE,
        Tier.PRO,
        Tier.FREE,
    ]


async def test_a_tier_holds_from_the_next_submission_on(journal: Journal) -> None:
    await refusals(journal, NOON)
    await journal.set_tier("client", Tier.PRO, NOON)

    assert (await submit(journal)).standing.quotas[0].remaining == 50 - 6
