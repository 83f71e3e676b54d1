"""Random walks over the whole protocol: whatever comes, the promises hold."""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import pytest

from orchestrator.errors import OrchestratorError
from orchestrator.jobs import TRANSITIONS, JobStatus
from orchestrator.journal.base import Journal
from orchestrator.models import JobView
from tests.contract.journal_helpers import (
    JOB,
    history,
    journal_fixture,  # noqa: F401
    new_job,
    new_memo,
    url_fixture,  # noqa: F401
    viewed,
)

SLUGS = ("outline", "text", "check")
Call = Callable[[], Awaitable[Any]]


def calls(journal: Journal, rand: random.Random, epoch: int, now: int) -> dict[str, Call]:
    """One call of each method, with arguments drawn by chance."""
    slug, attempt = rand.choice(SLUGS), rand.randint(1, 3)
    claimed = max(0, epoch - rand.choice((0, 0, 0, 1)))
    [end] = rand.choices((JobStatus.PAUSED, JobStatus.COMPLETED, JobStatus.FAILED), (6, 1, 6))
    failed = slug if end is JobStatus.FAILED and rand.random() < 0.5 else None
    from_step = rand.choice((None, slug))
    memo = new_memo(rand.choice("ab"), now, step=slug, cost=0.01)
    return {
        "claim": lambda: journal.claim(JOB, "me", now, 4),
        "begin": lambda: journal.begin_attempt(JOB, claimed, slug, 1, attempt, now),
        "retrying": lambda: journal.record_retry(JOB, claimed, slug, "oops", now + 9, now),
        "waiting": lambda: journal.record_wait(JOB, claimed, slug, "open", now + 9, now),
        "progress": lambda: journal.record_progress(JOB, claimed, slug, f"{attempt} of 3", now),
        "memo": lambda: journal.record_memo(JOB, claimed, memo),
        "step": lambda: journal.record_step(JOB, claimed, slug, {"at": now}, now=now),
        "finish": lambda: journal.finish(JOB, claimed, end, error="e", failed_step=failed, now=now),
        "cancel": lambda: journal.request_cancel(JOB, now),
        "pause": lambda: journal.request_pause(JOB, now),
        "resume": lambda: journal.resume(JOB, now),
        "retry": lambda: journal.retry(JOB, now, from_step),
    }


WEIGHTS = {"claim": 4, "begin": 4, "step": 2, "finish": 2, "retry": 4, "resume": 2}


def choices(rand: random.Random, names: list[str]) -> Iterator[str]:
    weights = [WEIGHTS.get(name, 1) for name in names]
    while True:
        yield rand.choices(names, weights)[0]


async def attempt(call: Call) -> type[OrchestratorError] | None:
    try:
        await call()
    except OrchestratorError as error:
        return type(error)
    return None


def check_move(before: JobView, after: JobView) -> None:
    """Only legal moves; a pause taken back too late makes two of them at once."""
    if after.status is not before.status:
        direct = after.status in TRANSITIONS[before.status]
        via_pause = (before.status, after.status) == (JobStatus.PROCESSING, JobStatus.QUEUED)
        assert direct or via_pause, (before.status, after.status)
    assert after.step >= before.step
    assert after.attempt >= before.attempt
    assert after.cost >= before.cost
    assert (after.completed_at is not None) == after.status.has_ended


@pytest.mark.parametrize("seed", range(6))
async def test_every_write_may_come_twice_and_every_move_is_legal(
    journal: Journal, seed: int
) -> None:
    rand = random.Random(seed)
    await journal.submit(new_job())
    names = list(calls(journal, rand, 0, 0))
    view, epoch, done = await viewed(journal), 0, set()
    for now, name in zip(range(5000, 5080), choices(rand, names), strict=False):
        call = calls(journal, rand, epoch, now)[name]
        refused = await attempt(call)
        after, events = await viewed(journal), await history(journal)
        check_move(view, after)
        again = await attempt(call)
        assert again is refused or name == "finish"
        assert await viewed(journal) == after
        assert await history(journal) == events
        if name == "claim" and refused is None:
            epoch = await newest_epoch(journal, epoch)
        view = after
        if refused is None:
            done.add(name)

    assert len(done) >= 6  # the walk went somewhere


async def newest_epoch(journal: Journal, known: int) -> int:
    """The epoch that owns the running job."""
    for epoch in range(known + 1, known + 20):
        if await attempt(lambda epoch=epoch: journal.flags(JOB, epoch)) is None:  # type: ignore[misc]
            return epoch
    raise AssertionError("nobody owns the job")
