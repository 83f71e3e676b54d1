"""Which models a step's output is made of.

Every answer that a step accepts is noted here, whoever asked for it; :func:`telling` writes the
names into the step's output, so that a replay tells the same.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from contextvars import ContextVar
from functools import wraps

from orchestrator.step import Json, StepContext

Run = Callable[[StepContext], Awaitable[Mapping[str, Json]]]

FIELD = "models"  #: of a step's output

_USED: ContextVar[set[str] | None] = ContextVar("models_used", default=None)


def note(model: str) -> None:
    """An answer of this model is used; the tasks of one step's run share its list."""
    used = _USED.get()
    if used is not None:
        used.add(model)


def telling(run: Run) -> Run:
    """*run* with the names of the models whose answers it used in its output, sorted: which answer
    comes first is chance.

    A decorator, so that the module's ``run`` is what a step runs: Ray's processes find it by name.
    """

    @wraps(run)
    async def told(ctx: StepContext) -> Mapping[str, Json]:
        used: set[str] = set()
        token = _USED.set(used)
        try:
            return {**await run(ctx), FIELD: sorted(used)}
        finally:
            _USED.reset(token)

    return told
