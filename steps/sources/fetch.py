"""Fetching the sources that were picked: side by side, recorded, cached, judged."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace

from orchestrator.errors import ServiceError, TransientError
from orchestrator.services import FetchRequest, Page
from orchestrator.step import Json, StepContext, Unshared
from steps.asking.ask import cause, together
from steps.sources import check as reference_check
from steps.sources.check import Verdict, Wanted
from steps.sources.search import Candidate

CHECK_WITHIN = 30.0
"""Seconds after which no further batch of checks is begun; one takes 10 at most."""

LEAST, ENOUGH, MOST = 5, 8, 12
"""Fewer than 5 is degraded; 8 verified are enough to stop; 12 are listed (PIPELINE section 6)."""

CACHE_SECONDS = 7 * 24 * 3600.0
"""A check serves other jobs for a week (DESIGN section 4)."""

BUSY = frozenset({408, 425, 429})
"""Client errors that speak of the moment, not of the page (RFC 9110, 8470 and 6585)."""

TEXT_CHARS = 12_000  #: of a page, for finding the claims' terms


@dataclass(frozen=True, slots=True)
class Pick:
    """A candidate to check; ``claims`` is None where nobody matched it with claims."""

    candidate: Candidate
    claims: tuple[int, ...] | None = None
    description: str = ""


@dataclass(frozen=True, slots=True)
class Checked:
    """A pick and its verdict; ``error`` when the fetcher itself failed."""

    pick: Pick
    verdict: Verdict
    error: ServiceError | None = None


async def checked(ctx: StepContext, picks: Sequence[Pick], wanted: Wanted) -> list[Checked]:
    """The picks checked side by side, then spare ones until enough are valid.

    :raises TransientError: every fetch failed in a way that may pass, and a retry is left.
    """
    chosen = sum(pick.claims is not None for pick in picks) or ENOUGH
    done: list[Checked] = []
    begun, at, size = ctx.now, 0, chosen
    while at < len(picks) and (at == 0 or ctx.now - begun < CHECK_WITHIN):
        batch = picks[at : at + size]
        done += await _batch(ctx, batch, wanted, len(done), len(done) + len(batch))
        at += size
        size = ENOUGH - sum(one.verdict.status == "valid" for one in done)
        if size <= 0:
            break
    _raise_if_nothing_worked(ctx, done)
    return done


def _raise_if_nothing_worked(ctx: StepContext, done: Sequence[Checked]) -> None:
    errors = [one.error for one in done if one.error]
    if not errors:
        return
    ctx.degrade(f"reference checks: {cause(errors[0])}")
    if len(errors) == len(done):
        for error in errors:
            if isinstance(error, TransientError) and not ctx.final_attempt:
                raise error


async def _batch(
    ctx: StepContext, picks: Sequence[Pick], wanted: Wanted, before: int, total: int
) -> list[Checked]:
    done = before

    async def one(pick: Pick) -> Checked:
        nonlocal done
        checked = await _check(ctx, pick, wanted)
        done += 1
        await ctx.progress(done, total, "reference")
        return checked

    return await together(*(one(pick) for pick in picks))


async def _check(ctx: StepContext, pick: Pick, wanted: Wanted) -> Checked:
    """One source judged; a page or a fetcher that fails is a verdict, not an error."""
    url = pick.candidate.url
    part = f"check:{hashlib.sha256(url.encode()).hexdigest()[:16]}"
    wanted = replace(wanted, asked=pick.claims)

    async def make() -> Json:
        page = await fetched(ctx, url, part)
        return asdict(reference_check.judge(page, pick.candidate, wanted))

    try:
        value = await ctx.memo(part, make)
    except ServiceError as error:
        return Checked(pick, Verdict("refused", url, problem=f"not checked: {cause(error)}"), error)
    return Checked(pick, Verdict(**{**value, "claims": tuple(value["claims"])}))


async def fetched(ctx: StepContext, url: str, part: str) -> Page:
    """The page, for all jobs if its server gave an answer that will not soon be another.

    :param part: names the call within its step.
    :raises ServiceError: the fetcher itself failed.
    """
    request = FetchRequest(url=url, max_chars=TEXT_CHARS, idempotency_key=ctx.key(part))

    async def fetch() -> Json | Unshared:
        page = await ctx.services.fetch(request)
        told = page.model_dump(mode="json")
        return told if _is_answered(page) else Unshared(told)

    read = Page.model_validate
    return read(await ctx.cached("reference", url, CACHE_SECONDS, fetch, read=read))


def _is_answered(page: Page) -> bool:
    """Whether the server said what the page is, even if that is "gone"; not that it is busy,
    broken or not to be reached."""
    return page.status is not None and page.status < 500 and page.status not in BUSY
