"""Showing jobs: the eight steps live on a terminal, plain lines anywhere else."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterable
from types import TracebackType
from typing import Protocol, Self

import typer
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from orchestrator.cli.text import clean, dollars, seconds
from orchestrator.jobs import JobStatus, StepState
from orchestrator.models import BreakerView, JobView, StepView

PLAIN_WIDTH = 120  # columns of a table that goes into a pipe
MARKS = {
    StepState.PENDING: ("·", "dim"),
    StepState.RUNNING: ("▶", "cyan"),
    StepState.WAITING: ("…", "yellow"),
    StepState.COMPLETED: ("✓", "green"),
    StepState.FAILED: ("✗", "red"),
}
COLOURS = {
    JobStatus.COMPLETED: "green",
    JobStatus.FAILED: "red",
    JobStatus.CANCELLED: "red",
    JobStatus.PAUSED: "yellow",
}

Clock = Callable[[], float]


class Watcher(Protocol):
    """Something that is told of a job's progress, for the time of a ``with``."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None: ...

    def __call__(self, view: JobView) -> None:
        """The job has changed to *view*."""
        ...


def watcher(clock: Clock = time.time) -> Watcher:
    """A live display on a terminal, else plain lines."""
    return LiveWatcher(make_console(), clock) if sys.stdout.isatty() else PlainWatcher(clock)


def make_console() -> Console:
    """The console for tables; wide enough for them when there is no terminal."""
    return Console(width=None if sys.stdout.isatty() else PLAIN_WIDTH, highlight=False)


class LiveWatcher:
    """A table of the steps that is redrawn in place, times running."""

    def __init__(self, console: Console, clock: Clock) -> None:
        self._clock = clock
        self._view: JobView | None = None
        self._live = Live(
            console=console, get_renderable=self._render, refresh_per_second=4, transient=False
        )

    def __enter__(self) -> Self:
        self._live.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._live.stop()

    def __call__(self, view: JobView) -> None:
        """Draw the job as it is now."""
        self._view = view
        self._live.refresh()

    def _render(self) -> RenderableType:
        return job_panel(self._view, self._clock() * 1000) if self._view else Text("waiting ...")


class PlainWatcher:
    """A line for everything that changes."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._seen: JobView | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        pass

    def __call__(self, view: JobView) -> None:
        """Print what is new since the last view."""
        since = (self._clock() * 1000 - view.created_at) / 1000
        for line in changes(self._seen, view):
            typer.echo(f"[{since:6.1f} s] {line}")
        self._seen = view


def changes(before: JobView | None, now: JobView) -> list[str]:
    """What is different between two views of a job, in words."""
    lines = []
    if before is None or before.status != now.status:
        reason = f": {clean(now.error)}" if now.error else ""
        lines.append(f"job {now.status}{reason}")
    old = {step.name: step for step in before.steps} if before else {}
    return [line for step in now.steps for line in _step_changes(old.get(step.name), step)] + lines


def _step_changes(before: StepView | None, now: StepView) -> list[str]:
    was = (before.state, before.attempts, before.detail) if before else (StepState.PENDING, 0, None)
    if was == (now.state, now.attempts, now.detail) or now.state == StepState.PENDING:
        return []
    return [f"{now.name}: {' - '.join([now.state, *_remarks(now)])}"]


def _remarks(step: StepView) -> list[str]:
    """What there is to say about a step beside its state."""
    detail = step.detail if step.state != StepState.COMPLETED else None
    return [
        clean(remark)
        for remark in (
            f"attempt {step.attempts}" if step.attempts > 1 else "",
            detail or "",
            f"degraded: {'; '.join(step.degraded)}" if step.degraded else "",
            step.error if step.error and step.state != StepState.COMPLETED else "",
        )
        if remark
    ]


def job_panel(view: JobView, now_ms: float) -> RenderableType:
    """A job as a headline, a bar and a table of its steps."""
    colour = COLOURS.get(view.status, "cyan")
    headline = Text.assemble(
        (clean(view.keyword), "bold"), f"  {view.id}  ", (view.status.value, colour)
    )
    if view.queue_position:
        headline.append(f"  (number {view.queue_position} in the queue)", "dim")
    total = seconds(span(view.started_at or view.created_at, view.completed_at, now_ms))
    facts = Text(f"{view.progress:4.0%}   {total}   {dollars(view.cost)}", "dim")
    bar = ProgressBar(total=1.0, completed=view.progress, width=40)
    rows: list[RenderableType] = [headline, bar, facts, steps_table(view.steps, now_ms)]
    if view.error:
        rows.append(Text(clean(view.error), "red"))
    return Group(*rows)


def steps_table(steps: Iterable[StepView], now_ms: float) -> Table:
    """The steps: state, time, what they are at, cost."""
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for heading in ("", "Step", "State"):
        table.add_column(heading, no_wrap=True)
    table.add_column("Time", justify="right", no_wrap=True)
    table.add_column("Cost", justify="right", no_wrap=True)
    table.add_column("Detail", overflow="ellipsis", no_wrap=True)
    for step in steps:
        mark, style = MARKS[step.state]
        begun = step.started_at is not None
        table.add_row(
            Text(mark, style),
            Text(clean(step.name)),
            Text(step.state.value, style),
            seconds(span(step.started_at, step.ended_at, now_ms)) if begun else "",
            dollars(step.cost) if step.cost else "",
            Text("; ".join(_remarks(step)), "yellow" if step.degraded else "dim"),
        )
    return table


def span(started: float | None, ended: float | None, now_ms: float) -> float:
    """Seconds from *started* to *ended*, or to now while it goes on (all in milliseconds)."""
    return 0.0 if started is None else max(0.0, ((ended or now_ms) - started) / 1000)


def jobs_table(jobs: Iterable[JobView], now_ms: float) -> Table:
    """Many jobs, a line each."""
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for heading in ("Job", "Status", "Step", "Age", "Cost", "Keyword"):
        table.add_column(heading, no_wrap=True, overflow="ellipsis")
    for view in jobs:
        table.add_row(
            view.id,
            Text(view.status.value, COLOURS.get(view.status, "")),
            f"{view.step}/{view.total_steps}",
            seconds(span(view.created_at, None, now_ms)),
            dollars(view.cost),
            Text(clean(view.keyword)),
        )
    return table


def breakers_table(breakers: Iterable[BreakerView]) -> Table:
    """Circuit breakers, a line each."""
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for heading in ("Service", "State", "Failures", "Opens at", "Cooldown", "Next try", "Opened"):
        table.add_column(heading, no_wrap=True)
    for breaker in breakers:
        table.add_row(
            breaker.service,
            Text(breaker.state, "green" if breaker.state == "closed" else "red"),
            f"{breaker.failures}, {breaker.failure_rate or 0:.0%} of calls",
            f"{breaker.threshold} in {seconds(breaker.window_seconds)}, "
            f"{breaker.failure_rate_threshold:.0%}",
            seconds(breaker.cooldown_seconds),
            seconds(breaker.retry_after) if breaker.retry_after else "",
            f"{breaker.opened_count} times",
        )
    return table
