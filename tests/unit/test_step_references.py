from __future__ import annotations

from typing import Any

import pytest

from orchestrator.errors import BreakerOpen, TransientError
from orchestrator.models import SubmitRequest
from orchestrator.services import (
    FetchRequest,
    ModelRequest,
    OrganicResult,
    Page,
    Post,
    SearchReply,
    SearchRequest,
)
from steps.asking.serp import STALE_SECONDS
from steps.models import ReferencesOutput
from steps.references import STEP
from steps.sources.authority import domain
from tests.unit.steps_helpers import AI_FAILS, AI_OPEN, SERPER_OPEN, FakeContext, blocks

SITES = ("nist.gov", "w3.org", "nature.com", "mit.edu", "reuters.com", "ok.example", "fine.example")
CLAIMS = [
    {"n": 1, "text": "Dirty coils raise power use by a tenth", "sectionId": "s1"},
    {"n": 2, "text": "Refrigerant leaks shorten compressor life", "sectionId": "s2"},
]
TEXT = (
    "Heat pump care matters. Dirty coils raise power use by a tenth. "
    "Refrigerant leaks shorten compressor life by years. " * 5
)


def blueprint() -> dict[str, Any]:
    return {
        "title": "T", "slug": "t", "metaDescription": "m", "intent": "informational",
        "sections": [], "claims": CLAIMS, "takeaways": [], "questions": [],
    }  # fmt: skip


def gaps() -> dict[str, Any]:
    rival = {"id": "c1", "title": "R", "url": "https://rival.example/x"}
    return {"gaps": [], "competitorKeywords": [], "missingKeywords": [], "competitors": [rival]}


def results(request: SearchRequest) -> SearchReply:
    links = [f"https://{site}/{n}" for n in (1, 2) for site in SITES]
    found = [OrganicResult(title=f"Study of {link[8:]}", link=link, snippet="s") for link in links]
    return SearchReply(organic=found[: request.num])


def fetched(request: FetchRequest, **changes: Any) -> Page:
    known: dict[str, Any] = {
        "url": request.url, "final_url": request.url, "outcome": "ok", "status": 200,
        "content_type": "text/html", "title": f"Study of {request.url[8:]}", "text": TEXT,
    }  # fmt: skip
    return Page(**{**known, **changes})


def chosen(request: ModelRequest) -> dict[str, Any]:
    """The model's choice: every candidate for claim 1, and one that nobody offered."""
    ids = [candidate["id"] for candidate in blocks(request)["candidates"]]
    picks = [{"candidateId": i, "claims": [1, 9], "description": f"About {i}"} for i in ids]
    return {"choices": [{"candidateId": "r99", "claims": [2]}, *picks]}


def context(**changes: Any) -> FakeContext:
    known: dict[str, Any] = {
        "request": SubmitRequest(keyword="heat pump care"),
        "replies": {"choose_references": chosen},
        "search": results,
        "fetch": fetched,
        "outputs": {"article-blueprint": blueprint(), "gap-analysis": gaps()},
    }
    return FakeContext(**{**known, **changes}, step="references")


async def run(ctx: FakeContext) -> ReferencesOutput:
    return ReferencesOutput.model_validate(await STEP.run(ctx))


async def test_chosen_sources_are_fetched_and_listed() -> None:
    ctx = context()
    output = await run(ctx)

    assert len(output.references) == 12
    assert {reference.status for reference in output.references} == {"valid"}
    assert output.references[0].description == "About r1"
    assert not ctx.degraded


async def test_no_address_appears_that_was_not_fetched() -> None:
    ctx = context()
    output = await run(ctx)
    asked = {request.url for request in ctx.services.of(FetchRequest)}

    assert {reference.url for reference in output.references} <= asked


async def test_claims_are_those_the_model_matched_and_the_page_confirms() -> None:
    output = await run(context())

    assert all(reference.claims == [1] for reference in output.references)
    assert all(reference.relevance == "high" for reference in output.references)


async def test_a_replay_asks_nothing_and_gives_the_same() -> None:
    ctx = context()
    first = await STEP.run(ctx)

    assert await STEP.run(ctx.replay()) == first


async def test_checks_serve_other_jobs_for_a_week_and_searches_for_a_day() -> None:
    ctx = context()
    await run(ctx)

    async def asked_after(seconds: float) -> tuple[bool, bool]:
        other = context()
        other.caches.update(ctx.caches)
        other.now += seconds
        await run(other)
        return bool(other.services.of(FetchRequest)), bool(other.services.of(SearchRequest))

    day = 24 * 3600.0
    assert await asked_after(day) == (False, False)
    assert await asked_after(day + 1) == (False, True)
    assert await asked_after(7 * day) == (False, True)
    assert await asked_after(7 * day + 1) == (True, True)


async def test_a_claim_query_is_asked_for_each_claim() -> None:
    ctx = context()
    await run(ctx)
    asked = [request.query for request in ctx.services.of(SearchRequest)]

    assert asked[0] == "heat pump care 2026 research data official"
    assert len(asked) == 3
    assert "coils" in asked[1]


async def test_the_clients_site_is_never_cited() -> None:
    pages = [{"title": "P", "slug": "p", "url": "https://www.nist.gov/mine"}]
    ctx = context(request=SubmitRequest(keyword="heat pump care", existing_pages=pages))
    output = await run(ctx)

    assert not [one for one in output.references if "nist.gov" in one.url]


async def test_dead_pages_are_replaced_by_spare_ones() -> None:
    def some_dead(request: FetchRequest) -> Page:
        dead = "nist.gov" in request.url or "w3.org" in request.url
        return fetched(request, outcome="dead", status=404) if dead else fetched(request)

    def four(request: ModelRequest) -> dict[str, Any]:
        return {"choices": chosen(request)["choices"][:5]}

    output = await run(context(fetch=some_dead, replies={"choose_references": four}))

    assert len(output.references) >= 8
    assert len(output.refused) == 4
    assert set(output.refused.values()) == {"dead: status 404"}


async def test_checking_stops_when_enough_are_valid() -> None:
    def eight(request: ModelRequest) -> dict[str, Any]:
        return {"choices": chosen(request)["choices"][:9]}

    ctx = context(replies={"choose_references": eight})

    assert (await run(ctx)).checked == len(ctx.services.of(FetchRequest)) == 8


async def test_unverified_sources_only_fill_up_to_five() -> None:
    def two_seen(request: FetchRequest) -> Page:
        seen = request.url in {"https://nist.gov/1", "https://w3.org/1"}
        return fetched(request) if seen else fetched(request, outcome="unverified", status=403)

    ctx = context(fetch=two_seen)
    output = await run(ctx)

    assert [reference.status for reference in output.references] == ["valid"] * 2 + [
        "unverified"
    ] * 3
    assert ctx.degraded == ["2 verified references, 5 wanted"]


async def test_with_the_ai_open_authority_decides() -> None:
    ctx = context(replies={"choose_references": AI_OPEN})
    output = await run(ctx)

    assert len(output.references) == 8
    assert output.references[0].url == "https://nist.gov/1"
    assert output.references[0].claims == [1, 2]
    assert ctx.degraded == ["references by authority alone: ai circuit breaker open"]


async def test_a_failing_ai_is_tried_again_while_a_retry_is_left() -> None:
    with pytest.raises(TransientError):
        await run(context(replies={"choose_references": AI_FAILS}))

    last = context(replies={"choose_references": AI_FAILS}, final_attempt=True)
    assert (await run(last)).references


async def test_cached_values_of_another_release_s_shape_are_made_anew() -> None:
    first, second = context(), context()
    output = await run(first)
    old = {key: ({"shape": "old"}, at) for key, (_, at) in first.caches.items()}
    second.caches.update(old)

    assert await run(second) == output
    assert second.caches == first.caches
    assert {kind for kind, _ in old} == {"reference", "reference-search"}
    last = context(search=SERPER_OPEN)
    last.caches.update(old)
    assert not (await run(last)).references


async def test_with_serper_open_an_older_search_serves() -> None:
    before = context()
    await run(before)
    ctx = context(search=SERPER_OPEN)
    ctx.caches.update(before.caches)
    ctx.now += STALE_SECONDS
    output = await run(ctx)

    assert output.references
    assert "search for references: serper circuit breaker open" in ctx.degraded
    late = context(search=SERPER_OPEN)
    late.caches.update(before.caches)
    late.now += STALE_SECONDS + 1
    assert not (await run(late)).references


async def test_with_serper_open_and_nothing_cached_there_are_no_references() -> None:
    ctx = context(search=SERPER_OPEN)
    output = await run(ctx)

    assert output.references == []
    assert "0 verified references, 5 wanted" in ctx.degraded
    assert not ctx.services.of(ModelRequest)


async def test_one_failing_fetch_costs_one_reference() -> None:
    def one_fails(request: FetchRequest) -> Page | Exception:
        failing = request.url == "https://nist.gov/1"
        return TransientError("web", "reset") if failing else fetched(request)

    ctx = context(fetch=one_fails)
    output = await run(ctx)

    assert len(output.references) == 11
    assert output.refused == {"https://nist.gov/1": "not checked: web failed"}


async def test_when_every_fetch_fails_the_step_is_tried_again() -> None:
    with pytest.raises(TransientError):
        await run(context(fetch=TransientError("web", "reset")))

    ctx = context(fetch=BreakerOpen("web", 5.0))
    assert (await run(ctx)).references == []
    assert "reference checks: web circuit breaker open" in ctx.degraded


@pytest.mark.parametrize(
    ("outcome", "status"),
    [("dead", None), ("dead", 500), ("dead", 503), ("dead", 408), ("unverified", 429)],
)
async def test_a_check_whose_answer_was_not_had_is_not_cached(
    outcome: str, status: int | None
) -> None:
    ctx = context(fetch=lambda request: fetched(request, outcome=outcome, status=status))
    await run(ctx)

    assert not [key for kind, key in ctx.caches if kind == "reference"]


@pytest.mark.parametrize(
    ("outcome", "status"),
    [("ok", 200), ("dead", 200), ("dead", 404), ("dead", 410), ("unverified", 403)],
)
async def test_what_a_server_says_of_its_page_is_cached(outcome: str, status: int) -> None:
    ctx = context(fetch=lambda request: fetched(request, outcome=outcome, status=status))
    await run(ctx)

    assert [key for kind, key in ctx.caches if kind == "reference"]


@pytest.mark.parametrize("error", [BreakerOpen("web", 5.0), TransientError("web", "reset")])
async def test_a_fetch_that_failed_or_was_refused_by_a_breaker_is_not_cached(
    error: Exception,
) -> None:
    ctx = context(fetch=error, final_attempt=True)
    await run(ctx)

    assert not [key for kind, key in ctx.caches if kind == "reference"]


async def test_progress_is_shown() -> None:
    ctx = context()
    await run(ctx)

    assert ctx.progressed[-1] == (12, 12, "reference")


async def test_redirects_that_meet_on_one_site_give_two_references() -> None:
    def moved(request: FetchRequest) -> Page:
        return fetched(request, final_url=f"https://nist.gov/{len(request.url)}{request.url[-9:]}")

    output = await run(context(fetch=moved))

    assert len(output.references) == 2


async def test_the_site_of_the_post_to_refresh_is_never_cited() -> None:
    cited = (await run(context())).references[0].url
    ctx = context()
    ctx.request = ctx.request.model_copy(update={"mode": "refresh", "post_id": 7})
    post = Post(id=7, title="t", slug="s", content="<p>x</p>", link=cited)
    ctx.services.scripts["get_post"] = post
    output = await run(ctx)

    assert output.references
    assert domain(cited) not in {domain(one.url) for one in output.references}


async def test_a_redirect_is_cited_where_it_leads_and_once() -> None:
    def moved(request: FetchRequest) -> Page:
        return fetched(request, final_url="https://nist.gov/moved")

    output = await run(context(fetch=moved))

    assert [reference.url for reference in output.references] == ["https://nist.gov/moved"]
