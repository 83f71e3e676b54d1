"""A journal with jobs in every state, some of them with a whole result."""

from __future__ import annotations

from typing import Any

from actors.serve.samples import COMPLETED
from orchestrator.jobs import JobStatus
from orchestrator.journal.base import Journal
from tests.contract.journal_helpers import new_job

RESULT: dict[str, Any] = COMPLETED["result"]


async def seeded(journal: Journal, each: int) -> dict[JobStatus, list[str]]:
    """*each* jobs in every state; their ids by state."""
    found: dict[JobStatus, list[str]] = {status: [] for status in JobStatus}
    for number in range(each * len(JobStatus)):
        status = list(JobStatus)[number % len(JobStatus)]
        found[status].append(await _job_in(journal, status, number))
    return found


async def _job_in(journal: Journal, status: JobStatus, number: int) -> str:
    job = new_job(number)
    await journal.submit(job)
    if status == JobStatus.PAUSED:
        await journal.request_pause(job.id, 1500)
    if status in (JobStatus.QUEUED, JobStatus.PAUSED):
        return job.id
    epoch = (await journal.claim(job.id, "me", 2000, 5)).epoch
    await journal.begin_attempt(job.id, epoch, "outline", 1, 1, 2100)
    await journal.record_progress(job.id, epoch, "outline", "part 2 of 5", 2150)
    if status == JobStatus.PROCESSING:
        return job.id
    await journal.record_step(job.id, epoch, "outline", {"a": 1}, degraded=["short"], now=2200)
    await journal.finish(
        job.id, epoch, status,
        result=RESULT if status == JobStatus.COMPLETED else None,
        error="outline: it broke" if status == JobStatus.FAILED else None,
        now=3000,
    )  # fmt: skip
    return job.id
