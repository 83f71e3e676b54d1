"""The real applications of the edge, without Ray: over a real journal, behind the proxy's layers.

Serve routes by prefix and gives each application a replica's instance; here an ASGI application
does both. What the actors would do is not there: nobody runs the jobs.
"""

from __future__ import annotations

import asyncio
import inspect
import random
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from fastapi import FastAPI
from ray.serve._private.http_util import RequestIdMiddleware
from starlette.types import ASGIApp, Receive, Scope, Send

from actors import options
from actors.edge import around
from actors.serve import authentication
from actors.serve.http import routes_of
from actors.serve.openapi import APPS
from actors.serve.pages import PREFIX, SUBMIT_PREFIX
from actors.serve.places import Places
from actors.serve.rate import RequestRate
from actors.serve.status import Status
from actors.serve.submit import Submit
from actors.serve.watch import Watch
from orchestrator.config import Settings
from orchestrator.journal.base import Journal
from steps import PIPELINE


@contextmanager
def no_actors() -> Iterator[None]:
    """Nothing looks for an actor inside this block: Ray would start a cluster to look in."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(options, "find", lambda name: None)
        yield


class Edge:
    """Both applications over *journal*, as one ASGI application.

    :param settings: those the applications and the proxy's layers get.
    """

    def __init__(self, journal: Journal, settings: Settings | None = None) -> None:
        self.settings = settings or Settings()
        for name in ("status", "submit"):
            authentication.install(name, authentication.Gate(None))
        self.status = replica(Status, journal, self.settings)
        self.submit = replica(Submit, journal, self.settings)
        self._apps = {
            SUBMIT_PREFIX: bound(APPS[SUBMIT_PREFIX], self.submit),
            PREFIX: bound(APPS[PREFIX], self.status),
        }
        app: ASGIApp = RequestIdMiddleware(self._routed)
        for layer in around(self.settings):
            app = layer.cls(app, *layer.args, **layer.kwargs)  # type: ignore[assignment]
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._apps[PREFIX](scope, receive, send)
        else:
            await self._app(scope, receive, send)

    async def _routed(self, scope: Scope, receive: Receive, send: Send) -> None:
        """As Serve does: to the longest prefix that the path begins with."""
        for prefix, app in self._apps.items():
            if scope["path"] == prefix or scope["path"].startswith(f"{prefix}/"):
                await app({**scope, "root_path": prefix}, receive, send)
                return
        raise AssertionError(f"no route to {scope['path']}")


def replica(kind: Any, journal: Journal, settings: Settings) -> Any:
    """A replica's instance with this journal for its own; no actor is asked for."""
    cls = kind.func_or_class.__bases__[0]  # the class as written, without Serve's wrapping
    instance = cls.__new__(cls)
    instance.__dict__.update(
        _settings=settings,
        _journal=journal,
        _reader=journal,
        _opening=asyncio.Lock(),
        _rand=random.SystemRandom(),
        _callback_hosts=frozenset(),
        _steps=tuple((step.slug, step.name) for step in PIPELINE.steps),
        _supervisor=None,
        _streams=Places(settings.streams, settings.streams_per_client),
        _polls=Places(settings.streams, settings.streams),
    )
    instance._rate = RequestRate(journal.tier_of)
    if kind is Status:
        instance._watch = Watch(instance._read)
    return instance


def bound(app: FastAPI, instance: Any) -> FastAPI:
    """The application, its routes given *instance* where Serve would give a replica's."""
    for route in routes_of(app):
        own = inspect.signature(route.endpoint).parameters.get("self")
        if own is not None:
            app.dependency_overrides[own.default.dependency] = lambda: instance
    return app
