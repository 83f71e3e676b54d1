"""Setting up a replica's authentication: what it needs to know, asked for once."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable

import ray
from ray.serve._private.constants import SERVE_CONTROLLER_NAME, SERVE_NAMESPACE

from actors.serve.authentication import Gate, install
from orchestrator.config import Settings
from orchestrator.journal.access import AccessJournal
from orchestrator.secrets import SigningSecrets
from orchestrator.security.master import Masters
from orchestrator.security.policy import asks_for_keys
from orchestrator.security.verify import Verifier


async def set_up(
    application: str,
    settings: Settings,
    secrets: SigningSecrets,
    keys: Callable[[], Awaitable[AccessJournal]],
    uses: AccessJournal,
    *,
    takes_bodies: bool = False,
) -> None:
    """Put the application's gate in place.

    :param secrets: read before they were dropped from the environment.
    :param keys: where keys are read; asked at each request, since it is opened late.
    :param uses: the journal's actor, which records used signatures.
    :raises Unprotected: the service listens where strangers reach it, without a signing secret.
    """
    host = await listening_on()
    verifier = None
    if asks_for_keys(settings, configured=secrets.configured, host=host):
        masters = Masters.of(secrets)
        verifier = Verifier(masters, keys, uses, time.time, takes_bodies=takes_bodies)
    install(application, Gate(verifier))


async def listening_on() -> str:
    """The address Serve's proxies listen on, from Serve itself: the settings of this process may
    say otherwise (on Kubernetes it is set in the RayService)."""
    controller = ray.get_actor(SERVE_CONTROLLER_NAME, namespace=SERVE_NAMESPACE)
    config = await controller.get_http_config.remote()
    return str(config.host or "")
