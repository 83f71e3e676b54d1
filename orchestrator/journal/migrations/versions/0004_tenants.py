"""Tiers of clients, the ledger of what their jobs count for, and an index for fair admission.

Jobs from before count for nothing in words (their articles were written under no quota); what
they cost is taken over.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

_TAKE_OVER = """
INSERT INTO ledger (job_id, client_id, charged_at, words, cost_usd, settled, admitted_at)
SELECT id, client_id, created_at, 0,
       dropped_cost_usd
       + COALESCE((SELECT SUM(cost_usd) FROM steps WHERE steps.job_id = jobs.id), 0)
       + COALESCE((SELECT SUM(cost_usd) FROM memos WHERE memos.job_id = jobs.id), 0),
       status IN ('completed', 'failed', 'cancelled'), started_at
FROM jobs
"""


def upgrade() -> None:
    op.create_table(
        "clients",
        sa.Column("id", sa.Text, nullable=False),
        sa.Column("tier", sa.Text, nullable=False),
        sa.Column("changed_at", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_clients"),
    )
    op.create_table(
        "ledger",
        sa.Column("job_id", sa.Text, nullable=False),
        sa.Column("client_id", sa.Text, nullable=False),
        sa.Column("charged_at", sa.BigInteger, nullable=False),
        sa.Column("words", sa.Integer, nullable=False),
        sa.Column("cost_usd", sa.Float, nullable=False),
        sa.Column("settled", sa.Boolean, nullable=False),
        sa.Column("admitted_at", sa.BigInteger),
        sa.PrimaryKeyConstraint("job_id", name="pk_ledger"),
    )
    op.execute(_TAKE_OVER)
    op.create_index("ix_ledger_client_id_charged_at", "ledger", ["client_id", "charged_at"])
    op.create_index("ix_ledger_charged_at", "ledger", ["charged_at"])
    _partial("ix_ledger_words", ["client_id", "charged_at", "words"], "words > 0")
    _partial("ix_ledger_turn", ["client_id", "admitted_at"], "admitted_at IS NOT NULL")
    op.drop_index("ix_jobs_status_priority_created_at_id", "jobs")
    op.create_index(
        "ix_jobs_queue",
        "jobs",
        ["status", "client_id", sa.text("priority DESC"), "created_at", "id"],
    )


def _partial(name: str, columns: list[str], where: str) -> None:
    only = sa.text(where)
    op.create_index(name, "ledger", columns, sqlite_where=only, postgresql_where=only)


def downgrade() -> None:
    op.drop_index("ix_jobs_queue", "jobs")
    op.create_index(
        "ix_jobs_status_priority_created_at_id", "jobs", ["status", "priority", "created_at", "id"]
    )
    op.drop_table("ledger")
    op.drop_table("clients")
