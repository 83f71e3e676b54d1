"""Opening a journal. Import this module only where one is opened: it brings in SQLAlchemy."""

from __future__ import annotations

from pydantic import SecretStr

from orchestrator.journal.base import Journal
from orchestrator.journal.migrate import migrate as bring_up_to_date
from orchestrator.journal.sealing import vault_of
from orchestrator.journal.sql import SqlJournal
from orchestrator.tenants.tiers import NO_LIMITS, Tenancy

NO_KEYS = SecretStr("")


async def open_journal(
    url: str,
    *,
    read_only: bool = False,
    migrate: bool = True,
    keys: SecretStr = NO_KEYS,
    rules: Tenancy = NO_LIMITS,
) -> Journal:
    """Open the journal at *url*; close it with :meth:`Journal.close`.

    :param url: ``sqlite+aiosqlite:///PATH`` (directory and file are created) or
        ``postgresql+asyncpg://USER@HOST/DATABASE[?search_path=SCHEMA&application_name=NAME]``.
    :param read_only: for readers beside the one writer (Serve replicas): never migrates,
        never writes, does not connect before the first read.
    :param migrate: bring the schema up to date first.
    :param keys: what ``SOTA_ENCRYPTION_KEYS`` says. A writer checks at once that they open what
        is sealed; a reader, when it reads.
    :param rules: what clients may have; by default everything.
    :raises ValueError: the URL is not one of the two.
    :raises JournalUnavailable: the database cannot be reached.
    :raises JournalSealed: a key is none, or the one that the journal is sealed by is not there.
    """
    vault = vault_of(keys)
    if migrate and not read_only:
        await bring_up_to_date(url)
    journal = SqlJournal(url, read_only=read_only, vault=vault, rules=rules)
    if not read_only and (migrate or vault.on):
        try:
            await journal.announce()
        except BaseException:
            await journal.close()
            raise
    return journal
