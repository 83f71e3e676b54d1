"""The sandbox's state, shared by its handlers."""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from aiohttp import web

from orchestrator.sandbox.caching import PromptCache
from orchestrator.sandbox.environment import WEB_HOSTS
from orchestrator.sandbox.faults import FaultBoard
from orchestrator.sandbox.latency import Profile, latency, step_of
from orchestrator.sandbox.posts import PostStore
from orchestrator.sandbox.results import link_to
from orchestrator.sandbox.sites import BY_SLUG
from orchestrator.sandbox.stats import Stats

Sleep = Callable[[float], Awaitable[object]]
Clock = Callable[[], float]

SEED_FLAWS = 0.5
"""Share of flawed sections in the profile ``seed``, so that steps 5 and 8 have work to do: five of
nine sections need the repair in step 5, and step 8 rewrites four, the most it ever does."""


@dataclass(slots=True)
class Sandbox:
    """Everything one sandbox server knows.

    :param port: where it is reached; links in its answers carry it.
    :param profile: which latencies apply; see :mod:`orchestrator.sandbox.latency`.
    :param time_scale: multiplies every latency.
    :param clock: seconds; ages the prompt cache and dates posts.
    :param web_hosts: addresses its web sites are linked under.
    :param flaws: share of an article's sections that are drafted with flaws; None: as the
        profile has it, which is none but for ``seed``.
    """

    port: int
    profile: Profile
    time_scale: float
    sleep: Sleep
    clock: Clock
    rand: random.Random
    web_hosts: tuple[str, ...] = WEB_HOSTS
    flaws: float | None = None
    faults: FaultBoard = field(init=False)
    stats: Stats = field(default_factory=Stats)
    cache: PromptCache = field(default_factory=PromptCache)
    posts: PostStore = field(init=False)

    def __post_init__(self) -> None:
        self.faults = FaultBoard(self.rand)
        self.reached_at(self.port, self.web_hosts)

    def reached_at(self, port: int, web_hosts: tuple[str, ...]) -> None:
        """Say where the sandbox listens; its sample post, whose links lead there, is made anew."""
        self.port, self.web_hosts = port, web_hosts
        self.posts = PostStore.with_sample(
            self.clock, lambda site, slug: link_to(BY_SLUG[site], slug, web_hosts, port)
        )

    @property
    def flaw_share(self) -> float:
        """The share of flawed sections in force."""
        if self.flaws is not None:
            return self.flaws
        return SEED_FLAWS if self.profile == "seed" else 0.0

    async def pause(self, service: str, key: str, tokens: int = 0, task: str = "") -> None:
        """Take the time a call takes under the present profile."""
        step = step_of(key, task)
        seconds = latency(self.profile, service, step, tokens, key)
        self.stats.seconds[step] += seconds
        if seconds * self.time_scale > 0:
            await self.sleep(seconds * self.time_scale)


SANDBOX: web.AppKey[Sandbox] = web.AppKey("sandbox", Sandbox)


def key_of(request: web.Request) -> str:
    """The request's ``Idempotency-Key``, or an empty string."""
    return request.headers.get("Idempotency-Key", "")
