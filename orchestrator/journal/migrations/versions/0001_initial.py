"""The first schema."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    _jobs()
    _parts_of_jobs()
    _shared()


def downgrade() -> None:
    for table in ("cache", "breakers", "timers", "events", "memos", "steps", "bodies", "jobs"):
        op.drop_table(table)


def _jobs() -> None:
    op.create_table(
        "jobs",
        sa.Column("id", sa.Text, nullable=False),
        sa.Column("client_id", sa.Text, nullable=False),
        sa.Column("request_id", sa.Text, nullable=False),
        sa.Column("body_hash", sa.Text, nullable=False),
        sa.Column("keyword", sa.Text, nullable=False),
        sa.Column("mode", sa.Text, nullable=False),
        sa.Column("priority", sa.Integer, nullable=False),
        sa.Column("status", sa.Text, nullable=False),
        sa.Column("total_steps", sa.Integer, nullable=False),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.Column("started_at", sa.BigInteger),
        sa.Column("completed_at", sa.BigInteger),
        sa.Column("error", sa.Text),
        sa.Column("epoch", sa.BigInteger, nullable=False),
        sa.Column("owner", sa.Text),
        sa.Column("attempt", sa.Integer, nullable=False),
        sa.Column("activations_since_progress", sa.Integer, nullable=False),
        sa.Column("idle_ms", sa.BigInteger, nullable=False),
        sa.Column("last_error", sa.Text),
        sa.Column("cancel_requested", sa.Boolean, nullable=False),
        sa.Column("pause_requested", sa.Boolean, nullable=False),
        sa.Column("resume_requested", sa.Boolean, nullable=False),
        sa.Column("retried_at", sa.BigInteger),
        sa.Column("dropped_cost_usd", sa.Float, nullable=False),
        sa.Column("last_seq", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_jobs"),
        sa.UniqueConstraint("client_id", "request_id", name="uq_jobs_client_id_request_id"),
    )
    for columns in (
        ["status", "priority", "created_at", "id"],
        ["client_id", "created_at", "id"],
        ["created_at", "id"],
        ["completed_at"],
    ):
        op.create_index("ix_jobs_" + "_".join(columns), "jobs", columns)


def _part_of_job(name: str, key: list[str], *columns: sa.Column) -> None:  # type: ignore[type-arg]
    op.create_table(
        name,
        sa.Column("job_id", sa.Text, nullable=False),
        *columns,
        sa.ForeignKeyConstraint(
            ["job_id"], ["jobs.id"], name=f"fk_{name}_job_id", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("job_id", *key, name=f"pk_{name}"),
    )


def _parts_of_jobs() -> None:
    _part_of_job(
        "bodies",
        [],
        sa.Column("request", sa.Text, nullable=False),
        sa.Column("result", sa.Text),
    )
    _part_of_job(
        "steps",
        ["slug"],
        sa.Column("slug", sa.Text, nullable=False),
        sa.Column("number", sa.Integer, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("begun", sa.Boolean, nullable=False),
        sa.Column("epoch", sa.BigInteger, nullable=False),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("output", sa.Text),
        sa.Column("degraded", sa.Text, nullable=False),
        sa.Column("detail", sa.Text),
        sa.Column("error", sa.Text),
        sa.Column("usage", sa.Text, nullable=False),
        sa.Column("cost_usd", sa.Float, nullable=False),
        sa.Column("started_at", sa.BigInteger),
        sa.Column("ended_at", sa.BigInteger),
        sa.Column("next_attempt_at", sa.BigInteger),
    )
    _part_of_job(
        "memos",
        ["step", "part"],
        sa.Column("step", sa.Text, nullable=False),
        sa.Column("part", sa.Text, nullable=False),
        sa.Column("value", sa.Text),
        sa.Column("usage", sa.Text, nullable=False),
        sa.Column("cost_usd", sa.Float, nullable=False),
        sa.Column("started_at", sa.BigInteger, nullable=False),
        sa.Column("ended_at", sa.BigInteger, nullable=False),
    )
    _part_of_job(
        "events",
        ["seq"],
        sa.Column("seq", sa.BigInteger, nullable=False),
        sa.Column("type", sa.Text, nullable=False),
        sa.Column("at", sa.BigInteger, nullable=False),
        sa.Column("data", sa.Text, nullable=False),
    )
    _part_of_job(
        "timers",
        ["kind"],
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("fire_at", sa.BigInteger, nullable=False),
    )
    op.create_index("ix_timers_fire_at", "timers", ["fire_at"])


def _shared() -> None:
    op.create_table(
        "breakers",
        sa.Column("service", sa.Text, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("updated_at", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("service", name="pk_breakers"),
    )
    op.create_table(
        "cache",
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("key", sa.Text, nullable=False),
        sa.Column("value", sa.Text),
        sa.Column("stored_at", sa.BigInteger, nullable=False),
        sa.Column("purge_at", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("kind", "key", name="pk_cache"),
    )
    op.create_index("ix_cache_purge_at", "cache", ["purge_at"])
