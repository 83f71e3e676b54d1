"""Alembic's entry point; ``migrate.py`` hands it the connection and the transaction."""

from __future__ import annotations

from alembic import context

from orchestrator.journal.tables import metadata

context.configure(connection=context.config.attributes["connection"], target_metadata=metadata)
with context.begin_transaction():
    context.run_migrations()
