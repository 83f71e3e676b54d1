"""The cluster's nodes as the supervisor sees them: which can take jobs, and how many."""

from __future__ import annotations

import asyncio
import functools
import logging
from collections import Counter, defaultdict
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import ray
from ray._raylet import GcsClient  # type: ignore[attr-defined]

from actors import options
from orchestrator.admission import UNMEASURED_MB, Node
from orchestrator.config import Settings
from orchestrator.footprints import Footprint
from orchestrator.journal.records import WaitingJob

log = logging.getLogger(__name__)

DRAIN_PATIENCE = 2.0
"""Seconds for Ray to say which nodes are being drained; then it counts as none."""

LOOK_PATIENCE = 2.0
"""Seconds for a gateway to say how much memory its node has; then nothing is started there."""


class Nodes:
    """Nodes that live and are not about to go, with the jobs they have."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._of_job: dict[str, str] = {}  # where jobs were started that have not been claimed yet
        self._alive: set[str] = set()
        self._draining: set[str] = set()

    async def refresh(self, living: Collection[str]) -> None:
        """Ask Ray which nodes there are.

        :param living: jobs that have an actor; what is remembered of others is forgotten.
        """
        self._alive = {
            node["NodeID"] for node in await asyncio.to_thread(ray.nodes) if node["Alive"]
        }
        self._draining = await asyncio.to_thread(draining_nodes)
        self._of_job = {job: node for job, node in self._of_job.items() if job in living}

    def must_leave(self, job: WaitingJob) -> bool:
        """Whether the job runs on a node that is about to go."""
        return node_of(job.owner) in self._draining

    def started(self, job_id: str, node_id: str) -> None:
        """The job's actor has been made there."""
        self._of_job[job_id] = node_id

    def jobs(self, processing: Sequence[WaitingJob], starting: Collection[str]) -> dict[str, int]:
        """How many jobs each node has that can take more.

        :param starting: jobs with an actor that has not claimed them yet.
        """
        owners = [node_of(job.owner) for job in processing]
        count = Counter([*owners, *(self._of_job.get(job_id, "") for job_id in starting)])
        return {node_id: count[node_id] for node_id in sorted(self._alive - self._draining)}

    async def measured(
        self, processing: Sequence[WaitingJob], starting: Collection[str]
    ) -> list[Node]:
        """The nodes that can take more, with what they have left; those that do not answer are
        left out."""
        jobs = self.jobs(processing, starting)
        pids: Mapping[str, list[int]] = _pids(processing)
        found = await asyncio.gather(*(_footprint(node_id, pids[node_id]) for node_id in jobs))
        return [
            Node(
                node_id,
                jobs[node_id],
                look.free_mb,
                look.held_mb,
                self._job_mb(look),
                look.busy,
                look.cores,
            )
            for node_id, look in zip(jobs, found, strict=True)
            if look is not None
        ]

    def _job_mb(self, look: Footprint) -> float:
        by_hand = float(self._settings.job_memory_mb)
        return by_hand or look.job_mb or float(UNMEASURED_MB[self._settings.template])


def node_of(owner: str) -> str:
    """The node in a job's owner, ``<node id>/<process id>``."""
    return owner.partition("/")[0]


def _pids(processing: Sequence[WaitingJob]) -> dict[str, list[int]]:
    found = defaultdict[str, list[int]](list)
    for job in processing:
        node_id, _, pid = job.owner.partition("/")
        if pid.isdecimal():
            found[node_id].append(int(pid))
    return found


async def _footprint(node_id: str, pids: list[int]) -> Footprint | None:
    """What the node's gateway measures; None if it does not answer."""
    try:
        gateway = await asyncio.to_thread(options.find, options.gateway_name(node_id))
        if gateway is None:
            return None
        asked = options.answer(gateway.footprint.remote(pids))
        found: Footprint = await asyncio.wait_for(asked, LOOK_PATIENCE)
    except (*options.GONE, TimeoutError):
        return None
    return found


def draining_nodes() -> set[str]:
    """Ids of the nodes that Ray is about to take away.

    Ray has no public call for it in 2.60; without this one the jobs of such a node are revived
    elsewhere once it is gone, and their calls in flight are made again.
    """
    try:
        return set(_gcs().get_draining_nodes(timeout=DRAIN_PATIENCE))
    except Exception as error:
        log.debug("no word of draining nodes: %s", error)
        return set()


@functools.cache
def _gcs() -> Any:
    return GcsClient(address=ray.get_runtime_context().gcs_address)
