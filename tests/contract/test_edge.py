"""The edge as a client meets it, over a real journal: streams and polls, their bounds, and ids."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from starlette.types import Message

from actors.serve.events import BATCH
from orchestrator.config import Settings
from orchestrator.errors import JournalUnavailable
from orchestrator.jobs import JobStatus
from orchestrator.journal.base import Journal
from orchestrator.journal.opening import open_journal
from orchestrator.models import EventView
from tests.contract.journal_helpers import ended, new_job, started
from tests.edge import Edge, no_actors


@pytest.fixture(autouse=True)
def without_actors() -> Iterator[None]:
    with no_actors():
        yield


@pytest.fixture
async def journal(tmp_path: Any) -> AsyncIterator[Journal]:
    opened = await open_journal(f"sqlite+aiosqlite:///{tmp_path}/journal.db")
    yield opened
    await opened.close()


class Call:
    """One request to an ASGI application, its answer taken message by message."""

    def __init__(
        self, edge: Any, path: str, method: str = "GET", client: str = "1.1.1.1", **headers: str
    ) -> None:
        path, _, query = path.partition("?")
        self.sent: asyncio.Queue[Message] = asyncio.Queue(maxsize=1)  # a reader of one message
        self._gone = asyncio.Event()
        self._asked = False
        scope = {
            "type": "http", "asgi": {"version": "3.0", "spec_version": "2.3"},
            "http_version": "1.1", "method": method, "scheme": "http", "root_path": "",
            "path": f"/orchestrator/{path}", "raw_path": f"/orchestrator/{path}".encode(),
            "query_string": query.encode(), "client": (client, 1), "server": ("t", 80),
            "headers": [(n.lower().replace("_", "-").encode(), v.encode())
                        for n, v in headers.items()],
        }  # fmt: skip
        self.task = asyncio.ensure_future(edge(scope, self._receive, self.sent.put))

    async def _receive(self) -> Message:
        if not self._asked:
            self._asked = True
            return {"type": "http.request", "body": b"", "more_body": False}
        await self._gone.wait()
        return {"type": "http.disconnect"}

    async def start(self) -> tuple[int, dict[str, str]]:
        """Status and headers."""
        message = await asyncio.wait_for(self.sent.get(), 5)
        return message["status"], {n.decode(): v.decode() for n, v in message["headers"]}

    async def body(self) -> bytes:
        """All that is left of the body."""
        whole = b""
        while True:
            message = await asyncio.wait_for(self.sent.get(), 5)
            whole += message.get("body", b"")
            if not message.get("more_body"):
                await self.task
                return whole

    async def hang_up(self) -> None:
        self._gone.set()
        while not self.task.done():
            if not self.sent.empty():
                self.sent.get_nowait()
            await asyncio.sleep(0.01)


@asynccontextmanager
async def streaming(edge: Any, job_id: str, **more: str) -> AsyncIterator[tuple[Call, int]]:
    call = Call(edge, f"job/{job_id}/events", **more)
    status, _ = await call.start()
    try:
        yield call, status
    finally:
        await call.hang_up()


async def asked(edge: Any, path: str, **more: Any) -> tuple[int, dict[str, str], bytes]:
    call = Call(edge, path, **more)
    status, headers = await call.start()
    return status, headers, await call.body()


def seqs(stream: bytes) -> list[int]:
    return [int(line[4:]) for line in stream.decode().splitlines() if line.startswith("id: ")]


def edge_over(journal: Any, **settings: Any) -> Edge:
    return Edge(journal, Settings(**settings))


# -- event streams --------------------------------------------------------------------------


async def test_a_stream_goes_on_as_events_come_and_ends_with_the_job(journal: Journal) -> None:
    claim = await started(journal)
    async with streaming(edge_over(journal), claim.job_id) as (call, status):
        await asyncio.sleep(0.3)
        await journal.begin_attempt(claim.job_id, claim.epoch, "outline", 1, 1, 2500)
        await journal.finish(claim.job_id, claim.epoch, JobStatus.FAILED, error="e", now=3000)
        body = await call.body()

    assert status == 200
    assert seqs(body) == [1, 2, 3, 4]
    assert b"event: job.failed" in body


async def test_a_stream_is_taken_up_after_the_last_event_received(journal: Journal) -> None:
    job_id = await ended(journal, JobStatus.FAILED)

    _, _, whole = await asked(edge_over(journal), f"job/{job_id}/events")
    _, _, rest = await asked(edge_over(journal), f"job/{job_id}/events", Last_Event_ID="2")
    _, _, same = await asked(edge_over(journal), f"job/{job_id}/events?after=2")

    assert seqs(whole) == [1, 2, 3]
    assert seqs(rest) == seqs(same) == [3]


@pytest.mark.parametrize("given", ["-1", "x", "1.5", "٣", "9" * 17, "9" * 400])
async def test_a_last_event_id_that_is_none_is_refused(journal: Journal, given: str) -> None:
    job_id = await ended(journal, JobStatus.FAILED)
    call = Call(edge_over(journal), f"job/{job_id}/events", Last_Event_ID=given)

    assert (await call.start())[0] == 422


async def test_one_client_holds_so_many_streams_and_gets_429_for_more(journal: Journal) -> None:
    job_id = (await started(journal)).job_id
    edge = edge_over(journal, streams_per_client=2)
    async with streaming(edge, job_id), streaming(edge, job_id):
        status, headers, body = await asked(edge, f"job/{job_id}/events")
        async with streaming(edge, job_id, client="2.2.2.2") as (_, anothers):
            pass

    assert (status, anothers) == (429, 200)
    assert int(headers["retry-after"]) > 0
    assert json.loads(body)["type"] == "/orchestrator/problems/too-many-streams"


async def test_all_clients_hold_so_many_streams_and_get_503_for_more(journal: Journal) -> None:
    job_id = (await started(journal)).job_id
    edge = edge_over(journal, streams=2)
    async with (
        streaming(edge, job_id, client="1.1.1.1"),
        streaming(edge, job_id, client="2.2.2.2"),
    ):
        status, headers, body = await asked(edge, f"job/{job_id}/events", client="3.3.3.3")

    assert status == 503
    assert int(headers["retry-after"]) > 0
    assert json.loads(body)["type"] == "/orchestrator/problems/streams-full"


async def test_a_reader_who_leaves_gives_its_place_back(journal: Journal) -> None:
    job_id = (await started(journal)).job_id
    edge = edge_over(journal, streams=1)
    for _ in range(3):
        async with streaming(edge, job_id) as (_, status):
            assert status == 200
            assert edge.status._streams.taken == 1
        assert edge.status._streams.taken == 0
    assert edge.status._watch._jobs == {}


class Counted:
    """A journal whose answers are counted; ``fail`` makes the next looks fail."""

    def __init__(self, journal: Journal, events: int = 0) -> None:
        self._journal, self._events = journal, events
        self.read, self.looks, self.views, self.fail = 0, 0, 0, 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._journal, name)

    async def events(self, job_id: str, after: int = 0, limit: int = 500) -> list[EventView]:
        if not self._events:
            return await self._journal.events(job_id, after, limit)
        last = min(after + limit, self._events)
        self.read = max(self.read, last)
        return [EventView(seq=n, type="step.progress", at=n) for n in range(after + 1, last + 1)]

    async def heads(self, job_ids: list[str]) -> Any:
        self.looks += 1
        if self.fail:
            self.fail -= 1
            raise JournalUnavailable("away")
        heads = await self._journal.heads(job_ids)
        if self._events:
            return {n: h.model_copy(update={"seq": self._events}) for n, h in heads.items()}
        return heads

    async def view(self, *args: Any, **more: Any) -> Any:
        self.views += 1
        return await self._journal.view(*args, **more)


async def test_a_reader_who_does_not_read_makes_us_hold_one_batch(journal: Journal) -> None:
    job_id = (await started(journal)).job_id
    counted = Counted(journal, events=5000)
    async with streaming(edge_over(counted), job_id):
        await asyncio.sleep(0.5)
        held = counted.read

    assert held == BATCH


async def test_many_streams_of_many_jobs_are_one_look(journal: Journal) -> None:
    jobs = [(await started(journal, number)).job_id for number in range(1, 6)]
    counted = Counted(journal)
    edge = edge_over(counted)
    calls = [Call(edge, f"job/{job}/events", client=str(n)) for n in range(6) for job in jobs]
    assert [(await call.start())[0] for call in calls] == [200] * 30
    await asyncio.sleep(0.3)
    counted.looks = 0
    await asyncio.sleep(1.0)
    looks = counted.looks
    await asyncio.gather(*(call.hang_up() for call in calls))

    assert 1 <= looks <= 5


async def test_a_stream_outlives_an_outage_of_the_journal(journal: Journal) -> None:
    claim = await started(journal)
    counted = Counted(journal)
    counted.fail = 2
    async with streaming(edge_over(counted), claim.job_id) as (call, _):
        await journal.finish(claim.job_id, claim.epoch, JobStatus.CANCELLED, now=3000)
        body = await call.body()

    assert seqs(body) == [1, 2, 3]


async def test_a_stream_ends_after_its_time_for_its_reader_to_take_it_up(journal: Journal) -> None:
    job_id = (await started(journal)).job_id
    edge = edge_over(journal, stream_seconds=0.4)

    _, _, first = await asked(edge, f"job/{job_id}/events")
    _, _, second = await asked(edge, f"job/{job_id}/events", Last_Event_ID="2")

    assert (seqs(first), seqs(second)) == ([1, 2], [])


async def test_a_stream_of_a_job_that_is_erased_ends(journal: Journal) -> None:
    job_id = await ended(journal, JobStatus.CANCELLED)
    async with streaming(edge_over(journal), job_id, Last_Event_ID="1") as (call, _):
        assert seqs(await call.body()) == [2, 3]
    await journal.erase(job_id)

    assert (await asked(edge_over(journal), f"job/{job_id}/events"))[0] == 404


# -- long polls -----------------------------------------------------------------------------


async def test_a_long_poll_is_answered_when_the_job_changes(journal: Journal) -> None:
    claim = await started(journal)
    edge = edge_over(journal)
    _, headers, _ = await asked(edge, f"job/{claim.job_id}")
    call = Call(edge, f"job/{claim.job_id}?wait=30", If_None_Match=headers["etag"])
    await asyncio.sleep(0.5)
    assert not call.task.done()
    await journal.begin_attempt(claim.job_id, claim.epoch, "outline", 1, 1, 2500)
    await journal.record_progress(claim.job_id, claim.epoch, "outline", "part 3 of 8", 2600)

    status, later = await call.start()
    job = json.loads(await call.body())

    assert status == 202
    assert later["etag"] != headers["etag"]
    assert job["steps"][0]["state"] == "running"


async def test_a_job_says_what_it_is_at(journal: Journal) -> None:
    claim = await started(journal)
    await journal.begin_attempt(claim.job_id, claim.epoch, "outline", 1, 1, 2500)
    await journal.begin_attempt(claim.job_id, claim.epoch, "text", 1, 1, 2500)
    await journal.record_progress(claim.job_id, claim.epoch, "outline", "section 3 of 8", 2600)

    _, _, body = await asked(edge_over(journal), f"job/{claim.job_id}")

    job = json.loads(body)
    assert job["activity"] == ["Outline: section 3 of 8", "Text"]
    assert job["progress"] == pytest.approx(3 / 8 / 3, abs=1e-4)


async def test_a_long_poll_of_nothing_new_is_304_and_asks_the_database_little(
    journal: Journal,
) -> None:
    job_id = (await started(journal)).job_id
    counted = Counted(journal)
    edge = edge_over(counted)
    _, headers, _ = await asked(edge, f"job/{job_id}")
    counted.views = 0

    status, _, body = await asked(edge, f"job/{job_id}?wait=1.2", If_None_Match=headers["etag"])

    assert (status, body) == (304, b"")
    assert counted.views <= 4


async def test_without_a_place_to_wait_a_long_poll_is_answered_at_once(journal: Journal) -> None:
    await journal.submit(new_job())
    edge = edge_over(journal, streams=1)
    first = Call(edge, "job/job_1?wait=30")
    await asyncio.sleep(0.2)

    status, _, _ = await asyncio.wait_for(asked(edge, "job/job_1?wait=30"), 2)

    assert status == 202
    await journal.request_cancel("job_1", 3000)
    assert (await first.start())[0] == 200
    await first.body()


# -- what holds for every answer ------------------------------------------------------------


async def test_ids_are_taken_made_and_returned(journal: Journal) -> None:
    edge = edge_over(journal)
    _, given, _ = await asked(edge, "health", X_Request_ID="mine-1", X_Correlation_ID="ours-2")
    _, made, _ = await asked(edge, "health")
    _, unsafe, body = await asked(edge, "job/none", X_Request_ID="a b<c>")

    assert (given["x-request-id"], given["x-correlation-id"]) == ("mine-1", "ours-2")
    assert made["x-correlation-id"] == made["x-request-id"] != ""
    assert "<" not in unsafe["x-request-id"]
    assert json.loads(body)["requestId"] == unsafe["x-request-id"]


async def test_an_unexpected_error_has_its_ids_too(journal: Journal) -> None:
    class Broken(Counted):
        async def view(self, *args: Any, **more: Any) -> Any:
            raise ZeroDivisionError("a bug")

    status, headers, body = await asked(edge_over(Broken(journal)), "job/job_1")

    assert status == 500
    assert {"x-request-id", "x-correlation-id"} <= headers.keys()
    assert b"bug" not in body


@pytest.mark.parametrize(
    ("path", "allowed"), [("job/job_1", "DELETE, GET"), ("jobs", "GET"), ("ultra-sota", "POST")]
)
async def test_another_method_is_405_and_says_which_there_are(
    journal: Journal, path: str, allowed: str
) -> None:
    status, headers, _ = await asked(edge_over(journal), path, method="PUT")

    assert (status, headers["allow"]) == (405, allowed)


async def test_only_origins_that_are_set_may_call_from_a_browser(journal: Journal) -> None:
    ask = {"Origin": "https://app.example", "Access_Control_Request_Method": "POST"}
    edge = edge_over(journal, cors_origins=("https://app.example",))
    preflight = await asked(edge, "ultra-sota", method="OPTIONS", **ask)
    real = await asked(edge, "health", Origin="https://app.example")
    other = await asked(edge, "health", Origin="https://evil.example")
    closed = await asked(edge_over(journal), "health", Origin="https://app.example")

    assert preflight[0] == 200
    assert "POST" in preflight[1]["access-control-allow-methods"]
    assert real[1]["access-control-allow-origin"] == "https://app.example"
    assert "ETag" in real[1]["access-control-expose-headers"]
    assert "access-control-allow-origin" not in other[1]
    assert "access-control-allow-origin" not in closed[1]
