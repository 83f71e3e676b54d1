"""The outbox's actor: sends what ended jobs are to tell and to give to the outside.

One for the cluster, kept by the supervisor, and of several clusters over one database one works
at a time. It holds no key and makes no external call: its node's gateway does.
"""

from __future__ import annotations

import asyncio
import logging
import os
import random
import secrets
import time
from typing import Any, cast

import ray

from actors import options
from actors.charge import Charge
from actors.journal import remote_journal
from orchestrator.config import Settings
from orchestrator.errors import JournalDamaged, JournalUnavailable, ServiceError, TransientError
from orchestrator.outbox.courier import Courier, SenderAway, SenderLost
from orchestrator.services import DeliverReply, DeliverRequest, Post, PublishRequest
from orchestrator.telemetry import configure_logging

log = logging.getLogger(__name__)

TICK_SECONDS = 1.0  # between looks; each is one read of an index
BUSY_SECONDS = 0.25  # the same while entries are under way: others may have become due
PATIENCE = 300.0  # seconds a report waits for the journal; the receiver has been called by then
WEBHOOK_WITHIN = 30.0  # seconds; the gateway itself gives a receiver 10
PUBLISH_WITHIN = 75.0  # seconds for the two or three calls of a publication


class OutboxActor:
    """Looks every second, or at once when nudged.

    :param cluster: what this cluster is called in the journal.
    """

    def __init__(self, settings: Settings, cluster: str) -> None:
        options.forget_secrets()
        configure_logging()
        self._journal = remote_journal(settings, PATIENCE, make=True)
        self._charge = Charge(self._journal, "outbox", cluster)
        self._courier = Courier(
            self._journal,
            GatewaySender(),
            name=f"{cluster}/{os.getpid()}-{secrets.token_hex(4)}",
            base_url=settings.public_base_url,
            scale=settings.outbox_time_scale,
            rand=random.Random(os.urandom(16)),  # noqa: S311 - jitter, not a secret
        )
        self._nudged = asyncio.Event()
        self._loop = asyncio.ensure_future(self._run())
        self._loop.add_done_callback(lambda _: os._exit(1))  # without its loop it is of no use

    async def nudge(self) -> None:
        """Look now: something is to be delivered again."""
        self._nudged.set()

    async def pid(self) -> int:
        """The process it runs in."""
        return os.getpid()

    def __repr__(self) -> str:
        return "Outbox"

    async def _run(self) -> None:
        while True:
            self._nudged.clear()
            busy = 0
            try:
                if await self._charge.is_ours(int(time.time() * 1000)):
                    busy = await self._courier.send_due()
            except JournalUnavailable as error:
                log.warning("the outbox waits: %s", error)
            except JournalDamaged as error:
                log.critical("the outbox stands still: %s", error)
            except Exception:
                log.exception("a look into the outbox failed; the next one tries again")
            try:
                pause = BUSY_SECONDS if busy else TICK_SECONDS
                await asyncio.wait_for(self._nudged.wait(), pause)
            except TimeoutError:
                continue


class GatewaySender:
    """The node's gateway as the courier sees it. A call is made once: whether to make it again is
    the schedule's to say, as nobody knows what became of one whose gateway died."""

    def __init__(self) -> None:
        self._node_id = ray.get_runtime_context().get_node_id()

    async def deliver(self, request: DeliverRequest) -> DeliverReply:
        """Send a webhook."""
        return cast(DeliverReply, await self._call("deliver", request, within=WEBHOOK_WITHIN))

    async def publish(self, request: PublishRequest) -> Post:
        """Write a post, behind WordPress's breaker."""
        return cast(
            Post,
            await self._call("call", "publish", request, PUBLISH_WITHIN, within=2 * PUBLISH_WITHIN),
        )

    async def _call(self, method: str, *args: Any, within: float) -> Any:
        gateway = await asyncio.to_thread(options.find, options.gateway_name(self._node_id))
        if gateway is None:
            raise SenderAway("the node's gateway is away")
        try:
            ref = getattr(gateway, method).remote(*args)
            return await asyncio.wait_for(options.answer(ref), within)
        except ServiceError:
            raise
        except options.GONE:
            raise SenderLost("the node's gateway went away under the call") from None
        except TimeoutError:
            raise SenderLost(f"the node's gateway did not answer within {within:g} s") from None
        except Exception as error:
            log.exception("an unexpected error of the gateway")
            raise TransientError("outbox", f"unexpected: {type(error).__name__}") from None


def ensure_outbox(settings: Settings, cluster: str) -> Any:
    """The outbox's handle; the actor is made if it is not there."""
    return (
        options.remote(OutboxActor)
        .options(**options.kept(options.OUTBOX))
        .remote(settings, cluster)
    )
