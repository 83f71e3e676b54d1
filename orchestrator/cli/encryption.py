"""``sota encryption``: a new key, how far the journal is sealed, and changing its key."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Annotated

import typer

from orchestrator.cli.problems import CliError, settings_from_environment
from orchestrator.secrets import StorageKeys

if TYPE_CHECKING:
    from orchestrator.journal.database import Database
    from orchestrator.journal.rotation import Rotated, Standing
    from orchestrator.journal.sealing import Vault

encryption = typer.Typer(
    no_args_is_help=True, help="The keys that seal what clients sent, in the journal's database."
)


@encryption.command("new-key")
def new_key() -> None:
    """Print a fresh key for SOTA_ENCRYPTION_KEYS; keep it as safe as the database, and apart."""
    # Heavy (SQLAlchemy, cryptography): it would add 0.3 s to the start of every command.
    from orchestrator.journal.sealing import new_master_key  # noqa: PLC0415

    typer.echo(new_master_key())


@encryption.command("status")
def status() -> None:
    """Show by which keys the journal is sealed, and what is in clear."""
    vault = _vault()
    found = asyncio.run(_standing(vault))
    for line in _lines(found, vault):
        typer.echo(line)


@encryption.command("rotate")
def rotate(
    stopped: Annotated[
        bool, typer.Option("--stopped", help="The service is stopped: do not ask for its keys.")
    ] = False,
) -> None:
    """Bring all data keys under the first key of SOTA_ENCRYPTION_KEYS; seal what is in clear.

    Safe while the service runs, and when it is broken off: start it again and it goes on.
    """
    vault = _vault()
    if not vault.on:
        raise CliError(
            "SOTA_ENCRYPTION_KEYS is not set", "put the new key first, the old ones after"
        )
    found = asyncio.run(_standing(vault))
    if not stopped and vault.ids[0] not in found.held:
        raise CliError(
            f"the service was last started without the key {vault.ids[0]}, and could not read what "
            "this would wrap",
            "start it again with the same SOTA_ENCRYPTION_KEYS, or say --stopped if it is stopped",
        )
    done = asyncio.run(_rotate(vault))
    typer.echo(f"wrapped   {done.rewrapped} data keys anew")
    typer.echo(f"sealed    {done.sealed_jobs} jobs and {done.sealed_entries} cache entries")
    typer.echo(f"key       {vault.ids[0]}; the others are needed for older backups only")


def _vault() -> Vault:
    # Heavy, as above.
    from orchestrator.journal.sealing import vault_of  # noqa: PLC0415

    return vault_of(StorageKeys().encryption_keys)


async def _standing(vault: Vault) -> Standing:
    # Heavy, as above.
    from orchestrator.journal.faults import faults_mapped  # noqa: PLC0415
    from orchestrator.journal.rotation import standing  # noqa: PLC0415

    with faults_mapped():
        async with _opened(vault, read_only=True) as database:
            return await database.run(standing)


async def _rotate(vault: Vault) -> Rotated:
    # Heavy, as above.
    from orchestrator.journal.rotation import rotate as rotated  # noqa: PLC0415

    async with _opened(vault) as database:
        return await rotated(database)


@asynccontextmanager
async def _opened(vault: Vault, *, read_only: bool = False) -> AsyncIterator[Database]:
    """The journal's database. :raises CliError: SOTA_DATABASE_URL is none of ours."""
    # Heavy, as above.
    from orchestrator.journal.database import open_database  # noqa: PLC0415
    from orchestrator.journal.engine import parse_url  # noqa: PLC0415

    try:
        url = parse_url(settings_from_environment().database)
    except ValueError as error:
        raise CliError(str(error), "mend SOTA_DATABASE_URL") from None
    database = open_database(url, read_only=read_only, vault=vault)
    try:
        yield database
    finally:
        await database.close()


def _lines(found: Standing, vault: Vault) -> Iterator[str]:
    yield f"keys here    {', '.join(vault.ids) or 'none (SOTA_ENCRYPTION_KEYS is not set)'}"
    yield f"the service  {', '.join(found.held) or 'has no keys'}"
    for key, count in sorted(found.jobs.items()):
        yield f"sealed       {count} jobs by {key}{'' if key in vault.ids else ' (not here)'}"
    if found.cache_key is not None:
        yield f"sealed       the cache by {found.cache_key}"
    yield f"in clear     {found.clear_jobs} jobs, {found.clear_entries} cache entries"
    if vault.on and _is_unfinished(found, vault):
        yield "next         sota encryption rotate"


def _is_unfinished(found: Standing, vault: Vault) -> bool:
    old = {*found.jobs, found.cache_key} - {vault.ids[0]}
    return bool(old or found.clear_jobs or found.clear_entries)
