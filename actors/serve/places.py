"""Places for requests that stay: so many in all, so many for one client."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from orchestrator.errors import OrchestratorError


class TooManyStreams(OrchestratorError):
    """This client holds as many event streams as it may."""


class StreamsFull(OrchestratorError):
    """This replica holds as many event streams as it may."""


class Places:
    """Counts who holds a place in this process.

    :param total: places in all.
    :param each: places one client may hold.
    """

    def __init__(self, total: int, each: int) -> None:
        self.total, self.each = total, each
        self._held: Counter[str] = Counter()

    @property
    def taken(self) -> int:
        """Places that are held now."""
        return self._held.total()

    @contextmanager
    def hold(self, client: str) -> Iterator[None]:
        """A place inside this block.

        :raises TooManyStreams: *client* has all it may have.
        :raises StreamsFull: there is none left.
        """
        if self._held[client] >= self.each:
            raise TooManyStreams(
                f"{self.each} event streams are open already: close one, or poll with ?wait=30"
            )
        if self.taken >= self.total:
            raise StreamsFull("every event stream is taken: wait, or poll with ?wait=30")
        self._held[client] += 1
        try:
            yield
        finally:
            self._held[client] -= 1
            if not self._held[client]:
                del self._held[client]
