"""How far one cluster goes, and what it costs: ``python -m bench.capacity FILE``.

FILE is what ``python -m bench.load --json FILE`` wrote. The demand of each part is what it used of
the CPU, divided by the jobs that ended: it holds what the part uses at rest, so it is a little too
much, never too little. Prints where each shared part saturates, what nodes of usual sizes carry and
cost, and a simulation of one cell below and at its bound.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from bench.capacity.model import (
    USABLE,
    JobCost,
    NodeSize,
    Part,
    dollars_per_1000,
    jobs_per_second,
    nodes_of_a_cell,
    saturation,
)
from bench.capacity.simulation import Simulation

SHARED = ("journal", "breakers", "supervisor", "Serve proxy", "Serve replicas", "GCS", "outbox")
"""One of each for the whole cluster; there are five breakers, each with a process of its own."""

SERVERS = {"breakers": 5.0, "Serve replicas": 2.0}
ON_THE_NODE = ("job actors", "gateways", "raylet", "template", "the rest of Ray")

SIZES = (
    NodeSize("2 cores, 8 GiB", 2, 8, 0.096),
    NodeSize("4 cores, 16 GiB", 4, 16, 0.192),
    NodeSize("8 cores, 32 GiB", 8, 32, 0.384),
    NodeSize("16 cores, 64 GiB", 16, 64, 0.768),
)
"""Dollars are the usual list price of general-purpose virtual machines, 0.048 a core and hour with
4 GiB: put your own in."""

ROUNDS = 12
"""Calls of a job that follow one another (its critical path)."""

SIMULATED_SECONDS = 7200.0


def main(argv: Sequence[str] | None = None) -> int:
    """Print the model; the exit status."""
    parser = argparse.ArgumentParser(prog="python -m bench.capacity", description=__doc__)
    parser.add_argument("file", type=Path, help="what bench.load wrote; its largest run counts")
    given = parser.parse_args(argv)
    runs = json.loads(given.file.read_text("utf-8"))["runs"]
    largest = max(runs, key=lambda run: run["jobs"])
    print(*lines(largest, unhurried(runs)), sep="\n")
    return 0


def unhurried(runs: Sequence[Mapping[str, Any]]) -> float:
    """How long a job takes when nothing makes it wait: the median of the smallest run."""
    return float(min(runs, key=lambda run: run["jobs"])["runSeconds"]["p50"])


def lines(run: Mapping[str, Any], seconds: float) -> list[str]:
    """The whole model as lines.

    :param seconds: how long a job takes when nothing makes it wait.
    """
    parts, job = shared_parts(run), job_cost(run, seconds)
    said = [
        "| shared part | CPU-ms a job | jobs/s at 70 % | jobs an hour |",
        "| --- | ---: | ---: | ---: |",
    ]
    said += [
        f"| {part.name} | {1000 * part.demand:.0f} | {rate:.1f} | {3600 * rate:,.0f} |"
        for part, rate in saturation(parts)
    ]
    said += [
        "",
        f"A job: {job.on_its_node:.2f} CPU-s on its node, {job.mb:.0f} MiB for {seconds:.0f} s.",
        "",
    ]
    said += [
        "| node | jobs an hour | bound by | $ for 1000 jobs | nodes in a cell | its jobs an hour |",
        "| --- | ---: | --- | ---: | ---: | ---: |",
    ]
    for size in SIZES:
        rate, bound = jobs_per_second(size, job)
        nodes, together = nodes_of_a_cell(size, job, parts)
        said.append(
            f"| {size.name} | {3600 * rate:,.0f} | {bound} | {dollars_per_1000(size, rate):.3f} "
            f"| {nodes} | {3600 * together:,.0f} |"
        )
    said += ["", *simulated(parts, job)]
    return said


def shared_parts(run: Mapping[str, Any]) -> list[Part]:
    """The parts of which a cluster has one, with what each spends on a job."""
    used, jobs = run["cpuSecondsByRole"], _ended(run)
    return [
        Part(name, used[name] / jobs, SERVERS.get(name, 1.0)) for name in SHARED if used.get(name)
    ]


def job_cost(run: Mapping[str, Any], seconds: float) -> JobCost:
    """What a job takes on the node it runs on."""
    used = run["cpuSecondsByRole"]
    on_its_node = sum(used.get(name, 0.0) for name in ON_THE_NODE) / _ended(run)
    return JobCost(seconds=seconds, mb=run["uniqueMb"]["p95"], on_its_node=on_its_node)


def simulated(parts: Sequence[Part], job: JobCost) -> list[str]:
    """A cell of the second size at several loads."""
    size = SIZES[1]
    nodes, bound = nodes_of_a_cell(size, job, parts)
    every = [*parts, Part("nodes' cores", job.on_its_node, servers=float(nodes * size.cores))]
    outside = max(1.0, job.seconds - sum(part.demand for part in every))
    said = [
        f"Simulated: {nodes} nodes of {size.name}, {SIMULATED_SECONDS / 3600:.0f} hours, jobs "
        f"arriving at random; 100 % is what the bounds above plan for ({USABLE:.0%} of the busiest "
        "part).",
        "",
        "| load | jobs/s | job p50 s | job p95 s | live | busiest |",
        "| ---: | ---: | ---: | ---: | ---: | --- |",
    ]
    for share in (0.25, 0.5, 0.75, 1.0, 1.25):
        found = Simulation(every, outside=outside, rounds=ROUNDS).run(
            share * bound, SIMULATED_SECONDS
        )
        said.append(
            f"| {share:.0%} | {found.carried:.2f} | {found.p50:.0f} | {found.p95:.0f} "
            f"| {found.live:.0f} | {found.busiest}, {found.utilization:.0%} |"
        )
    return said


def _ended(run: Mapping[str, Any]) -> int:
    return max(1, int(run["completed"]) + int(run["failed"]))


if __name__ == "__main__":
    sys.exit(main())
