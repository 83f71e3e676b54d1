"""Many jobs at once: ``python -m bench.load --jobs 10 100 1000 --profile live``.

For each number of jobs a service of its own is started (SQLite, a Ray of its own, the sandbox with
the latencies of the profile), the jobs are submitted as fast as they are taken or at a steady rate,
and ten times a second somebody asks how one of them is. Prints, and writes as JSON: how many were
accepted, alive at once, completed and lost; latencies of submission and status at the client; how
long jobs took; memory and CPU of the machine. Exits with 1 if a job was lost.

With ``--faults 0.05`` each call to a model, a search and a page fails with that probability (503,
429, a dropped connection in turn), and what came of the retries is reported.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import platform
import sys
import tempfile
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import aiohttp
import psutil
import ray

from bench.load import journal
from bench.load.figures import retries, seconds_between, spread
from bench.load.machine import Machine, Watch
from bench.load.report import lines
from bench.load.traffic import Clients, Traffic
from bench.private import isolated
from orchestrator.cli.demo import pages
from orchestrator.cli.problems import CliError, in_lines, settings_from_environment
from orchestrator.cli.stack import Interrupted, stack
from orchestrator.cli.up import adjusted

FAULTS: tuple[dict[str, Any], ...] = ({"status": 503}, {"status": 429}, {"disconnect": True})
"""The ways in which calls fail, each with a third of the probability."""

FAULTY = ("ai", "serper", "web")


def main(argv: Sequence[str] | None = None) -> int:
    """Measure; the exit status: 0, or 1 where a job was lost or nothing could be measured."""
    parser = argparse.ArgumentParser(prog="python -m bench.load", description=__doc__)
    parser.add_argument("--jobs", type=int, nargs="+", default=[10, 100], help="one run for each")
    parser.add_argument("--profile", choices=("zero", "seed", "live"), default="live")
    parser.add_argument("--time-scale", type=float, default=1.0, help="of the profile's latencies")
    parser.add_argument("--rate", type=float, default=0.0, help="jobs a second; 0: all at once")
    parser.add_argument("--faults", type=float, default=0.0, help="probability for each call")
    parser.add_argument("--most-live", type=int, default=0, help="SOTA_MAX_LIVE_JOBS")
    parser.add_argument("--minutes", type=float, default=60.0, help="give up a run after")
    parser.add_argument("--json", type=Path, help="write the figures to this file")
    given = parser.parse_args(argv)
    runs = []
    try:
        for jobs in given.jobs:
            with tempfile.TemporaryDirectory(
                prefix="sl-", dir="/tmp"
            ) as home:  # short, for sockets
                runs.append(asyncio.run(measured(Path(home), jobs, given)))
            print(*lines(runs[-1]), sep="\n", flush=True)
            if given.json:
                given.json.write_text(json.dumps({**_where(), "runs": runs}, indent=2) + "\n")
    except Interrupted:
        print("interrupted", file=sys.stderr)
        return 1
    except CliError as error:
        print(*in_lines(error), sep="\n", file=sys.stderr)
        return 1
    return 0 if all(run["lost"] == 0 for run in runs) else 1


async def measured(home: Path, jobs: int, given: argparse.Namespace) -> dict[str, Any]:
    """One run on a service of its own.

    :raises CliError: something did not come up, or died.
    """
    settings = adjusted(
        settings_from_environment(),
        sandbox_profile=given.profile,
        sandbox_time_scale=given.time_scale,
    )
    environ = {**os.environ, "SOTA_MAX_LIVE_JOBS": str(given.most_live)}
    plan = isolated(settings, home, environ, sandbox=True, command="bench")
    database = plan.settings.home / "journal.db"
    async with stack(plan, print) as running:
        urls = await running.start()
        await _faults(urls["sandbox"], given.faults)
        watch = Watch(database, partial(family_of, str(home)))
        traffic = await running.during(
            loaded(urls["url"], database, watch, jobs, rate=given.rate, seconds=60 * given.minutes)
        )
    rows = journal.read(database)
    how = {name: getattr(given, name) for name in ("profile", "faults", "rate", "time_scale")}
    return how | _figures(jobs, traffic, watch.seen, rows)


async def loaded(
    url: str, database: Path, watch: Watch, jobs: int, *, rate: float = 0.0, seconds: float
) -> Traffic:
    """Submit *jobs* jobs, look on, and wait until all have ended or the time is up.

    :param url: of the service.
    :param rate: jobs a second; 0: as fast as they are taken.
    :param seconds: after which the jobs are left to themselves.
    """
    give_up = time.monotonic() + seconds
    async with aiohttp.ClientSession() as session:
        clients = Clients(url, session, pages())
        beside = [asyncio.create_task(one) for one in (watch.look_on(), clients.look_on())]
        try:
            await clients.submit_all(jobs, rate)
            while (
                time.monotonic() < give_up
                and await asyncio.to_thread(journal.unended, database) > 0
            ):
                await asyncio.sleep(0.5)
        finally:
            for task in beside:
                task.cancel()
            await asyncio.wait(beside)
    return clients.seen


async def _faults(sandbox: str, rate: float) -> None:
    if not rate:
        return
    async with aiohttp.ClientSession() as session:
        for service in FAULTY:
            for way in FAULTS:
                body = {"service": service, "rate": rate / len(FAULTS), **way}
                async with session.post(f"{sandbox}/sandbox/faults", json=body) as answer:
                    answer.raise_for_status()


def family_of(home: str) -> list[psutil.Process]:
    """The service's processes: ours, the template of each node, and what came of them."""
    me = psutil.Process()
    named = psutil.process_iter(["cmdline"])
    templates = [one for one in named if home in " ".join(one.info["cmdline"] or ()) and one != me]
    found = dict.fromkeys(me.children(recursive=True))
    for root in templates:
        with contextlib.suppress(psutil.NoSuchProcess):
            found |= dict.fromkeys([root, *root.children(recursive=True)])
    return list(found)


def _figures(jobs: int, traffic: Traffic, machine: Machine, rows: journal.Rows) -> dict[str, Any]:
    ended = [row for row in rows.jobs if row["completed_at"] is not None]
    known = {row["id"] for row in ended}
    first = min((row["created_at"] for row in ended), default=0)
    whole = (max((row["completed_at"] for row in ended), default=0) - first) / 1000
    return {
        "jobs": jobs,
        "accepted": len(traffic.accepted),
        "completed": sum(row["status"] == "completed" for row in ended),
        "failed": sum(row["status"] == "failed" for row in ended),
        "errors": sorted({row["error"] for row in ended if row["error"]}),
        "lost": sum(job_id not in known for job_id in traffic.accepted),
        "acceptingSeconds": traffic.accepting_seconds,
        "wholeSeconds": whole,
        "jobsPerHour": 3600 * len(ended) / whole if whole else 0.0,
        "answers": dict(sorted(traffic.answers.items())),
        "submitSeconds": spread(traffic.submit_seconds),
        "statusSeconds": spread(traffic.status_seconds),
        "jobSeconds": spread(seconds_between(ended, "created_at", "completed_at")),
        "runSeconds": spread(seconds_between(ended, "started_at", "completed_at")),
        "retries": retries(rows.steps),
        "liveAtOnce": machine.peak_live,
        "peakMemoryMb": machine.peak_used_mb,
        "uniqueMb": spread(machine.unique_mb),
        "memoryMbByRole": dict(machine.memory_by_role),
        "cpuSecondsPerJob": machine.cpu_seconds / max(1, len(ended)),
        "cpuSecondsByRole": dict(machine.cpu_by_role),
        "overTime": machine.over_time,
    }


def _where() -> dict[str, Any]:
    memory = psutil.virtual_memory().total / 2**30
    return {
        "machine": f"{platform.machine()}, {psutil.cpu_count()} cores, {memory:.0f} GiB, "
        f"Linux {platform.release()}",
        "python": platform.python_version(),
        "ray": ray.__version__,
    }


if __name__ == "__main__":
    sys.exit(main())
