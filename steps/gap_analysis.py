"""Step 2, Gap Analysis: what the ranking pages leave open, each finding with its evidence."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence

from orchestrator.models import SubmitRequest
from orchestrator.services import FetchRequest, OrganicResult, Page, SearchReply
from orchestrator.step import Json, Step, StepContext, Unshared
from steps.asking.ask import Answered, asked, or_fallback, together
from steps.asking.keying import cache_key
from steps.asking.models_used import telling
from steps.asking.serp import serp
from steps.gaps.coverage import Row, Source, StaleFact, matrix, mentions, stale_facts
from steps.gaps.merge import from_keyword, from_matrix, ranked, verified
from steps.gaps.own_page import left_open
from steps.html import refresh
from steps.html.sanitise import safe_url
from steps.language.lexical import distinct, phrase, plain, tfidf_terms
from steps.language.years import current_year
from steps.models import Competitor, CompetitorAnswer, GapsOutput
from steps.semantic_keywords import neuron_keywords
from steps.sources import authority

SLUG = "gap-analysis"
TASK = "competitor_gaps"

TIMEOUT = 45.0
"""Seconds, DESIGN section 4."""

FETCH_SECONDS = 12.0
"""On the final attempt a page gets this long; the fetcher's own limit is 10 s."""

MODEL_SECONDS = 25.0
"""On the final attempt the model gets this long; the rest is for search and pages."""

CACHE_SECONDS = 12 * 3600.0
"""DESIGN section 4."""

MAX_COMPETITORS = 5
"""PIPELINE section 2."""

PAGE_CHARS, PROMPT_CHARS = 12_000, 6_000
"""Of a page's main text: what is read for the matrix, and what the model gets (1,500 tokens)."""

MAX_TERMS = 60
"""Telling terms of the pages at hand for filling up both lists of keywords."""

MAX_HEADINGS = 40
"""Of one page."""

COMPETITOR_KEYWORDS, MISSING_KEYWORDS = (15, 30), (10, 20)
"""At least (filled up without the model) and at most, PIPELINE section 2."""


@telling
async def run(ctx: StepContext) -> Mapping[str, Json]:
    """Search, read the top pages, lay the matrix, ask about each page, check and merge."""
    page = await serp(ctx)
    own = await refresh.own_urls(ctx)
    if page is None or not rivals(page, own):
        ctx.degrade("gaps from the keyword alone: no pages of others in the search results")
        return _dumped(await _left_open(ctx, _without_pages(ctx, page)))
    key = _cache_key(ctx.request, page, own)

    async def make() -> Json | Unshared:
        output, whole = await _analysed(ctx, page, rivals(page, own))
        return _dumped(output) if whole else Unshared(_dumped(output))

    read = GapsOutput.model_validate
    found = read(await ctx.cached("gaps", key, CACHE_SECONDS, make, read=read))
    return _dumped(await _left_open(ctx, found))


async def _left_open(ctx: StepContext, output: GapsOutput) -> GapsOutput:
    """In refresh mode what the client's old page leaves open too; what is shared with other jobs
    stays as the ranking pages have it."""
    if ctx.request.mode != "refresh":
        return output
    page = refresh.split(await refresh.source(ctx))
    return left_open(output, page, ctx.request.keyword, ctx.request.locale, current_year(ctx.now))


def rivals(page: SearchReply, own_urls: Iterable[str]) -> list[OrganicResult]:
    """The first five results with a web address that is not the client's, each address once."""
    own = authority.domains(own_urls)
    foreign = (result for result in page.organic if authority.domain(result.link) not in own)
    by_link = {result.link: result for result in foreign if safe_url(result.link)}
    return list(by_link.values())[:MAX_COMPETITORS]


async def _analysed(
    ctx: StepContext, page: SearchReply, results: Sequence[OrganicResult]
) -> tuple[GapsOutput, bool]:
    """The analysis of the ranking pages, and whether nothing about it was degraded."""
    pages = await together(*(_read(ctx, n, result) for n, result in enumerate(results, 1)))
    sources = [_source(n, *pair) for n, pair in enumerate(zip(results, pages, strict=True), 1)]
    await ctx.progress(sum(source.competitor.read for source in sources), len(sources), "page")
    keyword, locale, year = ctx.request.keyword, ctx.request.locale, current_year(ctx.now)
    rows, stale = matrix(sources, keyword, locale), stale_facts(sources, year)
    answers = await together(*(_asked(ctx, source, rows, stale, year) for source in sources))
    found = [gap for answer in answers if answer for gap in answer.answer.gaps]
    spare = from_matrix(sources, rows, stale, page.people_also_ask, locale)
    stock = from_keyword(keyword, year, sources, locale)
    gaps = ranked(verified(found, sources, rows), [*spare, *stock], keyword, locale)
    terms = _telling_terms(sources)
    theirs = competitor_keywords(sources, answers, terms, ctx.request)
    output = GapsOutput(
        gaps=gaps,
        competitor_keywords=theirs,
        missing_keywords=missing_keywords(ctx.request, page, answers, theirs, terms),
        competitors=[source.competitor for source in sources],
        questions=page.people_also_ask,
        related=page.related_searches,
    )
    whole = None not in pages and all(answer and not answer.notes for answer in answers)
    return output, whole


async def _read(ctx: StepContext, n: int, result: OrganicResult) -> Page | None:
    """The page behind a search result; None (degraded) when the fetcher is out of reach."""
    part = f"page:c{n}"
    request = FetchRequest(url=result.link, max_chars=PAGE_CHARS, idempotency_key=ctx.key(part))

    async def make() -> Json:
        return (await ctx.services.fetch(request)).model_dump(mode="json")

    async def call() -> Page | None:
        return Page.model_validate(await ctx.memo(part, make))

    return await or_fallback(
        ctx, call, lambda: None, "competitor pages not read", within=FETCH_SECONDS
    )


def _source(n: int, result: OrganicResult, page: Page | None) -> Source:
    """A competitor as far as it could be read: its page, else its snippet."""
    read = page is not None and page.outcome == "ok" and bool(page.text.strip())
    headings = page.headings[:MAX_HEADINGS] if page and read else []
    title = (page.title if page and read else "") or result.title
    competitor = Competitor(
        id=f"c{n}",
        title=plain(title, 200),
        url=result.link,
        headings=[plain(heading, 200) for heading in headings],
        read=read,
    )
    return Source(competitor, page.text if page and read else plain(result.snippet, PROMPT_CHARS))


async def _asked(
    ctx: StepContext, source: Source, rows: Sequence[Row], stale: Iterable[StaleFact], year: int
) -> Answered[CompetitorAnswer] | None:
    """What the model finds on one competitor's page; None (degraded) when it is out of reach."""
    request = {"keyword": ctx.request.keyword, "year": year, "locale": ctx.request.locale}
    page = source.competitor
    competitor = {
        "id": page.id, "title": page.title, "url": page.url, "headings": page.headings,
        "text": source.text[:PROMPT_CHARS],
    }  # fmt: skip
    own = [fact.model_dump(by_alias=True) for fact in stale if fact.competitor == page.id]
    return await or_fallback(
        ctx,
        lambda: asked(
            ctx, TASK, f"gaps:{page.id}", CompetitorAnswer, request=request,
            matrix=[row.model_dump(by_alias=True) for row in rows],
            competitor=competitor, stale=own,
        ),
        lambda: None,
        "gaps from the coverage matrix",
        within=MODEL_SECONDS,
    )  # fmt: skip


Answers = Sequence[Answered[CompetitorAnswer] | None]


def competitor_keywords(
    sources: Sequence[Source], answers: Answers, terms: Sequence[str], request: SubmitRequest
) -> list[str]:
    """15-30 phrases the pages are written to be found for; each stands on the page it is from.

    Filled up from the pages' telling *terms*.
    """
    locale, known = request.locale, [request.keyword]
    by_page = [
        [text for text in answer.answer.competitor_keywords if mentions(source, text, locale)]
        for source, answer in zip(sources, answers, strict=True)
        if answer
    ]
    least, most = COMPETITOR_KEYWORDS
    chosen = list(distinct(_phrases(_in_turn(by_page)), locale, known=known))[:most]
    more = distinct(terms, locale, known=[*known, *chosen])
    return [*chosen, *itertools.islice(more, max(0, least - len(chosen)))]


def missing_keywords(
    request: SubmitRequest,
    page: SearchReply,
    answers: Answers,
    taken: Sequence[str],
    terms: Sequence[str],
) -> list[str]:
    """10-20 phrases of the subject that the request does not have and the pages leave out.

    Filled up from related searches and questions, then from the pages' further *terms*.
    """
    least, most = MISSING_KEYWORDS
    known = [request.keyword, *neuron_keywords(request.neuron_data), *taken]
    by_page = [answer.answer.missing_keywords for answer in answers if answer]
    chosen = list(distinct(_phrases(_in_turn(by_page)), request.locale, known=known))[:most]
    spare = [*page.related_searches, *page.people_also_ask, *terms]
    more = distinct(_phrases(spare), request.locale, known=[*known, *chosen])
    return [*chosen, *itertools.islice(more, max(0, least - len(chosen)))]


def _without_pages(ctx: StepContext, page: SearchReply | None) -> GapsOutput:
    keyword, locale = ctx.request.keyword, ctx.request.locale
    stock = from_keyword(keyword, current_year(ctx.now), (), locale)
    related = page.related_searches if page else []
    return GapsOutput(
        gaps=ranked(stock, (), keyword, locale),
        competitor_keywords=[],
        missing_keywords=list(distinct(_phrases(related), locale, known=[keyword])),
        questions=page.people_also_ask if page else [],
        related=related,
    )


def _telling_terms(sources: Sequence[Source]) -> list[str]:
    heads = ((". ".join(page.competitor.headings), page.text) for page in sources)
    return tfidf_terms(
        [f"{headings}\n{text[:PROMPT_CHARS]}" for headings, text in heads], MAX_TERMS
    )


def _phrases(texts: Iterable[str]) -> Iterator[str]:
    return (text for text in map(phrase, texts) if text)


def _in_turn(lists: Sequence[Sequence[str]]) -> Iterator[str]:
    """One from each list, then the next from each, so that no page crowds out another."""
    rounds = itertools.zip_longest(*lists)
    return (text for texts in rounds for text in texts if text is not None)


def _cache_key(request: SubmitRequest, page: SearchReply, own_urls: Iterable[str]) -> str:
    urls = [result.link for result in rivals(page, own_urls)]
    own = sorted(neuron_keywords(request.neuron_data))
    return cache_key(request, TASK, urls, page.people_also_ask, page.related_searches, own)


def _dumped(output: GapsOutput) -> dict[str, Json]:
    return output.model_dump(mode="json", by_alias=True)


STEP = Step(name="Gap Analysis", slug=SLUG, version=1, timeout=TIMEOUT, run=run)
"""Needs nothing but the request, and runs beside step 1."""
