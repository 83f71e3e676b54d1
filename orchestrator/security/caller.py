"""Who made a request, once that has been proved."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks.

    :param client_id: the client whose key it is; empty when nobody was asked to prove anything.
    :param key_id: the key that proved it; empty likewise.
    :param admin: sees every client's jobs, and the service's own figures.
    """

    client_id: str = ""
    key_id: str = ""
    admin: bool = False

    @property
    def sees(self) -> str | None:
        """The only client whose jobs this caller sees; None: everyone's."""
        return None if self.admin else self.client_id


OPEN = Caller(admin=True)
"""Everyone, where authentication is off: the service then listens on loopback only."""

STRANGER = Caller()
"""Someone without a key, at a route that is open to all."""
