"""Refresh mode: which links of the client's old page lead nowhere any more."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Iterable

from orchestrator.errors import ServiceError
from orchestrator.services import Page
from orchestrator.step import Json, StepContext
from steps.asking.ask import together
from steps.sources.check import says_not_found
from steps.sources.fetch import fetched

MAX_LINKS = 40
"""Addresses checked for one page, as far as the time allows."""

AT_ONCE = 3
"""Of the eight pages that a job has in flight by default (SOTA_CALLS_PER_JOB): step 6 checks its
references at the same time and is left five."""

WITHIN = 60.0
"""Seconds for all of them, half of the step's time and beside its writing: at 10 seconds each,
the worst, eighteen addresses. What has not answered by then is not known to be dead."""

GONE = frozenset({404, 410})
"""Only what says so is dead: a server that is down or will not have us may serve its readers."""


async def dead(ctx: StepContext, urls: Iterable[str]) -> dict[str, str]:
    """The addresses that are gone, with what they answered; others may well be alive.

    An address that could not be checked, or not in time, is not dead.
    """
    checked = list(urls)[:MAX_LINKS]
    found: dict[str, str] = {}
    free = asyncio.Semaphore(AT_ONCE)

    async def check(url: str) -> None:
        async with free:
            found[url] = await _problem(ctx, url)

    try:
        async with asyncio.timeout(WITHIN) as limit:
            await together(*map(check, checked))
    except TimeoutError:
        if not limit.expired():
            raise
    return {url: found[url] for url in checked if found.get(url)}


async def _problem(ctx: StepContext, url: str) -> str:
    part = f"link:{hashlib.sha256(url.encode()).hexdigest()[:16]}"

    async def make() -> Json:
        return why_dead(await fetched(ctx, url, part))

    try:
        return str(await ctx.memo(part, make))
    except ServiceError:
        return ""


def why_dead(page: Page) -> str:
    """What makes a page a dead one, ``""`` when it may be alive."""
    if page.status in GONE:
        return f"status {page.status}"
    return "soft 404" if page.outcome == "dead" and says_not_found(page) else ""
