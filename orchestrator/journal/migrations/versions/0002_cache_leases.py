"""Leases on cache entries, so that one job makes a value and the others wait for it."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "cache_leases",
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("key", sa.Text, nullable=False),
        sa.Column("owner", sa.Text, nullable=False),
        sa.Column("until", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("kind", "key", name="pk_cache_leases"),
    )
    op.create_index("ix_cache_leases_until", "cache_leases", ["until"])


def downgrade() -> None:
    op.drop_table("cache_leases")
