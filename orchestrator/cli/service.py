"""Which service a command talks to, and opening a client to it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from orchestrator.cli.problems import CliError, settings_from_environment
from orchestrator.cli.record import running
from orchestrator.client import Client

BRIEF = 2.0  #: seconds a command that only asks goes on trying
LASTING = 120.0  #: seconds a watch outlasts a service that restarts


@dataclass(frozen=True, slots=True)
class Target:
    """What the user said about the service; empty: find it.

    :param url: of the service.
    :param client_id: who asks.
    """

    url: str = ""
    client_id: str | None = None

    def resolve(self) -> str:
        """The URL: as given, or of the `sota up` that runs in SOTA_HOME, or of the settings.

        :raises CliError: it is no HTTP address.
        """
        url = self.url
        if not url:
            settings = settings_from_environment()
            url = running(settings.home).get("url") or settings.base_url
        if not url.startswith(("http://", "https://")):
            raise CliError(f"{url!r} is not an HTTP address", "use --url http://HOST:PORT")
        return url


@contextmanager
def connected(target: Target, patience: float | None = None) -> Iterator[Client]:
    """A client of the service, for the time of a ``with``.

    :param patience: seconds to go on trying; :data:`BRIEF` when not given.
    """
    lasting = BRIEF if patience is None else patience
    with Client(target.resolve(), client_id=target.client_id, patience=lasting) as client:
        yield client
