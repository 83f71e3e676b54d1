"""How many jobs may start now, and on which nodes: a pure decision over what was measured."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

STARTS_PER_ROUND = {"on": 16, "off": 4}
"""Job actors started in one round of the supervisor, by ``SOTA_TEMPLATE``: running jobs and the API
must stay responsive meanwhile. A start costs about 0.07 CPU-seconds forked, and 0.8 anew."""

UNMEASURED_MB = {"on": 40, "off": 90}
"""What a job is reckoned to need before enough have been measured, by ``SOTA_TEMPLATE``. Measured
at the end of jobs on 2 cores: docs/performance.md."""

BUSY_SHARE = 0.9
"""Of a node's CPU in use: from here on more jobs would not end sooner, but all would end later, and
near their deadlines."""

FRESH_CORES = 0.08
"""What a job that has just been started is reckoned to use of a core until its use shows in what is
measured: a job takes two CPU-seconds in all, the first half of them in a third of its time."""

RESERVE_MB = 1024
"""Memory of each node that is never given to jobs."""


@dataclass(frozen=True, slots=True)
class Node:
    """A node on which jobs can start.

    :param jobs: jobs that run there, or are being started there.
    :param free_mb: memory available there now, in MiB.
    :param held_mb: what its jobs hold of their own, in MiB.
    :param job_mb: what one job is reckoned to need in all, in MiB.
    :param busy: share of its CPU that was in use lately, 0 to 1.
    :param cores: how much CPU it has.
    :param fresh: jobs started there so lately that their use is not yet in *busy*.
    :param always: at least so many jobs for each core run however busy it is, since others may keep
        it so.
    """

    node_id: str
    jobs: int = 0
    free_mb: float = 0.0
    held_mb: float = 0.0
    job_mb: float = 1.0
    busy: float = 0.0
    cores: float = 1.0
    fresh: int = 0
    always: int = 0

    @property
    def room(self) -> int:
        """How many more jobs it can hold, once those it has are as large as they get, and carry."""
        always = int(self.always * self.cores) - self.jobs
        return max(0, min(self._room_in_memory, max(always, self._room_in_cpu)))

    @property
    def _room_in_cpu(self) -> int:
        return int((BUSY_SHARE - self.busy) * self.cores / FRESH_CORES) - self.fresh

    @property
    def _room_in_memory(self) -> int:
        growth = max(0.0, self.jobs * self.job_mb - self.held_mb)
        return int((self.free_mb - RESERVE_MB - growth) // self.job_mb)


def places(nodes: Iterable[Node], *, starts: int, most: int = 0) -> list[str]:
    """A node for each job that may start now: always the one with the most room left.

    :param starts: how many may be started in one round.
    :param most: how many may run in all, by hand; 0 for no such bound.
    """
    known = list(nodes)
    running = sum(node.jobs for node in known)
    room = {node.node_id: node.room for node in known}
    if known and not running and not any(room.values()):
        room[max(known, key=lambda node: node.free_mb).node_id] = 1  # else a small one starves
    if most:
        starts = min(starts, most - running)
    found: list[str] = []
    while len(found) < starts and any(room.values()):
        roomiest = max(room, key=lambda node_id: room[node_id])
        room[roomiest] -= 1
        found.append(roomiest)
    return found


def least_busy(jobs: dict[str, int]) -> str | None:
    """Where a job that must run goes, whatever the memory: the node with the fewest jobs, which is
    counted there then. None: there is no node.

    :param jobs: how many jobs each node has.
    """
    if not jobs:
        return None
    chosen = min(jobs, key=lambda node_id: jobs[node_id])
    jobs[chosen] += 1
    return chosen
