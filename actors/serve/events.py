"""A job's event log as a stream that can be taken up again where it broke off."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing

from fastapi import Request
from sse_starlette import EventSourceResponse, ServerSentEvent
from starlette.types import Receive, Scope, Send

from actors.serve.places import Places
from actors.serve.watch import Sight, Watch
from orchestrator.errors import InvalidInput
from orchestrator.journal.base import Journal
from orchestrator.models import EventView

PUBLICATION_MS = 10 * 60 * 1000
"""For how long after a job's end its stream waits for the publication."""

PUBLICATION_LOOK_SECONDS = 2.0  # how often it looks for it
MOST_EVENTS = 10**16 - 1  #: the highest number of an event that may be named
BATCH = 100  # events read at once: all that a reader who does not read makes us hold
PING_SECONDS = 15  # between comments while nothing happens
SEND_SECONDS = 60.0  # a reader who takes nothing for so long is cut off


class EventStream(EventSourceResponse):
    """A stream that holds a place while it is sent, and only then."""

    def __init__(self, events: AsyncIterator[ServerSentEvent], places: Places, client: str) -> None:
        super().__init__(events, ping=PING_SECONDS, send_timeout=SEND_SECONDS)
        self._places, self._client = places, client

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send it. :raises TooManyStreams, StreamsFull: before anything is sent."""
        with self._places.hold(self._client):
            await super().__call__(scope, receive, send)


async def follow(
    journal: Journal, watch: Watch, job_id: str, after: int, seconds: float
) -> AsyncIterator[ServerSentEvent]:
    """Events with ``seq > after``, each once and in order, until the job is erased or has ended,
    and then until it is published, if it is to be and WordPress is there.

    :param seconds: after so long the stream ends all the same; its reader takes it up again.
    """
    give_up = time.monotonic() + seconds
    with watch.on(job_id) as sight:
        async with aclosing(_events(journal, sight, job_id, after, give_up)) as events:
            async for event in events:
                yield as_sse(event)


async def _events(
    journal: Journal, sight: Sight, job_id: str, after: int, give_up: float
) -> AsyncGenerator[EventView, None]:
    while (left := give_up - time.monotonic()) > 0:
        try:
            async with asyncio.timeout(left):
                head = await sight.beyond(after)
        except TimeoutError:
            return
        if head is None:
            return
        if head.status.has_ended and head.seq <= after:
            if not await _goes_on(journal, job_id):
                return
            await sight.moved(head, min(left, PUBLICATION_LOOK_SECONDS))
            continue
        batch = await journal.events(job_id, after, BATCH)
        if not batch:
            return  # erased since the look
        for event in batch:
            yield event
        after = batch[-1].seq


def as_sse(event: EventView) -> ServerSentEvent:
    """One event on the wire; its id is what ``Last-Event-ID`` brings back."""
    data = json.dumps(event.model_dump(mode="json", by_alias=True), ensure_ascii=False)
    return ServerSentEvent(data=data, event=event.type, id=str(event.seq))


async def _goes_on(journal: Journal, job_id: str) -> bool:
    """True while the job may have more events soon: it has not ended, or is being published."""
    view = await journal.view(job_id, with_result=False)
    if view is None or not view.status.has_ended:
        return view is not None
    queued = view.publication is not None and view.publication.state == "queued"
    return queued and time.time() * 1000 < (view.completed_at or 0) + PUBLICATION_MS


def event_id(text: str) -> int:
    """The number in a ``Last-Event-ID``. :raises InvalidInput: it is none."""
    if not (text.isascii() and text.isdecimal() and len(text) <= 16):
        raise InvalidInput("Last-Event-ID", "not an event's id; send the last id you received")
    return int(text)


def holder_of(request: Request) -> str:
    """Who holds a stream: whoever authentication found, else the address it comes from."""
    known = getattr(getattr(request.state, "caller", None), "client_id", None)
    return str(known or (request.client.host if request.client else ""))
