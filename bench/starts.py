"""What it takes to start a job actor, and to keep it: ``python -m bench.starts``.

Starts job actors of one module, with its imports, on a local Ray of its own: first each in a
process started anew, as Ray does, then each forked from the template; side by side in one run.
CPU is what the machine used meanwhile, less what it used at rest just before, so that Ray's own
part is in it: run it on a machine that does nothing else. Memory is the unique set size: what
would be free again if the process ended. Waiting is what the actors' own threads run while nobody
asks them anything.
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import platform
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import psutil
import ray

from actors import host, naps, options, template
from actors.template import worker_environment
from orchestrator.config import Settings
from orchestrator.footprints import cpu_of, cpu_used
from steps.warm import LATE

COUNT = 20
"""Actors of each kind."""

SETTLE_SECONDS = 3.0
"""After the last answer, before memory is read."""

WAITING_SECONDS = 10.0
"""For so long they are watched while they wait."""

IMPORTED = ("actors.job", *LATE)
"""What every job actor's process imports: at its start, and when its steps first need it. A forked
one has it all from the template, so one started anew imports it all, too."""


class Idle:
    """A job actor without a job: the same imports, and it waits."""

    def __init__(self) -> None:
        for name in IMPORTED:
            importlib.import_module(name)

    async def pid(self) -> int:
        """Its process, which naps from now on if it may, as one with a job does."""
        naps.begin()
        return os.getpid()


@dataclass(frozen=True)
class Cost:
    """What an actor of one kind costs, in the mean."""

    kind: str
    actors: int
    cpu_seconds: float  #: to start it
    seconds: float  #: from the first request to the last answer, by actor
    unique_mb: float  #: of memory while it waits
    waiting_percent: float  #: of a core that it uses while it waits


def main(argv: Sequence[str] | None = None) -> int:
    """Measure both kinds, print them side by side; the exit status."""
    parser = argparse.ArgumentParser(prog="python -m bench.starts", description=__doc__)
    parser.add_argument("--actors", type=int, default=COUNT, help="of each kind")
    parser.add_argument("--json", type=Path, help="write the figures to this file")
    given = parser.parse_args(argv)
    with tempfile.TemporaryDirectory(prefix="sb-", dir="/tmp") as place:  # short, for socket paths
        costs = _measured(Path(place), given.actors)
    found = _compared(*costs)
    print(_table(*costs, found))
    if given.json:
        given.json.write_text(json.dumps(found, indent=2) + "\n", "utf-8")
    return 0


def _measured(place: Path, count: int) -> tuple[Cost, Cost]:
    plain, forked = Settings(template="off"), Settings(template="on")
    os.environ.update(host.CLUSTER_ENVIRONMENT | {"RAY_AUTH_MODE": "disabled"})
    template.prepare(os.environ, forked)
    ray.init(
        address="local",
        num_cpus=psutil.cpu_count(),
        include_dashboard=False,
        logging_level="warning",
        log_to_driver=False,
        _temp_dir=str(place),
    )
    try:
        return _cost("plain", plain, count), _cost("forked", forked, count)
    finally:
        ray.shutdown()


def _cost(kind: str, settings: Settings, count: int) -> Cost:
    environment = worker_environment(options.NO_SECRETS, settings)
    actor = ray.remote(Idle).options(num_cpus=0, runtime_env=environment)
    first = actor.remote()  # it brings up the template, and what Ray makes once
    ray.get(first.pid.remote())
    time.sleep(SETTLE_SECONDS)
    resting = cpu_used()
    time.sleep(SETTLE_SECONDS)
    before, began = cpu_used(), time.monotonic()
    at_rest = (before - resting) / SETTLE_SECONDS  # Ray itself, and whatever else is going on
    actors = [actor.remote() for _ in range(count)]
    pids = ray.get([one.pid.remote() for one in actors])
    took = time.monotonic() - began
    cpu = cpu_used() - before - at_rest * took
    workers = [psutil.Process(pid) for pid in pids]
    time.sleep(SETTLE_SECONDS)
    ran, since = _ran(pids), time.monotonic()
    time.sleep(WAITING_SECONDS)
    waiting = (_ran(pids) - ran) / (time.monotonic() - since) / count
    unique = statistics.mean(worker.memory_full_info().uss for worker in workers) / 2**20
    for one in (first, *actors):
        ray.kill(one)
    return Cost(kind, count, cpu / count, took / count, unique, 100 * waiting)


def _ran(pids: Sequence[int]) -> float:
    """CPU-seconds that these processes have used."""
    return sum(cpu_of(pid) or 0.0 for pid in pids)


def _compared(plain: Cost, forked: Cost) -> dict[str, Any]:
    return {
        "machine": f"{platform.machine()}, {psutil.cpu_count()} cores, Linux {platform.release()}",
        "python": platform.python_version(),
        "ray": ray.__version__,
        "costs": [asdict(plain), asdict(forked)],
        "ratios": {
            "cpu": plain.cpu_seconds / forked.cpu_seconds,
            "seconds": plain.seconds / forked.seconds,
            "memory": plain.unique_mb / forked.unique_mb,
            "waiting": plain.waiting_percent / forked.waiting_percent,
        },
    }


def _table(plain: Cost, forked: Cost, found: dict[str, Any]) -> str:
    ratios = found["ratios"]
    rows = (
        ("CPU-s a start", plain.cpu_seconds, forked.cpu_seconds, ratios["cpu"]),
        ("s a start", plain.seconds, forked.seconds, ratios["seconds"]),
        ("unique MB", plain.unique_mb, forked.unique_mb, ratios["memory"]),
        ("waiting, %", plain.waiting_percent, forked.waiting_percent, ratios["waiting"]),
    )
    head = f"{plain.actors} job actors of each kind; {found['machine']}, Ray {found['ray']}\n"
    lines = [f"{'':16}{'plain':>10}{'forked':>10}{'ratio':>10}"]
    lines += [f"{name:16}{one:10.3f}{two:10.3f}{ratio:9.1f}x" for name, one, two, ratio in rows]
    return head + "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
