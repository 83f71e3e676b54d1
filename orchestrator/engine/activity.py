"""What an activation has under way, to know when it only waits and when it can leave."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager


class Activity:
    """Counts what is under way in one activation.

    A step is *running*, *blocked* on another step's output (or parts of it are), or *waiting*
    until a time (for its next attempt, or a breaker). External calls and writes to the journal
    are counted apart, since a step may have several under way, and even while a part is blocked.
    """

    def __init__(self) -> None:
        self._running: set[str] = set()
        self._blocked: Counter[str] = Counter()
        self._waiting: dict[str, int] = {}
        self._calls = self._writes = 0
        self._only_waits = asyncio.Event()

    @property
    def nothing_in_flight(self) -> bool:
        """True while no call and no write is under way."""
        return not self._calls and not self._writes

    def wakes_at(self) -> int | None:
        """When the first wait ends (epoch ms), if waiting is all that is left to do."""
        if (
            not self._waiting
            or not self.nothing_in_flight
            or any(not self._blocked[slug] for slug in self._running)
        ):
            return None
        return min(self._waiting.values())

    async def only_waits(self) -> None:
        """Return when, by the next change, waiting is all that is left to do."""
        self._only_waits.clear()
        await self._only_waits.wait()

    def _note_change(self) -> None:
        if self.wakes_at() is not None:
            self._only_waits.set()

    @contextmanager
    def running(self, slug: str) -> Iterator[None]:
        """The step *slug* runs inside this block."""
        self._running.add(slug)
        try:
            yield
        finally:
            self._running.discard(slug)
            self._note_change()

    @contextmanager
    def blocked(self, slug: str) -> Iterator[None]:
        """The step *slug* needs another step's output inside this block."""
        self._blocked[slug] += 1
        self._note_change()
        try:
            yield
        finally:
            self._blocked[slug] -= 1

    @contextmanager
    def waiting(self, slug: str, until: int) -> Iterator[None]:
        """The step *slug* waits until *until* (epoch ms) inside this block."""
        self._waiting[slug] = until
        self._note_change()
        try:
            yield
        finally:
            del self._waiting[slug]

    @contextmanager
    def calling(self) -> Iterator[None]:
        """An external call is under way inside this block."""
        self._calls += 1
        try:
            yield
        finally:
            self._calls -= 1
            self._note_change()

    @contextmanager
    def writing(self) -> Iterator[None]:
        """The journal is being used inside this block."""
        self._writes += 1
        try:
            yield
        finally:
            self._writes -= 1
            self._note_change()
