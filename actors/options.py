"""How every actor of the orchestrator is named and kept: one place for all of them.

Every actor is detached (it outlives whoever made it), named in one namespace, restarted
without limit by Ray, and takes no CPU share: it waits far more than it computes.
"""

from __future__ import annotations

import asyncio
import functools
import logging
import os
from collections.abc import Awaitable
from typing import Any, TypeVar

import ray
from ray.exceptions import ActorDiedError, RayActorError, RayTaskError

from orchestrator.secrets import SECRET_NAMES, SIGNING_NAMES

T = TypeVar("T")
log = logging.getLogger(__name__)

NAMESPACE = "orchestrator"

JOURNAL = "journal"
SUPERVISOR = "supervisor"
OUTBOX = "outbox"

GONE = (RayActorError, ActorDiedError)
"""What a call raises when its actor died, is restarting, or cannot be reached."""

NO_SECRETS = dict.fromkeys((*SECRET_NAMES, "SOTA_DATABASE_URL"), "")
"""Environment variables that blank the keys: job actors and breakers are started with them."""


def job_name(job_id: str) -> str:
    """The name of a job's actor."""
    return f"job:{job_id}"


def breaker_name(service: str) -> str:
    """The name of a service's breaker actor."""
    return f"breaker:{service}"


def gateway_name(node_id: str) -> str:
    """The name of a node's gateway actor."""
    return f"gateway:{node_id}"


def forget_secrets() -> None:
    """Drop the keys from this process's environment: only gateways may hold them."""
    for name in SECRET_NAMES:
        os.environ.pop(name, None)


def forget_signing_secrets() -> None:
    """Drop what clients' keys are made from: a gateway has no use for it."""
    for name in SIGNING_NAMES:
        os.environ.pop(name, None)


def kept(name: str, **more: Any) -> dict[str, Any]:
    """Ray options for an actor that is to be found under *name*, made if it is not there."""
    return {
        "name": name,
        "namespace": NAMESPACE,
        "lifetime": "detached",
        "get_if_exists": True,
        "max_restarts": -1,
        "max_task_retries": 0,
        "num_cpus": 0,
        "max_concurrency": 10_000,  # all are asyncio actors that wait; Ray's 1000 would queue calls
        **more,
    }


@functools.cache
def remote(cls: type) -> Any:
    """The Ray actor class of *cls*, made when it is first needed and not when it is imported.

    Making one draws on the random numbers of Ray's library, and a template process that has drawn
    any would hand the same ones to every worker that is forked from it.
    """
    return ray.remote(cls)


def find(name: str) -> Any | None:
    """The actor of this name, or None if there is none."""
    try:
        return ray.get_actor(name, namespace=NAMESPACE)
    except ValueError:
        return None


async def answer(ref: Awaitable[T]) -> T:
    """Await a call; an error of the callee comes out as itself, without Ray's wrapping."""
    try:
        return await ref
    except RayTaskError as error:
        raise getattr(error, "cause", None) or error from None


async def answer_or_cancel(ref: Awaitable[T]) -> T:
    """Like :func:`answer`; if the waiting is cancelled, the call itself is cancelled too."""
    try:
        return await answer(ref)
    except asyncio.CancelledError:
        ray.cancel(ref, recursive=False)
        raise
