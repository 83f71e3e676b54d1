"""What jobs hold of a node's memory, and what the node has left of memory and CPU; measured."""

from __future__ import annotations

import contextlib
import math
import sys
import time
from collections import deque
from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path

import psutil

LOOKS = 2
"""Processes measured each time, once a second: one takes the kernel about 4 ms."""

ENOUGH = 5
"""Measured processes from which on what a job needs is known."""

KEPT = 64
"""How many ended jobs are remembered: a process is largest towards its end."""

SHARE = 0.95
"""Of the measured processes this share is no larger than what a job is reckoned to need."""

MIB = 2**20

CGROUP = Path("/sys/fs/cgroup")


WINDOW_SECONDS = 4.0
"""How far back "lately" reaches."""


@dataclass(frozen=True, slots=True)
class Footprint:
    """A node's memory, in MiB, and its CPU.

    :param free_mb: available for more.
    :param held_mb: unique memory of its jobs' processes: what ends with them.
    :param job_mb: what one job comes to; None while too few have been measured.
    :param busy: share of the CPU in use lately, 0 to 1.
    :param cores: how much CPU there is.
    """

    free_mb: float
    held_mb: float
    job_mb: float | None
    busy: float = 0.0
    cores: float = 1.0


@dataclass(frozen=True, slots=True)
class Free:
    """What a node has left: memory in MiB; the share of its CPU in use, and how much that is."""

    mb: float
    busy: float = 0.0
    cores: float = 1.0


def unique_mb(pid: int) -> float:
    """A process's unique set size in MiB. :raises psutil.Error: it is gone."""
    return float(psutil.Process(pid).memory_full_info().uss) / MIB


class Footprints:
    """Measures the processes of a node's jobs, a few at a time, those not seen for longest first.

    :param measure: the unique memory of a process, in MiB; raises psutil.Error if it is gone.
    """

    def __init__(self, measure: Callable[[int], float] = unique_mb) -> None:
        self._measure = measure
        self._last: dict[int, float] = {}  # in the order of measuring
        self._ended: deque[float] = deque(maxlen=KEPT)

    def look(self, pids: Collection[int], node: Free) -> Footprint:
        """Take in which processes there are, and measure the next."""
        for pid in self._last.keys() - set(pids):
            self._ended.append(self._last.pop(pid))
        unseen = [pid for pid in pids if pid not in self._last]
        for pid in (unseen + list(self._last))[:LOOKS]:
            self._last.pop(pid, None)
            with contextlib.suppress(psutil.Error):
                self._last[pid] = self._measure(pid)
        return Footprint(
            node.mb, sum(self._last.values()), self._job_mb(), busy=node.busy, cores=node.cores
        )

    def _job_mb(self) -> float | None:
        known = sorted((*self._last.values(), *self._ended))
        return known[math.ceil(SHARE * len(known)) - 1] if len(known) >= ENOUGH else None


class Machine:
    """What this node has left: of the machine, or of its container if that has less (cgroup v2).

    :param clock: seconds of any one clock.
    """

    def __init__(self, cgroup: Path = CGROUP, clock: Callable[[], float] = time.monotonic) -> None:
        self._cgroup, self._clock = cgroup, clock
        self._seen: deque[tuple[float, float, float]] = deque()  # time, CPU used by all, by us

    def look(self) -> Free:
        """Memory now, and CPU since the looks of :data:`WINDOW_SECONDS` ago."""
        used, ours = cpu_used(), self._number("cpu.stat", "usage_usec") or 0.0
        now, quota = self._clock(), self._quota()
        self._seen.append((now, used, ours / 1e6))
        while len(self._seen) > 2 and now - self._seen[1][0] >= WINDOW_SECONDS:
            self._seen.popleft()
        since, used_then, ours_then = self._seen[0]
        cores = float(psutil.cpu_count() or 1)
        passed = now - since
        busy = (used - used_then) / (passed * cores) if passed else 0.0
        if quota is not None and passed:
            busy = max(busy, (ours / 1e6 - ours_then) / (passed * quota))
        return Free(self._free_mb(), min(1.0, busy), min(cores, quota or cores))

    def _free_mb(self) -> float:
        """Of a container's use, the pages of files that nobody has touched lately do not count:
        the kernel takes them back when it must."""
        machine = float(psutil.virtual_memory().available)
        limit, used = self._number("memory.max"), self._number("memory.current")
        if limit is None or used is None:
            return machine / MIB
        left = limit - used + (self._number("memory.stat", "inactive_file") or 0.0)
        return max(0.0, min(machine, left)) / MIB

    def _quota(self) -> float | None:
        """Cores the container may use; None: all there are."""
        with contextlib.suppress(OSError, ValueError):
            quota, period = (self._cgroup / "cpu.max").read_text("ascii").split()
            return int(quota) / int(period)
        return None

    def _number(self, file: str, row: str = "") -> float | None:
        """A number of the container's; None where there is none, or no limit (``max``)."""
        with contextlib.suppress(OSError, ValueError):
            for line in (self._cgroup / file).read_text("ascii").splitlines():
                name, _, value = line.rpartition(" ")
                if name == row:
                    return float(value)
        return None


def cpu_used() -> float:
    """CPU-seconds that the machine has used since it was started."""
    times = psutil.cpu_times()
    return float(times.user + times.nice + times.system)


def cpu_of(pid: int) -> float | None:
    """CPU-seconds that a process has used, with its threads that have ended; None: no such process.

    On Linux to the nanosecond: one that waits uses less in a second than the clock tick of 10 ms in
    which /proc counts.
    """
    if sys.platform == "linux":
        try:
            return time.clock_gettime((~pid << 3) | 2)  # the clock of clock_getcpuclockid(3)
        except OSError:
            return None
    try:
        used = psutil.Process(pid).cpu_times()
    except psutil.NoSuchProcess:
        return None
    return float(used.user + used.system)
