"""Carries what is due in the outbox: claims it, has it sent, records what became of it.

An entry is claimed for a short time, and the claim is kept while the attempt lives. Whoever dies
leaves a claim that runs out; then another takes over. So an entry is sent at least once, and its
success is recorded exactly once.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Any, Protocol

from orchestrator.errors import BreakerOpen, JournalUnavailable, PermanentError, TransientError
from orchestrator.journal.base import Journal
from orchestrator.journal.records import Outgoing, Parcel, Report
from orchestrator.outbox.article import publish_request
from orchestrator.outbox.message import webhook_body
from orchestrator.outbox.schedule import PUBLISH, WEBHOOK, Schedule
from orchestrator.services import DeliverReply, DeliverRequest, Post, PublishRequest

log = logging.getLogger(__name__)

AT_ONCE = 64  #: entries being sent
PER_LANE = 4  #: of these, to one receiver: a slow one holds up nobody else
LOOK_AT = 1024  #: due entries: more than lanes that are full could hide the others with
CLAIM_SECONDS = 10.0  #: a claim lasts, and what its dead holder sent waits for so long
KEEP_SECONDS = 3.0  #: between renewals
AWAY_SECONDS = 1.0  #: until it is tried again to find a gateway
BREAKER_JITTER = 1.0  #: seconds added at most to what a breaker says, so that not all come at once
UNKNOWN_SECONDS = 5.0
"""A publication of which nobody knows whether it arrived is tried again after this long at the
earliest: what WordPress still works on can be found by its key only once it is saved."""


class Sender(Protocol):
    """Whoever makes the calls: the node's gateway."""

    async def deliver(self, request: DeliverRequest) -> DeliverReply:
        """Send a webhook. :raises SenderAway, SenderLost: see there."""
        ...

    async def publish(self, request: PublishRequest) -> Post:
        """Write a post. :raises ServiceError, SenderAway, SenderLost: it was not, or who knows."""
        ...


class SenderAway(Exception):
    """There is no gateway now: nothing was sent."""


class SenderLost(Exception):
    """The gateway went away under the call: nobody knows whether it arrived."""


class Courier:
    """Sends entries of the outbox, several at once.

    :param name: who it is, different for each process.
    :param base_url: where clients reach the service.
    :param scale: factor on the schedules' waits.
    :param clock: epoch seconds.
    """

    def __init__(
        self,
        journal: Journal,
        sender: Sender,
        *,
        name: str,
        base_url: str,
        rand: random.Random,
        scale: float = 1.0,
        clock: Callable[[], float] = time.time,
        sleep: Callable[[float], Awaitable[Any]] = asyncio.sleep,
    ) -> None:
        self._journal, self._sender = journal, sender
        self._name, self._base_url = name, base_url
        self._rand, self._scale, self._clock, self._sleep = rand, scale, clock, sleep
        self._under_way: dict[str, asyncio.Task[None]] = {}
        self._lanes: Counter[str] = Counter()

    async def send_due(self) -> int:
        """Start on what is due, as far as there is room; how many are under way now."""
        room = AT_ONCE - len(self._under_way)
        if room > 0:
            for entry in await self._journal.outbox_due(self._now(), PER_LANE, LOOK_AT):
                if len(self._under_way) < AT_ONCE and self._lanes[entry.lane] < PER_LANE:
                    self._start(entry)
        return len(self._under_way)

    async def settle(self) -> None:
        """Wait until nothing is under way."""
        while self._under_way:
            await asyncio.wait(list(self._under_way.values()))

    def _start(self, entry: Outgoing) -> None:
        if entry.id in self._under_way:  # its claim could not be renewed while it is being sent
            return
        self._lanes[entry.lane] += 1
        task = asyncio.ensure_future(self._carry(entry))
        self._under_way[entry.id] = task
        task.add_done_callback(lambda _: self._end(entry))

    def _end(self, entry: Outgoing) -> None:
        del self._under_way[entry.id]
        self._lanes[entry.lane] -= 1

    async def _carry(self, entry: Outgoing) -> None:
        try:
            await self._claim_and_send(entry)
        except JournalUnavailable as error:
            log.warning("%s stays in the outbox: %s", entry.id, error)
        except Exception:
            log.exception("%s stays in the outbox", entry.id)

    async def _claim_and_send(self, entry: Outgoing) -> None:
        now = self._now()
        claim = f"{self._name}@{now}"
        parcel = await self._journal.outbox_claim(
            entry.job_id, entry.id, claim, now, self._claim_end()
        )
        if parcel is None:
            return
        keeping = asyncio.ensure_future(self._keep(entry, claim))
        try:
            report = await self._attempt(parcel)
        finally:
            keeping.cancel()
            await asyncio.wait({keeping})
        if await self._journal.outbox_report(entry.job_id, entry.id, claim, report):
            log.info("%s: %s %s", entry.id, report.outcome, report.error or "")
        else:
            log.warning("%s was taken over before it was reported", entry.id)

    async def _keep(self, entry: Outgoing, claim: str) -> None:
        """Renew the claim until cancelled."""
        while True:
            await self._sleep(KEEP_SECONDS)
            with contextlib.suppress(JournalUnavailable):
                await self._journal.outbox_extend(entry.job_id, entry.id, claim, self._claim_end())

    async def _attempt(self, parcel: Parcel) -> Report:
        began = self._now()
        verdict = await (self._webhook(parcel) if parcel.kind == "webhook" else self._post(parcel))
        return Report.model_validate(
            {**verdict, "at": began, "duration_ms": max(0, self._now() - began)}
        )

    async def _webhook(self, parcel: Parcel) -> dict[str, Any]:
        if not parcel.callback_url:
            return {"outcome": "failed", "error": "the request names no callbackUrl"}
        request = DeliverRequest(
            url=parcel.callback_url,
            message_id=parcel.id,
            client_id=parcel.client_id,
            body=webhook_body(parcel, self._base_url),
        )
        try:
            reply = await self._sender.deliver(request)
        except SenderAway as error:
            return self._put_off(AWAY_SECONDS, str(error))
        except SenderLost as error:
            return self._again(parcel, WEBHOOK, {"error": str(error)})
        facts = {"status": reply.status, "error": reply.error, "answer": reply.answer or None}
        if reply.error is None:
            return {"outcome": "done", **facts}
        if reply.final:
            return {"outcome": "failed", **facts}
        return self._again(parcel, WEBHOOK, facts, asked=reply.retry_after)

    async def _post(self, parcel: Parcel) -> dict[str, Any]:
        try:
            post = await self._sender.publish(publish_request(parcel))
        except SenderAway as error:
            return self._put_off(AWAY_SECONDS, str(error))
        except BreakerOpen as error:
            return self._put_off(
                error.retry_after + self._rand.uniform(0, BREAKER_JITTER), str(error)
            )
        except PermanentError as error:
            return {"outcome": "failed", "error": str(error), "status": error.status}
        except TransientError as error:
            facts = {"error": str(error), "status": error.status}
            unknown = UNKNOWN_SECONDS if error.status is None else 0.0
            asked = max(error.retry_after or 0.0, unknown)
            return self._again(parcel, PUBLISH, facts, asked=asked)
        except SenderLost as error:
            return self._again(parcel, PUBLISH, {"error": str(error)}, asked=UNKNOWN_SECONDS)
        made = {"postId": post.id, "url": post.link, "status": post.status}
        return {"outcome": "done", "outcome_data": made}

    def _again(
        self, parcel: Parcel, schedule: Schedule, facts: dict[str, Any], asked: float | None = None
    ) -> dict[str, Any]:
        """Retry by the schedule, or fail when its time is over."""
        at = schedule.next_at(
            parcel.tries + 1,
            since=parcel.since,
            now=self._now(),
            rand=self._rand,
            asked=asked,
            scale=self._scale,
        )
        if at is None:
            return {**facts, "outcome": "failed", "error": f"given up: {facts['error']}"}
        return {**facts, "outcome": "retry", "next_at": at}

    def _put_off(self, seconds: float, error: str) -> dict[str, Any]:
        """Nothing was sent: go on later, and count no attempt."""
        return {"outcome": "defer", "error": error, "next_at": self._now() + int(seconds * 1000)}

    def _claim_end(self) -> int:
        return self._now() + int(CLAIM_SECONDS * 1000)

    def _now(self) -> int:
        return int(self._clock() * 1000)
