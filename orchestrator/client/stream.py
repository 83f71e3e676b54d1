"""A job's event stream, taken up again wherever it breaks."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing

from pydantic import ValidationError

from orchestrator.client.errors import ApiError, ServiceUnreachable, StreamBroken
from orchestrator.client.sse import SseParser
from orchestrator.client.transport import AGAIN, LOST, Transport, in_words
from orchestrator.client.wire import read
from orchestrator.jobs import ENDED
from orchestrator.models import EventView, JobView

LAST_EVENTS = frozenset(f"job.{status}" for status in ENDED)
"""Types of the events that end a job (unless a client has it retried)."""

NO_PLACE = frozenset({"too-many-streams", "streams-full"})
"""Kinds of problems that say that there are streams enough."""


class _Gap(Exception):
    """The stream jumped over an event."""


class EventStream:
    """Follows one job's events over as many connections as it takes.

    :param job_path: the job's path on the service.
    :param after: the last event that is known already; 0 for none.
    :param insist: wait when the service has no place for a stream; False: raise its refusal.
    """

    def __init__(
        self, transport: Transport, job_path: str, after: int, *, insist: bool = True
    ) -> None:
        self._transport, self._insist = transport, insist
        self._path = job_path
        self._last = after
        self._ended = False  # the newest event is one that ends a job
        self._alive = False  # this connection has carried something, if only a ping
        self._problem = ""

    async def events(self) -> AsyncGenerator[EventView, None]:
        """See :meth:`orchestrator.client.jobs.AsyncJob.events`."""
        patience = self._transport.patience()
        while True:
            start, self._alive, asked, closed = self._last, False, None, False
            try:
                async with aclosing(self._connection()) as events:
                    async for event in events:
                        yield event
                closed, self._problem = True, "the stream ends before the job does"
            except _Gap:
                self._refuse_hole(start)
            except (ApiError, *LOST) as error:
                asked = self._pause_asked(error)
            if (self._ended or (closed and self._last == start)) and await self._is_over():
                return
            if self._alive:
                patience = self._transport.patience()
            pause = patience.pause(asked)
            if pause is None:
                raise ServiceUnreachable(self._transport.base_url, self._problem)
            await self._transport.sleep(pause)

    async def _connection(self) -> AsyncGenerator[EventView, None]:
        """The new events of one connection, until it closes."""
        headers = {"Accept": "text/event-stream", "Cache-Control": "no-store"}
        if self._last:
            headers["Last-Event-ID"] = str(self._last)
        async with self._transport.stream(f"{self._path}/events", headers) as response:
            if response.content_type != "text/event-stream":
                raise StreamBroken(f"the service sends {response.content_type}, not a stream")
            parser = SseParser()
            async for chunk in response.content.iter_any():
                self._alive = True
                for message in parser.feed(chunk):
                    event = _event(message.data)
                    if self._is_next(event):
                        yield event

    def _is_next(self, event: EventView) -> bool:
        """True for the event that follows; False for one already seen."""
        if event.seq > self._last + 1:
            raise _Gap
        if event.seq <= self._last:
            return False
        self._last, self._ended = event.seq, event.type in LAST_EVENTS
        return True

    def _refuse_hole(self, start: int) -> None:
        """A connection that begins with a hole, rather than getting one, has lost an event."""
        if self._last == start:
            raise StreamBroken(f"event {self._last + 1} is missing from the stream") from None

    def _pause_asked(self, error: BaseException) -> float | None:
        """Seconds the service asks us to wait; raises what trying again cannot mend."""
        self._problem = in_words(error)
        if isinstance(error, ApiError):
            no_place = error.kind in NO_PLACE and not self._insist
            if error.status not in AGAIN or no_place:
                raise error
            return error.retry_after
        return None

    async def _is_over(self) -> bool:
        answer = await self._transport.call("GET", self._path)
        return read(JobView, answer.body).status.has_ended


def _event(data: str) -> EventView:
    try:
        return EventView.model_validate_json(data, extra="ignore")
    except ValidationError:
        raise StreamBroken("the stream carries something that is no event") from None
