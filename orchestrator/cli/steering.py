"""Steering jobs (``cancel``, ``pause``, ``resume``, ``retry``) and seeing the ``breakers``."""

from __future__ import annotations

from typing import Annotated

import typer

from orchestrator.cli.jobs import JobArgument
from orchestrator.cli.problems import CliError
from orchestrator.cli.service import connected
from orchestrator.cli.show import breakers_table, make_console
from orchestrator.cli.text import job_id
from orchestrator.jobs import JobStatus
from orchestrator.models import JobView


def cancel(ctx: typer.Context, job: JobArgument) -> None:
    """Cancel a job; what it has done stays, so `retry` can go on from there."""
    with connected(ctx.obj) as client:
        view = client.job(job_id(job)).cancel()
    if view.status in (JobStatus.COMPLETED, JobStatus.FAILED):
        raise CliError(f"job {view.id} has {view.status} already: there is nothing to cancel")
    _tell(view, "will be cancelled at its next look")


def pause(ctx: typer.Context, job: JobArgument) -> None:
    """Pause a job until `resume`."""
    with connected(ctx.obj) as client:
        _tell(client.job(job_id(job)).pause(), "will pause at its next look")


def resume(ctx: typer.Context, job: JobArgument) -> None:
    """Queue a paused job again."""
    with connected(ctx.obj) as client:
        _tell(client.job(job_id(job)).resume())


def retry(
    ctx: typer.Context,
    job: JobArgument,
    from_step: Annotated[
        str | None,
        typer.Option(help="Run this step and what follows anew, such as references."),
    ] = None,
) -> None:
    """Queue a failed or cancelled job again; completed steps are not run again."""
    with connected(ctx.obj) as client:
        _tell(client.job(job_id(job)).retry(from_step))


def breakers(ctx: typer.Context) -> None:
    """Show the circuit breakers of the external services."""
    with connected(ctx.obj) as client:
        make_console().print(breakers_table(client.breakers()))


def _tell(view: JobView, while_running: str = "") -> None:
    """The job's status, and what is still to happen to one that runs."""
    pending = f", {while_running}" if while_running and view.status == "processing" else ""
    typer.echo(f"job {view.id} is {view.status}{pending}")
