"""Which of several clusters over one database does what only one may do at a time."""

from __future__ import annotations

import logging

from orchestrator.journal.base import Journal

log = logging.getLogger(__name__)

CHARGE_MS = 15_000
"""For how long a cluster that says nothing keeps a charge."""

ASK_MS = 1000  # how often a cluster without the charge asks for it


class Charge:
    """A lease in the journal, renewed by being asked about.

    :param what: what the one cluster does, such as ``supervision``.
    :param cluster: what this cluster is called in the journal.
    """

    def __init__(self, journal: Journal, what: str, cluster: str) -> None:
        self._journal, self._what, self._cluster = journal, what, cluster
        self._is_ours, self._ask_again_at = False, 0

    async def is_ours(self, now: int) -> bool:
        """Whether this cluster has the charge at *now* (epoch milliseconds)."""
        if now >= self._ask_again_at:
            lease = await self._journal.cache_lease(
                self._what, "cluster", self._cluster, now, now + CHARGE_MS
            )
            was, self._is_ours = self._is_ours, lease.owner == self._cluster
            self._ask_again_at = now + (CHARGE_MS // 3 if self._is_ours else ASK_MS)
            if was is not self._is_ours:
                log.info("%s has the charge of this database's %s", lease.owner, self._what)
        return self._is_ours
