"""Data keys that seal content, and which job a cache entry came from."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("jobs", sa.Column("data_key", sa.Text))
    op.create_table(
        "shared_keys",
        sa.Column("scope", sa.Text, nullable=False),
        sa.Column("data_key", sa.Text, nullable=False),
        sa.Column("held", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("scope", name="pk_shared_keys"),
    )
    with op.batch_alter_table("cache") as batch:  # SQLite has to make the table anew
        batch.add_column(sa.Column("job_id", sa.Text))
        batch.create_foreign_key(
            "fk_cache_job_id_jobs", "jobs", ["job_id"], ["id"], ondelete="CASCADE"
        )
    op.create_index("ix_cache_job_id", "cache", ["job_id"])


def downgrade() -> None:
    op.drop_index("ix_cache_job_id", "cache")
    with op.batch_alter_table("cache") as batch:
        batch.drop_constraint("fk_cache_job_id_jobs", type_="foreignkey")
        batch.drop_column("job_id")
    op.drop_table("shared_keys")
    op.drop_column("jobs", "data_key")
