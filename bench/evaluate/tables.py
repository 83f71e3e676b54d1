"""An evaluation as tables: the checks, the topics, the verdicts."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from bench.evaluate.outcome import Outcome
from bench.evaluate.verdicts import NAMED, Verdict
from orchestrator.cli.text import clean, dollars, seconds

NOT_APPLICABLE = "not applicable"
"""The value of a check that says nothing about an article; wire data of the quality report."""


@dataclass(frozen=True, slots=True)
class CheckRow:
    """One check of the rubric over all topics it applies to.

    :param score: the mean credit, 0-1.
    :param worst: the number of the topic with the least credit; None when all have full credit.
    :param value: what was found there.
    """

    name: str
    weight: int
    score: float
    passed: int
    applies: int
    worst: int | None
    value: str


def check_rows(outcomes: Sequence[Outcome]) -> list[CheckRow]:
    """A row for each check, the most weighted credit lost first."""
    found: dict[str, list[tuple[int, Any]]] = {}
    for one in outcomes:
        for check in one.checks:
            found.setdefault(str(check["name"]), []).append((one.number, check))
    rows = [_row(name, pairs) for name, pairs in found.items()]
    return sorted(rows, key=lambda row: -row.weight * (1 - row.score) * row.applies)


def _row(name: str, pairs: list[tuple[int, Any]]) -> CheckRow:
    counted = [(n, check) for n, check in pairs if check["value"] != NOT_APPLICABLE]
    worst, lowest = min(counted or pairs, key=lambda pair: float(pair[1]["score"]))
    spotless = float(lowest["score"]) >= 1.0
    return CheckRow(
        name=name,
        weight=int(lowest["weight"]),
        score=sum(float(check["score"]) for _, check in counted) / len(counted) if counted else 1.0,
        passed=sum(bool(check["passed"]) for _, check in counted),
        applies=len(counted),
        worst=None if spotless else worst,
        value="" if spotless else str(lowest["value"]),
    )


def show(console: Console, outcomes: Sequence[Outcome], verdicts: Iterable[Verdict]) -> None:
    """Print everything."""
    console.print(_checks_table(check_rows(outcomes)))
    console.print()
    console.print(_topics_table(outcomes))
    kept_dead = [url for one in outcomes for url in one.kept_dead]
    if kept_dead:
        console.print(f"\nlinks of the clients' old posts that do not answer: {len(kept_dead)}")
    console.print()
    for verdict in verdicts:
        console.print(_verdict(verdict))


def _checks_table(rows: Iterable[CheckRow]) -> Table:
    table = _table(("Check", ""), ("Weight", "right"), ("Mean", "right"), ("Passed", "right"))
    table.add_column("Worst topic", no_wrap=True, overflow="ellipsis")
    for row in rows:
        worst = "" if row.worst is None else f"{row.worst}: {clean(row.value)}"
        passed = f"{row.passed}/{row.applies}"
        table.add_row(Text(row.name), str(row.weight), f"{row.score:.3f}", passed, Text(worst))
    return table


def _topics_table(outcomes: Iterable[Outcome]) -> Table:
    headings = ("#", "Score", "Words", "Refs", "Links", "Old", "Cost", "Time")
    table = _table(*((heading, "right") for heading in headings), ("Topic", ""))
    table.add_column("Degraded", no_wrap=True, overflow="ellipsis")
    for one in outcomes:
        table.add_row(
            str(one.number),
            f"{one.score:.1f}" if one.completed else one.status,
            str(one.words),
            str(one.references),
            str(one.internal_links),
            str(one.kept_links) if one.mode == "refresh" else "",
            dollars(one.cost),
            seconds(one.seconds),
            Text(clean(one.keyword)),
            Text(", ".join(one.degraded)),
        )
    return table


def _table(*columns: tuple[str, str]) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for heading, side in columns:
        table.add_column(heading, justify="right" if side else "left", no_wrap=True)
    return table


def _verdict(verdict: Verdict) -> Text:
    mark, style = ("✓", "green") if verdict.kept else ("✗", "red")
    text = Text.assemble((f"{mark} ", style), f"{verdict.promise}: {verdict.found}")
    for fault in verdict.faults[:NAMED]:
        text.append(f"\n    {clean(fault)}", style)
    more = len(verdict.faults) - NAMED
    return text.append(f"\n    and {more} more", style) if more > 0 else text
