"""A run as lines to read."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def lines(run: Mapping[str, Any]) -> list[str]:
    """The figures of one run."""
    faults = f", {run['faults']:.0%} of calls fail" if run["faults"] else ""
    return [
        f"\n{run['jobs']} jobs, profile {run['profile']}{faults}",
        f"  accepted {run['accepted']} in {run['acceptingSeconds']:.1f} s, "
        f"alive at once {run['liveAtOnce']}, completed {run['completed']}, "
        f"failed {run['failed']}, lost {run['lost']}",
        f"  all ended after {run['wholeSeconds']:.1f} s: {run['jobsPerHour']:.0f} jobs an hour",
        f"  submit  {milliseconds(run['submitSeconds'])}",
        f"  status  {milliseconds(run['statusSeconds'])}",
        f"  job     {_seconds(run['jobSeconds'])}, from submission to end",
        f"  run     {_seconds(run['runSeconds'])}, from its start",
        f"  memory  peak {run['peakMemoryMb']:.0f} MiB; a job actor's own "
        f"{run['uniqueMb']['p50']:.1f} MiB (p50), {run['uniqueMb']['max']:.1f} (most)",
        f"  CPU     {run['cpuSecondsPerJob']:.2f} s a job; {_shares(run['cpuSecondsByRole'])}",
        f"  steps   {run['retries']['steps']}, tried again {run['retries']['retried']}, "
        f"of those completed {run['retries']['retrySuccess']:.1%}, "
        f"degraded {run['retries']['degraded']}",
        f"  answers {run['answers']}",
        *(f"  error   {error}" for error in run["errors"]),
    ]


def milliseconds(spread: Mapping[str, float]) -> str:
    """A spread of seconds, in words."""
    names = ("p50", "p95", "p99", "max")
    return ", ".join(f"{name} {1000 * spread[name]:.0f} ms" for name in names)


def _seconds(spread: Mapping[str, float]) -> str:
    names = ("p50", "p95", "p99", "max")
    return ", ".join(f"{name} {spread[name]:.1f} s" for name in names)


def _shares(by_role: Mapping[str, float]) -> str:
    ordered = sorted(by_role.items(), key=lambda one: -one[1])
    return ", ".join(f"{role} {used:.1f}" for role, used in ordered)
