"""What runs jobs: activations, the cluster that names and restarts them, the supervisor."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import random
from dataclasses import dataclass, field
from typing import Any, cast

from orchestrator.engine import EngineOptions, JobRun
from orchestrator.engine.run import StopReason
from orchestrator.errors import JobEnded, JobNotFound, JournalUnavailable, StaleEpoch
from orchestrator.journal.base import Journal
from orchestrator.journal.records import Claim
from orchestrator.step import Json
from tests.model.chance import Mood
from tests.model.network import Network, Process, RemoteJournal
from tests.model.outside import Outside, ProcessServices
from tests.model.pipeline import LINE

BASE_SECONDS = 1_700_000_000.0
RESTART_PAUSE = 1.0  # seconds, as in actors/job.py
SUPERVISOR_PATIENCE = 30.0  # seconds, as in actors/supervisor.py
MOST_LIVING = 4  #: activations of one job at once


@dataclass
class Site:
    """What all simulated processes share."""

    network: Network
    journal: Journal
    outside: Outside
    mood: Mood
    rand: random.Random
    submitting: int = 0  #: submissions that have no answer yet

    def now_ms(self) -> int:
        """Virtual time in epoch milliseconds."""
        return int(1000 * self.seconds())

    def seconds(self) -> float:
        """Virtual time in seconds since the epoch."""
        return BASE_SECONDS + self.network.loop.time()


class Activation(Process):
    """One life of a job's actor: ``actors/job.py`` without Ray."""

    def __init__(self, name: str, job_id: str, site: Site, cluster: Cluster) -> None:
        super().__init__(name, site.network.loop)
        self.job_id = job_id
        self.epoch: int | None = None
        self._site, self._cluster = site, cluster
        self._ledger = site.network.ledger[job_id]
        self._journal = cast(
            Journal, RemoteJournal(site.network, site.journal, self, site.mood.job_timeout)
        )
        self._run: JobRun | None = None
        self._release = False
        self.spawn(self._live()).add_done_callback(cluster.notice)

    def ask_to_stop(self, reason: StopReason) -> None:
        """A client asked for it, and the journal has been told; or the process is to be left."""
        self._release = self._release or reason == "release"
        if self._run is not None and reason == "release":
            self._run.stop("release")
        elif self._run is not None:
            self.spawn(self._heed(self._run)).add_done_callback(self._cluster.notice)

    async def _heed(self, run: JobRun) -> None:
        assert self.epoch is not None
        with contextlib.suppress(StaleEpoch, JobEnded, JournalUnavailable):
            cancel, pause = await self._journal.flags(self.job_id, self.epoch)
            if cancel or pause:
                run.stop("cancel" if cancel else "pause")

    async def _live(self) -> None:
        try:
            await self._claim_and_run()
        except (StaleEpoch, JobEnded, JobNotFound) as error:
            self._cluster.left(self, type(error).__name__)
        except JournalUnavailable:
            await asyncio.sleep(RESTART_PAUSE)
            self._cluster.crash(self, restart=True)
        else:
            self._cluster.left(self, "ended")

    async def _claim_and_run(self) -> None:
        site = self._site
        claim = await self._journal.claim(
            self.job_id, self.name, site.now_ms(), site.mood.max_activations
        )
        self.epoch = claim.epoch
        services = ProcessServices(
            site.network, site.outside, self, lambda: self._ledger.claimed[claim.epoch][0]
        )
        self._run = JobRun(claim, LINE, self._journal, services, self._options())
        self._cluster.note_claim(claim)
        if self._release:
            self._run.stop("release")
        await self._run.drive()

    def _options(self) -> EngineOptions:
        return EngineOptions(
            job_timeout=self._site.mood.job_timeout,
            calls_in_flight=3,
            hibernate_after=self._site.mood.hibernate_after,
            clock=self._site.seconds,
            rand=self._site.rand,
        )

    # -- what its steps say they do -------------------------------------------------------

    def runs(self, slug: str) -> None:
        """A step's ``run()`` begins."""
        self._report(lambda epoch: self._ledger.runs(epoch, slug))

    def makes(self, step: str, part: str) -> None:
        """A part is being made."""
        self._report(lambda epoch: self._ledger.makes(epoch, (step, part)))

    def sees(self, step: str, part: str, value: Json) -> None:
        """A step was given the value of a part."""
        self._report(lambda epoch: self._ledger.seen(epoch, (step, part), value))

    def _report(self, check: Any) -> None:
        epoch = self.epoch
        assert epoch is not None
        self._site.network.report(lambda: check(epoch))


@dataclass
class Cluster:
    """Knows the living actor of each job by its name, as Ray does; it may be wrong."""

    site: Site
    holders: dict[str, Activation] = field(default_factory=dict)
    living: list[Activation] = field(default_factory=list)
    broken: BaseException | None = None
    activations: int = 0
    _numbers: itertools.count[int] = field(default_factory=lambda: itertools.count(1))

    def ensure(self, job_id: str) -> None:
        """The job's actor: the one that is known, or a new one."""
        if job_id not in self.holders and len(self.living) < MOST_LIVING:
            name = f"A{next(self._numbers)}"
            activation = Activation(name, job_id, self.site, self)
            self.holders[job_id] = activation
            self.living.append(activation)
            self.activations += 1

    def crash(self, activation: Activation, *, restart: bool) -> None:
        """Its process dies; *restart*: the cluster brings it back under its name."""
        named = self.left(activation, "crashed")
        if restart and named:
            self.ensure(activation.job_id)

    def partition(self, activation: Activation) -> None:
        """Its node cannot be reached: it is given up, and does not know."""
        if self.holders.get(activation.job_id) is activation:
            del self.holders[activation.job_id]

    def left(self, activation: Activation, how: str) -> bool:
        """It lives no more; True if it held the job's name."""
        activation.die()
        self.living.remove(activation)
        named = self.holders.get(activation.job_id) is activation
        if named:
            del self.holders[activation.job_id]
        return named

    def note_claim(self, claim: Claim) -> None:
        """What a claim hands over is what is recorded."""
        ledger = self.site.network.ledger[claim.job_id]
        seen = {(memo.step, memo.part) for memo in claim.memos}
        assert seen >= ledger.claimed[claim.epoch][1].memos.keys()

    def notice(self, task: asyncio.Task[None]) -> None:
        """An activation's end; an error that it does not know is ours."""
        if not task.cancelled() and (error := task.exception()) is not None:
            self.broken = self.broken or error


class Supervisor(Process):
    """``actors/supervisor.py`` without Ray: it looks whenever it is its turn."""

    def __init__(self, site: Site, cluster: Cluster) -> None:
        super().__init__("supervisor", site.network.loop)
        self._network, self._cluster, self._now_ms = site.network, cluster, site.now_ms
        self._journal = cast(
            Journal, RemoteJournal(site.network, site.journal, self, SUPERVISOR_PATIENCE)
        )
        self.spawn(self._live()).add_done_callback(cluster.notice)

    async def _live(self) -> None:
        while True:
            await self._network.turn(self, "look")
            try:
                await self._round()
            except JournalUnavailable:
                continue

    async def _round(self) -> None:
        for job in await self._journal.processing(self._now_ms()):
            holder = self._cluster.holders.get(job.job_id)
            if holder is None:
                self._cluster.ensure(job.job_id)
            elif job.stop_requested:
                holder.ask_to_stop(job.stop_requested)
        for job in await self._journal.queued(10):
            self._cluster.ensure(job.job_id)
