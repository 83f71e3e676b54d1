"""A finished job's timings: when each step ran, what overlapped, and what decided the end."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.table import Table
from rich.text import Text

from orchestrator.cli.text import clean, seconds

SHARED = "shared by the steps"
"""The row of calls whose value belongs to the whole job, such as its search."""

CRITICAL = "●"


def timing_rows(timings: Mapping[str, Any]) -> list[tuple[str, ...]]:
    """``(step, start, end, time, calls, critical)`` for each step, as text.

    Starts and ends are seconds since the job's start; *calls* is what the step's calls take one
    after another, which is nothing for a step that makes none.

    :param timings: ``metadata.timings`` of a result; empty rows for one of an older version.
    """
    steps: list[Mapping[str, Any]] = list(timings.get("steps") or [])
    path = set(timings.get("criticalPath") or [])
    rows: list[tuple[str, ...]] = [
        (
            clean(str(step["name"])),
            f"{step['start']:.1f}",
            f"{step['end']:.1f}",
            f"{step['end'] - step['start']:.1f}",
            f"{step['sequentialSeconds']:.1f}",
            CRITICAL if step["name"] in path else "",
        )
        for step in steps
    ]
    shared = _of(timings, "sequentialSeconds") - sum(
        _of(step, "sequentialSeconds") for step in steps
    )
    if rows and shared >= 0.05:
        rows.append((SHARED, "", "", "", f"{shared:.1f}", ""))
    return rows


def timing_table(timings: Mapping[str, Any]) -> Table:
    """The rows as a table, the steps of the critical path marked."""
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column("Step", no_wrap=True)
    for heading in ("Start s", "End s", "Time s", "Calls s"):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("Critical path", justify="center", no_wrap=True)
    for row in timing_rows(timings):
        style = "bold" if row[-1] else "dim" if row[0] == SHARED else ""
        table.add_row(*(Text(cell, style) for cell in row))
    return table


def timing_totals(timings: Mapping[str, Any]) -> str:
    """``sequential 336.6 s, actual 58.2 s (5.8 times as fast)``; and how long it stood still."""
    sequential, actual = _of(timings, "sequentialSeconds"), _of(timings, "elapsedSeconds")
    text = f"sequential {sequential:.1f} s, actual {actual:.1f} s"
    if actual and sequential >= actual:
        text += f" ({sequential / actual:.1f} times as fast)"
    idle = _of(timings, "idleSeconds")
    return f"{text}; stood still for {seconds(idle)}, not counted" if idle >= 0.05 else text


def _of(timings: Mapping[str, Any], name: str) -> float:
    return float(timings.get(name) or 0.0)
