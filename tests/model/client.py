"""Clients: they submit, ask a job to change, and watch it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

from orchestrator.engine.run import StopReason
from orchestrator.errors import IllegalTransition, JobNotFound, JournalUnavailable
from orchestrator.jobs import ENDED
from orchestrator.journal.base import Journal
from orchestrator.journal.records import NewJob
from orchestrator.models import EventView, JobView
from tests.model.chance import Chooser
from tests.model.cluster import Cluster, Site
from tests.model.network import Process, RemoteJournal
from tests.model.pipeline import LINE
from tests.model.rules import require

PATIENCE = 5.0  # seconds, as in actors/serve/submit.py
STEPS = tuple((step.slug, step.name) for step in LINE.steps)

ASKS = ("look", "cancel", "pause", "resume", "retry", "retry from", "erase", "submit")


class Client(Process):
    """Submits the one request, then asks for whatever comes to mind.

    :param turns: how many things it asks for after its submission.
    """

    def __init__(
        self, name: str, site: Site, cluster: Cluster, chooser: Chooser, turns: int
    ) -> None:
        super().__init__(name, site.network.loop)
        self.busy = True
        self.asked: list[str] = []
        self._site, self._cluster, self._chooser, self._turns = site, cluster, chooser, turns
        self._journal = cast(Journal, RemoteJournal(site.network, site.journal, self, PATIENCE))
        self._job_id = ""
        self._submissions = 0
        self._last: tuple[JobView, list[EventView]] | None = None
        self.spawn(self._live()).add_done_callback(cluster.notice)

    def stop_asking(self) -> None:
        """Do nothing more after what is under way."""
        self._turns = 0

    async def resume(self, job_id: str) -> None:
        """Go on with a job that would stay paused for ever."""
        self.busy = True
        await self._attempt(lambda: self._journal.resume(job_id, self._site.now_ms()))
        self.busy = False

    async def _live(self) -> None:
        while not self._job_id:
            await self._submit()
        while self._turns > 0:
            self._turns -= 1
            await self._site.network.turn(self, "think")
            if self._turns >= 0:
                await self._ask(self._chooser.one_of(ASKS))
        self.busy = False

    async def _submit(self) -> None:
        self._submissions += 1
        job = NewJob(
            id=f"job_{self.name}{self._submissions}", client_id="client", request_id="request",
            body_hash="hash", request={"keyword": "AI in SEO"}, keyword="AI in SEO",
            mode="generate", created_at=self._site.now_ms(), steps=STEPS,
        )  # fmt: skip
        self._site.submitting += 1
        submitted = await self._attempt(lambda: self._journal.submit(job))
        self._site.submitting -= 1
        if submitted is not None:
            self._job_id = submitted.job_id
            self._last = None
            self._site.network.ledger[submitted.job_id].accepted = True

    async def _ask(self, what: str) -> None:
        self.asked.append(what)
        self._site.network.loop.advance(0.001)  # no two requests come in the same millisecond
        job, now, journal = self._job_id, self._site.now_ms(), self._journal
        if what == "submit":
            await self._submit()
        elif what == "look":
            await self._look()
        elif what in ("cancel", "pause"):
            ask = journal.request_cancel if what == "cancel" else journal.request_pause
            if await self._attempt(lambda: ask(job, now)) is not None:
                self._tell(cast(StopReason, what))
        elif what == "resume":
            await self._attempt(lambda: journal.resume(job, now))
        elif what == "erase":
            if self._site.submitting:
                return  # sent again, that submission would make the same id anew, from epoch 0
            await self._attempt(lambda: journal.erase(job))
        else:
            slug = self._chooser.one_of([s for s, _ in STEPS]) if what == "retry from" else None
            await self._attempt(lambda: journal.retry(job, now, slug))

    async def _attempt(self, call: Callable[[], Any]) -> Any:
        try:
            return await call()
        except (IllegalTransition, JobNotFound, JournalUnavailable):
            return None

    def _tell(self, reason: StopReason) -> None:
        """The telling of the actor may be lost: the supervisor repeats it."""
        holder = self._cluster.holders.get(self._job_id)
        if holder is not None and self._chooser.one_of([True, False]):
            holder.ask_to_stop(reason)

    async def _look(self) -> None:
        events = await self._attempt(lambda: self._journal.events(self._job_id))
        view = await self._attempt(lambda: self._journal.view(self._job_id))
        if view is not None and events:
            if self._last is not None:
                self._site.network.report(lambda: self._compare(view, events))
            self._last = view, events

    def _compare(self, view: JobView, events: list[EventView]) -> None:
        """What a watching client sees only goes forward."""
        assert self._last is not None
        before, told = self._last
        require(events[: len(told)] == told, "events that were read have changed")
        require(view.step >= before.step, "step went backwards")
        require(view.attempt >= before.attempt, "attempt went backwards")
        require(view.cost >= before.cost, "cost went backwards")
        if before.status in ENDED and (view.status, view.completed_at) != (
            before.status, before.completed_at,
        ):  # fmt: skip
            reasons = [event.data.get("reason") for event in events[len(told) - 1 :]]
            require("retried" in reasons, f"{before.status} became {view.status} without a retry")
