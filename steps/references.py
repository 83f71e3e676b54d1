"""Step 6, References: sources that we fetched ourselves and that say what they are cited for."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from orchestrator.errors import ServiceError
from orchestrator.services import SearchReply, SearchRequest
from orchestrator.step import Json, Step, StepContext
from steps.asking.ask import ask, cause, must_degrade, or_fallback, together
from steps.asking.models_used import telling
from steps.asking.serp import FRESH_SECONDS, STALE_SECONDS, place
from steps.html import refresh
from steps.language.lexical import plain
from steps.language.years import current_year
from steps.models import (
    BlueprintOutput,
    GapsOutput,
    Reference,
    ReferenceChoice,
    ReferencesAnswer,
    ReferencesOutput,
)
from steps.sources import authority
from steps.sources import search as reference_search
from steps.sources.check import Wanted
from steps.sources.fetch import LEAST, MOST, Checked, Pick, checked
from steps.sources.search import TITLE_CHARS, Candidate, Context, Query

SLUG = "references"
TASK = "choose_references"

TIMEOUT = 60.0
"""Seconds, DESIGN section 4."""

CHOOSE_WITHIN = 15.0
"""On the final attempt the model gets this long to choose."""

DESCRIPTION_CHARS = 200


@telling
async def run(ctx: StepContext) -> Mapping[str, Json]:
    """Search, choose, fetch; degrades to fewer references and to none.

    :raises TransientError: a service failed and a retry is left.
    """
    blueprint = BlueprintOutput.model_validate(await ctx.output("article-blueprint"))
    context = await _context(ctx)
    found = await _found(ctx, blueprint, context)
    picks = await _picked(ctx, blueprint, found)
    wanted = Wanted(ctx.request.keyword, ctx.request.locale, blueprint.claims, context.own)
    done = await checked(ctx, picks, wanted)
    output = ReferencesOutput(
        references=listed(done),
        checked=len(done),
        refused={
            one.pick.candidate.url: one.verdict.problem
            for one in done
            if one.verdict.status == "refused"
        },
    )
    valid = sum(reference.status == "valid" for reference in output.references)
    if valid < LEAST:
        ctx.degrade(f"{valid} verified references, {LEAST} wanted")
    return output.model_dump(mode="json", by_alias=True)


STEP = Step(
    name="References",
    slug=SLUG,
    version=1,
    timeout=TIMEOUT,
    run=run,
    needs=("gap-analysis", "article-blueprint"),
)


async def _context(ctx: StepContext) -> Context:
    gaps = GapsOutput.model_validate(await ctx.output("gap-analysis"))
    return Context(
        year=current_year(ctx.now),
        own=authority.domains(await refresh.own_urls(ctx)),
        competitors=authority.domains(one.url for one in gaps.competitors),
    )


# -- search ----------------------------------------------------------------------------


async def _found(ctx: StepContext, blueprint: BlueprintOutput, context: Context) -> list[Candidate]:
    asked = reference_search.queries(ctx.request.keyword, blueprint.claims, context.year)
    replies = await together(*(_searched(ctx, n, query) for n, query in enumerate(asked, 1)))
    results = [result for reply in replies for result in reply.organic]
    return reference_search.candidates(results, context)


async def _searched(ctx: StepContext, number: int, query: Query) -> SearchReply:
    """One search: recorded, cached; with Serper out of reach an older one, else nothing."""
    country, language = place(ctx.request.locale)
    key = f"{query.text.casefold()}|{country}|{language}|{query.num}"
    part = f"search:{number}"
    search = SearchRequest(
        query=query.text,
        country=country,
        language=language,
        num=query.num,
        idempotency_key=ctx.key(part),
    )

    async def make() -> Json:
        return (await ctx.services.search(search)).model_dump(mode="json")

    async def cached() -> Json:
        return await ctx.cached(
            "reference-search", key, FRESH_SECONDS, make, read=SearchReply.model_validate
        )

    try:
        reply = await ctx.memo(part, cached)
    except ServiceError as error:
        if not must_degrade(error, final_attempt=ctx.final_attempt):
            raise
        ctx.degrade(f"search for references: {cause(error)}")
        reply = await ctx.stale(
            "reference-search", key, STALE_SECONDS, read=SearchReply.model_validate
        )
    return SearchReply.model_validate(reply or {})


# -- choice ----------------------------------------------------------------------------


async def _picked(
    ctx: StepContext, blueprint: BlueprintOutput, found: Sequence[Candidate]
) -> list[Pick]:
    """The model's choice first, then everything else by authority."""
    spare = [Pick(candidate) for candidate in found]
    if not found:
        return []

    async def choose() -> list[ReferenceChoice]:
        answer = await ask(
            ctx,
            TASK,
            "choose",
            ReferencesAnswer,
            request={"keyword": ctx.request.keyword, "year": current_year(ctx.now)},
            claims=[{"n": claim.n, "text": claim.text} for claim in blueprint.claims],
            candidates=[candidate.shown() for candidate in found],
        )
        return answer.choices

    def by_authority() -> list[ReferenceChoice]:
        return []

    choices = await or_fallback(
        ctx, choose, by_authority, "references by authority alone", within=CHOOSE_WITHIN
    )
    chosen = picks_of(choices, found)
    ids = {pick.candidate.id for pick in chosen}
    return [*chosen, *(pick for pick in spare if pick.candidate.id not in ids)]


def picks_of(choices: Iterable[ReferenceChoice], found: Iterable[Candidate]) -> list[Pick]:
    """The choices that name a candidate, each once, twelve at most; others are ignored."""
    known = {candidate.id: candidate for candidate in found}
    picks: dict[str, Pick] = {}
    for choice in choices:
        candidate = known.get(choice.candidate_id)
        if candidate and candidate.id not in picks:
            description = plain(choice.description, DESCRIPTION_CHARS)
            claims = tuple(dict.fromkeys(choice.claims))
            picks[candidate.id] = Pick(candidate, claims, description)
    return list(picks.values())[:MOST]


# -- result ----------------------------------------------------------------------------


def listed(checked: Iterable[Checked]) -> list[Reference]:
    """The valid sources in order, twelve at most; unverified ones fill up to five."""
    by_url: dict[str, Checked] = {}
    for one in checked:
        by_url.setdefault(authority.plain_url(one.verdict.url), one)
    valid = _few_a_domain(_of_status(by_url.values(), "valid"))[:MOST]
    best = [*valid, *_of_status(by_url.values(), "unverified")]
    return [_reference(one) for one in _few_a_domain(best)[: max(LEAST, len(valid))]]


def _of_status(checked: Iterable[Checked], status: str) -> list[Checked]:
    return [one for one in checked if one.verdict.status == status]


def _few_a_domain(checked: Iterable[Checked]) -> list[Checked]:
    """Two of one domain at most: candidates are few of each, but redirects may meet."""
    few = authority.few_a_domain(checked, lambda one: one.verdict.url, reference_search.PER_DOMAIN)
    return list(few)


def _reference(checked: Checked) -> Reference:
    candidate, verdict, pick = checked.pick.candidate, checked.verdict, checked.pick
    return Reference(
        title=plain(verdict.title or candidate.title, TITLE_CHARS) or candidate.url,
        url=verdict.url,
        source=candidate.source,
        year=verdict.year,
        relevance="high" if verdict.claims else "medium",
        status="valid" if verdict.status == "valid" else "unverified",
        status_code=verdict.status_code,
        description=pick.description or plain(candidate.snippet, DESCRIPTION_CHARS),
        claims=list(verdict.claims),
    )
