from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from orchestrator.errors import TransientError
from orchestrator.models import SubmitRequest
from orchestrator.services import (
    ModelReply,
    ModelRequest,
    OrganicResult,
    SearchReply,
    SearchRequest,
    Usage,
)
from steps.asking.keying import cache_key
from steps.asking.prompts import PROMPTS
from steps.asking.serp import FRESH_SECONDS, STALE_SECONDS, parse, place, serp
from steps.language.lexical import distinct, phrase, same_key, tfidf_terms
from steps.semantic_keywords import CACHE_SECONDS, STEP, neuron_keywords
from tests.unit.steps_helpers import (
    AI_FAILS,
    AI_OPEN,
    LOWER_MODEL,
    SERPER_OPEN,
    FakeContext,
    blocks,
)

SERP = SearchReply(
    organic=[
        OrganicResult(
            title="Solar panel installation guide",
            link="https://a.example/guide",
            snippet="Roof load and inverter size decide. Check the roof load first.",
        ),
        OrganicResult(
            title="Inverter size explained",
            link="https://b.example/inverter",
            snippet="The inverter size follows from the module power.",
        ),
    ],
    people_also_ask=["How long do solar panels last?"],
    related_searches=["solar panels for flat roofs"],
)
BY_KIND = {
    "variant": ["photovoltaic panels", "Solar Panel", "home solar system"],
    "question": ["what size inverter do I need?", "are solar panels worth it"],
    "problem": ["roof load limits", "shading losses"],
    "solution": ["power optimizers"],
    "entity": ["IEC 61215", "inverter"],
}


def answer(request: ModelRequest) -> dict[str, Any]:
    kinds = blocks(request)["request"]["kinds"]
    return {"phrases": [{"text": t, "kind": k} for k in kinds for t in BY_KIND[k]]}


def context(reply: Any = answer, search: Any = SERP, **more: Any) -> FakeContext:
    request = more.pop("request", SubmitRequest(keyword="solar panels"))
    return FakeContext(request, {"semantic_keywords": reply}, search, **more)


async def keywords(ctx: FakeContext) -> list[str]:
    return list((await STEP.run(ctx))["keywords"])


async def test_the_keyword_is_first_then_the_serp_then_the_model_without_doubles() -> None:
    ctx = context()

    output = await STEP.run(ctx)

    assert output["keywords"] == [
        "solar panels",
        "How long do solar panels last?",
        "solar panels for flat roofs",
        "photovoltaic panels",
        "home solar system",  # "Solar Panel" is the keyword again
        "what size inverter do I need?",
        "are solar panels worth it",
        "roof load limits",
        "shading losses",
        "power optimizers",
        "IEC 61215",
        "inverter",
        "inverter size",  # telling terms of the ranking pages: the rest makes fewer than thirty
        "roof load",
    ]
    assert output["questions"] == [
        "How long do solar panels last?",
        "what size inverter do I need?",
        "are solar panels worth it",
    ]
    assert output["entities"] == ["IEC 61215", "inverter"]
    assert ctx.degraded == []


async def test_a_short_list_is_filled_up_to_thirty_from_the_ranking_pages() -> None:
    nouns = [f"{one}{two}" for one in ("roof", "mount", "grid", "meter") for two in "abcdefgh"]
    pages = [
        OrganicResult(title=f"{noun} rules", link=f"https://{noun}.example/", snippet=f"{noun}.")
        for noun in nouns
    ]
    found = await keywords(context(search=SearchReply(organic=pages)))

    assert len(found) == 30
    assert found[0] == "solar panels"
    assert set(BY_KIND["problem"]) <= set(found), "the model's own come first"


async def test_three_asks_share_out_the_kinds() -> None:
    ctx = context()
    await STEP.run(ctx)

    asked = [blocks(request)["request"] for request in ctx.services.asked("semantic_keywords")]

    assert [item["kinds"] for item in asked] == [
        ["variant"],
        ["question"],
        ["problem", "solution", "entity"],
    ]
    assert all(15 <= item["count"] <= 20 and item["locale"] == "en-US" for item in asked)


async def test_a_replay_gives_the_same_without_asking_anyone() -> None:
    ctx = context()
    first = await STEP.run(ctx)

    assert await STEP.run(ctx.replay()) == first


async def test_at_most_sixty_phrases_with_the_clients_terms_first() -> None:
    terms = [{"keyword": f"neuron term {n}"} for n in range(70)]
    ctx = context(request=SubmitRequest(keyword="solar panels", neuron_data={"keywords": terms}))

    found = await keywords(ctx)

    assert found[1:51] == [f"neuron term {n}" for n in range(50)]
    assert len(found) == 60


@pytest.mark.parametrize(
    ("data", "terms"),
    [
        (None, []),
        ({}, []),
        ({"keywords": None}, []),
        ({"keywords": "roof, inverter\nmodule"}, ["roof", "inverter", "module"]),
        ({"keywords": ["roof", 5, None, {"text": "inverter"}, {}]}, ["roof", "inverter"]),
    ],
)
def test_neuron_data_of_any_shape_is_read(data: Any, terms: list[str]) -> None:
    assert neuron_keywords(data) == terms


async def test_the_models_phrases_are_shared_between_jobs_for_a_day_the_clients_are_not() -> None:
    own = SubmitRequest(keyword="solar panels", neuron_data={"keywords": ["my secret term"]})
    first = context(request=own)
    await STEP.run(first)
    second = context(reply=AssertionError("asked again"))
    second.caches = first.caches
    second.now = first.now + CACHE_SECONDS
    assert CACHE_SECONDS == 24 * 3600

    found = await keywords(second)

    assert "photovoltaic panels" in found
    assert "my secret term" not in found
    second.now += 1
    second.memos.clear()
    with pytest.raises(AssertionError, match="asked again"):
        await keywords(second)


def test_the_cache_tells_keyword_locale_and_model_apart() -> None:
    requests = [
        SubmitRequest(keyword="solar panels"),
        SubmitRequest(keyword="solar panel"),
        SubmitRequest(keyword="solar panels", locale="de-DE"),
        SubmitRequest(keyword="solar panels", model="claude-haiku-4-5"),
    ]

    keys = {cache_key(request, "semantic_keywords") for request in requests}

    assert len(keys) == 4
    assert cache_key(SubmitRequest(keyword="Solar Panels"), "semantic_keywords") in keys


def test_a_changed_prompt_does_not_find_old_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    request, task = SubmitRequest(keyword="solar panels"), "semantic_keywords"
    before = cache_key(request, task)
    newer = replace(PROMPTS[task], version=PROMPTS[task].version + 1)
    monkeypatch.setattr("steps.asking.prompts.PROMPTS", {**PROMPTS, task: newer})

    assert cache_key(request, task) != before
    assert cache_key(request, "competitor_gaps") != before


def by_budget(request: ModelRequest) -> ModelReply:
    why = "lower-cost model: the budget"
    return ModelReply(data=answer(request), model=LOWER_MODEL, usage=Usage(), lowered=why)


def by_breaker(request: ModelRequest) -> Any:
    return answer(request) if request.fallback else AI_OPEN


@pytest.mark.parametrize("reply", [by_budget, by_breaker])
async def test_what_the_lower_cost_model_said_is_for_no_other_job(reply: Any) -> None:
    ctx = context(reply=reply)

    assert "photovoltaic panels" in await keywords(ctx)
    assert ctx.degraded
    assert all(kind != "keywords" for kind, _ in ctx.caches)

    both_back = context()
    both_back.caches = ctx.caches
    await keywords(both_back)
    assert len(both_back.services.asked("semantic_keywords")) == 3
    assert both_back.degraded == []


async def test_with_the_model_out_of_reach_the_serp_speaks() -> None:
    ctx = context(reply=AI_OPEN)

    found = await keywords(ctx)

    assert found[:3] == [
        "solar panels",
        "How long do solar panels last?",
        "solar panels for flat roofs",
    ]
    assert "inverter size" in found
    assert "roof load" in found
    assert ctx.degraded == ["keywords without the model: ai circuit breaker open"]
    assert all(kind != "keywords" for kind, _ in ctx.caches), "a makeshift is not for other jobs"


async def test_with_nothing_in_reach_the_keyword_is_left() -> None:
    ctx = context(reply=AI_OPEN, search=SERPER_OPEN)

    assert await keywords(ctx) == ["solar panels"]
    assert ctx.degraded == ["keywords without the model: ai circuit breaker open"]


async def test_without_a_serp_the_model_s_phrases_do_and_nothing_is_degraded() -> None:
    ctx = context(search=SERPER_OPEN)

    assert len(await keywords(ctx)) > 1
    assert ctx.degraded == []


async def test_a_failure_that_may_pass_is_retried_and_what_was_paid_for_is_kept() -> None:
    def flaky(request: ModelRequest) -> Any:
        return AI_FAILS if "question" in blocks(request)["request"]["kinds"] else answer(request)

    ctx = context(reply=flaky)

    with pytest.raises(TransientError):
        await STEP.run(ctx)

    assert {"variants", "subjects"} <= set(ctx.memos)
    ctx.services.replies["semantic_keywords"] = answer
    asked_before = len(ctx.services.asked("semantic_keywords"))
    assert len(await keywords(ctx)) == 14
    assert len(ctx.services.asked("semantic_keywords")) == asked_before + 1


async def test_the_final_attempt_takes_what_there_is() -> None:
    def flaky(request: ModelRequest) -> Any:
        return AI_FAILS if "question" in blocks(request)["request"]["kinds"] else answer(request)

    ctx = context(reply=flaky, final_attempt=True)

    found = await keywords(ctx)

    assert "photovoltaic panels" in found
    assert "are solar panels worth it" not in found
    assert ctx.degraded == ["keywords without the model: ai failed with status 529"]


async def test_phrases_that_are_none_are_dropped() -> None:
    bad = ["see https://x.example now", "one two three four five six seven eight nine", "42", " "]
    reply = {"phrases": [{"text": text} for text in [*bad, "<b>roof</b> load."]]}

    found = await keywords(context(reply=reply, search=SearchReply()))

    assert found == ["solar panels", "roof load"]


async def test_an_answer_without_a_usable_phrase_is_asked_for_again() -> None:
    ctx = context(reply={"phrases": [{"text": "https://x.example"}]}, search=SearchReply())

    with pytest.raises(TransientError, match="none of them is a phrase"):
        await STEP.run(ctx)


# -- phrases ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("raw", "clean"),
    [
        ("  Roof \n load ", "Roof load"),
        ("“roof load”,", "roof load"),
        ("- roof load", "roof load"),
        ("How long do they last?", "How long do they last?"),
        ("mail me@x.example", None),
        ("www.x.example", None),
        ("example.com deals", None),
        ("a" * 101, None),
        ("<script>alert(1)</script>", "alert(1"),
        ("a b c d e f g h", "a b c d e f g h"),
        ("a b c d e f g h i", None),
        (None, None),
        (7, None),
    ],
)
def test_a_phrase_is_cleaned_or_refused(raw: object, clean: str | None) -> None:
    assert phrase(raw) == clean


@pytest.mark.parametrize(
    ("one", "other", "locale"),
    [
        ("solar panel", "Solar Panels", "en"),
        ("the solar panel's cost", "solar panel cost", "en-GB"),
        ("self-consumption", "self consumption", "en"),
        ("Solaranlagen", "Solaranlage", "de-DE"),
    ],
)
def test_phrases_that_differ_in_endings_only_are_one(one: str, other: str, locale: str) -> None:
    assert same_key(one, locale) == same_key(other, locale)
    assert list(distinct([one, other], locale)) == [one]


def test_phrases_of_different_meaning_stay_two() -> None:
    assert len(list(distinct(["what are solar panels", "solar panels", "panel solar"]))) == 3


def test_telling_terms_are_frequent_and_bounded_by_real_words() -> None:
    documents = [
        "The inverter size decides. An inverter size of 5 kW is usual.",
        "Choose the inverter size by module power.",
        "Module power is given in watts. Module power falls with heat.",
    ]

    terms = tfidf_terms(documents, 2)

    assert terms == ["inverter size", "module power"]
    assert tfidf_terms([], 5) == []
    assert tfidf_terms(["The of and."], 5) == []


# -- the SERP --------------------------------------------------------------------------


async def test_a_given_serp_is_used_and_nothing_is_searched() -> None:
    data = {
        "organic": [
            {"title": "A", "link": "https://a.example", "extra": 1},
            {"title": "no link"},
            "not a result",
            {"title": "B", "url": "https://b.example", "description": "s", "position": "x"},
            {"link": "javascript:alert(1)"},
            {"link": "http://["},
        ],
        "peopleAlsoAsk": [{"question": "Why?"}, "How?", {"snippet": "x"}, 3],
        "relatedSearches": [{"query": "more"}],
    }
    ctx = context(search=None, request=SubmitRequest(keyword="solar panels", serp_data=data))

    page = await serp(ctx)

    assert page is not None
    assert [(r.link, r.title, r.position) for r in page.organic] == [
        ("https://a.example", "A", 1),
        ("https://b.example", "B", 3),
    ]
    assert page.people_also_ask == ["Why?", "How?"]
    assert page.related_searches == ["more"]


@pytest.mark.parametrize("data", [None, {}, {"organic": "x"}, {"organic": {"a": 1}}])
def test_a_serp_of_any_shape_can_be_parsed(data: Any) -> None:
    page = parse(data)

    assert page is None or page.organic == []


async def test_the_serp_is_searched_once_for_the_job_in_its_country_and_language() -> None:
    ctx = context(request=SubmitRequest(keyword="solar panels", locale="de-AT"))

    assert await serp(ctx) == await serp(ctx) == SERP

    (search,) = ctx.services.of(SearchRequest)
    assert (search.query, search.country, search.language) == ("solar panels", "at", "de")


@pytest.mark.parametrize(
    ("locale", "expected"),
    [("en", ("us", "en")), ("de", ("de", "de")), ("ja", ("jp", "ja")), ("pt-BR", ("br", "pt"))],
)
def test_a_locale_names_a_country_and_a_language(locale: str, expected: tuple[str, str]) -> None:
    assert place(locale) == expected


async def test_another_jobs_serp_of_today_is_used() -> None:
    first, second = context(), context(search=AssertionError("searched again"))
    await serp(first)
    second.caches, second.now = first.caches, first.now + FRESH_SECONDS

    assert await serp(second) == SERP
    assert second.degraded == []


def aged(seconds: float, search: Any, **more: Any) -> FakeContext:
    ctx = context(search=search, **more)
    stored = ctx.now - seconds
    value = {"reply": SERP.model_dump(mode="json"), "at": stored}
    ctx.caches["serp", "solar panels|en-US"] = (value, stored)
    return ctx


async def test_a_serp_of_another_release_s_shape_does_not_serve() -> None:
    ctx = context(search=SERPER_OPEN)
    ctx.caches["serp", "solar panels|en-US"] = ({"results": [], "at": ctx.now}, ctx.now)

    assert await serp(ctx) is None


async def test_with_serper_open_a_serp_of_the_last_week_serves_and_says_its_age() -> None:
    ctx = aged(STALE_SECONDS, SERPER_OPEN)

    assert await serp(ctx) == SERP

    assert ctx.degraded == ["search results 168 h old: serper circuit breaker open"]
    again = ctx.replay()
    assert await serp(again) == SERP
    assert again.degraded == ctx.degraded


async def test_an_older_serp_does_not_serve() -> None:
    ctx = aged(STALE_SECONDS + 1, SERPER_OPEN)

    assert await serp(ctx) is None
    assert ctx.degraded == ["no search results: serper circuit breaker open"]


FAILS = TransientError("serper", "bad gateway", status=502)


async def test_a_search_that_fails_is_retried_before_a_stale_serp_is_taken() -> None:
    with pytest.raises(TransientError):
        await serp(aged(FRESH_SECONDS + 1, FAILS))

    ctx = aged(FRESH_SECONDS + 1, FAILS, final_attempt=True)
    assert await serp(ctx) == SERP
    assert ctx.degraded == ["search results 24 h old: serper failed with status 502"]
