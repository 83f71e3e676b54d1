"""The journal of this machine's settings, for commands that need no running service."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, TypeVar

from orchestrator.cli.problems import CliError, settings_from_environment
from orchestrator.secrets import StorageKeys

if TYPE_CHECKING:
    from orchestrator.journal.base import Journal

T = TypeVar("T")


def with_journal(work: Callable[[Journal], Awaitable[T]]) -> T:
    """What *work* does with the journal, also while the service runs.

    :raises CliError: SOTA_DATABASE_URL is none of ours.
    :raises JournalUnavailable: it cannot be reached.
    """
    # Heavy (SQLAlchemy, Alembic): it would add 0.3 s to the start of every command.
    from orchestrator.journal.opening import open_journal  # noqa: PLC0415

    settings, keys = settings_from_environment(), StorageKeys().encryption_keys

    async def run() -> T:
        try:
            journal = await open_journal(settings.database, keys=keys, rules=settings.tenancy)
        except ValueError as error:
            raise CliError(str(error), "mend SOTA_DATABASE_URL") from None
        try:
            return await work(journal)
        finally:
            await journal.close()

    return asyncio.run(run())
