"""The outbox's reads. Each function runs in one transaction, and so sees one moment."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, Row, Select, bindparam, func, select

from orchestrator.errors import DeliveryNotFound
from orchestrator.journal.changes import JOB
from orchestrator.journal.content import MEMO_VALUE, REQUEST, RESULT, key_of, opened
from orchestrator.journal.outbox_writes import DONE, PUBLISH, QUEUED
from orchestrator.journal.records import Outgoing, Parcel
from orchestrator.journal.sealing import DataKey
from orchestrator.journal.tables import bodies, deliveries, jobs, memos, outbox
from orchestrator.models import AttemptView, DeliveryView, PublicationView

_PLACE = func.row_number().over(
    partition_by=outbox.c.lane, order_by=(outbox.c.next_at, outbox.c.id)
)
_WAITING = (
    select(outbox.c.id, outbox.c.job_id, outbox.c.kind, outbox.c.lane, outbox.c.next_at,
           _PLACE.label("place"))
    .where(outbox.c.state == QUEUED, outbox.c.next_at <= bindparam("now"))
    .subquery()
)  # fmt: skip
_DUE: Select[Any] = (
    select(_WAITING)
    .where(_WAITING.c.place <= bindparam("per_lane"))
    .order_by(_WAITING.c.next_at, _WAITING.c.id)
    .limit(bindparam("most", type_=outbox.c.attempts.type))
)
_ENTRY: Select[Any] = (
    select(
        outbox, jobs.c.client_id, jobs.c.request_id, jobs.c.publish,
        jobs.c.created_at.label("submitted_at"), jobs.c.data_key, bodies.c.request,
    )
    .join(jobs, jobs.c.id == outbox.c.job_id)
    .join(bodies, bodies.c.job_id == outbox.c.job_id)
    .where(outbox.c.id == bindparam("entry"))
)  # fmt: skip
_RESULT: Select[Any] = select(bodies.c.result).where(bodies.c.job_id == JOB)
_OLD_POST: Select[Any] = select(memos.c.value).where(
    memos.c.job_id == JOB, memos.c.step == "", memos.c.part == "post"
)
"""The post as the job read it: see ``steps/html/refresh.py``."""

_OF_JOB: Select[Any] = (
    select(outbox).where(outbox.c.job_id == JOB).order_by(outbox.c.seq, outbox.c.kind)
)
_LOG: Select[Any] = (
    select(deliveries)
    .join(outbox, outbox.c.id == deliveries.c.outbox_id)
    .where(outbox.c.job_id == JOB)
    .order_by(deliveries.c.attempt)
)
_PUBLICATIONS: Select[Any] = (
    select(outbox)
    .where(outbox.c.job_id.in_(bindparam("ids", expanding=True)), outbox.c.kind == PUBLISH)
    .order_by(outbox.c.seq)
)


def due(conn: Connection, now: int, per_lane: int, limit: int) -> list[Outgoing]:
    """What is to be sent now, longest due first; of each lane so many at most."""
    rows = conn.execute(_DUE, {"now": now, "per_lane": per_lane, "most": limit})
    return [Outgoing(id=r.id, job_id=r.job_id, kind=r.kind, lane=r.lane) for r in rows]


def parcel(conn: Connection, entry: str) -> Parcel | None:
    """All that is needed to send an entry; None if it has been erased."""
    row = conn.execute(_ENTRY, {"entry": entry}).one_or_none()
    if row is None:
        return None
    key = key_of(conn, row.job_id, row.data_key)
    asked: Mapping[str, Any] = opened(key, row.request, *REQUEST, row.job_id)
    facts: dict[str, Any] = {"callback_url": asked.get("callbackUrl")}
    if row.kind == PUBLISH:
        facts = _publication(conn, row.job_id, key, asked) | {"publish": row.publish}
    return Parcel(
        id=row.id,
        job_id=row.job_id,
        kind=row.kind,
        event=row.event,
        client_id=row.client_id,
        request_id=row.request_id,
        submitted_at=row.submitted_at,
        created_at=row.created_at,
        tries=row.tries,
        since=row.since,
        data=row.data,
        **facts,
    )


def _publication(
    conn: Connection, job_id: str, key: DataKey | None, asked: Mapping[str, Any]
) -> dict[str, Any]:
    result = conn.execute(_RESULT, {"job": job_id}).scalar()
    facts = {"result": opened(key, result, *RESULT, job_id)}
    if asked.get("mode") == "refresh" and asked.get("postId"):
        stored = conn.execute(_OLD_POST, {"job": job_id}).scalar()
        read = opened(key, stored, *MEMO_VALUE, job_id, "", "post")
        modified = read.get("modified") if isinstance(read, dict) else None
        facts |= {"post_id": asked["postId"], "post_modified": modified or None}
    return facts


def deliveries_of(conn: Connection, job_id: str) -> list[DeliveryView]:
    """Everything the job sent or is to send, in the order of its events."""
    attempts: dict[str, list[AttemptView]] = defaultdict(list)
    for row in conn.execute(_LOG, {"job": job_id}):
        attempts[row.outbox_id].append(_attempt(row))
    entries = conn.execute(_OF_JOB, {"job": job_id})
    return [_delivery(row, attempts[row.id]) for row in entries]


def require_delivery(conn: Connection, job_id: str, entry: str) -> DeliveryView:
    """One entry of the job. :raises DeliveryNotFound: it has none of this id."""
    for delivery in deliveries_of(conn, job_id):
        if delivery.id == entry:
            return delivery
    raise DeliveryNotFound(f"{job_id} has no delivery {entry}")


def _attempt(row: Row[Any]) -> AttemptView:
    return AttemptView(
        attempt=row.attempt, at=row.at, duration_ms=row.duration_ms, status=row.status,
        error=row.error, answer=row.answer,
    )  # fmt: skip


def _delivery(row: Row[Any], attempts: list[AttemptView]) -> DeliveryView:
    return DeliveryView(
        id=row.id,
        kind=row.kind,
        type=row.event,
        state="delivered" if row.state == DONE else row.state,
        created_at=row.created_at,
        next_at=row.next_at if row.state == QUEUED else None,
        done_at=row.done_at,
        error=row.error,
        attempts=attempts,
    )


def publications(conn: Connection, found: Sequence[Row[Any]]) -> dict[str, PublicationView]:
    """The publications of those of these jobs that were completed and asked for one."""
    ids = [job.id for job in found if job.publish is not None and job.completed_at is not None]
    if not ids:
        return {}
    rows = conn.execute(_PUBLICATIONS, {"ids": ids})
    return {row.job_id: _publication_view(row) for row in rows}


def _publication_view(row: Row[Any]) -> PublicationView:
    post = row.outcome or {}
    return PublicationView(
        state="published" if row.state == DONE else row.state,
        post_id=post.get("postId"),
        url=post.get("url"),
        error=row.error,
        attempts=row.attempts,
        next_at=row.next_at if row.state == QUEUED else None,
    )


def counts(conn: Connection) -> dict[tuple[str, str], int]:
    """How many entries stand where, by kind and state."""
    query = select(outbox.c.kind, outbox.c.state, func.count()).group_by(
        outbox.c.kind, outbox.c.state
    )
    return {(kind, state): number for kind, state, number in conn.execute(query)}
