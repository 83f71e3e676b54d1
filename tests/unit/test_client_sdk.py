"""The HTTP client against a stand-in for the service."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.client import (
    ApiError,
    AsyncClient,
    Client,
    Forbidden,
    InvalidRequest,
    JobUnsuccessful,
    LimitReached,
    NotFound,
    NotNow,
    RequestIdUsed,
    ServiceUnreachable,
    StreamBroken,
    Unauthenticated,
    Unavailable,
    WaitExpired,
)
from orchestrator.client import transport as transport_module
from orchestrator.client.sse import Message, SseParser
from orchestrator.client.transport import MOST_SECONDS, Patience, seconds_of
from orchestrator.errors import InvalidInput
from orchestrator.jobs import JobStatus
from orchestrator.models import JobView
from tests.client_helpers import (
    FakeService,
    event,
    job_view,
    serving,
    serving_in_a_thread,
)


@pytest.fixture
def service() -> FakeService:
    return FakeService()


@pytest.fixture
async def client(service: FakeService, naps: list[float]) -> AsyncIterator[AsyncClient]:
    async with serving(service) as url, AsyncClient(url, client_id="me", patience=20) as client:
        client._transport.sleep = nap_into(naps)
        yield client


@pytest.fixture
def naps() -> list[float]:
    return []


def nap_into(naps: list[float]) -> Any:
    """A sleep that takes no time and writes down how long it would have been."""

    async def sleep(seconds: float) -> None:
        naps.append(seconds)
        await asyncio.sleep(0)

    return sleep


# -- submitting -----------------------------------------------------------------------------


async def test_a_submission_goes_out_in_wire_names(
    client: AsyncClient, service: FakeService
) -> None:
    page = {"title": "Home", "url": "https://a.example/", "note": "ignored"}

    job = await client.submit("drip", existing_pages=[page], use_god_mode=True)

    (body,) = service.submissions
    assert (job.id, job.warnings) == ("job_1", ["mind the gap"])
    assert body["keyword"] == "drip"
    assert body["clientId"] == "me"
    assert body["useGodMode"] is True
    assert body["existingPages"] == [{"title": "Home", "slug": "", "url": "https://a.example/"}]
    assert body["requestId"]


@pytest.mark.parametrize("failure", [(503, {}), (502, {}), "drop"])
async def test_a_submission_is_repeated_with_the_same_request_id(
    client: AsyncClient, service: FakeService, failure: Any
) -> None:
    service.failures = [failure, failure]

    job = await client.submit("drip", request_id="mine")

    assert job.id == "job_1"
    assert [body["requestId"] for body in service.submissions] == ["mine"]
    assert service.requests == ["POST /orchestrator/ultra-sota"] * 3


async def test_a_submission_whose_answer_is_lost_is_one_job(
    client: AsyncClient, service: FakeService
) -> None:
    """The request id is made once and kept, or the service would see two jobs."""
    service.lost_answers = 2

    job = await client.submit("drip")

    assert len(service.requests) == 3
    assert [body["requestId"] for body in service.submissions] == [job.accepted.request_id]


async def test_retry_after_is_honoured(
    client: AsyncClient, service: FakeService, naps: list[float]
) -> None:
    service.failures = [(503, {"Retry-After": "7"})]

    await client.submit("drip")

    assert naps == [7.0]


@pytest.mark.parametrize("what", ["submit", "retry"])
async def test_a_limit_is_waited_for_as_long_as_the_service_says(
    client: AsyncClient, service: FakeService, naps: list[float], what: str
) -> None:
    service.failures = [(429, {"Retry-After": "3"})]

    if what == "submit":
        await client.submit("drip")
    else:
        await client.job("job_1").retry()  # not done when refused: safe to send again

    assert naps == [3.0]


async def test_a_limit_that_lasts_longer_than_patience_is_told_at_once(
    client: AsyncClient, service: FakeService, naps: list[float]
) -> None:
    service.failures = [(429, {"Retry-After": "3600"})]

    with pytest.raises(LimitReached) as caught:
        await client.submit("drip")

    assert (caught.value.retry_after, naps) == (3600, [])


@pytest.mark.parametrize(
    ("status", "kind", "error"),
    [
        (401, "unauthenticated", Unauthenticated),
        (403, "forbidden", Forbidden),
        (404, "job-not-found", NotFound),
        (409, "request-conflict", RequestIdUsed),
        (409, "illegal-transition", NotNow),
        (409, "something-newer", ApiError),
        (413, "body-too-large", InvalidRequest),
        (422, "invalid-input", InvalidRequest),
        (429, "too-many-streams", LimitReached),
        (431, "headers-too-large", InvalidRequest),
        (500, "internal", ApiError),
        (503, "journal-unavailable", Unavailable),
    ],
)
async def test_each_kind_of_problem_is_an_error_of_its_own(
    client: AsyncClient, service: FakeService, status: int, kind: str, error: type[ApiError]
) -> None:
    service.failures = [(status, {"X-Kind": kind})] * 20

    with pytest.raises(ApiError) as caught:
        await client.health() if status != 503 else await client.breakers()

    assert type(caught.value) is error
    assert (caught.value.status, caught.value.kind) == (status, kind)


async def test_waiting_goes_on_by_polls_where_there_is_no_place_for_a_stream(
    client: AsyncClient, service: FakeService, naps: list[float]
) -> None:
    service.views = [job_view(done=1), job_view(done=2), job_view("completed", done=8)]
    service.stream_refusals = 100
    seen: list[float] = []

    view = await client.job("job_1").wait(lambda v: seen.append(v.progress), timeout=10)

    assert view.status == "completed"
    assert seen == sorted(seen)
    assert max(naps) < 1  # nobody waited for a place


async def test_events_wait_for_a_place(
    client: AsyncClient, service: FakeService, naps: list[float]
) -> None:
    service.events = [event(1, "job.queued"), event(2, "job.completed")]
    service.stream_refusals = 2

    assert [e.seq async for e in client.job("job_1").events()] == [1, 2]
    assert naps == [2.0, 2.0]


async def test_patience_ends(client: AsyncClient, service: FakeService, naps: list[float]) -> None:
    service.failures = [(503, {})] * 50

    with pytest.raises(ApiError, match="come back"):
        await client.submit("drip")

    longest = 1.2 * MOST_SECONDS
    assert 20 - longest < sum(naps) <= 20


async def test_a_refusal_names_the_fields_and_is_not_repeated(
    client: AsyncClient, service: FakeService
) -> None:
    with pytest.raises(ApiError) as caught:
        await client.submit("refused")

    assert caught.value.status == 422
    assert caught.value.title == "The request cannot be accepted"
    assert caught.value.errors == [{"field": "model", "problem": "unknown model"}]
    assert len(service.requests) == 1


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({"keyword": "x"}, "keyword"),
        ({"existing_pages": [{"title": "a", "url": "not a url"}]}, "existingPages.0.url"),
        ({"priority": 900}, "priority"),
        ({"colour": "red"}, "colour"),
    ],
)
async def test_what_cannot_be_sent_is_refused_here(
    client: AsyncClient, service: FakeService, fields: dict[str, Any], named: str
) -> None:
    with pytest.raises(InvalidInput) as caught:
        await client.submit(**{"keyword": "drip", **fields})

    assert caught.value.field == named
    assert service.requests == []


async def test_nobody_listening_is_said_plainly() -> None:
    async with AsyncClient("http://127.0.0.1:9", patience=0) as client:
        with pytest.raises(ServiceUnreachable, match=r"127\.0\.0\.1:9"):
            await client.health()


async def test_an_answer_that_is_not_the_services_is_said_plainly(
    client: AsyncClient, service: FakeService
) -> None:
    service.views = [{"status": "completed", "hello": "world"}]

    with pytest.raises(ApiError, match="the answer is no JobView"):
        await client.job("job_1").status()


async def test_a_body_is_signed_as_it_is_sent(service: FakeService) -> None:
    signed: list[bytes] = []

    def sign(body: bytes) -> dict[str, str]:
        signed.append(body)
        return {"X-Signature": "s"}

    async with serving(service) as url, AsyncClient(url, sign=sign) as client:
        await client.submit("drip")

    assert b'"keyword": "drip"' in signed[0]


# -- watching -------------------------------------------------------------------------------


def log(count: int) -> list[dict[str, Any]]:
    """A finished job's event log of *count* entries."""
    return [*(event(n) for n in range(1, count)), event(count, "job.completed")]


async def test_events_survive_every_break_without_repeats_or_holes(
    client: AsyncClient, service: FakeService
) -> None:
    service.events, service.cuts = log(12), [3, 0, 4, 1]

    seqs = [entry.seq async for entry in client.job("job_1").events()]

    assert seqs == list(range(1, 13))
    assert service.last_event_ids == [None, "3", "3", "7", "8"]


async def test_events_begin_where_they_are_asked_to(
    client: AsyncClient, service: FakeService
) -> None:
    service.events = log(5)

    assert [entry.seq async for entry in client.job("job_1").events(after=3)] == [4, 5]


async def test_a_break_after_the_last_event_is_the_end(
    client: AsyncClient, service: FakeService
) -> None:
    service.events, service.cuts = log(3), [3]

    assert [entry.seq async for entry in client.job("job_1").events()] == [1, 2, 3]
    assert len(service.last_event_ids) == 1


async def test_events_go_on_after_a_retry(client: AsyncClient, service: FakeService) -> None:
    """The event that ended the job the first time does not end the stream if it was retried."""
    first = [event(1), event(2, "job.failed")]
    service.events = [*first, event(3, "job.queued"), event(4, "job.completed")]
    service.cuts = [2]
    service.views = [job_view("processing"), job_view("completed", done=8)]

    assert [entry.seq async for entry in client.job("job_1").events()] == [1, 2, 3, 4]


async def test_a_lost_event_is_asked_for_again_then_an_error(
    client: AsyncClient, service: FakeService
) -> None:
    service.events = [event(1), event(2), event(4, "job.completed")]

    events = client.job("job_1").events()
    assert [(await anext(events)).seq, (await anext(events)).seq] == [1, 2]

    with pytest.raises(StreamBroken, match="event 3 is missing"):
        await anext(events)

    assert service.last_event_ids == [None, "2"]


async def test_events_of_an_unknown_job_are_an_error(client: AsyncClient) -> None:
    with pytest.raises(ApiError) as caught:
        await client.job("job_9").status()

    assert caught.value.status == 404


async def test_a_service_that_stays_away_ends_the_stream(
    client: AsyncClient, service: FakeService
) -> None:
    service.failures = [(503, {})] * 50

    with pytest.raises(ServiceUnreachable, match="come back"):
        [entry async for entry in client.job("job_1").events()]


async def test_wait_shows_progress_and_returns_the_ended_job(
    client: AsyncClient, service: FakeService
) -> None:
    service.events = log(6)
    service.views = [
        job_view("queued"),
        *(job_view(done=n) for n in range(4)),
        job_view("completed", done=8, brandNew=1),
    ]
    seen: list[str] = []

    view = await client.job("job_1").wait(lambda v: seen.append(v.status))

    assert seen[0] == "queued"
    assert "processing" in seen
    assert seen[-1] == view.status == "completed"
    assert view.result is not None


async def test_wait_awaits_an_asynchronous_listener(client: AsyncClient) -> None:
    seen = []

    async def listen(view: JobView) -> None:
        await asyncio.sleep(0)
        seen.append(view.progress)

    await client.job("job_1").wait(listen)

    assert seen == [1.0]


async def test_wait_polls_where_there_is_no_stream(
    client: AsyncClient, service: FakeService
) -> None:
    service.has_stream = False
    service.views = [job_view(done=n) for n in range(4)] + [job_view("completed", done=8)]

    view = await client.job("job_1").wait()

    assert view.status == JobStatus.COMPLETED
    assert "GET /orchestrator/job/job_1?wait=30" in service.requests


async def test_wait_gives_up_when_told_to(service: FakeService) -> None:
    service.views, service.events = [job_view()], [event(1)]

    async with serving(service) as url, AsyncClient(url) as client:
        with pytest.raises(WaitExpired, match="job_1"):
            await client.job("job_1").wait(timeout=0.02)


async def test_result_is_the_result_or_an_error(client: AsyncClient, service: FakeService) -> None:
    assert (await client.job("job_1").result()).metadata.word_count == 2801

    service.views = [job_view("failed", error="References: no")]
    with pytest.raises(JobUnsuccessful, match="References: no"):
        await client.job("job_1").result()


# -- steering -------------------------------------------------------------------------------


@pytest.mark.parametrize("what", ["cancel", "pause", "retry"])
async def test_steering(client: AsyncClient, service: FakeService, what: str) -> None:
    view = await getattr(client.job("job_1"), what)()

    assert view.status == JobStatus.QUEUED
    assert service.requests == [f"POST /orchestrator/job/job_1/{what}"]


async def test_a_move_that_is_not_allowed_is_a_409(client: AsyncClient) -> None:
    with pytest.raises(ApiError, match="it has ended") as caught:
        await client.job("job_1").resume()

    assert caught.value.status == 409


async def test_what_may_have_happened_is_not_repeated_unless_that_is_safe(
    client: AsyncClient, service: FakeService
) -> None:
    service.failures = ["drop"]
    with pytest.raises(ServiceUnreachable):
        await client.job("job_1").retry("references")
    assert service.requests == ["POST /orchestrator/job/job_1/retry?fromStep=references"]

    service.failures = ["drop"]
    assert (await client.job("job_1").cancel()).cancel_requested


async def test_erase(client: AsyncClient, service: FakeService) -> None:
    await client.job("job_1").erase()

    assert service.requests == ["DELETE /orchestrator/job/job_1"]


async def test_listing_goes_from_page_to_page(client: AsyncClient, service: FakeService) -> None:
    ids = [view.id async for view in client.all_jobs(status=JobStatus.PROCESSING)]

    assert ids == ["job_1", "job_0"]
    assert "status=processing" in service.requests[0]
    assert "clientId=me" in service.requests[0]
    assert "cursor=page2" in service.requests[1]


async def test_health_and_breakers(client: AsyncClient, service: FakeService) -> None:
    assert (await client.health()).jobs == {"queued": 2}
    assert [b.state for b in await client.breakers()] == ["closed", "open"]

    service.unhealthy = True
    assert (await client.health()).status == "unavailable"


# -- without async --------------------------------------------------------------------------


def test_the_synchronous_client_does_the_same(service: FakeService) -> None:
    service.views = [job_view("queued"), job_view("completed", done=8)]
    service.events = log(4)
    seen: list[str] = []

    with serving_in_a_thread(service) as url, Client(url, client_id="me") as client:
        job = client.submit("drip")
        view = job.wait(lambda v: seen.append(v.status), timeout=20)
        seqs = [entry.seq for entry in job.events()]
        page = client.list(limit=1)
        ids = [item.id for item in client.all_jobs()]
        health, breakers = client.health(), client.breakers()
        answers = [job.cancel(), job.pause(), job.retry(), client.job("job_1").status()]
        words = job.result().metadata.word_count
        job.erase()
        with pytest.raises(ApiError):
            job.resume()

    assert seen == ["queued", "completed"]
    assert view.id == "job_1"
    assert seqs == [1, 2, 3, 4]
    assert page.next_cursor == "page2"
    assert ids == ["job_1", "job_0"]
    assert health.status == "ok"
    assert len(breakers) == 2
    assert len(answers) == 4
    assert words == 2801
    assert job.warnings == ["mind the gap"]


def test_the_synchronous_wait_gives_up_and_leaves_nothing_running(service: FakeService) -> None:
    service.views, service.events = [job_view()], [event(1)]

    with serving_in_a_thread(service) as url, Client(url) as client:
        with pytest.raises(WaitExpired):
            client.job("job_1").wait(timeout=0.03)
        assert client.health().status == "ok"
    client.close()


def test_leaving_a_stream_early_is_fine(service: FakeService) -> None:
    service.events = log(9)

    with serving_in_a_thread(service) as url, Client(url) as client:
        for entry in client.job("job_1").events():
            if entry.seq == 2:
                break

        assert client.health().status == "ok"


# -- the parts ------------------------------------------------------------------------------


def messages(*chunks: bytes) -> list[Message]:
    parser = SseParser()
    return [message for chunk in chunks for message in parser.feed(chunk)]


STREAM = (
    "\ufeff: hello\r\nretry: 1500\r\n\r\nid: 1\r\nevent: a\r\ndata: x\r\ndata:  é\r\n\r\n"
    "data\n\n: ping\n\nid: 2\rdata: {}\r\revent: none\n\ndata: last, unended"
).encode()


def test_a_stream_is_read_as_the_standard_says() -> None:
    parser = SseParser()

    read = list(parser.feed(STREAM))

    assert read == [
        Message("x\n é", "a", "1"),
        Message("", "message", "1"),
        Message("{}", "message", "2"),
    ]
    assert parser.retry == 1.5


@given(st.lists(st.integers(0, len(STREAM)), max_size=20))
def test_where_the_chunks_are_cut_does_not_matter(cuts: list[int]) -> None:
    edges = [0, *sorted(cuts), len(STREAM)]
    chunks = [STREAM[a:b] for a, b in pairwise(edges)]

    assert messages(*chunks) == messages(STREAM)


@given(st.integers(0, 2**32), st.floats(0, 120), st.floats(0, 10))
def test_pauses_grow_stay_bounded_and_end(seed: int, seconds: float, asked: float) -> None:
    patience, pauses = Patience(seconds, random.Random(seed)), []
    while (pause := patience.pause(asked)) is not None:
        pauses.append(pause)

    assert sum(pauses) <= seconds
    assert all(
        asked <= pause <= max(asked, transport_module.MOST_SECONDS * 1.2) for pause in pauses
    )
    assert pauses == sorted(pauses) or len(pauses) > 4  # doubling outgrows the jitter


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("3", 3.0),
        ("0.5", 0.5),
        ("-1", 0.0),
        ("Thu, 01 Jan 1970 00:01:40 GMT", 60.0),
        ("Thu, 01 Jan 1970 00:00:01 GMT", 0.0),
        ("soon", None),
        ("", None),
        (None, None),
    ],
)
def test_retry_after_is_a_number_or_a_date(header: str | None, seconds: float | None) -> None:
    assert seconds_of(header, now=40.0) == seconds
