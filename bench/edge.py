"""What the edge carries, by Serve's settings: ``python -m bench.edge``.

For each variant a service of its own is started on which one job runs and the others wait. Jobs are
submitted, then their status is read, by one client at a time and by sixteen; printed are requests a
second, latencies at the client, and the CPU of proxy and replicas for a request. The variants are
switches of Ray Serve that are read from the environment.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any

import aiohttp
import psutil

from bench.load.__main__ import family_of
from bench.load.figures import spread
from bench.load.machine import role_of
from bench.load.traffic import Clients
from bench.private import isolated
from orchestrator.cli.demo import pages
from orchestrator.cli.problems import CliError, in_lines, settings_from_environment
from orchestrator.cli.stack import Interrupted, stack

VARIANTS: dict[str, dict[str, str]] = {
    "as Ray has it": {},
    "one loop": {
        "RAY_SERVE_RUN_ROUTER_IN_SEPARATE_LOOP": "0",
        "RAY_SERVE_RUN_USER_CODE_IN_SEPARATE_THREAD": "0",
    },
    "buffered log": {"RAY_SERVE_REQUEST_PATH_LOG_BUFFER_SIZE": "1000"},
    "both": {
        "RAY_SERVE_RUN_ROUTER_IN_SEPARATE_LOOP": "0",
        "RAY_SERVE_RUN_USER_CODE_IN_SEPARATE_THREAD": "0",
        "RAY_SERVE_REQUEST_PATH_LOG_BUFFER_SIZE": "1000",
    },
    "gRPC to replicas": {"RAY_SERVE_USE_GRPC_BY_DEFAULT": "1"},
    "HAProxy": {"RAY_SERVE_ENABLE_HA_PROXY": "1"},
}
SUBMISSIONS, READS = 240, 600
WARMING = 60
CLIENTS = (1, 16)
AT_THE_EDGE = ("Serve proxy", "Serve replicas")


def main(argv: Sequence[str] | None = None) -> int:
    """Measure the variants; the exit status."""
    parser = argparse.ArgumentParser(prog="python -m bench.edge", description=__doc__)
    parser.add_argument("variants", nargs="*", help=f"some of: {', '.join(VARIANTS)}")
    parser.add_argument("--json", type=Path, help="write the figures to this file")
    given = parser.parse_args(argv)
    found: dict[str, Any] = {}
    try:
        for name in given.variants or VARIANTS:
            with tempfile.TemporaryDirectory(prefix="se-", dir="/tmp") as home:
                found[name] = asyncio.run(_measured(Path(home), VARIANTS[name]))
            print(name, *_lines(found[name]), sep="\n", flush=True)
    except (Interrupted, CliError) as error:
        said = in_lines(error) if isinstance(error, CliError) else ["interrupted"]
        print(*said, sep="\n", file=sys.stderr)
        return 1
    if given.json:
        given.json.write_text(json.dumps(found, indent=2) + "\n", "utf-8")
    return 0


async def _measured(home: Path, switches: dict[str, str]) -> dict[str, Any]:
    environ = {**os.environ, **switches, "SOTA_MAX_LIVE_JOBS": "1"}
    plan = isolated(settings_from_environment(), home, environ, sandbox=True, command="bench")
    async with stack(plan, lambda _: None) as running:
        urls = await running.start()
        return await running.during(_figures(urls["url"], str(home)))


async def _figures(url: str, home: str) -> dict[str, Any]:
    found = {}
    async with aiohttp.ClientSession() as session:
        clients = Clients(url, session, pages())
        await _timed(home, 1, WARMING, clients.submit, clients.seen.submit_seconds)
        for count in CLIENTS:
            found[f"submit, {count} at once"] = await _timed(
                home, count, SUBMISSIONS, clients.submit, clients.seen.submit_seconds
            )
        for count in CLIENTS:
            found[f"status, {count} at once"] = await _timed(
                home, count, READS, lambda _: clients.look_at_one(), clients.seen.status_seconds
            )
    return found


async def _timed(
    home: str,
    count: int,
    requests: int,
    ask: Callable[[int], Awaitable[None]],
    seconds: list[float],
) -> dict[str, Any]:
    """*requests* requests, *count* at once; figures of those."""
    seconds.clear()
    numbers = iter(range(int(time.time() * 1000), int(time.time() * 1000) + requests))
    before, began = _used(home), time.monotonic()

    async def one_after_another() -> None:
        for number in numbers:
            await ask(number)

    await asyncio.gather(*(one_after_another() for _ in range(count)))
    took, after = time.monotonic() - began, _used(home)
    cpu = {role: 1000 * (after[role] - before[role]) / requests for role in AT_THE_EDGE}
    return {"perSecond": requests / took, "seconds": spread(seconds), "cpuMs": cpu}


def _used(home: str) -> dict[str, float]:
    """CPU-seconds by role."""
    found = defaultdict[str, float](float)
    for process in family_of(home):
        try:
            times, role = process.cpu_times(), role_of(" ".join(process.cmdline()))
        except psutil.Error:
            continue
        found[role] += times.user + times.system
    return found


def _lines(found: dict[str, Any]) -> list[str]:
    return [
        f"  {what:20} {one['perSecond']:6.1f}/s  p50 {1000 * one['seconds']['p50']:6.1f} ms"
        f"  p99 {1000 * one['seconds']['p99']:6.1f} ms  CPU "
        + ", ".join(f"{role} {ms:.1f} ms" for role, ms in one["cpuMs"].items())
        for what, one in found.items()
    ]


if __name__ == "__main__":
    sys.exit(main())
