"""The courier over a real journal: what it sends, when again, and what it records."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from orchestrator.errors import BreakerOpen, Misconfigured, PermanentError, TransientError
from orchestrator.jobs import JobStatus
from orchestrator.journal.base import Journal
from orchestrator.journal.opening import open_journal
from orchestrator.journal.outbox_writes import DIED
from orchestrator.journal.records import NewJob
from orchestrator.models import DeliveryView, PublicationView
from orchestrator.outbox.courier import CLAIM_SECONDS, PER_LANE, Courier, SenderAway, SenderLost
from orchestrator.services import DeliverReply, DeliverRequest, Post, PublishRequest

NOW = 1_700_000_000.0
CREATED = int(NOW * 1000) - 60_000
RESULT = {
    "content": '<h1 class="x">A title</h1>\n<p>Words.</p><h1>not the first</h1>',
    "qualityReport": {"score": 90, "passed": True},
    "metadata": {
        "title": "The title", "metaDescription": "In short.", "slug": "the-title",
        "wordCount": 2800, "jsonLd": {"@type": "Article", "name": "日本"},
    },
}  # fmt: skip
POST = Post(id=7, title="t", slug="s", content="c", link="https://blog.example/s/", status="draft")


@dataclass
class Script:
    """A sender that answers by script, the last answer for ever."""

    answers: list[Any]
    sent: list[Any] = field(default_factory=list)

    async def deliver(self, request: DeliverRequest) -> DeliverReply:
        return await self._next(request)

    async def publish(self, request: PublishRequest) -> Post:
        return await self._next(request)

    async def _next(self, request: Any) -> Any:
        self.sent.append(request)
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, BaseException):
            raise answer
        return await answer() if callable(answer) else answer


@dataclass
class World:
    """A journal, a clock and a courier."""

    journal: Journal
    now: float = NOW

    def courier(self, sender: Any, **more: Any) -> Courier:
        return Courier(
            self.journal, sender, name=more.pop("name", "me"), base_url="https://sota.example",
            rand=random.Random(1), clock=lambda: self.now, **more,
        )  # fmt: skip

    async def send(self, courier: Courier) -> None:
        await courier.send_due()
        await courier.settle()

    async def job(self, number: int = 1, *, end: str = "completed", **more: Any) -> str:
        request = {"keyword": "k", "callbackUrl": "https://hook.example/x"}
        request |= more.pop("request", {})
        job = NewJob(
            id=f"job_{number}", client_id="client_1", request_id=f"r-{number}", body_hash="h",
            request=request, keyword="k", mode="generate", created_at=CREATED,
            steps=(("text", "Text"),), **more,
        )  # fmt: skip
        await self.journal.submit(job)
        claim = await self.journal.claim(job.id, "o", CREATED + 1, 5)
        result = RESULT if end == "completed" else None
        error = "Text: gone" if end == "failed" else None
        await self.journal.finish(
            job.id, claim.epoch, JobStatus(end), result=result, error=error, now=int(NOW * 1000)
        )
        return job.id

    async def delivery(self, job_id: str = "job_1") -> DeliveryView:
        (one,) = await self.journal.deliveries(job_id)
        return one

    async def publication(self, job_id: str = "job_1") -> PublicationView:
        view = await self.journal.view(job_id)
        assert view is not None
        assert view.publication is not None
        return view.publication


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    journal = await open_journal(f"sqlite+aiosqlite:///{tmp_path}/journal.db")
    yield World(journal)
    await journal.close()


OK = DeliverReply(status=204)
BUSY = DeliverReply(status=503, error="status 503", answer="busy")


# -- webhooks ---------------------------------------------------------------------------------


async def test_a_webhook_says_what_became_of_the_job_and_where_the_rest_is(world: World) -> None:
    await world.job(callback_lane="l")
    sender = Script([OK])

    await world.send(world.courier(sender))

    (sent,) = sender.sent
    job = "https://sota.example/orchestrator/job/job_1"
    assert (sent.url, sent.message_id, sent.client_id) == (
        "https://hook.example/x", "webhook_job_1_3", "client_1",
    )  # fmt: skip
    assert json.loads(sent.body) == {
        "type": "job.completed",
        "timestamp": "2023-11-14T22:13:20.000Z",
        "data": {
            "jobId": "job_1", "status": "completed", "requestId": "r-1", "clientId": "client_1",
            "summary": {"score": 90, "passed": True, "words": 2800, "cost": 0.0},
            "links": {"job": job, "events": f"{job}/events", "deliveries": f"{job}/deliveries"},
        },
    }  # fmt: skip
    assert "Words." not in sent.body
    assert (await world.delivery()).state == "delivered"


@pytest.mark.parametrize(("end", "error"), [("failed", "Text: gone"), ("cancelled", None)])
async def test_a_job_without_a_result_is_told_of_too(
    world: World, end: str, error: str | None
) -> None:
    await world.job(callback_lane="l", end=end)
    sender = Script([OK])

    await world.send(world.courier(sender))

    told = json.loads(sender.sent[0].body)
    assert (told["type"], told["data"]["status"]) == (f"job.{end}", end)
    assert told["data"].get("error") == error
    assert told["data"]["summary"] == {"cost": 0.0}


async def test_a_receiver_that_fails_five_times_gets_it_in_the_end(world: World) -> None:
    await world.job(callback_lane="l")
    sender = Script([BUSY] * 5 + [OK])
    courier = world.courier(sender)
    for _ in range(6):
        await world.send(courier)
        world.now += 3600

    delivery = await world.delivery()

    assert len(sender.sent) == 6
    assert len({request.body for request in sender.sent}) == 1
    assert len({request.message_id for request in sender.sent}) == 1
    assert [a.error for a in delivery.attempts] == ["status 503"] * 5 + [None]
    assert delivery.attempts[0].answer == "busy"
    await world.send(courier)
    assert len(sender.sent) == 6


async def test_it_waits_by_the_schedule(world: World) -> None:
    await world.job(callback_lane="l")
    sender = Script([BUSY])
    courier = world.courier(sender)
    await world.send(courier)
    world.now += 3.9
    await world.send(courier)
    early = len(sender.sent)
    world.now += 1.2
    await world.send(courier)

    assert (early, len(sender.sent)) == (1, 2)


async def test_retry_after_is_heeded(world: World) -> None:
    await world.job(callback_lane="l")
    await world.send(world.courier(Script([BUSY.model_copy(update={"retry_after": 90.0})])))

    assert (await world.delivery()).next_at == int(NOW * 1000) + 90_000


async def test_after_a_day_it_gives_up_and_says_so(world: World) -> None:
    await world.job(callback_lane="l")
    sender = Script([BUSY])
    courier = world.courier(sender)
    for _ in range(200):
        await world.send(courier)
        world.now += 600

    delivery = await world.delivery()

    assert delivery.state == "failed"
    assert delivery.error == "given up: status 503"
    assert 10 <= len(sender.sent) <= 14


@pytest.mark.parametrize(
    "reply",
    [
        DeliverReply(status=410, error="410 Gone", final=True),
        DeliverReply(error="callbackUrl is refused: loopback", final=True),
    ],
)
async def test_what_cannot_help_is_not_tried_again(world: World, reply: DeliverReply) -> None:
    await world.job(callback_lane="l")
    sender = Script([reply])
    courier = world.courier(sender)
    await world.send(courier)
    world.now += 86_400
    await world.send(courier)

    delivery = await world.delivery()

    assert len(sender.sent) == 1
    assert (delivery.state, delivery.error) == ("failed", reply.error)


async def test_without_a_gateway_no_attempt_is_counted(world: World) -> None:
    await world.job(callback_lane="l")
    sender = Script([SenderAway("away"), SenderAway("away"), OK])
    courier = world.courier(sender)
    for _ in range(3):
        await world.send(courier)
        world.now += 1

    assert [a.attempt for a in (await world.delivery()).attempts] == [1]


async def test_a_gateway_that_was_lost_under_it_is_a_failed_attempt(world: World) -> None:
    await world.job(callback_lane="l")
    courier = world.courier(Script([SenderLost("lost"), OK]))
    await world.send(courier)
    world.now += 10
    await world.send(courier)

    assert [a.error for a in (await world.delivery()).attempts] == ["lost", None]


async def test_a_courier_that_dies_is_followed_by_another(world: World) -> None:
    await world.job(callback_lane="l")
    stuck = asyncio.Event()
    dead, heir = Script([stuck.wait]), Script([OK])
    first = world.courier(dead, name="first")
    await first.send_due()
    while not dead.sent:
        await asyncio.sleep(0)
    for task in first._under_way.values():  # a process that is killed
        task.cancel()
    await first.settle()

    second = world.courier(heir, name="second")
    await world.send(second)
    before = len(heir.sent)
    world.now += 16
    await world.send(second)

    assert (before, len(heir.sent)) == (0, 1)
    assert [a.error for a in (await world.delivery()).attempts] == [DIED, None]


async def test_a_claim_is_kept_while_its_attempt_lives(world: World) -> None:
    """A courier that takes long is not followed by another, however long it takes."""
    await world.job(callback_lane="l")
    go_on, slept = asyncio.Event(), 0

    async def slow() -> DeliverReply:
        await go_on.wait()
        return OK

    async def sleep(seconds: float) -> None:
        nonlocal slept
        slept += 1
        await asyncio.sleep(0.001)
        world.now += seconds
        if slept > 12:
            await asyncio.sleep(3600)

    slow_one = world.courier(Script([slow]), name="slow", sleep=sleep)
    other = Script([OK])
    await slow_one.send_due()
    while slept <= 12:
        await world.send(world.courier(other, name="other"))
    go_on.set()
    await slow_one.settle()

    assert world.now > NOW + 3 * CLAIM_SECONDS
    assert other.sent == []
    assert [a.error for a in (await world.delivery()).attempts] == [None]


async def test_a_slow_receiver_holds_up_nobody_else(world: World) -> None:
    never = asyncio.Event()

    async def by_lane(request: DeliverRequest) -> DeliverReply:
        if "slow" in request.url:
            await never.wait()
        return OK

    for number in range(1, 2 * PER_LANE + 1):
        slow = {"callbackUrl": "https://slow.example/x"}
        await world.job(number, callback_lane="slow", request=slow)
    for number in range(11, 15):
        await world.job(number, callback_lane=f"quick {number}")

    class ByLane(Script):
        async def deliver(self, request: DeliverRequest) -> DeliverReply:
            self.sent.append(request)
            return await by_lane(request)

    sender = ByLane([])
    courier = world.courier(sender)
    for _ in range(200):
        await courier.send_due()
        await asyncio.sleep(0.001)
        done = [(await world.delivery(f"job_{n}")).state for n in range(11, 15)]
        if done == ["delivered"] * 4:
            break

    assert done == ["delivered"] * 4
    assert sum("slow" in request.url for request in sender.sent) == PER_LANE
    never.set()
    await courier.settle()
    await world.send(courier)
    states = [(await world.delivery(f"job_{n}")).state for n in range(1, 2 * PER_LANE + 1)]
    assert set(states) == {"delivered"}


async def test_an_error_of_ours_leaves_the_entry_in_the_outbox(world: World) -> None:
    await world.job(callback_lane="l")
    sender = Script([ZeroDivisionError(), OK])
    courier = world.courier(sender)
    await world.send(courier)
    world.now += 16
    await world.send(courier)

    assert (await world.delivery()).state == "delivered"


# -- publications -----------------------------------------------------------------------------


async def test_the_article_is_published_as_the_pipeline_made_it(world: World) -> None:
    await world.job(publish="draft")
    sender = Script([POST])

    await world.send(world.courier(sender))

    assert sender.sent == [
        PublishRequest(
            title="The title", slug="the-title", excerpt="In short.", status="draft",
            content="<p>Words.</p><h1>not the first</h1>",
            json_ld='{"@type": "Article", "name": "日本"}',
            idempotency_key="job_1:publish",
        )
    ]  # fmt: skip
    shown = await world.publication()
    assert (shown.state, shown.post_id, shown.url) == ("published", 7, "https://blog.example/s/")


async def test_a_refreshed_post_keeps_its_address_and_is_not_overwritten_blindly(
    world: World,
) -> None:
    await world.job(publish="publish", request={"mode": "refresh", "postId": 7})
    sender = Script([POST])

    await world.send(world.courier(sender))

    (sent,) = sender.sent
    assert (sent.post_id, sent.slug, sent.status) == (7, "", "publish")
    assert sent.unchanged_since == "2023-11-14T22:12:20"


async def test_an_open_breaker_is_not_an_attempt(world: World) -> None:
    await world.job(publish="publish")
    sender = Script([BreakerOpen("wordpress", 5.0)] * 3 + [POST])
    courier = world.courier(sender)
    waits = []
    for _ in range(4):
        await world.send(courier)
        shown = await world.publication()
        if shown.next_at is not None:
            waits.append(shown.next_at - int(world.now * 1000))
            world.now = shown.next_at / 1000

    assert all(5000 <= wait <= 6000 for wait in waits)
    assert len(set(waits)) > 1
    assert (shown.state, shown.attempts) == ("published", 1)


async def test_while_wordpress_is_away_it_is_tried_again(world: World) -> None:
    job_id = await world.job(publish="publish")
    sender = Script([TransientError("wordpress", "answered 503", status=503)] * 3 + [POST])
    courier = world.courier(sender)
    await world.send(courier)
    queued = await world.publication()
    for _ in range(3):
        world.now += 60
        await world.send(courier)

    assert (queued.state, queued.error) == ("queued", "wordpress: answered 503")
    assert (await world.publication()).state == "published"
    assert len({request.idempotency_key for request in sender.sent}) == 1
    view = await world.journal.view(job_id)
    assert view is not None
    assert (view.status, view.result) == (JobStatus.COMPLETED, RESULT)


@pytest.mark.parametrize("error", [TransientError("wordpress", "no answer"), SenderLost("lost")])
async def test_what_may_have_arrived_is_given_time_to_be_seen(
    world: World, error: Exception
) -> None:
    await world.job(publish="publish")
    await world.send(world.courier(Script([error]), scale=0.001))

    shown = await world.publication()

    assert shown.next_at is not None
    assert shown.next_at >= int(NOW * 1000) + 5000


@pytest.mark.parametrize(
    "error",
    [
        PermanentError("wordpress", "post 7 was changed", status=409),
        Misconfigured("wordpress", "WORDPRESS_USER is refused (401)", status=401),
    ],
)
async def test_what_cannot_be_published_fails_with_its_reason(
    world: World, error: Exception
) -> None:
    await world.job(publish="publish")
    await world.send(world.courier(Script([error])))

    shown = await world.publication()

    assert (shown.state, shown.error) == ("failed", str(error))


async def test_asked_for_again_it_is_published(world: World) -> None:
    job_id = await world.job(publish="publish")
    courier = world.courier(Script([Misconfigured("wordpress", "no key"), POST]))
    await world.send(courier)
    world.now += 100
    await world.journal.redeliver(job_id, "publish_job_1_4", int(world.now * 1000))
    await world.send(courier)

    assert (await world.publication()).state == "published"
    types = [event.type for event in await world.journal.events(job_id)]
    assert types[2:] == [
        "publication.queued", "job.completed", "publication.failed", "publication.queued",
        "publication.published",
    ]  # fmt: skip
