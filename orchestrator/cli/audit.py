"""``sota audit``: who did what, from the journal itself."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Annotated

import typer
from rich.table import Table
from rich.text import Text

from orchestrator.cli.keys import when
from orchestrator.cli.local import with_journal
from orchestrator.cli.show import make_console
from orchestrator.cli.text import clean
from orchestrator.security.records import AuditEntry


def audit(
    client: Annotated[str | None, typer.Option(help="Only what this client did.")] = None,
    job: Annotated[str | None, typer.Option(help="Only what was done to this job.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="At most so many.")] = 50,
    as_json: Annotated[bool, typer.Option("--json", help="A JSON object a line.")] = False,
) -> None:
    """List who did what to which job or key, newest first."""
    entries = with_journal(
        lambda journal: journal.audit_log(client_id=client, job_id=job, limit=limit)
    )
    if as_json:
        for entry in entries:
            typer.echo(json.dumps(entry.model_dump(mode="json"), ensure_ascii=False))
    elif entries:
        make_console().print(audit_table(entries))
    else:
        typer.echo("nothing is recorded", err=True)


def audit_table(entries: Iterable[AuditEntry]) -> Table:
    """One line an entry."""
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for heading in ("When (UTC)", "Client", "Key", "Did", "Job", "Request", "More"):
        table.add_column(heading)
    for entry in entries:
        more = " ".join(f"{name}={value}" for name, value in entry.detail.items())
        cells = (
            when(entry.at), entry.client_id, entry.key_id, entry.action.value,
            entry.job_id or "", entry.request_id, more,
        )  # fmt: skip
        table.add_row(*(Text(clean(cell)) for cell in cells))
    return table
