"""The glossary: the same terms for all who write, and none that the article could not obey."""

from __future__ import annotations

from typing import Any

import pytest

from steps.asking.prompts import PROMPTS
from steps.blueprint.glossary import glossary
from steps.blueprint.plan import Plan
from steps.generating_article import STEP
from steps.models import BlueprintOutput, GapsOutput, HeadAnswer, KeywordsOutput, Term
from tests import sandbox_helpers as sandbox
from tests.unit.content_helpers import blueprint, content_context
from tests.unit.steps_helpers import blocks


def plan(**more: Any) -> Plan:
    keywords = KeywordsOutput(
        keywords=["solar panels", "roof load", "feed-in tariff", "Renewable Energy Act"],
        entities=["Renewable Energy Act", "inverter", "Federal Network Agency"],
    )
    gaps = GapsOutput(gaps=[], competitor_keywords=[], missing_keywords=[])
    return Plan("solar panels", "en-US", 2026, keywords, gaps, **more)


def term(name: str, meaning: str = "what it means", *avoid: str) -> Term:
    return Term(term=name, meaning=meaning, avoid=list(avoid))


def test_the_model_s_terms_come_first_and_proper_names_fill_up() -> None:
    made = glossary([term("inverter", "turns the current", "converter")], plan())

    assert made[0] == term("inverter", "turns the current", "converter")
    assert [one.term for one in made[1:]] == ["Renewable Energy Act", "Federal Network Agency"]
    assert all(one.meaning == "" and one.avoid == [] for one in made[1:])


def test_nothing_is_to_be_avoided_that_the_article_has_to_say() -> None:
    asked = term("module", "one panel", "panels", "Roof  load", "tariff", "slab", "inverters")
    made = glossary([asked, term("inverter")], plan())

    assert made[0].avoid == ["slab"]


def test_terms_are_few_distinct_short_and_clean() -> None:
    messy = [
        term("inverter <script>", "see https://x.example [[claim:1]] now " + "very " * 60),
        term("Inverters"),
        term("one two three four five six seven eight nine"),
        term("https://x.example"),
        term(""),
        *(term(f"term {chr(97 + n)}") for n in range(20)),
    ]
    made = glossary(messy, plan())

    assert len(made) == 8
    assert [one.term for one in made[:2]] == ["inverter", "term a"]
    assert len(made[0].meaning) <= 160
    assert not any(sign in made[0].meaning for sign in ("http", "[[", "<"))


def test_without_the_model_proper_names_are_agreed_on() -> None:
    assert [one.term for one in glossary([], plan())] == [
        "Renewable Energy Act", "Federal Network Agency",
    ]  # fmt: skip


async def test_every_writer_gets_the_same_glossary_where_the_provider_caches_it() -> None:
    ctx = content_context()
    planned = blueprint()
    planned.glossary = [term("inverter", "turns the current", "converter")]
    ctx.outputs["article-blueprint"] = planned.model_dump(mode="json", by_alias=True)
    await STEP.run(ctx)
    asked = ctx.services.asked("write_section")

    told = [{"term": "inverter", "meaning": "turns the current", "avoid": ["converter"]}]
    assert len({request.system for request in asked}) == 1
    assert all(blocks(request)["brief"]["glossary"] == told for request in asked)
    assert "brief.glossary" in PROMPTS["write_section"].role
    assert blocks(ctx.services.asked("join_section")[0])["request"]["glossary"] == told


def test_a_plan_of_an_older_release_has_no_glossary_and_still_serves() -> None:
    recorded = blueprint().model_dump(mode="json", by_alias=True)
    del recorded["glossary"]

    assert BlueprintOutput.model_validate(recorded).glossary == []


@pytest.mark.parametrize("keyword", ["AI in SEO", "composting at home"])
def test_the_sandbox_defines_terms_and_writes_as_it_defined_them(keyword: str) -> None:
    article = sandbox.compose(keyword)
    head = HeadAnswer.model_validate(article.head)
    text = sandbox.plain(article.body).lower()

    assert head.glossary[0].term == keyword
    assert all(one.meaning for one in head.glossary)
    assert sum(one.term.lower() in text for one in head.glossary) >= 3
    assert not any(word in text for one in head.glossary for word in one.avoid)
