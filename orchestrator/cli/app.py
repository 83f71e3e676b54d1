"""``sota``: the application that holds every command, and how it fails."""

from __future__ import annotations

from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from orchestrator import __version__
from orchestrator.cli import (
    audit,
    backup,
    clients,
    demo,
    doctor,
    encryption,
    jobs,
    keys,
    sandbox,
    steering,
    up,
    webhooks,
)
from orchestrator.cli.problems import EXPECTED, in_lines
from orchestrator.cli.service import Target


class PlainSpeaking(TyperGroup):
    """A command that cannot do what it was asked says so in a line or two, and exits with 1."""

    def invoke(self, ctx: Any) -> Any:
        """Run the command."""
        try:
            return super().invoke(ctx)
        except EXPECTED as error:
            for line in in_lines(error):
                typer.echo(line, err=True)
            raise typer.Exit(1) from None


app = typer.Typer(
    name="sota",
    cls=PlainSpeaking,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Durable content jobs on Ray: run the service, hand in jobs, watch them.",
)


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"sota {__version__}")
        raise typer.Exit


@app.callback()
def options(
    ctx: typer.Context,
    url: Annotated[
        str, typer.Option("--url", envvar="SOTA_URL", help="The service to talk to.")
    ] = "",
    client_id: Annotated[
        str, typer.Option("--client-id", envvar="SOTA_CLIENT_ID", help="Who is asking.")
    ] = "",
    version: Annotated[
        bool,
        typer.Option("--version", is_eager=True, callback=_show_version, help="Show the version."),
    ] = False,
) -> None:
    """What every command needs to know."""
    ctx.obj = Target(url, client_id or None)


app.command("up")(up.up)
app.command("demo")(demo.demo)
app.command("submit")(jobs.submit)
app.command("watch")(jobs.watch)
app.command("status")(jobs.status)
app.command("list")(jobs.list_jobs)
app.command("result")(jobs.result)
app.command("cancel")(steering.cancel)
app.command("pause")(steering.pause)
app.command("resume")(steering.resume)
app.command("retry")(steering.retry)
app.command("breakers")(steering.breakers)
app.add_typer(keys.app, name="keys")
app.command("audit")(audit.audit)
app.add_typer(clients.app, name="clients")
app.command("backup")(backup.backup)
app.command("restore")(backup.restore)
app.add_typer(encryption.encryption, name="encryption")
app.command("sandbox")(sandbox.sandbox)
app.command("doctor")(doctor.doctor)
app.add_typer(webhooks.app, name="webhooks")


def main() -> None:
    """The entry point of the ``sota`` script."""
    app()
