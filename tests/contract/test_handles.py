"""The Ray client's handle over a real journal, and that every handle has the same verbs."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

from actors.client import JobHandle
from orchestrator.client import AsyncJob, Job, JobUnsuccessful, WaitExpired
from orchestrator.client import JobHandle as Protocol
from orchestrator.errors import JobNotFound
from orchestrator.jobs import JobStatus
from orchestrator.journal.base import Journal
from orchestrator.journal.opening import open_journal
from tests.contract.journal_helpers import ended, new_job, started
from tests.contract.seeding import RESULT
from tests.edge import no_actors

VERBS = [name for name in vars(Protocol) if not name.startswith("_")]


@pytest.fixture(autouse=True)
def without_actors() -> Iterator[None]:
    with no_actors():
        yield


@pytest.fixture
async def journal(tmp_path: Any) -> AsyncIterator[Journal]:
    opened = await open_journal(f"sqlite+aiosqlite:///{tmp_path}/journal.db")
    yield opened
    await opened.close()


def handle(journal: Journal, job_id: str = "job_1") -> JobHandle:
    return JobHandle(job_id, journal, sleep=lambda seconds: asyncio.sleep(0.01))


@pytest.mark.parametrize("verb", [verb for verb in VERBS if verb != "id"])
@pytest.mark.parametrize("kind", [AsyncJob, JobHandle, Job])
def test_every_handle_has_the_verb_with_the_same_parameters(kind: type, verb: str) -> None:
    promised = list(inspect.signature(getattr(Protocol, verb)).parameters)

    assert list(inspect.signature(getattr(kind, verb)).parameters) == promised


async def test_waiting_shows_each_change_and_gives_the_typed_result(journal: Journal) -> None:
    claim = await started(journal)
    seen: list[list[str]] = []
    waiting = asyncio.ensure_future(handle(journal).wait(lambda view: seen.append(view.activity)))
    await asyncio.sleep(0.1)
    await journal.begin_attempt("job_1", claim.epoch, "outline", 1, 1, 2500)
    await journal.record_progress("job_1", claim.epoch, "outline", "section 3 of 8", 2600)
    await asyncio.sleep(0.1)
    await journal.finish("job_1", claim.epoch, JobStatus.COMPLETED, result=RESULT, now=3000)

    assert (await waiting).status == JobStatus.COMPLETED
    assert seen[0] == []
    assert ["Outline: section 3 of 8"] in seen
    assert (await handle(journal).result()).quality_report.passed


async def test_events_are_each_there_once_until_the_job_ends(journal: Journal) -> None:
    claim = await started(journal)
    events = handle(journal).events()
    first = [await anext(events), await anext(events)]
    await journal.finish("job_1", claim.epoch, JobStatus.FAILED, error="e", now=3000)

    assert [event.seq for event in first] == [1, 2]
    assert [event.type async for event in events] == ["job.failed"]


async def test_a_job_is_paused_resumed_cancelled_retried_and_erased(journal: Journal) -> None:
    await journal.submit(new_job())
    job = handle(journal)

    assert (await job.pause()).status == JobStatus.PAUSED
    assert (await job.resume()).status == JobStatus.QUEUED
    assert (await job.cancel()).status == JobStatus.CANCELLED
    assert (await job.cancel()).status == JobStatus.CANCELLED
    assert (await job.retry()).status == JobStatus.QUEUED
    await job.erase()
    with pytest.raises(JobNotFound):
        await job.status()


async def test_a_wait_has_an_end_and_a_failure_is_an_error(journal: Journal) -> None:
    await started(journal)
    with pytest.raises(WaitExpired):
        await handle(journal).wait(timeout=0.1)
    await ended(journal, JobStatus.FAILED, number=2)
    with pytest.raises(JobUnsuccessful):
        await handle(journal, "job_2").result()
