"""What jobs hold of a node's memory."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from orchestrator.footprints import (
    ENOUGH,
    LOOKS,
    WINDOW_SECONDS,
    Footprints,
    Free,
    Machine,
    cpu_of,
    unique_mb,
)

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

    for _ in range(12):
        footprints.look(range(20), Free(1000))

    assert len(processes.measured) == 12 * LOOKS
    assert processes.measured[:20] == list(range(20))
    assert processes.measured[20:] == [0, 1, 2, 3]


def test_what_is_held_is_the_sum_of_those_that_live() -> None:
    processes = Processes(p1=10.0, p2=20.0, p3=30.0)
    footprints = Footprints(processes.measure)

    footprints.look([1, 2, 3], Free(500))

    assert footprints.look([1, 2, 3], Free(500)).held_mb == 60
    look = footprints.look([1, 3], Free(500, 0.5, 2))

    assert (look.held_mb, look.free_mb, look.busy, look.cores) == (40, 500, 0.5, 2)


def test_what_a_job_needs_is_told_once_enough_have_been_measured() -> None:
    processes = Processes(**{f"p{pid}": float(pid) for pid in range(10, 30)})
    footprints = Footprints(processes.measure)

    for _ in range(5):
        assert footprints.look(range(10, 10 + ENOUGH - 1), Free(0)).job_mb is None
    for _ in range(12):
        look = footprints.look(range(10, 30), Free(0))

    assert look.job_mb == 28  # of 20 processes, 19 are no larger


def test_ended_processes_are_remembered_as_large_as_they_were() -> None:
    processes = Processes(**{f"p{pid}": 50.0 for pid in range(ENOUGH)}, p99=10.0)
    footprints = Footprints(processes.measure)
    for _ in range(ENOUGH):
        footprints.look(range(ENOUGH), Free(0))

    look = footprints.look([99], Free(0))

    assert (look.held_mb, look.job_mb) == (10, 50)


def test_a_process_that_is_gone_meanwhile_holds_nothing() -> None:
    assert Footprints(Processes(p1=10.0).measure).look([1, 2], Free(0)).held_mb == 10


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

    assert Machine(tmp_path).look().mb == pytest.approx(
        machine if expected is None else expected, rel=0.2
    )


@pytest.mark.parametrize("limit", [None, "max"])
def test_without_a_limit_it_is_the_machine_that_counts(tmp_path: Path, limit: str | None) -> None:
    if limit:
        (tmp_path / "memory.max").write_text(limit)
        (tmp_path / "memory.current").write_text("5")
        (tmp_path / "memory.stat").write_text("inactive_file 0")

    assert Machine(tmp_path).look().mb == pytest.approx(
        psutil.virtual_memory().available / MIB, rel=0.2
    )


def test_cpu_in_use_is_that_of_lately(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    used, now = [0.0], [0.0]
    monkeypatch.setattr("orchestrator.footprints.cpu_used", lambda: used[0])
    monkeypatch.setattr("psutil.cpu_count", lambda: 2)
    machine = Machine(tmp_path, lambda: now[0])
    found = [machine.look().busy]

    for second in range(1, 13):
        now[0] = float(second)
        used[0] += 2.0 if second <= 6 else 0.0  # both cores for six seconds, then none
        found.append(machine.look().busy)

    assert found[0] == 0.0
    assert found[1:7] == [1.0] * 6
    assert found[8] == pytest.approx(2 / WINDOW_SECONDS)
    assert found[11:] == [0.0, 0.0]


def test_a_process_that_hardly_does_anything_shows_that_it_lives() -> None:
    """The supervisor takes one for lost that uses no CPU at all for a while."""
    waits = "import time\nwhile True: time.sleep(0.4)"
    with subprocess.Popen([sys.executable, "-c", waits]) as process:
        time.sleep(1.0)
        before = cpu_of(process.pid)
        time.sleep(1.5)
        after = cpu_of(process.pid)
        process.kill()
    assert before is not None
    assert after is not None
    assert 0 < after - before < 0.01  # less than the clock tick of /proc

    assert cpu_of(process.pid) is None


def test_the_cpu_of_a_process_is_what_it_says_itself() -> None:
    said, seen = time.process_time(), cpu_of(os.getpid())

    assert seen == pytest.approx(said, abs=0.1)


def test_a_container_has_the_cores_of_its_quota(tmp_path: Path) -> None:
    now = [0.0]
    (tmp_path / "cpu.max").write_text("50000 100000\n")
    machine = Machine(tmp_path, lambda: now[0])

    for used, passed in ((1_000_000, 0.0), (1_450_000, 1.0)):
        now[0] = passed
        (tmp_path / "cpu.stat").write_text(f"usage_usec {used}\nuser_usec 5\n")
        free = machine.look()

    assert free.cores == 0.5
    assert free.busy >= 0.89  # 0.45 of the 0.5 CPU-seconds there were


def test_without_a_quota_all_cores_count(tmp_path: Path) -> None:
    (tmp_path / "cpu.max").write_text("max 100000\n")

    assert Machine(tmp_path).look().cores == psutil.cpu_count()
