"""Can the database write? Asked by ``/orchestrator/health``, which anyone may call often."""

from __future__ import annotations

import os
import time
from collections.abc import Callable

from sqlalchemy import Connection, delete, insert

from orchestrator.journal.group import GroupCommitter
from orchestrator.journal.tables import cache

PROBE_SECONDS = 5.0
"""How long a write that succeeded is proof enough: half of what Kubernetes waits by default
between two probes (``periodSeconds: 10``), so that each of them is answered by the database."""

PROBE_BYTES = 65_536
"""More than an article and what is recorded of it by step: while a write of that size is refused
for want of room, so is the probe, and not only when the last byte is gone."""

_KEY = {"kind": "health", "key": "write"}


class WriteProbe:
    """Writes and takes back one row, in a commit shared with whatever else is being written.

    :param clock: monotonic seconds.
    """

    def __init__(self, group: GroupCommitter, clock: Callable[[], float] = time.monotonic) -> None:
        self._group, self._clock = group, clock
        self._proved_at = float("-inf")
        self._failures = 0

    async def __call__(self) -> None:
        """Return if the database writes.

        A success counts for :data:`PROBE_SECONDS`, or until any transaction is lost.

        :raises JournalUnavailable: it cannot be reached, is full or read-only.
        :raises JournalDamaged: it is corrupt.
        """
        fresh = self._clock() - self._proved_at < PROBE_SECONDS
        if fresh and self._group.stats.failures == self._failures:
            return
        await self._group.run("", write_and_take_back)
        self._proved_at, self._failures = self._clock(), self._group.stats.failures


def write_and_take_back(conn: Connection) -> None:
    """Need room for a row of :data:`PROBE_BYTES`; leave nothing behind."""
    value = os.urandom(PROBE_BYTES // 2).hex()  # PostgreSQL would compress a repeated letter
    row = {**_KEY, "value": value, "stored_at": 0, "purge_at": 0}
    conn.execute(insert(cache).values(row))
    conn.execute(delete(cache).where(cache.c.kind == _KEY["kind"], cache.c.key == _KEY["key"]))
