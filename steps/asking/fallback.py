"""When a call cannot be had: retry or fall back, decided in one place; and calls side by side."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, TypeVar

from orchestrator.errors import BreakerOpen, PermanentError, ServiceError, TransientError
from orchestrator.step import StepContext

T = TypeVar("T")
U = TypeVar("U")


async def or_fallback(
    ctx: StepContext,
    call: Callable[[], Awaitable[T]],
    fallback: Callable[[], T],
    reason: str,
    *,
    within: float | None = None,
) -> T:
    """What *call* gives or, when it cannot be had, *fallback* with *reason* noted.

    A transient failure is raised while a retry is left, see :func:`must_degrade`.

    :param within: on the final attempt, seconds after which a call that hangs counts as
        failed, so that the step falls back instead of running into its time limit.
    """
    try:
        async with asyncio.timeout(within if ctx.final_attempt else None):
            return await call()
    except TimeoutError:
        if not ctx.final_attempt:
            raise
        ctx.degrade(f"{reason}: no answer in time")
    except ServiceError as error:
        if not must_degrade(error, final_attempt=ctx.final_attempt):
            raise
        ctx.degrade(f"{reason}: {cause(error)}")
    return fallback()


def must_degrade(error: ServiceError, *, final_attempt: bool) -> bool:
    """Whether a step takes its fallback now (else the error is raised, and the engine retries).

    Open breakers and refusals: at once. Failures that may pass: only when no retry is left.
    """
    return final_attempt or not isinstance(error, TransientError)


def cause(error: ServiceError) -> str:
    """Why a service could not be used, in words that are the same each time it happens."""
    if isinstance(error, BreakerOpen):
        return f"{error.service} circuit breaker open"
    kind = "refused the call" if isinstance(error, PermanentError) else "failed"
    status = f" with status {error.status}" if error.status else ""
    return f"{error.service} {kind}{status}"


async def together(*calls: Awaitable[T]) -> list[T]:
    """The results of calls made side by side, once all have ended; then the gravest error.

    When a service fails one call the others run to their end, because what they paid for is
    recorded. An error that is no service's stops the activation, and so the other calls, at
    once. Of several, refusals go first, then open breakers (which cost no attempt), then
    failures that may pass.
    """
    tasks = [asyncio.ensure_future(call) for call in calls]
    pending = set(tasks)
    try:
        while pending and not _errors(tasks, fatal=True):
            _, pending = await asyncio.wait(pending, return_when=asyncio.FIRST_EXCEPTION)
    finally:
        for task in pending:
            task.cancel()
        await asyncio.gather(*pending, return_exceptions=True)
    errors = _errors(tasks, fatal=True) or _errors(tasks, fatal=False)
    if errors:
        raise min(errors, key=_gravity)
    return [task.result() for task in tasks]


async def both(one: Awaitable[T], other: Awaitable[U]) -> tuple[T, U]:
    """:func:`together` for two calls whose results differ in type."""
    calls: tuple[Awaitable[Any], ...] = (one, other)
    first, second = await together(*calls)
    return first, second


def _errors(tasks: Sequence[asyncio.Future[T]], *, fatal: bool) -> list[BaseException]:
    """What the finished tasks ended with; *fatal*: only errors that are no service's."""
    done = (task for task in tasks if task.done() and not task.cancelled())
    found = (task.exception() for task in done)
    return [error for error in found if error and not (fatal and _gravity(error))]


def _gravity(error: BaseException) -> int:
    order = (PermanentError, BreakerOpen, TransientError)
    return next((n for n, kind in enumerate(order, 1) if isinstance(error, kind)), 0)
