"""``sota clients``: who has which tier, in the journal itself."""

from __future__ import annotations

import time
from typing import Annotated

import typer
from rich.table import Table
from rich.text import Text

from orchestrator.cli.local import with_journal
from orchestrator.cli.problems import settings_from_environment
from orchestrator.cli.show import make_console
from orchestrator.cli.text import clean
from orchestrator.errors import InvalidInput
from orchestrator.tenants.tiers import LIMITS, Tier
from orchestrator.tenants.windows import told

LONGEST = 200  #: characters of a client's id, as in a submission

app = typer.Typer(
    no_args_is_help=True,
    help="Give clients their tiers and list them. Works on the journal of this machine's settings, "
    "also while the service runs.",
)


@app.command("set")
def set_tier(
    client: Annotated[str, typer.Argument(metavar="CLIENT", help="The client's id.")],
    tier: Annotated[Tier, typer.Argument(metavar="TIER", help=f"One of {', '.join(Tier)}.")],
) -> None:
    """Give a client a tier; it holds from its next submission on."""
    if not 0 < len(client) <= LONGEST:
        raise InvalidInput("CLIENT", f"use 1 to {LONGEST} characters")
    with_journal(lambda journal: journal.set_tier(client, tier, int(time.time() * 1000)))
    typer.echo(f"client {clean(client)} has tier {tier}: {limits_in_words(tier)}")


@app.command("list")
def list_clients() -> None:
    """Show every client with a tier of its own, and what the others have."""
    found = with_journal(lambda journal: journal.client_tiers())
    table = Table("client", "tier", "allows", "since")
    for one in found:
        table.add_row(
            Text(clean(one.client_id)), one.tier, limits_in_words(one.tier), told(one.changed_at)
        )
    if found:
        make_console().print(table)
    default = settings_from_environment().tenancy.default_tier
    typer.echo(f"{'other' if found else 'all'} clients have tier {default}")


def limits_in_words(tier: Tier) -> str:
    """``5 jobs an hour, 1 at once, 10,000 words a month``."""
    limits = LIMITS[tier]
    told_of = [
        f"{number:,} {what}"
        for number, what in (
            (limits.jobs_per_hour, "jobs an hour"),
            (limits.jobs_at_once, "at once"),
            (limits.words_per_month, "words a month"),
        )
        if number is not None
    ]
    return ", ".join(told_of) or "no limits"
