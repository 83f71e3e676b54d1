"""Bring a database's schema up to date, from the migrations packaged beside this file."""

from __future__ import annotations

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, text

from orchestrator.errors import JournalUnavailable
from orchestrator.journal.database import open_database
from orchestrator.journal.engine import parse_url, prepare_file
from orchestrator.journal.faults import faults_mapped

_HERE = str(Path(__file__).with_name("migrations"))
_LOCK = 0x50_7A_10_00
"""Key of the advisory lock that lets one process migrate at a time on PostgreSQL."""


async def migrate(url: str) -> None:
    """Create or upgrade the schema; safe when several processes do so at once.

    Everything happens in one transaction. The second process waits (for the advisory lock on
    PostgreSQL, for the write lock on SQLite) and then finds nothing left to do.

    :raises JournalUnavailable: the database cannot be reached.
    :raises JournalDamaged: the database is corrupt.
    """
    parsed = parse_url(url)
    with faults_mapped():
        prepare_file(parsed)
        database = open_database(parsed)
        try:
            await database.run(upgrade)
        finally:
            await database.close()


def known_revisions() -> tuple[str, ...]:
    """Every revision of the schema that this version can bring up to date, oldest first."""
    scripts = ScriptDirectory.from_config(_config())
    return tuple(script.revision for script in reversed(list(scripts.walk_revisions())))


def upgrade(connection: Connection, revision: str = "head") -> None:
    """Run what is missing up to *revision* inside *connection*'s transaction.

    :raises JournalUnavailable: a newer version of ours has migrated the database.
    """
    if connection.dialect.name == "postgresql":
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK})
    current = MigrationContext.configure(connection).get_current_revision()
    if current is not None and current not in known_revisions():
        raise JournalUnavailable(
            f"the database has schema revision {current}, which this version does not know: "
            "install the version that migrated it, or restore a backup from before"
        )
    config = _config()
    config.attributes["connection"] = connection
    command.upgrade(config, revision)


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", _HERE.replace("%", "%%"))
    return config
