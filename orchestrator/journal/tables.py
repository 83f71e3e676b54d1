"""The journal's tables. A change here needs a migration beside it (a test compares the two)."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    Table,
    Text,
    UniqueConstraint,
    literal_column,
)

from orchestrator.journal.columns import Content, Json, Words

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)


def _job_id() -> Column[str]:
    """The job a row belongs to; the row goes when the job goes."""
    return Column(
        "job_id", Text, ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True, nullable=False
    )


jobs = Table(
    "jobs",
    metadata,
    Column("id", Text, primary_key=True),
    Column("client_id", Words, nullable=False),
    Column("request_id", Words, nullable=False),
    Column("body_hash", Text, nullable=False),
    Column("keyword", Words, nullable=False),
    Column("mode", Text, nullable=False),
    Column("priority", Integer, nullable=False),
    Column("status", Text, nullable=False),
    Column("total_steps", Integer, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("started_at", BigInteger),
    Column("completed_at", BigInteger),
    Column("error", Words),
    Column("epoch", BigInteger, nullable=False),  #: fences every write of an activation
    Column("owner", Words),  #: who claimed it last, and when: makes a claim repeatable
    Column("attempt", Integer, nullable=False),  #: activations so far
    Column("activations_since_progress", Integer, nullable=False),  #: the poison count
    Column("idle_ms", BigInteger, nullable=False),  #: time since the start that no one ran it
    Column("last_error", Words),  #: of the last failed attempt, for the poison message
    Column("cancel_requested", Boolean, nullable=False),
    Column("pause_requested", Boolean, nullable=False),
    Column("resume_requested", Boolean, nullable=False),  #: a requested pause was taken back
    Column("retried_at", BigInteger),  #: time of the last client's retry: makes it repeatable
    Column("dropped_cost_usd", Float, nullable=False),  #: of outputs a retry threw away
    Column("last_seq", BigInteger, nullable=False),  #: of the job's events
    Column("callback_lane", Text),  #: of the receiver a client wants told of the end
    Column("publish", Text),  #: status of the post to be made of the article, if one is wanted
    #: wrapped by a master key; NULL where the job's content is in clear
    Column("data_key", Text),
    UniqueConstraint("client_id", "request_id"),
    Index(None, "client_id", "created_at", "id"),
    Index(None, "created_at", "id"),
    Index(None, "completed_at"),
)

#: Which clients wait or run, and each one's queue in its order; see ``queue.py``.
Index("ix_jobs_queue", jobs.c.status, jobs.c.client_id, jobs.c.priority.desc(), "created_at", "id")

#: What is large and rarely read or changed, kept off the row that every write touches.
bodies = Table(
    "bodies",
    metadata,
    _job_id(),
    Column("request", Content, nullable=False),
    Column("result", Content),
)

steps = Table(
    "steps",
    metadata,
    _job_id(),
    Column("slug", Text, primary_key=True),
    Column("number", Integer, nullable=False),  #: 1-based, in wire order
    Column("name", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("begun", Boolean, nullable=False),  #: ever; makes ``step`` on the wire a high-water mark
    Column("epoch", BigInteger, nullable=False),  #: of the activation that began the attempt
    Column("version", Integer, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("output", Content),
    Column("degraded", Json, nullable=False),
    Column("detail", Words),
    Column("error", Words),
    Column("usage", Json, nullable=False),
    Column("cost_usd", Float, nullable=False),
    Column("started_at", BigInteger),
    Column("ended_at", BigInteger),
    Column("next_attempt_at", BigInteger),
)

memos = Table(
    "memos",
    metadata,
    _job_id(),
    Column("step", Text, primary_key=True),  #: a slug, or "" for the whole job
    Column("part", Words, primary_key=True),
    Column("value", Content),
    Column("usage", Json, nullable=False),
    Column("cost_usd", Float, nullable=False),
    Column("started_at", BigInteger, nullable=False),
    Column("ended_at", BigInteger, nullable=False),
)

events = Table(
    "events",
    metadata,
    _job_id(),
    Column("seq", BigInteger, primary_key=True),  #: contiguous from 1 in each job
    Column("type", Text, nullable=False),
    Column("at", BigInteger, nullable=False),
    Column("data", Json, nullable=False),
)

WAKE = "wake"
"""The kind of the timer at which a released job is taken up again."""

timers = Table(
    "timers",
    metadata,
    _job_id(),
    Column("kind", Text, primary_key=True),
    Column("fire_at", BigInteger, nullable=False),
    Index(None, "fire_at"),
)

breakers = Table(
    "breakers",
    metadata,
    Column("service", Text, primary_key=True),
    Column("state", Json, nullable=False),
    Column("updated_at", BigInteger, nullable=False),
)

#: Data keys that belong to no single job.
shared_keys = Table(
    "shared_keys",
    metadata,
    Column("scope", Text, primary_key=True),
    Column("data_key", Text, nullable=False),  #: wrapped by a master key
    Column("held", Json, nullable=False),  #: ids of the master keys that the last writer had
)

cache = Table(
    "cache",
    metadata,
    Column("kind", Text, primary_key=True),
    Column("key", Words, primary_key=True),
    Column("value", Content),
    Column("stored_at", BigInteger, nullable=False),
    Column("purge_at", BigInteger, nullable=False),
    #: the job that made it; the entry goes when the job goes
    Column("job_id", Text, ForeignKey("jobs.id", ondelete="CASCADE")),
    Index(None, "purge_at"),
    Index(None, "job_id"),
)

#: Who is making a value for the cache at present, so that others wait instead of making it too.
cache_leases = Table(
    "cache_leases",
    metadata,
    Column("kind", Text, primary_key=True),
    Column("key", Words, primary_key=True),  #: a digest of the entry's key
    Column("owner", Text, nullable=False),  #: a job's id, or "" where nobody is to wait
    Column("until", BigInteger, nullable=False),
    Index(None, "until"),
)

client_keys = Table(
    "client_keys",
    metadata,
    Column("id", Text, primary_key=True),
    Column("client_id", Words, nullable=False),
    Column("kind", Text, nullable=False),
    Column("admin", Boolean, nullable=False),
    Column("slot", Integer),  #: 1 or 2 while it lives, NULL once revoked: bounds the live ones
    Column("digest", Text),  #: of a bearer key; nothing of a signing key is kept
    Column("master", Text, nullable=False),  #: fingerprint of the signing secret it belongs to
    Column("note", Words, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("revoked_at", BigInteger),
    UniqueConstraint("client_id", "kind", "slot"),
)

#: Signatures that were accepted: each is accepted once.
nonces = Table(
    "nonces",
    metadata,
    Column("key_id", Text, primary_key=True),
    Column("signature", Text, primary_key=True),
    Column("token", Text, nullable=False),  #: of the presentation that was accepted
    Column("expires_at", BigInteger),  #: NULL: kept as long as the key lives
    Index(None, "expires_at"),
)

#: Who did what. No foreign key: an entry outlives the job it is about.
audit = Table(
    "audit",
    metadata,
    Column("id", Text, primary_key=True),
    Column("at", BigInteger, nullable=False),
    Column("client_id", Words, nullable=False),
    Column("key_id", Text, nullable=False),
    Column("action", Text, nullable=False),
    Column("job_id", Text),
    Column("request_id", Words, nullable=False),
    Column("detail", Json, nullable=False),
    Index(None, "at", "id"),
)

#: What is to be told or given to the outside because a job has ended.
outbox = Table(
    "outbox",
    metadata,
    Column("id", Text, primary_key=True),  #: of a webhook: its ``webhook-id``
    Column("job_id", Text, ForeignKey("jobs.id", ondelete="CASCADE"), nullable=False),
    Column("kind", Text, nullable=False),
    Column("event", Text, nullable=False),  #: type of the event that is told
    Column("seq", BigInteger, nullable=False),  #: and its number
    Column("lane", Text, nullable=False),  #: what is for one receiver goes in one lane
    Column("state", Text, nullable=False),
    Column("attempts", Integer, nullable=False),  #: all there were
    Column("tries", Integer, nullable=False),  #: attempts since it was queued or asked for again
    Column("since", BigInteger, nullable=False),  #: when it was: its deadline counts from here
    Column("next_at", BigInteger, nullable=False),  #: not before; claimed: the end of the claim
    Column("claimed_by", Words),  #: the claim of whoever sends it now, or died with it
    Column("claimed_at", BigInteger),
    Column("created_at", BigInteger, nullable=False),
    Column("done_at", BigInteger),
    Column("error", Words),
    Column("data", Json, nullable=False),  #: what a webhook says of the job
    Column("outcome", Json),  #: the post that was made
    UniqueConstraint("job_id", "kind", "seq"),
    Index(None, "state", "next_at"),
)

#: Every attempt to deliver what is in the outbox.
deliveries = Table(
    "deliveries",
    metadata,
    Column("outbox_id", Text, ForeignKey("outbox.id", ondelete="CASCADE"), primary_key=True),
    Column("attempt", Integer, primary_key=True),
    Column("claim", Words, nullable=False),  #: makes a report repeatable; empty: its sender died
    Column("at", BigInteger, nullable=False),
    Column("duration_ms", BigInteger),
    Column("status", Integer),
    Column("error", Words),
    Column("answer", Words),  #: a stranger's words, 500 characters at most
)

#: The tier of each client that has one of its own.
clients = Table(
    "clients",
    metadata,
    Column("id", Words, primary_key=True),
    Column("tier", Text, nullable=False),
    Column("changed_at", BigInteger, nullable=False),
)

#: What each accepted job counts for. No foreign key: an entry outlives its job, since erasing a job
#: gives nothing back.
ledger = Table(
    "ledger",
    metadata,
    Column("job_id", Text, primary_key=True),
    Column("client_id", Words, nullable=False),
    Column("charged_at", BigInteger, nullable=False),  #: accepted, or retried last: its windows
    Column("words", Integer, nullable=False),  #: reserved, then those of the completed article
    Column("cost_usd", Float, nullable=False),  #: once it has ended
    Column("settled", Boolean, nullable=False),  #: it has ended: words and cost are what they were
    Column("admitted_at", BigInteger),  #: claimed from the queue, last time
    Index(None, "client_id", "charged_at"),
    Index(None, "charged_at"),
)

HAS_WORDS = ledger.c.words > literal_column("0")  # as it stands in the index, or SQLite ignores it
ADMITTED = ledger.c.admitted_at.is_not(None)

Index(
    "ix_ledger_words", ledger.c.client_id, ledger.c.charged_at, ledger.c.words,
    sqlite_where=HAS_WORDS, postgresql_where=HAS_WORDS,
)  # fmt: skip
Index(
    "ix_ledger_turn", ledger.c.client_id, ledger.c.admitted_at,
    sqlite_where=ADMITTED, postgresql_where=ADMITTED,
)  # fmt: skip
