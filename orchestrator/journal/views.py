"""Pure functions from rows to what clients and activations see."""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal

from sqlalchemy import Row

from orchestrator.errors import InvalidInput
from orchestrator.jobs import JobStatus, StepState
from orchestrator.journal.content import MEMO_VALUE, STEP_OUTPUT
from orchestrator.journal.records import Claim, MemoRecord, StepRecord, WaitingJob
from orchestrator.models import JobView, PublicationView, StepView
from orchestrator.services import Usage

_DONE_OF_TOTAL = re.compile(r"(\d+) of (\d+)")
"""How the engine words sub-step progress (``section 3 of 8``)."""


def job_view(
    job: Row[Any],
    steps: Sequence[Row[Any]],
    memo_costs: Mapping[str, float],
    *,
    queue_position: int | None = None,
    result: dict[str, Any] | None = None,
    publication: PublicationView | None = None,
) -> JobView:
    """The job as a client sees it.

    :param steps: its steps in wire order, without outputs.
    :param memo_costs: dollars its memos cost, by slug (``""``: the whole job's).
    """
    highest = max((step for step in steps if step.begun), key=lambda s: s.number, default=None)
    costs = [step.cost_usd for step in steps] + list(memo_costs.values())
    return JobView(
        id=job.id,
        status=JobStatus(job.status),
        step=highest.number if highest is not None else 0,
        total_steps=job.total_steps,
        step_name=highest.name if highest is not None else None,
        created_at=job.created_at,
        started_at=job.started_at,
        completed_at=job.completed_at,
        result=result,
        error=job.error,
        request_id=job.request_id,
        keyword=job.keyword,
        mode=job.mode,
        steps=[_step_view(step, memo_costs.get(step.slug, 0.0)) for step in steps],
        progress=progress(job.status, [(step.state, step.detail) for step in steps]),
        activity=activity([(step.name, step.state, step.detail) for step in steps]),
        cost=round(sum(costs, job.dropped_cost_usd), 6),
        attempt=job.attempt,
        queue_position=queue_position,
        cancel_requested=job.cancel_requested,
        publication=publication,
    )


def _step_view(step: Row[Any], memo_cost: float) -> StepView:
    return StepView(
        name=step.name,
        state=StepState(step.state),
        attempts=step.attempts,
        started_at=step.started_at,
        ended_at=step.ended_at,
        degraded=step.degraded,
        detail=step.detail,
        error=step.error,
        cost=round(step.cost_usd + memo_cost, 6),
    )


def progress(status: str, steps: Sequence[tuple[str, str | None]]) -> float:
    """How much of a job is done, 0 to 1: each step counts alike.

    :param steps: state and detail of each step; a running step counts by its detail's
        ``n of m``.
    """
    if status == JobStatus.COMPLETED or not steps:
        return 1.0 if status == JobStatus.COMPLETED else 0.0
    done = sum(_share(state, detail) for state, detail in steps)
    return round(done / len(steps), 4)


def activity(steps: Sequence[tuple[str, str, str | None]]) -> list[str]:
    """What runs now: each running step's name, with how far it is where it says so.

    :param steps: name, state and detail of each step.
    """
    running = ((name, detail) for name, state, detail in steps if state == StepState.RUNNING)
    return [f"{name}: {detail}" if detail else name for name, detail in running]


def _share(state: str, detail: str | None) -> float:
    if state == StepState.COMPLETED:
        return 1.0
    counted = _DONE_OF_TOTAL.search(detail or "") if state == StepState.RUNNING else None
    if counted is None or int(counted[2]) == 0:
        return 0.0
    return min(int(counted[1]) / int(counted[2]), 1.0)


def claim_of(
    job: Row[Any],
    request: dict[str, Any],
    steps: Sequence[Row[Any]],
    memos: Sequence[Row[Any]],
    read: Callable[..., Any],
) -> Claim:
    """What an activation gets.

    :param read: makes the value of what is stored at a place, which it is told.
    """
    return Claim(
        job_id=job.id,
        epoch=job.epoch,
        request_id=job.request_id,
        request=request,
        client_id=job.client_id,
        created_at=job.created_at,
        started_at=job.started_at,
        idle_ms=job.idle_ms,
        cancel_requested=job.cancel_requested,
        pause_requested=job.pause_requested,
        steps=tuple(_step_record(step, read) for step in steps),
        memos=tuple(_memo_record(memo, read) for memo in memos),
    )


def _step_record(step: Row[Any], read: Callable[..., Any]) -> StepRecord:
    return StepRecord(
        slug=step.slug,
        name=step.name,
        state=StepState(step.state),
        version=step.version,
        attempts=step.attempts,
        output=read(step.output, *STEP_OUTPUT, step.job_id, step.slug),
        degraded=tuple(step.degraded),
        detail=step.detail,
        error=step.error,
        usage=_usage(step.usage),
        started_at=step.started_at,
        ended_at=step.ended_at,
        next_attempt_at=step.next_attempt_at,
    )


def _memo_record(memo: Row[Any], read: Callable[..., Any]) -> MemoRecord:
    return MemoRecord(
        step=memo.step,
        part=memo.part,
        value=read(memo.value, *MEMO_VALUE, memo.job_id, memo.step, memo.part),
        usage=_usage(memo.usage),
        started_at=memo.started_at,
        ended_at=memo.ended_at,
    )


def _usage(recorded: Mapping[str, Any]) -> Usage:
    """A recorded usage; fields of another version of the program are left out."""
    return Usage(**{name: recorded[name] for name in Usage.model_fields if name in recorded})


def waiting_job(job: Row[Any]) -> WaitingJob:
    """What the supervisor sees of a job, from its row joined with its highest begun step."""
    step = f"{job.number or 0}/{job.total_steps} {job.name or ''}".rstrip()
    stop: Literal["cancel", "pause"] | None = "pause" if job.pause_requested else None
    return WaitingJob(
        job_id=job.id,
        client_id=job.client_id,
        label=f"{job.keyword} - {step}",
        priority=job.priority,
        created_at=job.created_at,
        epoch=job.epoch,
        owner=_claimant(job.owner or ""),
        seq=job.last_seq,
        stop_requested="cancel" if job.cancel_requested else stop,
    )


def _claimant(owner: str) -> str:
    """Who claimed, without when; see :func:`orchestrator.journal.lifecycle.claim`."""
    return owner.rpartition("@")[0] or owner


def encode_cursor(created_at: int, job_id: str) -> str:
    """The opaque place after a job in the list."""
    text = json.dumps([created_at, job_id], separators=(",", ":"))
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def decode_cursor(cursor: str) -> tuple[int, str]:
    """The place a cursor names. :raises InvalidInput: it is none of ours."""
    try:
        padded = cursor + "=" * (-len(cursor) % 4)
        created_at, job_id = json.loads(base64.b64decode(padded, altchars=b"-_", validate=True))
        in_range = isinstance(created_at, int) and abs(created_at) < 2**63
        if in_range and isinstance(job_id, str) and "\0" not in job_id:
            job_id.encode()  # a lone surrogate is no text, and a ValueError
            return created_at, job_id
    except (binascii.Error, ValueError, TypeError):
        pass
    raise InvalidInput("cursor", "it is not one that this service gave out: start without one")
