"""A connection lost around a COMMIT: the write that is sent again is neither lost nor doubled."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any

import pytest
from sqlalchemy import Connection, delete, select

from orchestrator.errors import JournalUnavailable
from orchestrator.jobs import JobStatus
from orchestrator.journal.base import Journal
from orchestrator.journal.database import Database
from orchestrator.journal.engine import parse_url
from orchestrator.journal.opening import open_journal
from orchestrator.journal.records import BreakerRecord, Report
from orchestrator.journal.tables import metadata
from orchestrator.security.records import KeyKind, KeyRecord, Principal, SignatureUse
from orchestrator.services import Usage
from orchestrator.tenants.tiers import Tier
from tests.contract.journal_helpers import (
    JOB,
    database_fixture,  # noqa: F401
    ended,
    history,
    journal_fixture,  # noqa: F401
    new_job,
    new_memo,
    started,
    url_fixture,  # noqa: F401
    viewed,
)
from tests.contract.proxy import Cut, Proxy, proxied

pytestmark = [
    pytest.mark.postgres,
    pytest.mark.parametrize("url", ["postgres"], indirect=True),
]

Call = Callable[[Journal], Awaitable[Any]]

READS = {
    "view", "list_jobs", "events", "heads", "flags", "cache_get", "load_breaker", "breakers",
    "queued", "processing", "counts", "close", "key", "live_keys", "keys", "audit_log",
    "outbox_due", "outbox_counts", "deliveries", "tier_of", "client_tiers", "usage",
}  # fmt: skip


async def submitted(journal: Journal) -> None:
    await journal.submit(new_job())


async def running(journal: Journal) -> None:
    """A job in the middle of a step, with something recorded."""
    await started(journal)
    await journal.record_memo(JOB, 1, new_memo("first", cost=0.1))
    await journal.begin_attempt(JOB, 1, "text", 1, 1, 2100)


async def failed(journal: Journal) -> None:
    await running(journal)
    await journal.finish(JOB, 1, JobStatus.FAILED, error="e", failed_step="text", now=3000)


async def paused(journal: Journal) -> None:
    await running(journal)
    await journal.finish(JOB, 1, JobStatus.PAUSED, now=3000)


async def completed(journal: Journal) -> None:
    await ended(journal, JobStatus.COMPLETED)
    await journal.cache_put("serp", "dead", 1, now=1, keep_ms=1)


async def told(journal: Journal) -> None:
    """A completed job that is to be told of and published."""
    claim = await started(journal, callback_lane="lane", publish="draft")
    await journal.finish(JOB, claim.epoch, JobStatus.COMPLETED, result={"r": 1}, now=3000)


async def carried(journal: Journal) -> None:
    """The same, its publication claimed."""
    await told(journal)
    await journal.outbox_claim(JOB, POST, "me@3100", 3100, 4000)


async def carried_by_the_dead(journal: Journal) -> None:
    """The same, and the claim has run out."""
    await told(journal)
    await journal.outbox_claim(JOB, POST, "dead@3100", 3100, 3200)


async def leased(journal: Journal) -> None:
    await journal.cache_lease("serp", "k", JOB, 4000, 5000)


async def keyed(journal: Journal) -> None:
    await running(journal)
    await journal.create_key(_KEY, by=_BY.model_copy(update={"entry": "made"}))


@dataclass(frozen=True)
class Write:
    """A write, what has to be there before it, and whether its answer tells the first time."""

    before: Call
    call: Call
    tells_first: bool = False


_KEY = KeyRecord(id="k1", client_id="c", kind=KeyKind.SIGNING, master="m", created_at=1)
_BY = Principal(client_id="c", key_id="k1", entry="e1", at=4000)
_USE = SignatureUse(key_id="k1", signature="ab", token="t", expires_at=9000)
POST = f"publish_{JOB}_4"
PUBLISHED = Report(outcome="done", at=3200, duration_ms=5, outcome_data={"postId": 7})
LATER = Report(outcome="retry", at=3200, duration_ms=5, error="busy", next_at=9000)
DEFERRED = Report(outcome="defer", at=3200, duration_ms=5, error="open", next_at=9000)
GIVEN_UP = Report(outcome="failed", at=3200, duration_ms=5, status=410, error="gone")
_BREAKER = BreakerRecord(service="ai", state={"failures": [1]}, updated_at=20)

WRITES: dict[str, Write] = {
    "submit": Write(running, lambda j: j.submit(new_job(2)), tells_first=True),
    "request_cancel": Write(running, lambda j: j.request_cancel(JOB, 4000)),
    "request_cancel queued": Write(submitted, lambda j: j.request_cancel(JOB, 4000)),
    "request_pause": Write(running, lambda j: j.request_pause(JOB, 4000)),
    "request_pause queued": Write(submitted, lambda j: j.request_pause(JOB, 4000)),
    "resume": Write(paused, lambda j: j.resume(JOB, 4000)),
    "retry": Write(failed, lambda j: j.retry(JOB, 4000)),
    "retry fromStep": Write(failed, lambda j: j.retry(JOB, 4000, "outline")),
    "set_tier": Write(running, lambda j: j.set_tier("client", Tier.PRO, 4000)),
    "erase": Write(failed, lambda j: j.erase(JOB), tells_first=True),
    "claim": Write(submitted, lambda j: j.claim(JOB, "me", 4000, 1)),
    "claim again": Write(running, lambda j: j.claim(JOB, "another", 4000, 2)),
    "begin_attempt": Write(running, lambda j: j.begin_attempt(JOB, 1, "text", 1, 2, 4000)),
    "record_retry": Write(
        running,
        lambda j: j.record_retry(JOB, 1, "text", "oops", 5000, 4000, usage=Usage(cost_usd=0.2)),
    ),
    "record_wait": Write(
        running,
        lambda j: j.record_wait(JOB, 1, "text", "open", 5000, 4000, usage=Usage(cost_usd=0.2)),
    ),
    "record_step": Write(
        running,
        lambda j: j.record_step(
            JOB, 1, "text", {"a": 1}, degraded=["d"], usage=Usage(calls=2, cost_usd=0.2), now=4000
        ),
    ),
    "record_memo": Write(running, lambda j: j.record_memo(JOB, 1, new_memo("p", cost=0.3))),
    "record_progress": Write(running, lambda j: j.record_progress(JOB, 1, "text", "1 of 2", 4000)),
    "finish": Write(
        running, lambda j: j.finish(JOB, 1, JobStatus.COMPLETED, result={"r": 1}, now=4000)
    ),
    "finish failed": Write(
        running,
        lambda j: j.finish(JOB, 1, JobStatus.FAILED, error="e", failed_step="text", now=4000),
    ),
    "finish paused": Write(running, lambda j: j.finish(JOB, 1, JobStatus.PAUSED, now=4000)),
    "release": Write(running, lambda j: j.release(JOB, 1, 9000, 4000)),
    "finish told": Write(
        lambda j: started(j, callback_lane="lane", publish="draft"),
        lambda j: j.finish(JOB, 1, JobStatus.COMPLETED, result={"r": 1}, now=4000),
    ),
    "outbox_claim": Write(told, lambda j: j.outbox_claim(JOB, POST, "me@4000", 4000, 9000)),
    "outbox_claim of the dead": Write(
        carried_by_the_dead, lambda j: j.outbox_claim(JOB, POST, "me@4000", 4000, 9000)
    ),
    "outbox_extend": Write(carried, lambda j: j.outbox_extend(JOB, POST, "me@3100", 5000)),
    "outbox_report": Write(carried, lambda j: j.outbox_report(JOB, POST, "me@3100", PUBLISHED)),
    "outbox_report retry": Write(carried, lambda j: j.outbox_report(JOB, POST, "me@3100", LATER)),
    "outbox_report failed": Write(
        carried, lambda j: j.outbox_report(JOB, POST, "me@3100", GIVEN_UP)
    ),
    "outbox_report defer": Write(
        carried, lambda j: j.outbox_report(JOB, POST, "me@3100", DEFERRED), tells_first=True
    ),
    "redeliver": Write(told, lambda j: j.redeliver(JOB, f"webhook_{JOB}_4", 5000)),
    "cache_put": Write(running, lambda j: j.cache_put("serp", "k", {"v": 1}, 4000, 1000)),
    "cache_lease": Write(running, lambda j: j.cache_lease("serp", "k", JOB, 4000, 5000)),
    "cache_release": Write(leased, lambda j: j.cache_release("serp", "k", JOB)),
    "cache_release open": Write(leased, lambda j: j.cache_release("serp", "k", JOB, 6000)),
    "save_breaker": Write(running, lambda j: j.save_breaker(_BREAKER)),
    "purge": Write(completed, lambda j: j.purge(9000, 9000), tells_first=True),
    "submit audited": Write(running, lambda j: j.submit(new_job(2), by=_BY), tells_first=True),
    "request_cancel audited": Write(running, lambda j: j.request_cancel(JOB, 4000, by=_BY)),
    "create_key": Write(running, lambda j: j.create_key(_KEY, by=_BY)),
    "revoke_key": Write(keyed, lambda j: j.revoke_key(_KEY.id, 4000, by=_BY)),
    "use_signature": Write(keyed, lambda j: j.use_signature(_USE)),
    "purge_access": Write(keyed, lambda j: j.purge_access(9000, 9000), tells_first=True),
    "ping": Write(running, lambda j: j.ping()),
}  # fmt: skip

CUTS: dict[str, Sequence[Cut]] = {
    "before the commit": ["before"],
    "after the commit": ["after"],
    # The committer itself tries twice; from the third on it is its caller who sends again.
    "after, then before": ["after", "before"],
    "after each of three": ["after", "after", "after"],
}


@pytest.fixture
async def through(url: str) -> AsyncIterator[tuple[Proxy, Journal]]:
    """The same journal through a proxy, its connections made."""
    async with proxied(parse_url(url)) as (proxy, proxied_url):
        journal = await open_journal(
            proxied_url.render_as_string(hide_password=False), migrate=False
        )
        await journal.counts()
        yield proxy, journal
        await journal.close()


async def sent(call: Call, journal: Journal) -> Any:
    """Send as the actor's callers do: again until there is an answer."""
    for _ in range(20):
        try:
            return await call(journal)
        except JournalUnavailable:
            await asyncio.sleep(0.01)
    raise AssertionError("never answered")


def everything(conn: Connection) -> dict[str, list[tuple[Any, ...]]]:
    """Every row of every table."""
    return {
        table.name: [tuple(row) for row in conn.execute(select(table).order_by(*table.primary_key))]
        for table in metadata.sorted_tables
    }


def wipe(conn: Connection) -> None:
    for table in reversed(metadata.sorted_tables):
        conn.execute(delete(table))


def test_every_write_of_the_protocol_is_here(url: str) -> None:
    """A new method must be added to WRITES, or to READS if it changes nothing."""
    methods = {name for kind in Journal.__mro__ for name in vars(kind) if not name.startswith("_")}

    assert {name.split()[0] for name in WRITES} == methods - READS


@pytest.mark.parametrize("cuts", CUTS.values(), ids=CUTS)
@pytest.mark.parametrize("write", WRITES.values(), ids=WRITES)
async def test_a_write_whose_answer_was_lost_is_done_once(
    journal: Journal,
    database: Database,
    through: tuple[Proxy, Journal],
    write: Write,
    cuts: Sequence[Cut],
) -> None:
    proxy, far = through
    await write.before(journal)
    expected_answer = await write.call(journal)
    expected = await database.run(everything)
    await database.run(wipe)
    await write.before(journal)
    proxy.at_commits(cuts)

    answer = await sent(write.call, far)

    assert proxy.cut == len(cuts)
    assert await database.run(everything) == expected
    assert write.tells_first or answer == expected_answer
    for job_id in ("job_1", "job_2"):
        await history(journal, job_id)  # contiguous


async def test_a_claim_lost_as_often_as_it_may_die_does_not_poison(
    journal: Journal, through: tuple[Proxy, Journal]
) -> None:
    proxy, far = through
    await journal.submit(new_job())
    proxy.at_commits(["after"] * 6)

    claim = await sent(lambda j: j.claim(JOB, "me", 4000, 5), far)

    assert claim.epoch == 1
    assert (await viewed(journal)).attempt == 1


async def test_many_writers_on_a_breaking_line_lose_and_double_nothing(
    journal: Journal, through: tuple[Proxy, Journal]
) -> None:
    """Group commits are cut every other time, in turn before and after; all is sent again."""
    proxy, far = through
    jobs = [f"job_{number}" for number in range(1, 9)]
    for number in range(1, 9):
        await started(journal, number)
        await journal.begin_attempt(f"job_{number}", 1, "text", 1, 1, 10)
    proxy.at_commits(itertools.islice(itertools.cycle([None, "before", None, "after"]), 60))

    async def run(job_id: str) -> None:
        for n in range(15):
            await sent(lambda j, n=n: j.record_progress(job_id, 1, "text", f"{n} of 15", n), far)
            await sent(lambda j, n=n: j.record_memo(job_id, 1, new_memo(str(n), cost=0.5)), far)

    await asyncio.gather(*(run(job_id) for job_id in jobs))

    assert proxy.cut >= 10
    for job_id in jobs:
        said = [e.data["detail"] for e in await history(journal, job_id) if "detail" in e.data]
        assert said == [f"{n} of 15" for n in range(15)]
        assert (await viewed(journal, job_id)).cost == pytest.approx(7.5)
