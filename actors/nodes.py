"""The cluster's nodes as the supervisor sees them: which can take jobs, and how many."""

from __future__ import annotations

import asyncio
import functools
import logging
import time
from collections import Counter, defaultdict, deque
from collections.abc import Collection, Sequence
from typing import Any

import ray
from ray._raylet import GcsClient  # type: ignore[attr-defined]

from actors import options
from orchestrator.admission import RESERVE_MB, UNMEASURED_MB, Node
from orchestrator.config import Settings
from orchestrator.footprints import WINDOW_SECONDS, Footprint
from orchestrator.journal.records import WaitingJob

log = logging.getLogger(__name__)

DRAIN_PATIENCE = 1.0
"""Seconds for Ray to say which nodes are being drained; then it counts as none."""

LOOK_PATIENCE = 5.0
"""Seconds for a gateway to say what its node has left."""

STALE_SECONDS = 15.0
"""What a node said longer ago counts no more."""

FRESH_SECONDS = WINDOW_SECONDS + 1.0
"""For so long a started job's CPU is not yet in what its node says: it looks back over a window,
and is asked once a second."""

UNMEASURED_JOBS = 8
"""Jobs that a node gets before it has said anything: its gateway takes some seconds to start."""


class Nodes:
    """Nodes that live and are not about to go, with the jobs they have."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._of_job: dict[str, str] = {}  # where jobs were started that have not been claimed yet
        self._fresh: deque[tuple[float, str]] = deque()  # when and where jobs were started lately
        self._alive: set[str] = set()
        self._draining: set[str] = set()
        self._looks: dict[str, _Look] = {}

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
        self._fresh.append((time.monotonic(), node_id))

    def jobs(self, processing: Sequence[WaitingJob], starting: Collection[str]) -> dict[str, int]:
        """How many jobs each node has that can take more.

        :param starting: jobs with an actor that has not claimed them yet.
        """
        owners = [node_of(job.owner) for job in processing]
        count = Counter([*owners, *(self._of_job.get(job_id, "") for job_id in starting)])
        return {node_id: count[node_id] for node_id in sorted(self._alive - self._draining)}

    def measured(self, processing: Sequence[WaitingJob], starting: Collection[str]) -> list[Node]:
        """The nodes that can take more, with what they had left when they last said so.

        They are asked here and answer by the next time: no round waits for a gateway that starts
        or hangs. A node that has not said anything lately gets a few jobs all the same.
        """
        while self._fresh and time.monotonic() - self._fresh[0][0] > FRESH_SECONDS:
            self._fresh.popleft()
        jobs, pids = self.jobs(processing, starting), _pids(processing)
        for node_id in self._looks.keys() - jobs.keys():
            self._looks.pop(node_id)
        for node_id in jobs:
            self._looks.setdefault(node_id, _Look(node_id)).ask(pids[node_id])
        return [self._node(node_id, jobs[node_id]) for node_id in jobs]

    def _node(self, node_id: str, jobs: int) -> Node:
        found, always = self._looks[node_id].latest(), self._settings.min_jobs_per_core
        if found is None:
            room = max(0, UNMEASURED_JOBS - jobs)
            return Node(node_id, jobs, free_mb=RESERVE_MB + room, held_mb=jobs, job_mb=1.0)
        return Node(
            node_id, jobs, found.free_mb, found.held_mb, self._job_mb(found), found.busy,
            found.cores, fresh=sum(node == node_id for _, node in self._fresh), always=always,
        )  # fmt: skip

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


class _Look:
    """What a node's gateway last said of it; one question at a time."""

    def __init__(self, node_id: str) -> None:
        self._node_id = node_id
        self._found: Footprint | None = None
        self._found_at = 0.0
        self._asking: asyncio.Task[None] | None = None

    def ask(self, pids: list[int]) -> None:
        """Ask again, unless the last question is open."""
        if self._asking is None or self._asking.done():
            self._asking = asyncio.ensure_future(self._ask(pids))

    def latest(self) -> Footprint | None:
        """What it said, if that was lately."""
        return self._found if time.monotonic() - self._found_at < STALE_SECONDS else None

    async def _ask(self, pids: list[int]) -> None:
        try:
            gateway = await asyncio.to_thread(options.find, options.gateway_name(self._node_id))
            if gateway is not None:
                asked = options.answer(gateway.footprint.remote(pids))
                self._found = await asyncio.wait_for(asked, LOOK_PATIENCE)
                self._found_at = time.monotonic()
        except (*options.GONE, TimeoutError):
            log.debug("node %s does not say what it has left", self._node_id)
        except Exception:
            log.exception("node %s could not be asked what it has left", self._node_id)


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
