"""``sota doctor``: is this machine ready, and what to do if it is not."""

from __future__ import annotations

import os
from collections.abc import Iterable

import typer
from rich.table import Table
from rich.text import Text

from orchestrator.cli.checks import BLOCKED, OK, WARN, Finding, examine
from orchestrator.cli.problems import settings_from_environment
from orchestrator.cli.show import make_console

STYLES = {OK: "green", WARN: "yellow", BLOCKED: "red"}


def doctor() -> None:
    """Check what the service needs here; exit status 1 if something stands in its way."""
    findings = examine(settings_from_environment(), os.environ)
    make_console().print(findings_table(findings))
    blocked = [finding.name for finding in findings if finding.state == BLOCKED]
    if blocked:
        typer.echo(f"not ready: {', '.join(blocked)}")
        raise typer.Exit(1)
    typer.echo("ready: start with `sota up`, or see it work with `sota demo`")


def findings_table(findings: Iterable[Finding]) -> Table:
    """Every check: what was found, and what to do."""
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for heading in ("Check", "State", "Found", "What to do"):
        table.add_column(heading)
    for finding in findings:
        state = Text(finding.state, STYLES[finding.state])
        table.add_row(finding.name, state, Text(finding.says), Text(finding.remedy))
    return table
