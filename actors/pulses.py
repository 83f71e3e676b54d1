"""Signs of life: asks the job actors, looks at the processes of silent ones, ends the lost."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Collection, Sequence
from typing import Any

import ray

from actors import options
from orchestrator.journal.records import WaitingJob
from orchestrator.supervision import Vigil

log = logging.getLogger(__name__)

LOOK_PATIENCE = 2.0
"""Seconds for a node's gateway to say what a process does; then the node counts as frozen."""


class Pulses:
    """The supervisor's view of which running jobs live."""

    def __init__(self) -> None:
        self._vigil = Vigil()
        self._handles: dict[str, Any] = {}
        self._asking: set[asyncio.Task[None]] = set()

    def starts(self, job: WaitingJob) -> None:
        """An actor has been made for the job."""
        self._vigil.starts(job.job_id, job.epoch, time.monotonic())

    def starting(self) -> int:
        """How many actors have been made and have not claimed their jobs yet."""
        return self._vigil.starting(time.monotonic())

    async def watch(self, running: Sequence[WaitingJob], living: Collection[str]) -> None:
        """Take in what the journal shows of the jobs whose actors live; ask and end as is due."""
        jobs = {job.job_id: job for job in running if job.job_id in living}
        self._vigil.keep_only(living)
        self._handles = {job: handle for job, handle in self._handles.items() if job in living}
        for job in jobs.values():
            self._vigil.saw(job.job_id, job.epoch, job.seq, time.monotonic())
        for job_id in self._vigil.to_ask(time.monotonic()):
            if job_id in jobs:
                self._ask(jobs[job_id])
        silent = [jobs[j] for j in self._vigil.to_look_at(time.monotonic()) if j in jobs]
        await asyncio.gather(*(self._look(job) for job in silent))

    def _ask(self, job: WaitingJob) -> None:
        self._vigil.asked(job.job_id, time.monotonic())
        task = asyncio.ensure_future(self._pulse(job))
        self._asking.add(task)
        task.add_done_callback(self._asking.discard)

    async def _pulse(self, job: WaitingJob) -> None:
        """Ask one actor. One that died is being restarted by Ray, which takes a while."""
        try:
            handle = self._handles.get(job.job_id)
            if handle is None:
                handle = await asyncio.to_thread(options.find, options.job_name(job.job_id))
                self._handles[job.job_id] = handle
            if handle is not None:
                await options.answer(handle.pulse.remote(job.epoch))
                self._vigil.answered(job.job_id, time.monotonic())
        except options.GONE:
            self._handles.pop(job.job_id, None)
            self.starts(job)
        except Exception:
            log.exception("%s could not be asked", job.job_id)

    async def _look(self, job: WaitingJob) -> None:
        """Look at a silent job's process; if it is lost, end it for good, name and all."""
        cpu = await cpu_seconds(job.owner)
        if not self._vigil.looked(job.job_id, cpu, time.monotonic()):
            return
        log.warning("%s is lost: %s does not answer", job.job_id, job.owner)
        handle = await asyncio.to_thread(options.find, options.job_name(job.job_id))
        if handle is not None:
            await asyncio.to_thread(ray.kill, handle, no_restart=True)
        self._vigil.forget(job.job_id)


async def cpu_seconds(owner: str) -> float | None:
    """CPU time the owner of a job has used so far; None if nobody can say.

    :param owner: ``<node id>/<process id>``.
    """
    node_id, _, pid = owner.partition("/")
    try:
        gateway = await asyncio.to_thread(options.find, options.gateway_name(node_id))
        if gateway is None:
            return None
        asked = options.answer(gateway.cpu_seconds.remote(int(pid)))
        found: float | None = await asyncio.wait_for(asked, LOOK_PATIENCE)
    except (*options.GONE, TimeoutError, ValueError):
        return None
    return found
