"""The pipeline without its work: what is left of a job is what the orchestrator does for it."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import Any

from orchestrator.models import SubmitRequest
from orchestrator.step import Json, Pipeline, StepContext

STEP_SECONDS = "BENCH_STEP_SECONDS"
"""The environment variable with the seconds for which each step waits."""


def without_work(real: Pipeline) -> Pipeline:
    """The same steps by name, each after the one before, and none does anything.

    They run in a row, where the real ones overlap: that takes longest, and it is what the two
    others do. With :data:`STEP_SECONDS` in the environment each waits for so long.
    """
    waits = float(os.environ.get(STEP_SECONDS, "0"))
    slugs = [step.slug for step in real.steps]
    return Pipeline(
        steps=tuple(
            replace(
                step,
                run=partial(_wait, waits),
                needs=tuple(slugs[:at][-1:]),
                awaits=(),
                timeout=2 * waits or step.timeout,
            )
            for at, step in enumerate(real.steps)
        ),
        finish=_finish,
    )


async def _wait(seconds: float, context: StepContext) -> Mapping[str, Json]:
    await asyncio.sleep(seconds)
    return {"attempt": context.attempt}


def _finish(
    request: SubmitRequest, outputs: Mapping[str, Json], run: Mapping[str, Json]
) -> dict[str, Any]:
    return {"content": "", "metadata": {"wordCount": 0, "steps": len(outputs), **run}}
