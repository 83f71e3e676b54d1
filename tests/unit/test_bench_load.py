"""What the load bench computes from what it saw."""

from __future__ import annotations

import asyncio
import contextlib
import math
import sqlite3
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import psutil
import pytest

from bench.load import journal
from bench.load.figures import Attempted, percentile, retries, seconds_between, spread
from bench.load.machine import Watch, role_of
from bench.load.report import lines
from bench.load.traffic import keyword


@pytest.mark.parametrize(
    ("share", "expected"), [(0.0, 1), (0.5, 50), (0.95, 95), (0.99, 99), (1.0, 100)]
)
def test_a_percentile_is_the_nearest_rank(share: float, expected: float) -> None:
    assert percentile([float(n) for n in range(100, 0, -1)], share) == expected


def test_of_nothing_there_is_no_percentile() -> None:
    found = spread([])

    assert found["count"] == 0
    assert math.isnan(found["p99"])
    assert math.isnan(found["max"])


def test_retries_are_judged_by_the_steps_that_failed_at_first() -> None:
    found = retries(
        [
            Attempted("a", True, 1),
            Attempted("a", True, 3, degraded=True),
            Attempted("b", True, 2),
            Attempted("b", False, 4),
        ]
    )

    assert found["steps"] == 4
    assert found["retried"] == 3
    assert found["retrySuccess"] == pytest.approx(2 / 3)
    assert found["degraded"] == 1


def test_every_job_has_a_keyword_of_its_own() -> None:
    assert len({keyword(number) for number in range(5000)}) == 5000


@pytest.mark.parametrize(
    ("command", "role"),
    [
        ("ray::JobActor", "job actors"),
        ("ray::ServeReplica:submit:submit", "Serve replicas"),
        ("python -m orchestrator.sandbox --port 1", "sandbox"),
        ("python -m actors.template.server /tmp/x", "template"),
        ("ray::IDLE", "the rest of Ray"),
    ],
)
def test_a_process_is_known_by_its_command_line(command: str, role: str) -> None:
    assert role_of(command) == role


class Named:
    """A process whose name changes, as a worker's does once it has been forked."""

    pid = 7

    def __init__(self, *names: str) -> None:
        self.names = list(names)

    def oneshot(self) -> Any:
        return contextlib.nullcontext()

    def cmdline(self) -> list[str]:
        return [self.names.pop(0)]

    def cpu_times(self) -> Any:
        return SimpleNamespace(user=1.0, system=0.0)

    def memory_info(self) -> Any:
        return SimpleNamespace(rss=2**20, shared=0)

    def memory_full_info(self) -> Any:
        return SimpleNamespace(uss=2**20)


async def test_a_worker_seen_before_it_has_its_name_is_counted_once_it_has(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    database = tmp_path / "journal.db"
    with sqlite3.connect(database) as connection:
        connection.execute("CREATE TABLE jobs (status TEXT)")
    monkeypatch.setattr("bench.load.machine.SAMPLE_SECONDS", 0.01)
    process = Named("python -m actors.template.server x", "ray::IDLE", "ray::JobActor")
    watch = Watch(database, lambda: cast("list[psutil.Process]", [process]))

    looking = asyncio.create_task(watch.look_on())
    async with asyncio.timeout(10):
        while watch.seen.peak_actors == 0:
            await asyncio.sleep(0.01)
    looking.cancel()

    assert watch.seen.peak_actors == 1
    assert process.names == []


def test_the_journal_is_read_as_it_stands(tmp_path: Path) -> None:
    database = tmp_path / "journal.db"
    with sqlite3.connect(database) as connection:
        connection.executescript(
            """
            CREATE TABLE jobs (id, status, error, created_at, started_at, completed_at);
            INSERT INTO jobs VALUES ('a', 'completed', NULL, 1000, 2000, 5000);
            INSERT INTO jobs VALUES ('b', 'processing', NULL, 1000, 3000, NULL);
            CREATE TABLE steps (job_id, state, attempts, degraded);
            INSERT INTO steps VALUES ('a', 'completed', 2, '["no search"]');
            INSERT INTO steps VALUES ('b', 'pending', 0, '[]');
            """
        )
    connection.close()

    rows = journal.read(database)

    assert rows.steps == [Attempted("a", True, 2, degraded=True)]
    assert seconds_between(rows.jobs, "created_at", "completed_at") == [4.0]
    assert seconds_between(rows.jobs, "created_at", "started_at") == [1.0, 2.0]
    assert journal.unended(database) == 1


def test_a_run_is_told_in_lines() -> None:
    few = spread([0.01, 0.02])
    run = {
        "jobs": 2, "profile": "live", "faults": 0.05, "accepted": 2, "acceptingSeconds": 0.1,
        "liveAtOnce": 2, "completed": 1, "failed": 1, "lost": 0, "wholeSeconds": 60.0,
        "jobsPerHour": 120.0, "submitSeconds": few, "statusSeconds": few, "jobSeconds": few,
        "runSeconds": few, "peakMemoryMb": 512.0, "uniqueMb": few, "cpuSecondsPerJob": 3.21,
        "cpuSecondsByRole": {"journal": 0.5, "job actors": 2.0}, "answers": {"submit 202": 2},
        "retries": {"steps": 16, "retried": 2, "retrySuccess": 1.0, "degraded": 0},
        "errors": ["Content: 503"],
    }  # fmt: skip

    said = "\n".join(lines(run))

    assert "2 jobs, profile live, 5% of calls fail" in said
    assert "completed 1, failed 1, lost 0" in said
    assert "submit  p50 10 ms, p95 20 ms" in said
    assert "3.21 s a job; job actors 2.0, journal 0.5" in said
    assert "error   Content: 503" in said
