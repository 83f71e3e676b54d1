"""The search result page a job works from: one for the whole job."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from orchestrator.errors import ServiceError
from orchestrator.services import OrganicResult, SearchReply, SearchRequest
from orchestrator.step import Json, StepContext
from steps.asking.ask import cause, must_degrade

FRESH_SECONDS = 24 * 3600.0
"""A SERP found for another job is as good as a new one for a day, like keywords (PIPELINE 1)."""

STALE_SECONDS = 7 * 24 * 3600.0
"""With Serper out of reach, a SERP of up to seven days serves (DESIGN section 4)."""

MAX_QUESTIONS = 20
"""People-also-ask and related searches taken from one page; Google shows four to eight."""

_COUNTRY_OF_LANGUAGE = {
    "en": "us",
    "cs": "cz",
    "da": "dk",
    "el": "gr",
    "et": "ee",
    "he": "il",
    "ja": "jp",
    "ko": "kr",
    "nb": "no",
    "sl": "si",
    "sv": "se",
    "uk": "ua",
    "vi": "vn",
    "zh": "cn",
}


async def serp(ctx: StepContext, *, needed: bool = True) -> SearchReply | None:
    """The page for the request's keyword, or None when there is none to be had.

    From the request's ``serpData`` if it has results; else searched once for the job, found
    fresh in the cache, or, with Serper out of reach, found there up to seven days old.

    :param needed: the step is degraded by an old page, or by none.
    :raises TransientError: the search failed and a retry is left.
    """
    given = parse(ctx.request.serp_data)
    if given is not None and given.organic:
        return given
    found = await ctx.shared("serp", lambda: _found(ctx))
    for note in found["notes"] if needed else ():
        ctx.degrade(note)
    return SearchReply.model_validate(found["reply"]) if found["reply"] else None


def parse(data: Mapping[str, Any] | None) -> SearchReply | None:
    """The usable parts of a client's ``serpData``; what is malformed is left out."""
    if not data:
        return None
    listed = [item for item in _list(data.get("organic")) if isinstance(item, Mapping)]
    results = [_result(item, nth) for nth, item in enumerate(listed, 1)]
    return SearchReply(
        organic=[result for result in results if result],
        people_also_ask=_texts(data, ("peopleAlsoAsk", "people_also_ask"), "question"),
        related_searches=_texts(data, ("relatedSearches", "related_searches"), "query"),
    )


def place(locale: str) -> tuple[str, str]:
    """``(country, language)`` as Serper wants them (``gl``, ``hl``) for a locale."""
    language, _, region = locale.partition("-")
    return region.lower() or _COUNTRY_OF_LANGUAGE.get(language, language), language


async def _found(ctx: StepContext) -> Json:
    """``{"reply": …|None, "notes": […]}``: fresh, else stale, else nothing."""
    keyword, key = ctx.request.keyword, f"{ctx.request.keyword.casefold()}|{ctx.request.locale}"
    country, language = place(ctx.request.locale)
    search = SearchRequest(
        query=keyword, country=country, language=language, num=10, idempotency_key=ctx.key("serp")
    )

    async def make() -> Json:
        reply = await ctx.services.search(search)
        return {"reply": reply.model_dump(mode="json"), "at": ctx.now}

    try:
        fresh = await ctx.cached("serp", key, FRESH_SECONDS, make, read=_read)
    except ServiceError as error:
        if not must_degrade(error, final_attempt=ctx.final_attempt):
            raise
        stale = await ctx.stale("serp", key, STALE_SECONDS, read=_read)
        return _fallen_back(stale, ctx.now, cause(error))
    return {"reply": fresh["reply"], "notes": []}


def _read(cached: Json) -> None:
    SearchReply.model_validate(cached["reply"])
    float(cached["at"])


def _fallen_back(stale: Json | None, now: float, why: str) -> Json:
    if stale is None:
        return {"reply": None, "notes": [f"no search results: {why}"]}
    hours = max(1, round((now - stale["at"]) / 3600))
    return {"reply": stale["reply"], "notes": [f"search results {hours} h old: {why}"]}


def _result(item: Mapping[str, Any], nth: int) -> OrganicResult | None:
    link = item.get("link") or item.get("url")
    if not isinstance(link, str) or not _is_web(link):
        return None
    date, position = item.get("date"), item.get("position")
    return OrganicResult(
        title=str(item.get("title") or ""),
        link=link,
        snippet=str(item.get("snippet") or item.get("description") or ""),
        position=position if isinstance(position, int) else nth,
        date=date if isinstance(date, str) else None,
    )


def _is_web(link: str) -> bool:
    try:
        parts = urlsplit(link)
    except ValueError:
        return False
    return parts.scheme in {"http", "https"} and bool(parts.hostname)


def _texts(data: Mapping[str, Any], names: tuple[str, ...], field: str) -> list[str]:
    """Strings, or the *field* of objects, under the first of *names* that is there."""
    listed = next((_list(data[name]) for name in names if data.get(name)), [])
    values = [item.get(field) if isinstance(item, Mapping) else item for item in listed]
    texts = [value.strip() for value in values if isinstance(value, str) and value.strip()]
    return texts[:MAX_QUESTIONS]


def _list(value: Any) -> list[Any]:
    return list(value) if isinstance(value, list | tuple) else []
