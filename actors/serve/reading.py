"""A replica's own way to the database, read-only: reads do not queue behind the journal's actor."""

from __future__ import annotations

import asyncio

from orchestrator.config import Settings
from orchestrator.journal.base import Journal
from orchestrator.journal.opening import open_journal


class Reader:
    """Opens the database when it is first asked for.

    :param journal: the journal's actor, which makes and migrates the database.
    """

    def __init__(self, settings: Settings, journal: Journal) -> None:
        self._settings, self._journal = settings, journal
        self._opened: Journal | None = None
        self._opening = asyncio.Lock()

    async def __call__(self) -> Journal:
        """The database. :raises JournalUnavailable: nobody has made it yet, or it is away."""
        async with self._opening:
            if self._opened is None:
                await self._journal.counts()
                self._opened = await open_journal(self._settings.database, read_only=True)
            return self._opened
