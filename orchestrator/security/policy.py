"""Whether requests must be authenticated, and where the service may listen without that."""

from __future__ import annotations

import ipaddress

from orchestrator.config import Settings
from orchestrator.errors import OrchestratorError

OPEN_NOTICE = (
    "AUTHENTICATION IS OFF: everyone on this machine can submit, read, change and erase every job. "
    "To turn it on, set SOTA_SIGNING_SECRET (`openssl rand -hex 32` makes one) and make keys with "
    "`sota keys create CLIENT`"
)
"""What is said, loudly, when the service starts without authentication."""


class Unprotected(OrchestratorError):
    """The service would listen where strangers reach it, and could not tell who asks."""


def asks_for_keys(settings: Settings, *, configured: bool, host: str | None = None) -> bool:
    """True if every request must be authenticated; False: everyone may ask.

    :param configured: there is a signing secret.
    :param host: the address the service listens on, where it is not that of the settings.
    :raises Unprotected: it may not be served like this.
    """
    host = settings.http_host if host is None else host
    if configured and settings.auth != "off":
        return True
    if settings.auth == "on":
        raise Unprotected(
            "SOTA_AUTH is on, and there is no SOTA_SIGNING_SECRET: make one with "
            "`openssl rand -hex 32`, set it, and make keys with `sota keys create CLIENT`"
        )
    if not is_loopback(host):
        raise Unprotected(
            f"{host} can be reached from outside, and authentication is not configured: set "
            "SOTA_SIGNING_SECRET (`openssl rand -hex 32` makes one), leave SOTA_AUTH at auto or "
            "on, and make keys with `sota keys create CLIENT`; or listen on 127.0.0.1 "
            "(SOTA_HTTP_HOST)"
        )
    return False


def is_loopback(host: str) -> bool:
    """True for an address that only this machine reaches; a name other than localhost is none."""
    if host.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False
