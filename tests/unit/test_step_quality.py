from __future__ import annotations

import json
from typing import Any

import pytest

from orchestrator.errors import PermanentError, TransientError
from orchestrator.models import SubmitRequest
from orchestrator.services import ModelRequest
from steps.quality import jsonld
from steps.quality_validation import STEP, ValidatedOutput
from steps.rubric import score_article
from tests.unit.rubric_helpers import (
    GOOD,
    KEYWORDS,
    META,
    PAGES,
    TITLE,
    URLS,
    gap,
    good,
    reference,
)
from tests.unit.steps_helpers import AI_FAILS, AI_OPEN, FakeContext, blocks

MENDED = (
    "<h2>What care really needs</h2><p>Heat pump maintenance needs a hose, a brush and a calm "
    "hour on a dry day, because wet dust sticks to the fins like glue. If you do it twice a year, "
    "the coil stays clean, the fan runs slow and the bill stays where it was last winter.</p>"
)


def article(*pairs: tuple[str, str]) -> str:
    html = GOOD
    for old, new in pairs:
        assert old in html
        html = html.replace(old, new)
    return html


NO_KEYWORD = article(("eat pump maintenance", "ousehold care"))


def outputs(html: str, islands: dict[str, str] | None = None) -> dict[str, Any]:
    link = {
        "anchorText": "notes on flow temperature", "targetSlug": "flow-temperature",
        "context": "c", "placement": "conclusion", "url": "https://site.example/flow-temperature",
    }  # fmt: skip
    section = {
        "id": "s1",
        "html": "<h2>What heat pump care costs and saves</h2><p>[[island:1]]</p>",
    }
    gaps = [gap("service contracts"), gap("tax credits abroad", "low", 2)]
    return {
        "semantic-keywords": {"keywords": list(KEYWORDS)},
        "gap-analysis": {
            "gaps": [one.model_dump(by_alias=True) for one in gaps],
            "competitorKeywords": [],
            "missingKeywords": [],
        },
        "article-blueprint": {
            "title": TITLE, "slug": "heat-pump-maintenance", "metaDescription": META,
            "intent": "informational", "sections": [], "claims": [], "takeaways": [],
            "questions": [],
        },
        "generating-article": {
            "title": TITLE, "sections": [], "model": "m", "islands": islands or {},
        },
        "auto-fix": {"sections": [section], "changes": ["split a paragraph"]},
        "references": {
            "references": [reference(url).model_dump(by_alias=True) for url in URLS],
        },
        "internal-links": {"html": html, "internalLinks": [link]},
    }  # fmt: skip


def context(html: str, **changes: Any) -> FakeContext:
    pages = [{"title": slug, "slug": slug, "url": f"https://site.example/{slug}"} for slug in PAGES]
    request = {"keyword": "heat pump maintenance", "existing_pages": pages}
    request |= changes.pop("request", {})
    islands = changes.pop("islands", None)
    known: dict[str, Any] = {
        "request": SubmitRequest(**request),
        "outputs": outputs(html, islands),
    }
    return FakeContext(**{**known, **changes}, step="quality-validation")


async def run(ctx: FakeContext) -> ValidatedOutput:
    return ValidatedOutput.model_validate(await STEP.run(ctx))


async def test_a_good_article_is_delivered_without_asking_the_model() -> None:
    ctx = context(GOOD)
    output = await run(ctx)

    assert output.report.passed
    assert output.report.score >= 90
    assert not ctx.services.calls
    assert output.repaired == []
    assert output.word_count == len(good().words)
    assert output.gaps_covered == 1
    assert len(output.internal_links) == 1


async def test_the_report_is_about_the_html_that_is_delivered() -> None:
    output = await run(context(GOOD))

    again = score_article(
        good(html=output.html, json_ld=output.json_ld, gaps=(gap("service contracts"),))
    )
    assert again.score == output.report.score


async def test_structured_data_goes_with_the_article() -> None:
    output = await run(context(GOOD))

    assert jsonld.problems(output.json_ld) == []
    kinds = [item["@type"] for item in output.json_ld["@graph"]]
    assert kinds == ["Article", "FAQPage", "BreadcrumbList"]


async def test_markup_that_runs_never_gets_through() -> None:
    html = article(("</h1>", '</h1><script>x()</script><p onclick="x()">Hi there.</p>'))
    output = await run(context(html))

    assert "<script" not in output.html
    assert "onclick" not in output.html


async def test_what_rules_can_mend_is_mended_without_the_model() -> None:
    html = article(("</h1>", "</h1><p>We delve into a tapestry [[claim:4]].</p>"))
    ctx = context(html)
    output = await run(ctx)

    assert output.report.passed
    assert "We explore a collection." in output.html
    assert not ctx.services.calls


async def test_failing_sections_are_repaired_once_by_the_model() -> None:
    def mend(request: ModelRequest) -> str:
        section = blocks(request)["section"]
        uses = "<p>In short, heat pump maintenance pays.</p>" * 2
        return str(section["html"]).replace("</h2>", "</h2>" + uses, 1)

    ctx = context(NO_KEYWORD, replies={"repair_section": mend})
    before = await run(context(NO_KEYWORD, replies={"repair_section": AI_OPEN}))
    output = await run(ctx)

    assert not before.report.passed
    assert output.report.score > before.report.score
    assert output.repaired
    assert len(ctx.services.asked("repair_section")) == len(output.repaired) <= 4
    assert set(ctx.memos) == {f"repair:{n}" for n in _numbers(ctx)}


def _numbers(ctx: FakeContext) -> list[str]:
    return [name.split(":")[1] for name in ctx.memos]


async def test_a_repair_that_makes_it_worse_is_not_taken() -> None:
    worse = "<h2>X</h2><p>" + "The thing was unlocked by a tapestry of realms. " * 20 + "</p>"
    ctx = context(NO_KEYWORD, replies={"repair_section": worse})
    output = await run(ctx)
    without = await run(context(NO_KEYWORD, replies={"repair_section": AI_OPEN}))

    assert output.report.score >= without.report.score
    assert "unlocked by" not in output.html or output.report.score > without.report.score


async def test_a_failure_is_never_hidden() -> None:
    ctx = context("<h2>Only this</h2><p>Little text.</p>", replies={"repair_section": AI_OPEN})
    output = await run(ctx)

    assert not output.report.passed
    assert output.report.score < 55
    assert ctx.degraded == ["no final repair: ai circuit breaker open"]


async def test_a_failing_repair_is_tried_again_while_a_retry_is_left() -> None:
    with pytest.raises(TransientError):
        await run(context(NO_KEYWORD, replies={"repair_section": AI_FAILS}))

    last = context(NO_KEYWORD, replies={"repair_section": AI_FAILS}, final_attempt=True)
    assert not (await run(last)).report.passed


async def test_a_replay_asks_nothing_and_gives_the_same() -> None:
    ctx = context(NO_KEYWORD, replies={"repair_section": MENDED})
    first = await STEP.run(ctx)

    assert ctx.services.calls
    assert await STEP.run(ctx.replay()) == first


# -- refresh mode ----------------------------------------------------------------------

ISLAND = (
    '<figure id="f1"><img src="/old.png"   alt="Coil"><figcaption>A &mdash; b</figcaption></figure>'
)
LINK = '<a href="https://partner.example/x" target=_blank>partner</a>'
REFRESH = {"mode": "refresh", "existing_content": "<h2>Old</h2><p>Old text.</p>"}


async def test_islands_come_back_byte_for_byte_after_the_sanitiser() -> None:
    html = article(("<h3>Service contracts</h3>", "<p>[[island:1]]</p><h3>Service contracts</h3>"))
    html = html.replace("A contract makes", "A [[island:2]] contract makes")
    ctx = context(html, request=REFRESH, islands={"1": ISLAND, "2": LINK})
    output = await run(ctx)

    assert ISLAND in output.html
    assert LINK in output.html
    assert output.preserved_media == 1
    assert output.report.passed


async def test_an_old_link_is_no_foreign_one() -> None:
    html = GOOD.replace("A contract makes", "A [[island:1]] contract makes")
    output = await run(context(html, request=REFRESH, islands={"1": LINK}))
    targets = next(c for c in output.report.checks if c.name == "Link Targets")

    assert targets.value == 0


async def test_a_lost_island_goes_back_to_its_section() -> None:
    output = await run(context(GOOD, request=REFRESH, islands={"1": ISLAND}))

    assert ISLAND in output.html


async def test_an_island_without_a_home_is_an_error() -> None:
    with pytest.raises(PermanentError, match="lost"):
        await run(context(GOOD, request=REFRESH, islands={"9": ISLAND}))


async def test_what_looks_like_a_marker_in_the_client_s_own_words_costs_nothing() -> None:
    html = GOOD.replace("</h1>", "</h1><p>[[island:1]]</p>", 1)
    output = await run(context(html, request=REFRESH, islands={"1": "[[claim:7]]"}))

    assert "[[claim:7]]" in output.html
    assert next(c for c in output.report.checks if c.name == "Claims Resolved").passed


async def test_a_refresh_tells_its_changes() -> None:
    output = await run(context(GOOD, request=REFRESH, islands={}))

    assert output.changes[0].startswith("length: ")
    assert output.changes[-1] == "split a paragraph"


async def test_a_new_article_tells_no_changes() -> None:
    assert (await run(context(GOOD))).changes == []


async def test_without_wordpress_the_changes_are_fewer_and_said_so() -> None:
    ctx = context(
        GOOD,
        request={"mode": "refresh", "post_id": 3},
        get_post=TransientError("wordpress", "down"),
    )
    output = await run(ctx)

    assert output.changes == ["split a paragraph"]
    assert ctx.degraded == ["changes against the old page are not known: wordpress failed"]


async def test_the_output_is_json() -> None:
    value = await STEP.run(context(GOOD))

    assert json.loads(json.dumps(value, allow_nan=False)) == value
