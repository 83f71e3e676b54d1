"""An event loop whose time stands still until somebody says how it goes on.

Whenever nothing is ready to run, the loop asks ``on_idle`` what happens next: it makes something
ready, or moves the clock. So the order of everything is one person's choice.
"""

from __future__ import annotations

import asyncio
import contextvars
import selectors
from collections.abc import Callable, Coroutine
from typing import Any, Protocol

OnIdle = Callable[[float | None], None]
"""Called with the seconds until the next timer, or None if there is none."""


class Owner(Protocol):
    """Whoever tasks belong to: a simulated process."""

    tasks: set[asyncio.Task[Any]]


owner: contextvars.ContextVar[Owner | None] = contextvars.ContextVar("owner", default=None)


class _Chosen(selectors.SelectSelector):
    """Never waits for the outside: there is none."""

    on_idle: OnIdle

    def select(self, timeout: float | None = None) -> list[Any]:
        if timeout is None or timeout > 0:
            self.on_idle(timeout)
        return []


class VirtualLoop(asyncio.SelectorEventLoop):
    """Times are virtual seconds since the beginning of a run."""

    def __init__(self) -> None:
        self._selected = _Chosen()
        self._seconds = 0.0
        super().__init__(self._selected)
        self.set_task_factory(_owned_task)

    def time(self) -> float:
        return self._seconds

    def advance(self, seconds: float) -> None:
        """Move the clock to the next timer."""
        self._seconds += seconds

    def run(self, main: Coroutine[Any, Any, None], on_idle: OnIdle) -> None:
        """Run *main* to its end; whatever is left of it is cancelled."""
        self._selected.on_idle = on_idle
        self._seconds = 0.0
        try:
            self.run_until_complete(main)
        finally:
            self._selected.on_idle = self._drain
            while left := asyncio.all_tasks(self):
                for task in left:
                    task.cancel()
                self.run_until_complete(asyncio.wait(left))

    def _drain(self, timeout: float | None) -> None:
        if timeout is None:
            raise RuntimeError("a cancelled task does not end")
        self.advance(timeout)


def _owned_task(
    loop: asyncio.AbstractEventLoop,
    coro: Coroutine[Any, Any, Any],
    context: contextvars.Context | None = None,
) -> asyncio.Task[Any]:
    task = asyncio.Task(coro, loop=loop, context=context)
    process = owner.get() if context is None else context.get(owner)
    if process is not None:
        process.tasks.add(task)
        task.add_done_callback(process.tasks.discard)
    return task
