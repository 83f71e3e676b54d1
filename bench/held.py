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
import os
import signal
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import aiohttp
import psutil

from bench.load import journal
from bench.load.figures import spread
from bench.load.machine import Watch
from bench.load.traffic import Clients
from bench.noop.databases import SQLITE
from bench.noop.pipeline import STEP_SECONDS
from bench.noop.systems import OURS, Trial, started

GIVE_UP_SECONDS = 900.0


def main(argv: Sequence[str] | None = None) -> int:
    """Measure and print; the exit status."""
    parser = argparse.ArgumentParser(prog="python -m bench.held", description=__doc__)
    parser.add_argument("--jobs", type=int, default=500, help="job actors to be alive at once")
    parser.add_argument("--step-seconds", type=float, default=35.0, help="of each of eight steps")
    parser.add_argument("--json", type=Path, help="write the figures to this file")
    given = parser.parse_args(argv)
    os.environ[STEP_SECONDS] = str(given.step_seconds)  # for the service's processes
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # and stop what was started
    with tempfile.TemporaryDirectory(prefix="sh-", dir="/tmp") as home:
        found = asyncio.run(held(Path(home), given.jobs))
    print(*lines(found), sep="\n")
    if given.json:
        given.json.write_text(json.dumps(found, indent=2) + "\n", "utf-8")
    return 0 if min(found["actorsAtOnce"], found["completed"]) >= given.jobs else 1


async def held(home: Path, jobs: int) -> dict[str, Any]:
    """Submit *jobs* jobs to a service of its own and wait until all have ended.

    :param home: an empty directory with a short path.
    """
    family: list[Any] = []
    watch = Watch(home / "journal.db", lambda: list(family[0].family().values()))
    with started(Trial(OURS, SQLITE), home, None) as (service, wire):
        family.append(service)
        async with aiohttp.ClientSession() as session:
            clients = Clients(f"http://127.0.0.1:{wire.port}", session, [])
            await clients.submit(0)  # the journal is there
            beside = [asyncio.create_task(one) for one in (watch.look_on(), clients.look_on())]
            await clients.submit_all(jobs)
            give_up = time.monotonic() + GIVE_UP_SECONDS
            while time.monotonic() < give_up and journal.unended(home / "journal.db"):
                await asyncio.sleep(1.0)
            for task in beside:
                task.cancel()
            await asyncio.wait(beside)
    rows = journal.read(home / "journal.db").jobs
    return {
        "memoryGiB": psutil.virtual_memory().total / 2**30,
        "cores": psutil.cpu_count(),
        "jobs": jobs,
        "actorsAtOnce": watch.seen.peak_actors,
        "completed": sum(row["status"] == "completed" for row in rows),
        "errors": sorted({row["error"] for row in rows if row["error"]}),
        "peakMemoryMb": watch.seen.peak_used_mb,
        "uniqueMb": spread(watch.seen.unique_mb),
        "submitSeconds": spread(clients.seen.submit_seconds),
        "statusSeconds": spread(clients.seen.status_seconds),
        "cpuSecondsPerJob": watch.seen.cpu_seconds / max(1, len(rows)),
        "overTime": watch.seen.over_time,
    }


def lines(found: dict[str, Any]) -> list[str]:
    """The figures, to be read."""
    status, submit = found["statusSeconds"], found["submitSeconds"]
    return [
        f"{found['cores']} cores, {found['memoryGiB']:.0f} GiB: {found['actorsAtOnce']} job actors "
        f"alive at once, {found['completed']} jobs completed",
        f"  memory  the whole service {found['peakMemoryMb'] / 1024:.1f} GiB at most; an actor's "
        f"own {found['uniqueMb']['p50']:.1f} MiB (p50), {found['uniqueMb']['max']:.1f} (most)",
        f"  submit  p50 {1000 * submit['p50']:.0f} ms, p99 {1000 * submit['p99']:.0f} ms",
        f"  status  p50 {1000 * status['p50']:.0f} ms, p99 {1000 * status['p99']:.0f} ms",
        f"  CPU     {found['cpuSecondsPerJob']:.2f} s a job",
        *(f"  error   {error}" for error in found["errors"]),
    ]


if __name__ == "__main__":
    sys.exit(main())
