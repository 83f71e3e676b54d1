"""The outbox's writes: what goes in when a job ends, and what becomes of it.

Each function is one piece of work for the group committer: synchronous, inside a savepoint.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import BindParameter, Connection, Row, bindparam, func, insert, or_, select, update

from orchestrator.errors import DeliveryNotFound
from orchestrator.journal.changes import JOB, emit
from orchestrator.journal.columns import clipped
from orchestrator.journal.events import EventType
from orchestrator.journal.group import AlreadyDone
from orchestrator.journal.records import Report
from orchestrator.journal.tables import deliveries, jobs, memos, outbox, steps
from orchestrator.outbox.lanes import WORDPRESS
from orchestrator.outbox.message import summary_of

QUEUED, DONE, FAILED = "queued", "done", "failed"  #: states; stored for ever
WEBHOOK, PUBLISH = "webhook", "publish"  #: kinds; stored and sent for ever
DIED = "its sender died before it could say what became of it"
MAX_ANSWER = 500  #: characters kept of a stranger's words

_ENTRY: BindParameter[Any] = bindparam("entry")
_NEXT_EVENT = (
    update(jobs).where(jobs.c.id == JOB).values(last_seq=jobs.c.last_seq + 1)
    .returning(jobs.c.last_seq)
)  # fmt: skip
_STEP_COSTS = select(func.sum(steps.c.cost_usd)).where(steps.c.job_id == JOB)
_MEMO_COSTS = select(func.sum(memos.c.cost_usd)).where(memos.c.job_id == JOB)
_DROPPED = select(jobs.c.dropped_cost_usd).where(jobs.c.id == JOB)
_STATE = select(outbox).where(outbox.c.id == _ENTRY, outbox.c.job_id == JOB)
_CLAIM = (
    update(outbox)
    .where(outbox.c.id == _ENTRY, outbox.c.state == QUEUED, outbox.c.next_at <= bindparam("now"))
    .values(
        claimed_by=bindparam("claim"),
        claimed_at=bindparam("now"),
        next_at=bindparam("until"),
        attempts=outbox.c.attempts + bindparam("died"),
        tries=outbox.c.tries + bindparam("died"),
    )
)
_MINE = (
    outbox.c.id == _ENTRY, outbox.c.state == QUEUED, outbox.c.claimed_by == bindparam("claim"),
)  # fmt: skip
_EXTEND = update(outbox).where(*_MINE).values(next_at=bindparam("until"))
_SETTLE = (
    update(outbox)
    .where(*_MINE)
    .values(
        state=bindparam("new_state"),
        claimed_by=None,
        claimed_at=None,
        attempts=outbox.c.attempts + bindparam("made"),
        tries=outbox.c.tries + bindparam("made"),
        next_at=func.coalesce(bindparam("until", type_=outbox.c.next_at.type), outbox.c.next_at),
        done_at=bindparam("new_done_at", type_=outbox.c.done_at.type),
        error=bindparam("new_error", type_=outbox.c.error.type),
        outcome=bindparam("new_outcome", type_=outbox.c.outcome.type),
    )
    .returning(outbox.c.kind, outbox.c.attempts)
)
_REPORTED = select(deliveries.c.attempt).where(
    deliveries.c.outbox_id == _ENTRY, deliveries.c.claim == bindparam("claim")
)
_AGAIN = (
    update(outbox)
    .where(
        outbox.c.id == _ENTRY,
        outbox.c.claimed_by.is_(None),  # what is being sent is not sent twice at once
        outbox.c.since != bindparam("now"),  # the same request once more
        or_(outbox.c.kind == WEBHOOK, outbox.c.state != DONE),  # what is published stays so
    )
    .values(
        state=QUEUED, tries=0, since=bindparam("now"), next_at=bindparam("now"), done_at=None,
        error=None,
    )
)  # fmt: skip
_LOG = insert(deliveries)
_PUT = insert(outbox)


def end(
    conn: Connection, job_id: str, job: Row[Any], kind: EventType, now: int,
    *, result: Any = None, error: str | None = None,
) -> None:  # fmt: skip
    """Write the event that ends a job, and with it what is to be sent because of it.

    :param job: its row as the change that ended it returned it.
    """
    seq = job.last_seq
    if job.publish is not None and kind is EventType.JOB_COMPLETED:
        # before the end, which stays the last event for those who wait for it
        emit(conn, job_id, seq, EventType.PUBLICATION_QUEUED, now)
        seq = conn.execute(_NEXT_EVENT, {"job": job_id}).scalar_one()
        _put(conn, job_id, PUBLISH, kind, seq, WORDPRESS, now, {})
    emit(conn, job_id, seq, kind, now, error=error)
    if job.callback_lane is not None:
        told = {"summary": {**summary_of(result), "cost": _spent(conn, job_id)}}
        data = told if error is None else {"error": error, **told}
        _put(conn, job_id, WEBHOOK, kind, seq, job.callback_lane, now, data)


def _put(
    conn: Connection, job_id: str, kind: str, event: EventType, seq: int, lane: str, now: int,
    data: dict[str, Any],
) -> None:  # fmt: skip
    entry = {
        "id": f"{kind}_{job_id}_{seq}", "job_id": job_id, "kind": kind, "event": event, "seq": seq,
        "lane": lane, "state": QUEUED, "attempts": 0, "tries": 0, "since": now, "next_at": now,
        "created_at": now, "data": data,
    }  # fmt: skip
    conn.execute(_PUT, entry)


def _spent(conn: Connection, job_id: str) -> float:
    """Dollars the job has cost, as its view has it."""
    sums = (conn.execute(q, {"job": job_id}).scalar() for q in (_STEP_COSTS, _MEMO_COSTS, _DROPPED))
    return round(sum(cost or 0.0 for cost in sums), 6)


def claim(conn: Connection, job_id: str, entry: str, owner: str, now: int, until: int) -> bool:
    """Take a due entry; False if it is not there, not due, or another has it.

    An entry whose claim has run out is taken over, and the attempt of the dead is logged.
    """
    row = conn.execute(_STATE, {"entry": entry, "job": job_id}).one_or_none()
    if row is not None and row.claimed_by == owner and row.state == QUEUED:
        raise AlreadyDone(True)
    if row is None or row.state != QUEUED or row.next_at > now:
        return False
    died = int(row.claimed_by is not None)
    taken = {"entry": entry, "claim": owner, "now": now, "until": until, "died": died}
    if not conn.execute(_CLAIM, taken).rowcount:
        return False
    if died:
        # under no claim: whoever is taken for dead and reports after all is refused
        _log(conn, entry, row.attempts + 1, "", at=row.claimed_at, error=DIED)
    return True


def extend(conn: Connection, entry: str, owner: str, until: int) -> bool:
    """Keep a claim until then; False if it is lost."""
    mine = {"entry": entry, "claim": owner, "until": until}
    return bool(conn.execute(_EXTEND, mine).rowcount)


def report(conn: Connection, job_id: str, entry: str, owner: str, told: Report) -> bool:
    """Enter what became of a claimed entry; False, and nothing is changed, if the claim is lost."""
    made = int(told.outcome != "defer")
    error = None if told.error is None else clipped(told.error)
    ended = told.outcome in (DONE, FAILED)
    row = conn.execute(
        _SETTLE,
        {
            "entry": entry, "claim": owner, "made": made, "until": told.next_at,
            "new_state": told.outcome if ended else QUEUED,
            "new_done_at": told.at + told.duration_ms if ended else None,
            "new_error": error, "new_outcome": told.outcome_data,
        },
    ).one_or_none()  # fmt: skip
    if row is None:
        if conn.execute(_REPORTED, {"entry": entry, "claim": owner}).first() is not None:
            raise AlreadyDone(True)
        return False
    if made:
        _log(
            conn, entry, row.attempts, owner, at=told.at, duration_ms=told.duration_ms,
            status=told.status, error=error, answer=(told.answer or "")[:MAX_ANSWER] or None,
        )  # fmt: skip
    if ended and row.kind == PUBLISH:
        _tell_publication(conn, job_id, told, error)
    return True


def _log(conn: Connection, entry: str, attempt: int, owner: str, **facts: Any) -> None:
    conn.execute(_LOG, {"outbox_id": entry, "attempt": attempt, "claim": owner, **facts})


def _tell_publication(conn: Connection, job_id: str, told: Report, error: str | None) -> None:
    seq = conn.execute(_NEXT_EVENT, {"job": job_id}).scalar_one()
    done = told.outcome == DONE
    kind = EventType.PUBLICATION_PUBLISHED if done else EventType.PUBLICATION_FAILED
    post = told.outcome_data or {}
    emit(
        conn, job_id, seq, kind, told.at + told.duration_ms,
        postId=post.get("postId"), url=post.get("url"), error=error,
    )  # fmt: skip


def redeliver(conn: Connection, job_id: str, entry: str, now: int) -> None:
    """Have an entry sent now, with a new deadline; one that is being sent is left to that.

    :raises DeliveryNotFound: the job has none of this id.
    """
    row = conn.execute(_STATE, {"entry": entry, "job": job_id}).one_or_none()
    if row is None:
        raise DeliveryNotFound(f"{job_id} has no delivery {entry}")
    changed = conn.execute(_AGAIN, {"entry": entry, "now": now}).rowcount
    if changed and row.kind == PUBLISH and row.state == FAILED:
        seq = conn.execute(_NEXT_EVENT, {"job": job_id}).scalar_one()
        emit(conn, job_id, seq, EventType.PUBLICATION_QUEUED, now, reason="redelivered")
