"""One activation of a job: run what is not recorded yet, then end the job."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any, Literal

from orchestrator.engine.activity import Activity
from orchestrator.engine.attempts import Job, StepResult, complete_step
from orchestrator.engine.cache import SharedCache
from orchestrator.engine.memos import Memos
from orchestrator.engine.metering import MeteredServices
from orchestrator.engine.options import EngineOptions
from orchestrator.errors import StepFailed
from orchestrator.jobs import JobStatus, StepState
from orchestrator.journal.base import Journal
from orchestrator.journal.records import Claim, StepRecord
from orchestrator.models import SubmitRequest
from orchestrator.services import Services, Usage
from orchestrator.step import Pipeline, Step, critical_path

StopReason = Literal["cancel", "pause", "release"]
"""Cancelled and paused by the client; released to go on in another process."""

_LOOK_SECONDS = 0.05  # between two looks at whether what is in flight has landed


class JobRun:
    """Drives one claimed job to its end, or until it is stopped.

    Usage::

        run = JobRun(claim, PIPELINE, journal, services, EngineOptions())
        status = await run.drive()

    Steps run as soon as their needs are recorded; those already recorded are not run again.
    :meth:`stop` may be called while :meth:`drive` runs.
    """

    def __init__(
        self,
        claim: Claim,
        pipeline: Pipeline,
        journal: Journal,
        services: Services,
        options: EngineOptions,
    ) -> None:
        self._pipeline, self._options = pipeline, options
        self._records = {record.slug: record for record in claim.steps}
        self._results: dict[str, StepResult] = {}
        self._activity = Activity()
        memos = Memos(journal, claim.job_id, claim.epoch, claim.memos, options, self._activity)
        spent = memos.usage().cost_usd + sum(r.usage.cost_usd for r in claim.steps)
        self._job = Job(
            claim=claim,
            request=_with_model(SubmitRequest.model_validate(claim.request), options),
            journal=journal,
            services=MeteredServices(services, options, self._activity, spent=spent),
            memos=memos,
            cache=SharedCache(journal, claim.job_id, options),
            outputs={},
            options=options,
            activity=self._activity,
            versions={
                step.slug: _version(step, self._records[step.slug]) for step in pipeline.steps
            },
        )
        self._stop: StopReason | None = None
        self._stopped = asyncio.Event()
        if claim.cancel_requested:
            self.stop("cancel")
        elif claim.pause_requested:
            self.stop("pause")

    def stop(self, reason: StopReason) -> None:
        """End the run soon; recorded work stays.

        A cancel and a pause give up the calls in flight; a release lets them land first.
        """
        if self._stop in (None, "release") or reason == "cancel":
            self._stop = reason
        self._stopped.set()

    async def drive(self) -> JobStatus:
        """Run to the end and record it.

        :returns: the status that was recorded; ``processing`` if the job was released, to go
            on in another process, now or when its wait is over.
        :raises StaleEpoch, JobEnded, JournalUnavailable: this activation must stop as it is;
            what is recorded is safe.
        """
        steps = asyncio.ensure_future(self._run_steps())
        stopped = asyncio.ensure_future(self._stopped.wait())
        try:
            released = await self._over_or_released(steps, stopped)
        finally:
            stopped.cancel()
            await _cancel(steps)
        return JobStatus.PROCESSING if released else await self._end(steps)

    @property
    def _deadline(self) -> float:
        """When the job must have ended, in seconds since the epoch."""
        claim = self._job.claim
        return (claim.started_at + claim.idle_ms) / 1000 + self._options.job_timeout

    async def _over_or_released(
        self, steps: asyncio.Future[None], stopped: asyncio.Future[Any]
    ) -> bool:
        """Wait for the end, a stop or the deadline; True if the job was released instead."""
        loop = asyncio.get_running_loop()
        ends = loop.time() + self._deadline - self._options.clock()
        while True:
            only_waits = asyncio.ensure_future(self._activity.only_waits())
            done, _ = await asyncio.wait(
                {steps, stopped, only_waits},
                timeout=max(0.0, ends - loop.time()),
                return_when=asyncio.FIRST_COMPLETED,
            )
            only_waits.cancel()
            if stopped.done() and not steps.done():
                return self._stop == "release" and await self._hand_over(steps)
            if steps.done() or not done:
                return False
            if await self._hibernate():
                return True

    async def _hibernate(self) -> bool:
        """Release the job if it only waits, and for long."""
        wakes_at = self._activity.wakes_at()
        if wakes_at is None:
            return False
        until = min(wakes_at, int(self._deadline * 1000))
        asleep = (until - self._options.now_ms()) / 1000
        return asleep > self._options.hibernate_after and await self._release(until)

    async def _hand_over(self, steps: asyncio.Future[None]) -> bool:
        """Let what is in flight land and be recorded, then release the job at once."""
        self._job.services.close()
        give_up = self._options.clock() + self._options.handover_grace
        quiet = 0
        while quiet < 2 and self._options.clock() < give_up and not steps.done():
            await self._options.sleep(_LOOK_SECONDS)
            quiet = quiet + 1 if self._activity.nothing_in_flight else 0
        if steps.done() or self._stop != "release":
            return False
        if await self._release(self._options.now_ms()):
            return True
        cancelled, _ = await self._job.journal.flags(self._job.claim.job_id, self._job.claim.epoch)
        self._stop = "cancel" if cancelled else "pause"
        return False

    async def _release(self, until: int) -> bool:
        claim = self._job.claim
        return await self._job.journal.release(
            claim.job_id, claim.epoch, until, self._options.now_ms()
        )

    def snapshot(self) -> dict[str, Any]:
        """What runs at this moment, for whoever asks the actor itself."""
        begun = [s for s in self._pipeline.steps if s.slug in self._job.outputs]
        done = [s for s in begun if self._job.outputs[s.slug].done()]
        return {"completed": [s.name for s in done], "stop": self._stop}

    async def _end(self, steps: asyncio.Future[None]) -> JobStatus:
        """Decide how the job ends and record it."""
        if not steps.cancelled():
            error = steps.exception()
            if error is None:
                return await self._finish(JobStatus.COMPLETED, result=dict(self._result()))
            if isinstance(error, StepFailed):
                return await self._fail(error)
            raise error
        if self._stop == "cancel":
            return await self._finish(JobStatus.CANCELLED)
        if self._stop == "pause":
            return await self._finish(JobStatus.PAUSED)
        limit = self._options.job_timeout
        return await self._finish(
            JobStatus.FAILED, error=f"the job did not end within its {limit:g} s"
        )

    async def _fail(self, error: StepFailed) -> JobStatus:
        slug = next(s.slug for s in self._pipeline.steps if s.name == error.step)
        return await self._finish(JobStatus.FAILED, error=str(error), failed_step=slug)

    async def _finish(
        self,
        status: JobStatus,
        *,
        result: Any = None,
        error: str | None = None,
        failed_step: str | None = None,
    ) -> JobStatus:
        await self._job.journal.finish(
            self._job.claim.job_id, self._job.claim.epoch, status,
            result=result, error=error, failed_step=failed_step, usage=self._unrecorded(),
            now=self._options.now_ms(),
        )  # fmt: skip
        return status

    def _unrecorded(self) -> dict[str, Usage]:
        """What steps used that end without a result: no record of theirs will tell it."""
        begun = self._job.meters.items()
        return {slug: meter.usage for slug, meter in begun if slug not in self._results}

    async def _run_steps(self) -> None:
        """Run every step when its needs are met; the first failure ends the others."""
        loop = asyncio.get_running_loop()
        self._job.outputs.update({step.slug: loop.create_future() for step in self._pipeline.steps})
        tasks = [asyncio.ensure_future(self._run_step(step)) for step in self._pipeline.steps]
        try:
            await asyncio.gather(*tasks)
        finally:
            for task in tasks:
                await _cancel(task)
            for future in self._job.outputs.values():
                future.cancel()

    async def _run_step(self, step: Step) -> None:
        for need in step.needs:
            await asyncio.shield(self._job.outputs[need])
        result = await complete_step(self._job, step, self._records[step.slug])
        self._results[step.slug] = result
        self._job.outputs[step.slug].set_result(result.output)

    def _result(self) -> Mapping[str, Any]:
        outputs = {slug: result.output for slug, result in self._results.items()}
        return self._pipeline.finish(self._job.request, outputs, self._summary())

    def _summary(self) -> dict[str, Any]:
        """What the run came to: cost, tokens, timings, degraded, sandbox, cache."""
        steps = self._results
        usage = sum((result.usage for result in steps.values()), self._job.memos.usage())
        return {
            "cost": round(usage.cost_usd, 6),
            "tokens": _tokens(usage),
            "timings": self._timings(usage),
            "degraded": [step.name for step in self._pipeline.steps if steps[step.slug].degraded],
            "sandbox": usage.sandbox_calls > 0,
            "cache": {"hits": usage.cache_hits, "misses": usage.cache_misses},
        }

    def _timings(self, usage: Usage) -> dict[str, Any]:
        """Seconds: of all calls one after another, and of the run without the time in which no
        activation had it (``idleSeconds``); for each step when it began and ended, counted from
        the job's start, and its own calls one after another. Calls whose value belongs to the
        whole job, such as its search, are in no step's.

        The times of the steps, and the critical path found from them, are those of the clock:
        idle time is in them, and not in ``elapsedSeconds``.
        """
        claim, steps = self._job.claim, self._pipeline.steps
        spans = {
            slug: ((r.started_at - claim.started_at) / 1000, (r.ended_at - claim.started_at) / 1000)
            for slug, r in self._results.items()
        }
        path = critical_path(spans, {step.slug: (*step.needs, *step.awaits) for step in steps})
        elapsed = self._options.now_ms() - claim.started_at - claim.idle_ms
        return {
            "sequentialSeconds": round(usage.seconds, 3),
            "elapsedSeconds": round(elapsed / 1000, 3),
            "idleSeconds": round(claim.idle_ms / 1000, 3),
            "criticalPath": [self._pipeline[slug].name for slug in path],
            "steps": [
                {
                    "name": step.name,
                    "start": round(spans[step.slug][0], 3),
                    "end": round(spans[step.slug][1], 3),
                    "sequentialSeconds": round(self._seconds_of(step), 3),
                }
                for step in steps
            ],
        }

    def _seconds_of(self, step: Step) -> float:
        return self._results[step.slug].usage.seconds + self._job.memos.usage(step.slug).seconds


def _version(step: Step, record: StepRecord) -> int:
    """The version whose parts belong to the step's output."""
    return record.version if record.state is StepState.COMPLETED else step.version


def _with_model(request: SubmitRequest, options: EngineOptions) -> SubmitRequest:
    """The request with its model named."""
    model = request.model or options.default_model
    return request.model_copy(update={"model": model})


def _tokens(usage: Usage) -> dict[str, int]:
    return {
        "input": usage.input_tokens,
        "output": usage.output_tokens,
        "cacheRead": usage.cache_read_tokens,
        "cacheWrite": usage.cache_write_tokens,
    }


async def _cancel(task: asyncio.Future[Any]) -> None:
    """Cancel and wait until it is over; its own error, if any, is left in it."""
    task.cancel()
    await asyncio.wait({task})
