"""One job, one actor: it owns the job's activation and drives it to its end.

The actor is a cache of the journal. Its constructor claims the job and goes on with what is
not recorded yet, so a restart *is* a resume; nobody has to call it. It is kept thin: no API
client, no database and no web framework is imported in its process.
"""

from __future__ import annotations

import asyncio
import atexit
import contextlib
import logging
import os
import random
import sys
import time
from typing import Any

import ray
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from actors import naps, options
from actors.journal import remote_journal
from actors.services import GatewayServices
from actors.template import worker_environment
from orchestrator.config import Settings
from orchestrator.engine import EngineOptions, JobRun
from orchestrator.errors import AtCapacity, JobEnded, JobNotFound, JournalDamaged, StaleEpoch
from orchestrator.models import JobView
from orchestrator.telemetry import configure_logging
from orchestrator.telemetry import context as log_context
from steps import PIPELINE

log = logging.getLogger(__name__)

UNCONFIRMED_SECONDS = 8.0
"""An activation that nobody has told for so long that it owns its job asks the journal."""

RESTART_PAUSE = 1.0
"""Seconds before a process with a failed driver ends itself, so that restarts do not spin."""

NICENESS = 19
"""Of a job actor's threads: the lowest priority there is."""

DAMAGE_PAUSE = 60.0
"""The same when the journal is damaged: until an operator restores it, a restart cannot help."""


class JobActor:
    """Runs one job. Ray restarts it when its process dies; it ends itself when the job ends.

    :param label: the keyword and where the job stood when this actor was made, for people who
        look at the dashboard.
    """

    def __init__(self, job_id: str, label: str, settings: Settings) -> None:
        options.forget_secrets()
        step_back()
        configure_logging()
        log_context.set({"job": job_id})
        self._job_id, self._label, self._settings = job_id, label, settings
        self._journal = remote_journal(settings, patience=settings.job_timeout)
        self._run: JobRun | None = None
        self._release = False
        self._epoch = 0
        self._confirmed_at = time.monotonic()
        self._driver = asyncio.ensure_future(self._drive())
        # It ends by an exception of Ray's that leaves the process; nobody awaits it.
        self._driver.add_done_callback(lambda task: task.cancelled() or task.exception())

    async def status(self) -> JobView:
        """The job as a client sees it, with its result once there is one."""
        view = await self._journal.view(self._job_id)
        if view is None:
            raise JobNotFound(self._job_id)
        return view

    async def cancel(self) -> None:
        """Stop the run as cancelled (the journal has been told before)."""
        await self._heed()

    async def pause(self) -> None:
        """Stop the run as paused (the journal has been told before)."""
        await self._heed()

    async def release(self) -> None:
        """Leave this process once what is in flight has landed; the job goes on elsewhere."""
        self._release = True
        if self._run is not None:
            self._run.stop("release")

    async def pulse(self, epoch: int) -> None:
        """A sign of life, by answering; and word of the job's newest epoch."""
        if epoch <= self._epoch:
            self._confirmed_at = time.monotonic()

    async def pid(self) -> int:
        """The process this activation runs in."""
        return os.getpid()

    def __repr__(self) -> str:
        return self._label

    async def _heed(self) -> None:
        """Stop if the journal says so. Word alone is not enough: it may come late, and the job
        may have been resumed or retried since. Before the claim, the claim will say."""
        if self._run is not None:
            with contextlib.suppress(StaleEpoch, JobEnded):  # the driver will find out by itself
                await self._obey(self._run)

    async def _obey(self, run: JobRun) -> None:
        """Stop *run* if the journal says that it is to be cancelled or paused.

        :raises StaleEpoch, JobEnded: the job is not ours any more.
        """
        cancel, pause = await self._journal.flags(self._job_id, self._epoch)
        if cancel or pause:
            run.stop("cancel" if cancel else "pause")

    async def _drive(self) -> None:
        """Claim, run, end. Whatever goes wrong, this process does not stay behind."""
        try:
            await self._claim_and_run()
        except (StaleEpoch, JobEnded, JobNotFound, AtCapacity) as error:
            log.info("nothing to run: %s", error or type(error).__name__)
        except Exception as error:
            log.exception("the driver failed; Ray restarts this actor and it resumes")
            damaged = isinstance(error, JournalDamaged)
            await asyncio.sleep(DAMAGE_PAUSE if damaged else RESTART_PAUSE)
            os._exit(1)
        naps.end()
        atexit.register(leave)
        ray.actor.exit_actor()

    async def _claim_and_run(self) -> None:
        owner = f"{ray.get_runtime_context().get_node_id()}/{os.getpid()}"
        claim = await self._journal.claim(
            self._job_id, owner, int(time.time() * 1000), self._settings.max_activations
        )
        log_context.set({"job": self._job_id, "request_id": claim.request_id})
        services = GatewayServices()
        run = JobRun(claim, PIPELINE, self._journal, services, engine_options(self._settings))
        self._run, self._epoch, self._confirmed_at = run, claim.epoch, time.monotonic()
        if self._release:
            run.stop("release")
        naps.begin()
        driving = asyncio.ensure_future(run.drive())
        owning = asyncio.ensure_future(self._keep_owning(run))
        try:
            await asyncio.wait({driving, owning}, return_when=asyncio.FIRST_COMPLETED)
            if not driving.done():
                await owning  # it ends by raising only
            log.info("left as %s in epoch %d", await driving, claim.epoch)
        finally:
            for task in (driving, owning):
                task.cancel()
            await asyncio.wait({driving, owning})

    async def _keep_owning(self, run: JobRun) -> None:
        """Ask the journal whether the job is still ours when the supervisor has not said so.

        It tells every job every few seconds. One that it cannot reach, or that it has given up
        and handed to another, learns here that it is stale, even while all it does is wait.

        :raises StaleEpoch, JobEnded: it is not.
        """
        while True:
            await asyncio.sleep(UNCONFIRMED_SECONDS / 2)
            if time.monotonic() - self._confirmed_at >= UNCONFIRMED_SECONDS:
                await self._obey(run)
                self._confirmed_at = time.monotonic()


def leave() -> None:
    """End this process once Ray has let go of it, and leave its memory to the kernel.

    Python would free every module one by one, and copy for that what is shared with the template.
    """
    ray.shutdown()  # sends what is on its way, the end of calls that were given up included
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError):  # it is closed, or nobody reads it
            stream.flush()
    os._exit(0)


def step_back() -> None:
    """Let every other process have the CPU first: of jobs there are many, and what serves them and
    the API must answer while they compute. On Linux each thread has a nice value of its own."""
    threads = os.listdir("/proc/self/task") if os.path.isdir("/proc/self/task") else ["0"]
    for thread in threads:
        with contextlib.suppress(OSError):  # it has ended meanwhile
            os.setpriority(os.PRIO_PROCESS, int(thread), NICENESS)


def engine_options(settings: Settings) -> EngineOptions:
    """The engine's limits, from the settings."""
    return EngineOptions(
        job_timeout=settings.job_timeout,
        calls_in_flight=settings.calls_per_job,
        budget_usd=settings.job_budget_usd,
        hibernate_after=settings.hibernate_after,
        handover_grace=settings.handover_grace,
        default_model=settings.default_model,
        rand=random.Random(os.urandom(16)),  # noqa: S311 - jitter, not a secret
    )


def ensure_job(job_id: str, label: str, settings: Settings, node_id: str | None = None) -> Any:
    """The job's actor: found, or made and thereby set going.

    :param node_id: where it is to be made if that can be; Ray itself would choose any node, one
        that is about to go included.
    """
    more: dict[str, Any] = {"runtime_env": worker_environment(options.NO_SECRETS, settings)}
    if node_id is not None:
        more["scheduling_strategy"] = NodeAffinitySchedulingStrategy(node_id, soft=True)
    kept = options.kept(options.job_name(job_id), **more)
    known = settings.model_copy(update={"database_url": ""})  # its password is not for job actors
    return options.remote(JobActor).options(**kept).remote(job_id, label, known)
