"""``sota webhooks``: what receivers need, and what became of deliveries."""

from __future__ import annotations

from typing import Annotated

import typer

from orchestrator.cli.problems import settings_from_environment
from orchestrator.outbox.signing import client_key, masters, shown
from orchestrator.secrets import Secrets

app = typer.Typer(no_args_is_help=True, help="Webhooks: the secrets that receivers verify with.")


@app.callback()
def group() -> None:
    """A group even while it has one command."""


@app.command("secret")
def secret(
    client: Annotated[
        str, typer.Option("--client", help="The client id whose jobs' webhooks are verified.")
    ],
) -> None:
    """Print the secret that a client's receiver verifies webhooks with (`whsec_…`).

    It is derived from SOTA_WEBHOOK_SECRET, or from the file `webhook.secret` in SOTA_HOME, which
    is made if it is not there: run it where the service runs.
    """
    settings = settings_from_environment()
    current, *_ = masters(Secrets().webhook_secret.get_secret_value(), settings.home)
    typer.echo(shown(client_key(current, client)))
