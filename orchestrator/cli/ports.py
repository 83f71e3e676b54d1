"""TCP ports: is one free, and which one is."""

from __future__ import annotations

import errno
import socket
from collections.abc import Iterable
from typing import NamedTuple

from orchestrator.config import Settings
from orchestrator.sandbox.environment import API_HOST, WEB_HOSTS

HIGHEST = 65535


class Wanted(NamedTuple):
    """A port that the service wants, and the variable that sets it."""

    name: str
    variable: str
    number: int
    hosts: tuple[str, ...]


def wanted(settings: Settings, *, sandbox: bool) -> list[Wanted]:
    """Every port a start needs."""
    every = [
        Wanted("HTTP port", "SOTA_HTTP_PORT", settings.http_port, (settings.http_host,)),
        Wanted("dashboard port", "SOTA_DASHBOARD_PORT", settings.dashboard_port, (API_HOST,)),
        Wanted("sandbox port", "SOTA_SANDBOX_PORT", settings.sandbox_port, (API_HOST, *WEB_HOSTS)),
    ]
    return every if sandbox else every[:2]


def is_free(port: int, hosts: Iterable[str] = ("127.0.0.1",)) -> bool:
    """True if *port* can be listened on at every one of *hosts* that this machine has."""
    return all(_can_listen(host, port) for host in hosts)


def first_free(port: int, hosts: Iterable[str] = ("127.0.0.1",), tries: int = 200) -> int | None:
    """*port* or the next one above it that is free, within *tries*; None if there is none."""
    every = tuple(hosts)
    above = range(port, min(port + tries, HIGHEST + 1))
    return next((n for n in above if is_free(n, every)), None)


def _can_listen(host: str, port: int) -> bool:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        # As servers do: an old connection that lingers does not make a port taken.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
            probe.listen(1)
        except OSError as error:
            return error.errno == errno.EADDRNOTAVAIL  # not an address of this machine
    return True
