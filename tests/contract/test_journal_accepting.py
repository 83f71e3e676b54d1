"""Accepting jobs, and what clients read of them."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from orchestrator.errors import InvalidInput, JournalUnavailable, RequestConflict
from orchestrator.jobs import JobStatus, StepState
from orchestrator.journal.base import Journal
from orchestrator.services import Usage
from tests.contract.journal_helpers import (
    JOB,
    ended,
    history,
    journal_fixture,  # noqa: F401
    new_job,
    new_memo,
    started,
    types,
    url_fixture,  # noqa: F401
    viewed,
)


async def test_an_accepted_job_is_queued(journal: Journal) -> None:
    accepted = await journal.submit(new_job())

    assert (accepted.job_id, accepted.status, accepted.created) == (JOB, JobStatus.QUEUED, True)
    view = await viewed(journal)
    assert view.status is JobStatus.QUEUED
    assert (view.step, view.total_steps, view.step_name) == (0, 3, None)
    assert (view.keyword, view.mode, view.request_id) == ("AI in SEO", "generate", "request-1")
    assert (view.created_at, view.started_at, view.completed_at) == (1001, None, None)
    assert [(s.name, s.state) for s in view.steps] == [
        ("Outline", StepState.PENDING), ("Text", StepState.PENDING), ("Check", StepState.PENDING),
    ]  # fmt: skip
    assert (view.progress, view.cost, view.attempt, view.queue_position) == (0.0, 0.0, 0, 1)
    assert await types(journal) == ["job.queued"]


async def test_the_same_request_twice_is_one_job(journal: Journal) -> None:
    await journal.submit(new_job())
    await journal.claim(JOB, "me", 2000, 5)

    again = await journal.submit(new_job().model_copy(update={"id": "job_other"}))

    assert (again.job_id, again.status, again.created) == (JOB, JobStatus.PROCESSING, False)
    assert await journal.view("job_other") is None


async def test_the_same_submission_sent_twice_is_one_job(journal: Journal) -> None:
    first = await journal.submit(new_job())
    second = await journal.submit(new_job())

    assert (first.created, second.created) == (True, False)
    assert await types(journal) == ["job.queued"]


async def test_the_same_request_id_with_another_body_is_a_conflict(journal: Journal) -> None:
    await journal.submit(new_job())

    with pytest.raises(RequestConflict, match="request-1"):
        await journal.submit(new_job(2, request_id="request-1", body_hash="other"))


async def test_two_clients_may_use_the_same_request_id(journal: Journal) -> None:
    await journal.submit(new_job())

    other = await journal.submit(new_job(2, request_id="request-1", client_id="someone else"))

    assert other.created


async def test_concurrent_submissions_of_one_request_make_one_job(journal: Journal) -> None:
    tries = [new_job(number, request_id="same", created_at=1) for number in range(20)]

    accepted = await asyncio.gather(*(journal.submit(job) for job in tries))

    assert len({one.job_id for one in accepted}) == 1
    assert sum(one.created for one in accepted) == 1
    assert sum((await journal.counts()).values()) == 1


async def test_a_taken_job_id_asks_for_another_try(journal: Journal) -> None:
    """Ids are random, so the caller's next try brings another one."""
    await journal.submit(new_job())

    with pytest.raises(JournalUnavailable, match="submit again"):
        await journal.submit(new_job(request_id="another"))


async def test_another_clients_job_is_unknown(journal: Journal) -> None:
    await journal.submit(new_job())

    assert await journal.view(JOB, "client") is not None
    assert await journal.view(JOB, "someone else") is None
    assert await journal.view("job_none") is None


ODD_VALUES = [
    {"z": 1, "a": 2, "m": [1.5, True, None]},
    {"text": "naïve ✓ 日本語 \u2028"},
    {"text": "nul \x00 and lone \ud800 surrogate"},
    {"deep": {"er": [{"x": {}}, []]}},
    {"big": 2**62, "small": -0.1},
]


@pytest.mark.parametrize("value", ODD_VALUES)
async def test_values_come_back_as_they_were(journal: Journal, value: dict[str, Any]) -> None:
    """Also the order of their keys: a replay must iterate as the first run did."""
    await journal.submit(new_job(request=value))
    claim = await journal.claim(JOB, "me", 2000, 5)
    await journal.record_memo(JOB, 1, new_memo("p", value))
    await journal.record_step(JOB, 1, "outline", value, now=1)
    await journal.finish(JOB, 1, JobStatus.COMPLETED, result=value, now=2)

    assert claim.request == value
    assert (await viewed(journal)).result == value
    assert list((await viewed(journal)).result or {}) == list(value)


async def test_text_that_no_database_can_hold_is_made_storable(journal: Journal) -> None:
    odd = "a\x00b\ud800c"
    await journal.submit(new_job(keyword=odd, client_id=odd, request_id=odd))
    again = await journal.submit(new_job(2, keyword=odd, client_id=odd, request_id=odd))
    await journal.claim(JOB, odd, 2000, 5)
    await journal.begin_attempt(JOB, 1, "text", 1, 1, 1)
    await journal.record_retry(JOB, 1, "text", odd, 5, 1)
    await journal.cache_put("kind", odd, 1, 1, 1)

    assert again.job_id == JOB
    assert (await viewed(journal)).keyword == "a\ufffdb?c"
    assert await journal.cache_get("kind", odd) == (1, 1)


async def test_a_long_error_is_cut(journal: Journal) -> None:
    await started(journal)
    await journal.finish(JOB, 1, JobStatus.FAILED, error="x" * 100_000, now=3000)

    assert len((await viewed(journal)).error or "") == 2000


# -- lists ------------------------------------------------------------------------------------


async def test_jobs_are_listed_newest_first_by_client_and_status(journal: Journal) -> None:
    for number in range(1, 5):
        await journal.submit(new_job(number, client_id="a" if number % 2 else "b"))
    await journal.claim("job_3", "me", 2000, 5)

    everyone, _ = await journal.list_jobs()
    of_a, _ = await journal.list_jobs(client_id="a")
    queued_of_a, _ = await journal.list_jobs(client_id="a", status=JobStatus.QUEUED)

    assert [job.id for job in everyone] == ["job_4", "job_3", "job_2", "job_1"]
    assert [job.id for job in of_a] == ["job_3", "job_1"]
    assert [job.id for job in queued_of_a] == ["job_1"]
    # a runs one, so b is first; then they take turns, and a was admitted longer ago
    assert [job.queue_position for job in everyone] == [3, None, 1, 2]


async def test_the_cursor_is_stable_while_jobs_arrive(journal: Journal) -> None:
    for number in range(10, 15):
        await journal.submit(new_job(number, created_at=500 + number // 12))  # some are equal

    seen: list[str] = []
    cursor = None
    while True:
        page, cursor = await journal.list_jobs(limit=2, cursor=cursor)
        seen += [job.id for job in page]
        await journal.submit(new_job(100 + len(seen), created_at=9000))
        if cursor is None:
            break

    assert seen == ["job_14", "job_13", "job_12", "job_11", "job_10"]


FILTERS: list[tuple[dict[str, Any], list[str]]] = [
    ({"keyword": "seo"}, ["job_4", "job_1"]),
    ({"keyword": "O F"}, ["job_4"]),
    ({"keyword": "100%"}, ["job_2"]),
    ({"keyword": "_"}, ["job_3"]),
    ({"keyword": "CAFÉ"}, ["job_3"]),
    ({"keyword": "nothing"}, []),
    ({"keyword": "'; DROP TABLE jobs; --\x00"}, []),
    ({"mode": "refresh"}, ["job_3", "job_2"]),
    ({"created_after": 1002}, ["job_4", "job_3", "job_2"]),
    ({"created_before": 1002}, ["job_1"]),
    ({"created_after": 1002, "created_before": 1004}, ["job_3", "job_2"]),
    ({"client_id": "b", "mode": "refresh", "keyword": "a"}, ["job_2"]),
    ({"status": JobStatus.CANCELLED, "keyword": "seo"}, ["job_1"]),
]


@pytest.mark.parametrize(("wanted", "found"), FILTERS)
async def test_lists_are_narrowed(
    journal: Journal, wanted: dict[str, Any], found: list[str]
) -> None:
    for number, (keyword, mode, client) in enumerate(
        [
            ("AI in SEO", "generate", "a"),
            ("100% natural", "refresh", "b"),
            ("café_crème", "refresh", "a"),
            ("SEO for roofers", "generate", "b"),
        ],
        1,
    ):
        await journal.submit(new_job(number, keyword=keyword, mode=mode, client_id=client))
    await journal.request_cancel("job_1", 2000)

    jobs, _ = await journal.list_jobs(**wanted)

    assert [job.id for job in jobs] == found


async def test_every_job_of_a_narrowed_list_comes_once_while_others_arrive(
    journal: Journal,
) -> None:
    """Jobs that fit and jobs that do not arrive between any two pages, and some end."""
    for number in range(10, 40):
        keyword = "roof tiles" if number % 3 else "gutters"
        await journal.submit(new_job(number, keyword=keyword, created_at=500 + number // 4))
    expected = [f"job_{number}" for number in range(39, 9, -1) if number % 3]

    seen: list[str] = []
    cursor = None
    for page_number in range(100, 200):
        page, cursor = await journal.list_jobs(
            keyword="ROOF", created_after=500, limit=3, cursor=cursor
        )
        seen += [job.id for job in page]
        await journal.submit(new_job(page_number, keyword="roofs", created_at=9000 + page_number))
        await journal.request_cancel(page[-1].id, 9500)
        if cursor is None:
            break

    assert seen == expected


async def test_a_full_last_page_has_no_cursor(journal: Journal) -> None:
    for number in (1, 2):
        await journal.submit(new_job(number))

    page, cursor = await journal.list_jobs(limit=2)

    assert (len(page), cursor) == (2, None)


@pytest.mark.parametrize("cursor", ["nonsense", "", "!!", "WzFd", "eyJhIjoxfQ", "ÿ"])
async def test_a_foreign_cursor_is_refused(journal: Journal, cursor: str) -> None:
    with pytest.raises(InvalidInput, match="cursor"):
        await journal.list_jobs(cursor=cursor)


async def test_lists_carry_no_results(journal: Journal) -> None:
    await started(journal)
    await journal.finish(JOB, 1, JobStatus.COMPLETED, result={"content": "x"}, now=3000)

    [job], _ = await journal.list_jobs()
    without = await journal.view(JOB, with_result=False)

    assert job.result is None
    assert without is not None
    assert without.result is None
    assert (await viewed(journal)).result == {"content": "x"}


async def test_events_are_read_from_where_the_reader_stopped(journal: Journal) -> None:
    await started(journal)
    for done in range(1, 6):
        await journal.begin_attempt(JOB, 1, "text", 1, done, 10)

    assert [e.seq for e in await journal.events(JOB, after=3, limit=2)] == [4, 5]
    assert await journal.events(JOB, after=7) == []
    assert await journal.events("job_none") == []


# -- progress and cost ------------------------------------------------------------------------


async def test_the_view_adds_up_progress_and_cost(journal: Journal) -> None:
    await started(journal)
    await journal.begin_attempt(JOB, 1, "outline", 1, 1, 10)
    await journal.record_step(JOB, 1, "outline", {}, usage=Usage(cost_usd=0.25), now=20)
    await journal.begin_attempt(JOB, 1, "text", 1, 1, 30)
    await journal.record_memo(JOB, 1, new_memo("a", cost=0.5))
    await journal.record_memo(JOB, 1, new_memo("b", cost=0.125))
    await journal.record_memo(JOB, 1, new_memo("serp", step="", cost=0.001))
    await journal.record_progress(JOB, 1, "text", "section 3 of 4", 40)

    view = await viewed(journal)

    assert (view.step, view.step_name, view.progress) == (2, "Text", round((1 + 0.75) / 3, 4))
    assert view.cost == 0.876
    assert [step.cost for step in view.steps] == [0.25, 0.625, 0.0]
    assert [step.detail for step in view.steps] == [None, "section 3 of 4", None]


async def test_the_step_shown_never_goes_back(journal: Journal) -> None:
    await started(journal)
    shown = []
    for slug in ("text", "outline", "check"):
        await journal.begin_attempt(JOB, 1, slug, 1, 1, 10)
        shown.append((await viewed(journal)).step)
    await journal.finish(JOB, 1, JobStatus.FAILED, now=20)
    await journal.retry(JOB, 30, from_step="outline")
    shown.append((await viewed(journal)).step)

    assert shown == [2, 2, 3, 3]


# -- supervision ------------------------------------------------------------------------------


async def test_the_queue_goes_by_priority_then_age(journal: Journal) -> None:
    for number, priority in ((1, 0), (2, 5), (3, 5), (4, -1)):
        await journal.submit(new_job(number, priority=priority, created_at=100 - number))

    waiting = await journal.queued(10)

    assert [job.job_id for job in waiting] == ["job_3", "job_2", "job_1", "job_4"]
    assert [job.job_id for job in await journal.queued(2)] == ["job_3", "job_2"]
    positions = [(await viewed(journal, job.job_id)).queue_position for job in waiting]
    assert positions == [1, 2, 3, 4]
    assert (waiting[0].client_id, waiting[0].priority, waiting[0].created_at) == ("client", 5, 97)
    assert (waiting[0].label, waiting[0].stop_requested) == ("AI in SEO - 0/3", None)


async def test_running_jobs_are_known_with_what_they_do(journal: Journal) -> None:
    for number in (1, 2, 3, 4):
        await started(journal, number)
    await journal.begin_attempt("job_1", 1, "text", 1, 1, 10)
    await journal.begin_attempt("job_1", 1, "outline", 1, 1, 10)
    await journal.request_pause("job_2", 5)
    await journal.request_pause("job_3", 5)
    await journal.request_cancel("job_3", 6)
    await journal.finish("job_4", 1, JobStatus.COMPLETED, now=9)

    running = await journal.processing(20)

    assert [(running[0].epoch, running[0].owner, running[0].seq)] == [(1, "me", 4)]
    assert [(job.job_id, job.label, job.stop_requested) for job in running] == [
        ("job_1", "AI in SEO - 2/3 Text", None),
        ("job_2", "AI in SEO - 0/3", "pause"),
        ("job_3", "AI in SEO - 0/3", "cancel"),
    ]


async def test_counts_name_every_status(journal: Journal) -> None:
    await journal.submit(new_job(1))
    await started(journal, 2)
    await ended(journal, JobStatus.FAILED, 3)

    counts = await journal.counts()

    assert set(counts) == set(JobStatus)
    assert {status for status, number in counts.items() if number} == {
        JobStatus.QUEUED, JobStatus.PROCESSING, JobStatus.FAILED,
    }  # fmt: skip
    assert (await history(journal, "job_3"))[-1].data == {"error": "e"}
