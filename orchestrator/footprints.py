"""What jobs hold of a node's memory, measured; and what the node has left."""

from __future__ import annotations

import contextlib
import math
from collections import deque
from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path

import psutil

LOOKS = 8
"""Processes measured each time; of a thousand jobs that costs a few milliseconds a second."""

ENOUGH = 5
"""Measured processes from which on what a job needs is known."""

KEPT = 64
"""How many ended jobs are remembered: a process is largest towards its end."""

SHARE = 0.95
"""Of the measured processes this share is no larger than what a job is reckoned to need."""

MIB = 2**20

CGROUP = Path("/sys/fs/cgroup")


@dataclass(frozen=True, slots=True)
class Footprint:
    """A node's memory, in MiB.

    :param free_mb: available for more.
    :param held_mb: unique memory of its jobs' processes: what ends with them.
    :param job_mb: what one job comes to; None while too few have been measured.
    """

    free_mb: float
    held_mb: float
    job_mb: float | None


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

    def look(self, pids: Collection[int], free_mb: float) -> Footprint:
        """Take in which processes there are, and measure the next."""
        for pid in self._last.keys() - set(pids):
            self._ended.append(self._last.pop(pid))
        unseen = [pid for pid in pids if pid not in self._last]
        for pid in (unseen + list(self._last))[:LOOKS]:
            self._last.pop(pid, None)
            with contextlib.suppress(psutil.Error):
                self._last[pid] = self._measure(pid)
        return Footprint(free_mb, sum(self._last.values()), self._job_mb())

    def _job_mb(self) -> float | None:
        known = sorted((*self._last.values(), *self._ended))
        return known[math.ceil(SHARE * len(known)) - 1] if len(known) >= ENOUGH else None


def free_mb(cgroup: Path = CGROUP) -> float:
    """Memory available to this node in MiB: of the machine, or of its container if that has less.

    Of a container's use, the pages of files that nobody has touched lately do not count: the kernel
    takes them back when it must (cgroup v2: ``memory.max``, ``memory.current``, ``memory.stat``).
    """
    machine = psutil.virtual_memory().available
    try:
        limit = (cgroup / "memory.max").read_text("ascii").strip()
        used = int((cgroup / "memory.current").read_text("ascii"))
        stat = dict(
            line.split() for line in (cgroup / "memory.stat").read_text("ascii").splitlines()
        )
        left = int(limit) - (used - int(stat.get("inactive_file", 0)))
    except (OSError, ValueError):  # no such container, or one without a limit ("max")
        return machine / MIB
    return max(0, min(machine, left)) / MIB
