"""One step of a job: look up, else attempt until recorded, waiting where a wait is due."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from dataclasses import dataclass, field

from orchestrator.engine.activity import Activity
from orchestrator.engine.cache import SharedCache
from orchestrator.engine.context import RunContext
from orchestrator.engine.memos import Memos, through_json
from orchestrator.engine.metering import Meter, MeteredServices, metered
from orchestrator.engine.options import WAKE_JITTER_SECONDS, EngineOptions
from orchestrator.errors import (
    BreakerOpen,
    OrchestratorError,
    ServiceError,
    StepFailed,
    StepTimeout,
    TransientError,
)
from orchestrator.jobs import StepState
from orchestrator.journal.base import Journal
from orchestrator.journal.records import Claim, StepRecord
from orchestrator.models import SubmitRequest
from orchestrator.services import Usage, time_left
from orchestrator.step import Json, Step

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Job:
    """What every step of one activation shares."""

    claim: Claim
    request: SubmitRequest
    journal: Journal
    services: MeteredServices
    memos: Memos
    cache: SharedCache
    outputs: dict[str, asyncio.Future[Json]]
    options: EngineOptions
    activity: Activity
    versions: Mapping[str, int]
    meters: dict[str, Meter] = field(default_factory=dict)  #: of the steps begun, by slug


@dataclass(slots=True)
class StepResult:
    """A step's output and what the run should know of it."""

    output: Json
    degraded: tuple[str, ...]
    usage: Usage
    started_at: int
    ended_at: int


async def complete_step(job: Job, step: Step, record: StepRecord) -> StepResult:
    """The step's result: recorded earlier, or recorded now.

    :raises StepFailed: it ended without one.
    """
    if record.state is StepState.COMPLETED:
        started, ended = record.started_at or 0, record.ended_at or 0
        return StepResult(record.output, record.degraded, record.usage, started, ended)
    attempt = await _resume_point(job, record)
    started = record.started_at or job.options.now_ms()
    meter = job.meters[step.slug] = Meter(record.usage)
    while True:
        with job.activity.writing():
            await job.journal.begin_attempt(
                job.claim.job_id, job.claim.epoch, step.slug, step.version, attempt,
                job.options.now_ms(),
            )  # fmt: skip
        try:
            with job.activity.running(step.slug):
                result = await _attempt(job, step, attempt, meter)
        except BreakerOpen as error:
            await _wait_for_breaker(job, step, error, meter.usage)
        except TransientError as error:
            attempt = await _wait_for_retry(job, step, attempt, error, meter.usage)
        else:
            result.started_at = started
            return result


async def _resume_point(job: Job, record: StepRecord) -> int:
    """The attempt to begin with, after any wait that an earlier activation left unfinished.

    A crash is not a failed attempt: one that was running is begun again under its number.
    """
    if record.state is not StepState.WAITING:
        return max(record.attempts, 1)
    await _sleep_until(job, record.slug, record.next_attempt_at or 0)
    return record.attempts + (1 if record.error is not None else 0)


async def _attempt(job: Job, step: Step, attempt: int, meter: Meter) -> StepResult:
    """Run the step once and record its output.

    :param meter: the step's account; it has what the failed attempts before this one used,
        those of earlier activations too.
    """
    context = RunContext(
        claim=job.claim, request=job.request, step=step, attempt=attempt, journal=job.journal,
        services=job.services, memos=job.memos, cache=job.cache, outputs=job.outputs,
        options=job.options, activity=job.activity, versions=job.versions,
    )  # fmt: skip
    with metered(meter):
        output = await _within_limit(step, context)
    now = job.options.now_ms()
    degraded = tuple(context.degraded)
    with job.activity.writing():
        await job.journal.record_step(
            job.claim.job_id, job.claim.epoch, step.slug, output,
            degraded=degraded, usage=meter.usage, now=now,
        )  # fmt: skip
    return StepResult(output, degraded, meter.usage, now, now)


async def _within_limit(step: Step, context: RunContext) -> Json:
    """Run the step under its time limit; every error comes out as one of ours."""
    try:
        async with asyncio.timeout(step.timeout) as limit:
            time_left.set(context.time_left)
            with context.timed_by(limit):
                return through_json(dict(await step.run(context)))
    except TimeoutError as error:
        if limit.expired():
            raise StepTimeout(step.slug, f"no result within {step.timeout:g} s") from error
        raise TransientError(step.slug, "a call timed out") from error
    except (TransientError, BreakerOpen):
        raise
    except ServiceError as error:
        raise StepFailed(step.name, str(error)) from error
    except OrchestratorError:
        raise  # the journal's: this activation must stop
    except Exception as error:
        log.exception("step %s of %s failed unexpectedly", step.slug, context.job_id)
        raise StepFailed(step.name, f"{type(error).__name__}: {error}") from error


async def _wait_for_breaker(job: Job, step: Step, error: BreakerOpen, usage: Usage) -> None:
    """Wait out an open breaker; no attempt is used up. The job's deadline bounds it.

    :param usage: what the step has used so far; journaled, for who takes over meanwhile.
    """
    delay = error.retry_after + job.options.rand.uniform(0.0, WAKE_JITTER_SECONDS)
    until = job.options.now_ms() + int(delay * 1000)
    with job.activity.writing():
        await job.journal.record_wait(
            job.claim.job_id, job.claim.epoch, step.slug, str(error), until, job.options.now_ms(),
            usage=usage,
        )  # fmt: skip
    await _sleep_until(job, step.slug, until)


async def _wait_for_retry(
    job: Job, step: Step, attempt: int, error: TransientError, usage: Usage
) -> int:
    """Journal the failed attempt, wait, and return the next attempt's number.

    :param usage: as for :func:`_wait_for_breaker`.
    :raises StepFailed: that was the last one.
    """
    delay = job.options.retry.delay(attempt, error)
    if delay is None:
        raise StepFailed(step.name, f"{error} (attempt {attempt} of {attempt})") from error
    next_at = job.options.now_ms() + int(delay * 1000)
    with job.activity.writing():
        await job.journal.record_retry(
            job.claim.job_id, job.claim.epoch, step.slug, str(error), next_at, job.options.now_ms(),
            usage=usage,
        )  # fmt: skip
    await _sleep_until(job, step.slug, next_at)
    return attempt + 1


async def _sleep_until(job: Job, slug: str, when_ms: int) -> None:
    """Wait in a way that lets the whole job hibernate meanwhile."""
    remaining = (when_ms - job.options.now_ms()) / 1000
    if remaining > 0:
        with job.activity.waiting(slug, when_ms):
            await job.options.sleep(remaining)
