"""The journal's actor: the one writer, so that concurrent writes share a commit."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from typing import Any, cast

from actors import options
from orchestrator.config import Settings
from orchestrator.errors import JournalUnavailable
from orchestrator.journal.base import Journal
from orchestrator.secrets import StorageKeys
from orchestrator.telemetry import configure_logging

log = logging.getLogger(__name__)

FIRST_PAUSE, LONGEST_PAUSE = 0.05, 1.0  # seconds between tries to reach the journal


class JournalActor:
    """Serves a :class:`~orchestrator.journal.base.Journal` to the other actors."""

    def __init__(self, settings: Settings) -> None:
        self._keys = StorageKeys().encryption_keys  # before they are dropped
        options.forget_secrets()
        configure_logging()
        self._settings = settings
        self._journal: Journal | None = None
        self._opening = asyncio.Lock()

    async def call(self, method: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Call one method of the journal's protocol."""
        journal = await self._open()
        return await _method(journal, method)(*args, **kwargs)

    async def _open(self) -> Journal:
        # Heavy (SQLAlchemy): only the journal's own process pays for it, not its callers.
        from orchestrator.journal.opening import open_journal  # noqa: PLC0415

        async with self._opening:
            if self._journal is None:
                settings = self._settings
                self._journal = await open_journal(
                    settings.database, keys=self._keys, rules=settings.tenancy
                )
            return self._journal

    async def __ray_shutdown__(self) -> None:
        """Finish what is queued before the process ends in good order."""
        if self._journal is not None:
            await self._journal.close()


def ensure_journal(settings: Settings) -> Any:
    """The journal actor's handle; the actor is made if it is not there."""
    return options.remote(JournalActor).options(**options.kept(options.JOURNAL)).remote(settings)


def remote_journal(settings: Settings, patience: float, *, make: bool = False) -> Journal:
    """The journal, reached through its actor.

    :param patience: seconds to keep trying while the actor restarts or its database is away;
        then :class:`JournalUnavailable`. Sending a write twice is safe by the protocol.
    :param make: make the actor if it is gone for good. Only for those whose settings are the
        service's own (supervisor, Serve): anyone else might make it over another database.
    """
    return cast(Journal, _Proxy(settings, patience, make=make))


class _Proxy:
    """Every method of the protocol, sent to the actor and tried again while it is away."""

    def __init__(self, settings: Settings, patience: float, *, make: bool) -> None:
        self._settings, self._patience, self._make = settings, patience, make
        self._handle: Any = None

    def __getattr__(self, method: str) -> Callable[..., Awaitable[Any]]:
        if method not in METHODS:
            raise AttributeError(method)

        async def call(*args: Any, **kwargs: Any) -> Any:
            return await self._call(method, args, kwargs)

        return call

    async def _call(self, method: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        give_up = time.monotonic() + self._patience
        pause, problem = FIRST_PAUSE, "its actor is not there"
        while True:
            if self._handle is None:
                self._handle = self._find()
            if self._handle is not None:
                try:
                    reply = options.answer(self._handle.call.remote(method, args, kwargs))
                    left = max(pause, give_up - time.monotonic())
                    return await asyncio.wait_for(reply, left)
                except options.GONE as error:
                    self._handle, problem = None, str(error) or type(error).__name__
                except (JournalUnavailable, TimeoutError) as error:
                    problem = str(error) or type(error).__name__
            if time.monotonic() + pause > give_up:
                raise JournalUnavailable(f"the journal did not answer: {problem}")
            await asyncio.sleep(pause)
            pause = min(2 * pause, LONGEST_PAUSE)

    def _find(self) -> Any | None:
        return ensure_journal(self._settings) if self._make else options.find(options.JOURNAL)


def _method(journal: Journal, name: str) -> Callable[..., Awaitable[Any]]:
    if name not in METHODS:
        raise AttributeError(f"the journal has no method {name!r}")
    return cast(Callable[..., Awaitable[Any]], getattr(journal, name))


METHODS = frozenset(
    name for kind in Journal.__mro__ for name in vars(kind) if not name.startswith("_")
)
"""The names of the protocol's methods: all that may be called from outside."""
