"""Operational analysis of one cluster: pure functions.

Every part serves one thing at a time for each of its servers: an actor has one event loop, a node
so many cores. The *demand* of a part is the CPU-seconds it spends on one job (service demand law:
demand = utilization / throughput). No part can serve more jobs a second than servers / demand, and
the part with the lowest such bound is the bottleneck (asymptotic bounds: Denning and Buzen, "The
Operational Analysis of Queueing Network Models", ACM Computing Surveys 10(3), 1978).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

USABLE = 0.7
"""Utilization up to which a part is planned: at 70 % a request waits, on average, 2.3 times its
service time in an M/M/1 queue (utilization / (1 - utilization)), and at 90 % nine times."""


@dataclass(frozen=True, slots=True)
class Part:
    """A part that jobs share.

    :param demand: seconds it is busy for one job.
    :param servers: how many jobs it can work on at the same moment.
    """

    name: str
    demand: float
    servers: float = 1.0

    @property
    def most(self) -> float:
        """Jobs a second at which it is busy all the time."""
        return self.servers / self.demand if self.demand else float("inf")


@dataclass(frozen=True, slots=True)
class NodeSize:
    """A machine one can rent.

    :param dollars: for an hour.
    """

    name: str
    cores: int
    memory_gb: float
    dollars: float


@dataclass(frozen=True, slots=True)
class JobCost:
    """What one job takes.

    :param seconds: how long it lives when nothing makes it wait.
    :param mb: memory of its own meanwhile, in MiB.
    :param on_its_node: CPU-seconds on the node it runs on: its process, the gateway, the raylet.
    """

    seconds: float
    mb: float
    on_its_node: float


RESERVED_GB = 3.0
"""Of a node's memory: Ray's own processes, the gateway, the template, and the reserve that
admission keeps (1 GiB)."""


def jobs_per_second(node: NodeSize, job: JobCost) -> tuple[float, str]:
    """What one node can carry at :data:`USABLE`, and which of its resources bounds it."""
    by_cpu = USABLE * node.cores / job.on_its_node
    live = max(0.0, (node.memory_gb - RESERVED_GB) * 1024) / job.mb
    by_memory = live / job.seconds
    return min((by_cpu, "CPU"), (by_memory, "memory"))


def saturation(parts: Sequence[Part]) -> list[tuple[Part, float]]:
    """Each shared part with the jobs a second at which it reaches :data:`USABLE`; the first to do
    so first."""
    return sorted(((part, USABLE * part.most) for part in parts), key=lambda one: one[1])


def nodes_of_a_cell(node: NodeSize, job: JobCost, parts: Sequence[Part]) -> tuple[int, float]:
    """How many nodes of this size one cluster can use before a shared part is the bound, and the
    jobs a second they carry then."""
    each, _ = jobs_per_second(node, job)
    bound = saturation(parts)[0][1]
    count = max(1, int(bound // each)) if each else 1
    return count, min(bound, count * each)


def dollars_per_1000(node: NodeSize, rate: float) -> float:
    """US dollars of machines for a thousand jobs at *rate* jobs a second; models cost extra."""
    return 1000 * node.dollars / (3600 * rate) if rate else float("inf")
