"""How many job actors one machine holds at once: ``python -m bench.held --jobs 500``.

The service is the real one; only its steps are replaced, each by a wait
(:mod:`bench.noop.pipeline`): how many jobs a machine holds is a question of memory, how many it
carries one of their CPU, which ``bench.load`` measures. Every job is submitted over HTTP, admitted,
started and completed as any other. Exits with 1 unless all were alive at once and completed.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import math
import os
import signal
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import psutil

from bench.load import journal
from bench.load.__main__ import loaded
from bench.load.figures import spread
from bench.load.machine import Watch
from bench.load.report import milliseconds
from bench.noop.databases import SQLITE
from bench.noop.pipeline import STEP_SECONDS
from bench.noop.systems import OURS, Trial, started
from orchestrator.footprints import Machine

STEPS = 8
PATIENCE = 2
"""How many times its waits a job may take: the last start while hundreds of others end."""


def main(argv: Sequence[str] | None = None) -> int:
    """Measure and print; the exit status."""
    parser = argparse.ArgumentParser(prog="python -m bench.held", description=__doc__)
    parser.add_argument("--jobs", type=int, default=500, help="job actors to be alive at once")
    parser.add_argument("--step-seconds", type=float, default=90.0, help="of each of eight steps")
    parser.add_argument("--json", type=Path, help="write the figures to this file")
    given = parser.parse_args(argv)
    os.environ[STEP_SECONDS] = str(given.step_seconds)  # for the service's processes
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # and stop what was started
    with tempfile.TemporaryDirectory(prefix="sh-", dir="/tmp") as home:
        found = asyncio.run(held(Path(home), given.jobs, given.step_seconds))
    print(*lines(found), sep="\n")
    if given.json:
        given.json.write_text(json.dumps(found, indent=2) + "\n", "utf-8")
    return 0 if min(found["actorsAtOnce"], found["completed"]) >= given.jobs else 1


async def held(home: Path, jobs: int, step_seconds: float) -> dict[str, Any]:
    """Submit *jobs* jobs to a service of its own and wait until all have ended.

    :param home: an empty directory with a short path.
    :param step_seconds: what each of a job's steps waits; all waits together are to be longer than
        it takes to start all jobs.
    """
    database = home / "journal.db"
    per_core = math.ceil(jobs / Machine().look().cores)  # they wait: memory is to be the bound
    longest = PATIENCE * STEPS * step_seconds
    settings = {"SOTA_MIN_JOBS_PER_CORE": str(per_core), "SOTA_JOB_TIMEOUT": str(longest)}
    trial = Trial(OURS, SQLITE, settings)
    with started(trial, home, None) as (service, wire):
        watch = Watch(database, lambda: list(service.family().values()))
        url = f"http://127.0.0.1:{wire.port}"
        traffic = await loaded(url, database, watch, jobs, seconds=longest)
    rows = journal.read(database).jobs
    return {
        "memoryGiB": psutil.virtual_memory().total / 2**30,
        "cores": psutil.cpu_count(),
        "jobs": jobs,
        "actorsAtOnce": watch.seen.peak_actors,
        "completed": sum(row["status"] == "completed" for row in rows),
        "errors": sorted({row["error"] for row in rows if row["error"]}),
        "peakMemoryMb": watch.seen.peak_used_mb,
        "uniqueMb": spread(watch.seen.unique_mb),
        "submitSeconds": spread(traffic.submit_seconds),
        "statusSeconds": spread(traffic.status_seconds),
        "cpuSecondsPerJob": watch.seen.cpu_seconds / max(1, len(rows)),
        "overTime": watch.seen.over_time,
    }


def lines(found: dict[str, Any]) -> list[str]:
    """The figures, to be read."""
    return [
        f"{found['cores']} cores, {found['memoryGiB']:.0f} GiB: {found['actorsAtOnce']} job actors "
        f"alive at once, {found['completed']} jobs completed",
        f"  memory  {found['peakMemoryMb'] / 1024:.1f} GiB more than at rest, at most; an actor's "
        f"own {found['uniqueMb']['p50']:.1f} MiB (p50), {found['uniqueMb']['max']:.1f} (most)",
        f"  submit  {milliseconds(found['submitSeconds'])}",
        f"  status  {milliseconds(found['statusSeconds'])}",
        f"  CPU     {found['cpuSecondsPerJob']:.2f} s a job",
        *(f"  error   {error}" for error in found["errors"]),
    ]


if __name__ == "__main__":
    sys.exit(main())
