"""How much the steps of a job overlap: ``python -m bench.overlap [KEYWORD ...]``.

Starts a service of its own on the sandbox's profile ``seed``, in which the calls of each step take
the specification's step time one after another, and runs a generate job for each keyword. Prints
when each step ran and exits with 1 if a job took :data:`LIMIT` seconds or more.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from bench.private import isolated
from orchestrator.cli.demo import pages
from orchestrator.cli.problems import CliError, in_lines, settings_from_environment
from orchestrator.cli.show import make_console
from orchestrator.cli.stack import Interrupted, Stack, stack
from orchestrator.cli.timing import timing_table, timing_totals
from orchestrator.cli.up import adjusted
from orchestrator.client import AsyncClient
from orchestrator.jobs import JobStatus
from orchestrator.models import JobView

LIMIT = 60.0
"""Seconds from a job's submission to its end, where its steps one after another take 365 (DESIGN
section 4)."""

KEYWORD = "AI in SEO"


def main(argv: Sequence[str] | None = None) -> int:
    """Measure; the exit status: 0, or 1 where a job was too slow or did not complete."""
    parser = argparse.ArgumentParser(prog="python -m bench.overlap", description=__doc__)
    parser.add_argument("keywords", nargs="*", default=[KEYWORD], help="one job each, in turn")
    parser.add_argument("--json", type=Path, help="write the measured timings to this file")
    options = parser.parse_args(argv)
    try:
        with tempfile.TemporaryDirectory(prefix="sota-bench-") as home:
            views = asyncio.run(measure(Path(home), options.keywords))
    except Interrupted:
        print("interrupted", file=sys.stderr)
        return 1
    except CliError as error:
        print(*in_lines(error), sep="\n", file=sys.stderr)
        return 1
    results = [outcome(view) for view in views]
    if options.json:
        options.json.write_text(json.dumps(results, indent=2) + "\n", "utf-8")
    return 0 if all(result["passed"] for result in results) else 1


async def measure(home: Path, keywords: Sequence[str]) -> list[JobView]:
    """The ended jobs, one after another on one private service.

    :raises CliError: something did not come up, or died.
    """
    settings = adjusted(settings_from_environment(), sandbox_profile="seed", sandbox_time_scale=1.0)
    plan = isolated(settings, home, os.environ, sandbox=True, command="bench")
    async with stack(plan, print) as running:
        urls = await running.start()
        return [await running.during(_job(running, urls["url"], keyword)) for keyword in keywords]


async def _job(running: Stack, url: str, keyword: str) -> JobView:
    async with AsyncClient(url, client_id="bench") as client:
        job = await client.submit(keyword, existing_pages=pages())
        view = await job.wait(timeout=running.plan.settings.job_timeout)
    _show(view)
    return view


def _show(view: JobView) -> None:
    print(f"\n{view.keyword}: {view.status}{f', {view.error}' if view.error else ''}")
    if view.status == JobStatus.COMPLETED:
        timings = timings_of(view)
        make_console().print(timing_table(timings))
        print(f"{timing_totals(timings)}; {seconds_of(view):.1f} s from submission to end")


def timings_of(view: JobView) -> dict[str, Any]:
    """``metadata.timings`` of a job's result; empty if it has none."""
    return dict(((view.result or {}).get("metadata") or {}).get("timings") or {})


def seconds_of(view: JobView) -> float:
    """Seconds from the submission to the end, the wait for an actor included."""
    return ((view.completed_at or 0) - view.created_at) / 1000


def outcome(view: JobView) -> dict[str, Any]:
    """What is written of a job: its keyword, whether it was fast enough, its timings."""
    passed = view.status == JobStatus.COMPLETED and seconds_of(view) < LIMIT
    return {
        "keyword": view.keyword,
        "passed": passed,
        "limitSeconds": LIMIT,
        "submissionToEndSeconds": seconds_of(view),
        **timings_of(view),
    }


if __name__ == "__main__":
    sys.exit(main())
