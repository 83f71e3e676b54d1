"""``sota keys``: make, list and revoke the keys of clients, in the journal itself."""

from __future__ import annotations

import time
import uuid
from datetime import UTC, datetime
from enum import StrEnum
from typing import Annotated

import typer
from rich.table import Table
from rich.text import Text

from orchestrator.cli.local import with_journal
from orchestrator.cli.problems import CliError, signing_secrets_from_environment
from orchestrator.cli.show import make_console
from orchestrator.cli.text import clean
from orchestrator.errors import InvalidInput
from orchestrator.journal.base import Journal
from orchestrator.security.records import OPERATOR, KeyKind, KeyRecord, Principal
from orchestrator.security.signing import CLIENT_ID

app = typer.Typer(
    no_args_is_help=True,
    help="Make, list and revoke the keys of clients. Works on the journal of this machine's "
    "settings, also while the service runs.",
)


class Kind(StrEnum):
    """What a key is for."""

    SIGNING = "signing"
    BEARER = "bearer"


@app.command("create")
def create(
    client: Annotated[str, typer.Argument(metavar="CLIENT", help="Whose key it is.")],
    kind: Annotated[
        Kind, typer.Option(help="signing: signs requests, is never sent; bearer: is sent.")
    ] = Kind.SIGNING,
    admin: Annotated[
        bool, typer.Option("--admin", help="Sees every client's jobs, and the metrics.")
    ] = False,
    note: Annotated[str, typer.Option(help="A few words for the list.")] = "",
) -> None:
    """Make a key and print it: once, and never again."""
    if not CLIENT_ID.fullmatch(client):
        raise InvalidInput(
            "CLIENT", "use up to 200 letters, digits and . _ : @ -, a letter or digit first"
        )
    secrets = signing_secrets_from_environment()
    if not secrets.configured:
        raise CliError(
            "there is no SOTA_SIGNING_SECRET to make keys from",
            "export SOTA_SIGNING_SECRET=$(openssl rand -hex 32), keep it, and start the service "
            "with it too",
        )
    # Heavy (OpenSSL): only making a key needs it.
    from orchestrator.security.master import Masters, new_key  # noqa: PLC0415

    newest = Masters.of(secrets).newest
    key, text = new_key(newest, client, KeyKind(kind), _now(), admin=admin, note=note)
    with_journal(lambda journal: journal.create_key(key, by=_operator()))
    typer.echo(f"key {key.id} of client {client}: keep it now, it is not shown again", err=True)
    typer.echo(text)
    typer.echo(_how(key), err=True)


@app.command("list")
def list_keys(
    client: Annotated[str | None, typer.Option(help="Only this client's.")] = None,
    every: Annotated[bool, typer.Option("--all", help="Revoked ones too.")] = False,
) -> None:
    """List keys: whose, of what kind, since when. Never the keys themselves."""
    found = with_journal(lambda journal: journal.keys(client))
    shown = [key for key in found if every or key.revoked_at is None]
    if shown:
        make_console().print(keys_table(shown))
    else:
        typer.echo("no keys; make one with: sota keys create CLIENT", err=True)


@app.command("revoke")
def revoke(
    key: Annotated[str, typer.Argument(metavar="KEY", help="The key's id, as in the list.")],
) -> None:
    """Revoke a key; the next request made with it is refused."""
    revoked = with_journal(lambda journal: _revoke(journal, key))
    if revoked is None:
        raise CliError(f"there is no key {clean(key)!r}", "see `sota keys list`")
    typer.echo(f"revoked {revoked.id} of client {clean(revoked.client_id)}")


async def _revoke(journal: Journal, key_id: str) -> KeyRecord | None:
    return await journal.revoke_key(key_id, _now(), by=_operator())


def keys_table(keys: list[KeyRecord]) -> Table:
    """One line a key."""
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for heading in ("Key", "Client", "Kind", "Rights", "Made", "Revoked", "Note"):
        table.add_column(heading)
    for key in keys:
        cells = (
            key.id,
            key.client_id,
            key.kind.value,
            "admin" if key.admin else "own jobs",
            when(key.created_at),
            when(key.revoked_at),
            key.note,
        )
        table.add_row(*(Text(clean(cell)) for cell in cells))
    return table


def when(at: int | None) -> str:
    """A time for people, in UTC; empty for none."""
    return "" if at is None else f"{datetime.fromtimestamp(at / 1000, UTC):%Y-%m-%d %H:%M:%S}"


def _how(key: KeyRecord) -> str:
    if key.kind is KeyKind.BEARER:
        return "send it as `Authorization: Bearer KEY`, or set SOTA_CLIENT_KEY for `sota`"
    return (
        f"sign requests with it (docs/security.md), or set SOTA_CLIENT_ID={key.client_id} and "
        "SOTA_CLIENT_KEY for `sota` and the Python client"
    )


def _operator() -> Principal:
    return Principal(client_id=OPERATOR, entry=uuid.uuid4().hex, at=_now())


def _now() -> int:
    return int(time.time() * 1000)
