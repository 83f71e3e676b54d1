"""The supervisor: admits queued jobs, revives lost ones, passes on requests, purges old jobs.

It is stateless: all it knows it reads from the journal and from Ray, so it may die and come
back at any moment, and it is on nobody's path. A nudge only makes it look sooner.
"""

from __future__ import annotations

import asyncio
import logging
import os
import socket
import time
from typing import Any

import ray
from ray.util import list_named_actors

from actors import options
from actors.charge import Charge
from actors.gateway import ensure_gateway
from actors.job import ensure_job
from actors.journal import remote_journal
from actors.nodes import Nodes
from actors.outbox import ensure_outbox
from actors.pulses import Pulses
from orchestrator.admission import STARTS_PER_ROUND, least_busy, places
from orchestrator.config import Settings
from orchestrator.errors import JournalDamaged, JournalUnavailable
from orchestrator.journal.records import WaitingJob
from orchestrator.telemetry import configure_logging

log = logging.getLogger(__name__)

TICK_SECONDS = 1.0
PURGE_SECONDS = 600.0
PATIENCE = 30.0  # seconds to wait for the journal within one round
PURGE_BATCHES = 5  # a round purges no more: nothing may wait long for the next one

STARTING_AT_ONCE = {"on": 32, "off": 8}
"""Most lost jobs being revived at the same moment, by ``SOTA_TEMPLATE``: a forked process costs
about 0.07 CPU-seconds to start, one started anew about 0.8."""


class SupervisorActor:
    """One for the cluster; looks every second, or at once when nudged."""

    def __init__(self, settings: Settings) -> None:
        options.forget_secrets()
        configure_logging()
        self._settings = settings
        self._journal = remote_journal(settings, PATIENCE, make=True)
        self._nudged = asyncio.Event()
        self._purged_at = 0.0
        self._pulses = Pulses()
        self._nodes = Nodes(settings)
        self._standing_down = False
        self._cluster = cluster_name(settings)
        self._charge = Charge(self._journal, "supervision", self._cluster)
        self._loop = asyncio.ensure_future(self._run())
        self._loop.add_done_callback(lambda _: os._exit(1))  # without its loop it is of no use

    async def nudge(self) -> None:
        """Look now: something was submitted or asked for."""
        self._nudged.set()

    async def stand_down(self, within: float) -> int:
        """Start and revive nothing any more, and have every running job leave its process.

        :param within: seconds the jobs are given for what they have in flight.
        :returns: how many have not left.
        """
        self._standing_down = True
        give_up = time.monotonic() + within
        told: set[str] = set()
        while living := await asyncio.to_thread(self._living):
            for job_id in living - told:
                await self._tell(job_id, "release")
            told |= living
            if time.monotonic() > give_up:
                break
            await asyncio.sleep(0.1)
        return len(living)

    def __repr__(self) -> str:
        return "Supervisor"

    async def _run(self) -> None:
        while True:
            self._nudged.clear()  # before the round: a nudge that comes during it counts
            try:
                await self._round()
            except JournalUnavailable as error:
                log.warning("supervision waits: %s", error)
            except JournalDamaged as error:
                log.critical("supervision stands still: %s", error)
            except Exception:
                log.exception("a round of supervision failed; the next one tries again")
            try:
                await asyncio.wait_for(self._nudged.wait(), TICK_SECONDS)
            except TimeoutError:
                continue

    async def _round(self) -> None:
        if self._standing_down:
            return
        await asyncio.to_thread(self._keep_gateways)
        # Of several clusters over one database, as in a rolling upgrade of the whole cluster, each
        # would find the other's jobs without an actor and take them over, again and again.
        if not await self._charge.is_ours(int(time.time() * 1000)):
            return
        await asyncio.to_thread(self._keep_outbox)
        processing = await self._journal.processing(int(time.time() * 1000))
        living = await asyncio.to_thread(self._living)
        await self._pulses.watch(processing, living)
        await self._nodes.refresh(living)
        starting = living - {job.job_id for job in processing}
        jobs = self._nodes.jobs([job for job in processing if job.job_id in living], starting)
        await self._revive([job for job in processing if job.job_id not in living], jobs)
        for job in processing:
            if job.job_id in living and job.stop_requested:
                await self._tell(job.job_id, job.stop_requested)
        if jobs:
            await self._leave_draining_nodes(processing, living)
        await self._admit(processing, starting)
        await self._purge()

    async def _revive(self, orphans: list[WaitingJob], jobs: dict[str, int]) -> None:
        """Make actors for running jobs that have none, a few at a time: each start costs CPU
        that those already running need too.

        :param jobs: how many jobs each node has.
        """
        for job in orphans:
            if self._pulses.starting() >= STARTING_AT_ONCE[self._settings.template]:
                break
            log.info("reviving %s", job.job_id)
            await self._start(job, least_busy(jobs))

    async def _leave_draining_nodes(self, processing: list[WaitingJob], living: set[str]) -> None:
        """Have jobs leave nodes that are about to go; they go on elsewhere."""
        for job in processing:
            if job.job_id in living and self._nodes.must_leave(job):
                await self._tell(job.job_id, "release")

    def _keep_gateways(self) -> None:
        """Every node has its gateway; only here are gateways made, with the node's own keys."""
        nodes = {node["NodeID"] for node in ray.nodes() if node["Alive"]}
        for node_id in nodes:
            if options.find(options.gateway_name(node_id)) is None:
                try:
                    ensure_gateway(node_id, self._settings)
                except Exception:
                    log.exception("node %s has no gateway for now", node_id)

    def _keep_outbox(self) -> None:
        """The cluster in charge sends what its jobs' ends are to tell."""
        if options.find(options.OUTBOX) is None:
            try:
                ensure_outbox(self._settings, self._cluster)
            except Exception:
                log.exception("nothing is sent for now")

    async def _admit(self, processing: list[WaitingJob], starting: set[str]) -> None:
        """Start queued jobs as far as there is room for them.

        :param starting: jobs whose actors live but have not claimed them yet.
        """
        nodes = self._nodes.measured(processing, starting)
        starts, most = STARTS_PER_ROUND[self._settings.template], self._settings.max_live_jobs
        found = places(nodes, starts=starts, most=most)
        if not found:
            return
        queued = await self._journal.queued(len(found), starting)
        for job, node_id in zip(queued, found, strict=False):  # fewer may wait
            await self._start(job, node_id)

    async def _start(self, job: WaitingJob, node_id: str | None) -> None:
        """Make the job's actor, on this node if it can be there."""
        try:
            await asyncio.to_thread(ensure_job, job.job_id, job.label, self._settings, node_id)
        except Exception:
            log.exception("%s could not be started; the next round tries again", job.job_id)
        else:
            self._nodes.started(job.job_id, node_id or "")
            self._pulses.starts(job)

    async def _tell(self, job_id: str, reason: str) -> None:
        """Tell a running job to cancel, pause or release itself; again each round, as the first
        telling may have been lost."""
        actor = await asyncio.to_thread(options.find, options.job_name(job_id))
        if actor is not None:
            getattr(actor, reason).remote()

    def _living(self) -> set[str]:
        """Ids of the jobs that have a live actor by Ray's own account."""
        prefix = options.job_name("")
        names = [entry["name"] for entry in list_named_actors(all_namespaces=True)]
        return {name.removeprefix(prefix) for name in names if name.startswith(prefix)}

    async def _purge(self) -> None:
        """Forget jobs that ended long ago: some in each round, until none is left for now."""
        now = time.time()
        if now - self._purged_at < PURGE_SECONDS:
            return
        now_ms = int(now * 1000)
        for _ in range(PURGE_BATCHES):
            purged = await self._journal.purge(self._settings.purge_before(now_ms), now_ms)
            purged += await self._journal.purge_access(self._settings.audit_before(now_ms), now_ms)
            if not purged:
                self._purged_at = now
                return
            log.info("purged %d old jobs, cache and audit entries", purged)


def cluster_name(settings: Settings) -> str:
    """What this cluster is called in the journal: the same when its supervisor comes back.

    A service that starts its own Ray is known by its home, and so goes on at once after a restart.
    """
    if settings.ray_address:
        return str(ray.get_runtime_context().get_session_name())
    return f"{socket.gethostname()}:{settings.home}"


def ensure_supervisor(settings: Settings) -> Any:
    """The supervisor's handle; the actor is made if it is not there."""
    return (
        options.remote(SupervisorActor).options(**options.kept(options.SUPERVISOR)).remote(settings)
    )
