"""Finds the processes of one service by their title: Ray's, or their command line."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import psutil

from tests.harness import Service

TITLES = {
    "job actor": "ray::JobActor",
    "gateway": "ray::GatewayActor",
    "breaker": "ray::BreakerActor",
    "journal": "ray::JournalActor",
    "supervisor": "ray::SupervisorActor",
    "outbox": "ray::OutboxActor",
    "template": "actors.template.server",
    "submit replica": "ray::ServeReplica:submit",
    "status replica": "ray::ServeReplica:status",
    "serve proxy": "ray::ProxyActor",
    "serve controller": "ray::ServeController",
}


def processes(service: Service, part: str) -> list[psutil.Process]:
    """The processes of one of the :data:`TITLES`, and of this service only."""
    return [process for process, title in _titled(service) if TITLES[part] in title]


def _titled(service: Service) -> Iterator[tuple[psutil.Process, str]]:
    for process in service.family():
        with contextlib.suppress(psutil.NoSuchProcess):
            yield process, " ".join(process.cmdline())
