"""What jobs hold of a node's memory."""

from __future__ import annotations

import os
from pathlib import Path

import psutil
import pytest

from orchestrator.footprints import ENOUGH, LOOKS, Footprints, free_mb, unique_mb

MIB = 2**20


class Processes:
    """Unique memory by pid; notes who is measured."""

    def __init__(self, **sizes: float) -> None:
        self.sizes = {int(pid[1:]): size for pid, size in sizes.items()}
        self.measured: list[int] = []

    def measure(self, pid: int) -> float:
        self.measured.append(pid)
        if pid not in self.sizes:
            raise psutil.NoSuchProcess(pid)
        return self.sizes[pid]


def test_a_few_are_measured_each_time_those_not_seen_for_longest_first() -> None:
    processes = Processes(**{f"p{pid}": 10.0 for pid in range(20)})
    footprints = Footprints(processes.measure)

    for _ in range(3):
        footprints.look(range(20), 1000)

    assert len(processes.measured) == 3 * LOOKS
    assert processes.measured[:20] == list(range(20))
    assert processes.measured[20:] == [0, 1, 2, 3]


def test_what_is_held_is_the_sum_of_those_that_live() -> None:
    processes = Processes(p1=10.0, p2=20.0, p3=30.0)
    footprints = Footprints(processes.measure)

    assert footprints.look([1, 2, 3], 500).held_mb == 60
    look = footprints.look([1, 3], 500)

    assert (look.held_mb, look.free_mb) == (40, 500)


def test_what_a_job_needs_is_told_once_enough_have_been_measured() -> None:
    processes = Processes(**{f"p{pid}": float(pid) for pid in range(10, 30)})
    footprints = Footprints(processes.measure)

    assert footprints.look(range(10, 10 + ENOUGH - 1), 0).job_mb is None
    for _ in range(3):
        look = footprints.look(range(10, 30), 0)

    assert look.job_mb == 28  # of 20 processes, 19 are no larger


def test_ended_processes_are_remembered_as_large_as_they_were() -> None:
    processes = Processes(**{f"p{pid}": 50.0 for pid in range(ENOUGH)}, p99=10.0)
    footprints = Footprints(processes.measure)
    footprints.look(range(ENOUGH), 0)

    look = footprints.look([99], 0)

    assert (look.held_mb, look.job_mb) == (10, 50)


def test_a_process_that_is_gone_meanwhile_holds_nothing() -> None:
    assert Footprints(Processes(p1=10.0).measure).look([1, 2], 0).held_mb == 10


def test_a_real_process_has_memory_of_its_own() -> None:
    assert 5 < unique_mb(os.getpid()) < 5000


@pytest.mark.parametrize(
    ("limit", "current", "inactive", "expected"),
    [
        (300 * MIB, 250 * MIB, 0, 50),
        (300 * MIB, 250 * MIB, 100 * MIB, 150),
        (300 * MIB, 400 * MIB, 0, 0),
        (2**60, 0, 0, None),
    ],
)
def test_a_container_has_what_its_limit_leaves(
    tmp_path: Path, limit: int, current: int, inactive: int, expected: float | None
) -> None:
    (tmp_path / "memory.max").write_text(f"{limit}\n")
    (tmp_path / "memory.current").write_text(f"{current}\n")
    (tmp_path / "memory.stat").write_text(f"anon 5\ninactive_file {inactive}\n")
    machine = psutil.virtual_memory().available / MIB

    assert free_mb(tmp_path) == pytest.approx(machine if expected is None else expected, rel=0.2)


@pytest.mark.parametrize("limit", [None, "max"])
def test_without_a_limit_it_is_the_machine_that_counts(tmp_path: Path, limit: str | None) -> None:
    if limit:
        (tmp_path / "memory.max").write_text(limit)
        (tmp_path / "memory.current").write_text("5")
        (tmp_path / "memory.stat").write_text("inactive_file 0")

    assert free_mb(tmp_path) == pytest.approx(psutil.virtual_memory().available / MIB, rel=0.2)
