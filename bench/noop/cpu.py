"""The CPU time that a service uses, whatever else the machine does.

A job's processes come and go by the second, and one that has ended can no longer be asked. The
kernel keeps the sum where the service is in a control group of its own, and that is used where one
can be made (by root, or where one was delegated); PostgreSQL's processes, which are not in it,
count where they serve the service's database. Elsewhere it is what the whole machine used, and the
machine has to do nothing else meanwhile.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import psutil

ROOT = Path("/sys/fs/cgroup")
GROUP, MACHINE = "control group", "whole machine"


@dataclass(frozen=True, slots=True)
class Reading:
    """Seconds at one moment, each counted from some time of its own."""

    at: float
    machine: float
    service: float | None  #: None: not known apart from the machine's
    client: float


@dataclass(frozen=True, slots=True)
class Spent:
    """What happened between two readings."""

    seconds: float
    cpu_seconds: float  #: of the service, or of everyone but the client
    others: float | None  #: CPU-seconds of everyone else; None: not known


def between(before: Reading, after: Reading) -> Spent:
    """What was used between the two."""
    seconds = after.at - before.at
    everyone = after.machine - before.machine - (after.client - before.client)
    if before.service is None or after.service is None:
        return Spent(seconds, max(0.0, everyone), None)
    cpu = after.service - before.service
    return Spent(seconds, cpu, max(0.0, everyone - cpu))


class Meter:
    """Reads the counters of one service.

    :param group: its control group's directory, if it has one.
    :param database: the name of its PostgreSQL database, if it has one.
    """

    def __init__(self, group: Path | None, database: str | None) -> None:
        self._group, self._database = group, database

    @property
    def method(self) -> str:
        """How CPU is counted."""
        return MACHINE if self._group is None else GROUP

    def add(self, pid: int) -> None:
        """Have this process, and all that will come of it, in the group."""
        if self._group is not None:
            (self._group / "cgroup.procs").write_text(str(pid))

    def read(self) -> Reading:
        """The counters now."""
        times = psutil.cpu_times()
        machine = float(times.user + times.nice + times.system)
        return Reading(time.monotonic(), machine, self._service(), time.process_time())

    def _service(self) -> float | None:
        if self._group is None:
            return None
        return usage({one.name: one.read_text() for one in _counters(self._group)}) + (
            _backends(self._database) if self._database else 0.0
        )


@contextlib.contextmanager
def metered(name: str, database: str | None) -> Iterator[Meter]:
    """A meter for the service that is started in the block."""
    group = _made(name)
    try:
        yield Meter(group, database)
    finally:
        if group is not None:
            with contextlib.suppress(OSError):  # something is left in it: not ours to hide
                group.rmdir()


def places(own: str) -> list[Path]:
    """Where a control group that counts CPU may be made.

    :param own: ``/proc/self/cgroup``: cgroups(7).
    """
    found = []
    for line in own.splitlines():
        _, controllers, path = line.split(":", 2)
        if "cpuacct" in controllers.split(","):
            found.append(ROOT / controllers / path.lstrip("/"))
        elif not controllers:
            found.append(ROOT / path.lstrip("/"))
    return found


def usage(counters: Mapping[str, str]) -> float:
    """CPU-seconds, from the group's files: version 1 counts ns, version 2 µs.

    :raises KeyError: it has neither.
    """
    if "cpuacct.usage" in counters:
        return int(counters["cpuacct.usage"]) / 1e9
    words = counters["cpu.stat"].split()
    return int(words[words.index("usage_usec") + 1]) / 1e6


def _made(name: str) -> Path | None:
    for place in places(Path("/proc/self/cgroup").read_text()):
        group = place / f"{name}-{os.getpid()}"
        with contextlib.suppress(OSError):
            group.mkdir()
            if _counters(group):
                return group
            with contextlib.suppress(OSError):
                group.rmdir()
    return None


def _counters(group: Path) -> list[Path]:
    """Version 1 has a ``cpu.stat`` too, which says nothing of use."""
    found = [one for name in ("cpuacct.usage", "cpu.stat") if (one := group / name).is_file()]
    return found[:1]


def _backends(database: str) -> float:
    """CPU-seconds of PostgreSQL's processes that serve this database: they say so themselves."""
    total = 0.0
    for process in psutil.process_iter(["name", "cmdline", "cpu_times"]):
        if process.info["name"] == "postgres" and database in " ".join(process.info["cmdline"]):
            total += sum(process.info["cpu_times"][:2])
    return total
