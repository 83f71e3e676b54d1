from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestrator.errors import PermanentError, TransientError
from orchestrator.models import SubmitRequest
from orchestrator.services import ModelRequest, Post
from steps.article_blueprint import STEP, blueprint
from steps.blueprint.duties import with_keywords
from steps.blueprint.head import description, empty_head, slug, title
from steps.blueprint.outline import budgeted, shaped
from steps.blueprint.plan import Plan, existing_of, stock_outline
from steps.models import (
    BlueprintOutput,
    ClaimItem,
    Gap,
    GapEvidence,
    GapsOutput,
    HeadAnswer,
    KeywordsOutput,
    OutlineAnswer,
    OutlineSection,
)
from tests.unit.steps_helpers import AI_FAILS, AI_OPEN, AI_REFUSES, FakeContext, blocks

KEYWORD = "solar panels"


def gap(n: int, topic: str, priority: Any) -> Gap:
    evidence = GapEvidence(competitors=["c1"])
    return Gap(
        id=f"g{n}", type="missing-topic", topic=topic, opportunity=f"Explain {topic}.",
        priority=priority, evidence=evidence,
    )  # fmt: skip


GAPS = GapsOutput(
    gaps=[
        gap(1, "shading losses in winter", "high"),
        gap(2, "roof load limits", "high"),
        gap(3, "insurance of the modules", "medium"),
        gap(4, "zebra crossings", "low"),
    ],
    competitor_keywords=[],
    missing_keywords=[],
    questions=["Can solar panels overheat", "How long do solar panels last?"],
)
KEYWORDS = KeywordsOutput(
    keywords=[
        KEYWORD, "inverter size", "roof load", "how much do solar panels cost?",
        "feed-in tariff", "battery storage", "shading", "module warranty", "yield per year",
        "mounting system", "grid connection",
    ],
    questions=["how much do solar panels cost?"],
)  # fmt: skip


def plan(**more: Any) -> Plan:
    values: dict[str, Any] = {
        "keyword": KEYWORD, "locale": "en-US", "year": 2026, "keywords": KEYWORDS, "gaps": GAPS,
    }  # fmt: skip
    return Plan(**{**values, **more})


def section(heading: str, kind: Any = "body", words: int = 400, **more: Any) -> dict[str, Any]:
    return {
        "heading": heading,
        "kind": kind,
        "purpose": f"About {heading}.",
        "words": words,
        **more,
    }


OUTLINE: dict[str, Any] = {
    "sections": [
        section("Solar Panels on Your Roof", "introduction", 250),
        section("Key Takeaways", "takeaways", 150),
        section("What Solar Panels Cost", keywords=["feed-in tariff", "invented phrase"], words=500,
                claims=[{"text": "The average price per kilowatt peak"}]),
        section("Roof Load and Shading", gapIds=["g1", "g99"], keywords=["Roof loads"], words=500),
        section("Choosing an Inverter", keywords=["inverter size", "roof load"], words=500),
        section("Frequently Asked Questions", "faq", 350),
        section("Conclusion: What to Do First", "conclusion", 400),
    ]
}  # fmt: skip
HEAD = {
    "title": "Solar Panels: What They Cost and When They Pay Off",
    "slug": "solar-panels-cost",
    "metaDescription": "Solar panels pay off when roof, price and own use fit together. This guide "
    "shows the sums, the pitfalls and the first steps to take.",
    "intent": "commercial",
    "takeaways": [f"Remember to check point number {n} before you sign." for n in range(6)],
    "questions": ["What happens when it snows?", "How long do solar panels last", "Is it safe?"],
}


def context(outline: Any = OUTLINE, head: Any = HEAD, **more: Any) -> FakeContext:
    outputs = {
        "semantic-keywords": KEYWORDS.model_dump(mode="json", by_alias=True),
        "gap-analysis": GAPS.model_dump(mode="json", by_alias=True),
    }
    replies = {"blueprint_outline": outline, "blueprint_head": head}
    request = more.pop("request", SubmitRequest(keyword=KEYWORD))
    return FakeContext(request, replies, outputs=outputs, **more)


async def planned(ctx: FakeContext) -> BlueprintOutput:
    return BlueprintOutput.model_validate(await STEP.run(ctx))


def keyword_share(made: BlueprintOutput | list[OutlineSection], given: Plan) -> float:
    """The share (0..1) of the phrases that some section has to use."""
    sections = made.sections if isinstance(made, BlueprintOutput) else made
    assigned = {term for one in sections for term in one.keywords}
    return len(assigned & set(given.terms)) / len(given.terms) if given.terms else 1.0


def check(made: BlueprintOutput, given: Plan, most: int = 9) -> None:
    """Every promise of PIPELINE section 3."""
    kinds = [one.kind for one in made.sections]
    assert kinds[:2] == ["introduction", "takeaways"]
    assert kinds[-2:] == ["faq", "conclusion"]
    assert set(kinds[2:-2]) == {"body"}
    assert 7 <= len(kinds) <= most
    assert 2600 <= sum(one.words for one in made.sections) <= 3200
    headings = [one.heading.casefold() for one in made.sections]
    assert len(set(headings)) == len(headings)
    assert made.sections[1].heading == "Key Takeaways"
    assert made.sections[-1].heading.startswith("Conclusion")
    assert [one.id for one in made.sections] == [f"s{n}" for n in range(1, len(kinds) + 1)]

    bodies = {gap_id for one in made.sections if one.kind == "body" for gap_id in one.gap_ids}
    assert {one.id for one in given.gaps.gaps if one.priority == "high"} <= bodies
    every_gap = [gap_id for one in made.sections for gap_id in one.gap_ids]
    assert len(set(every_gap)) == len(every_gap)
    assert set(every_gap) <= {one.id for one in given.gaps.gaps}

    assert keyword_share(made, given) >= 0.7
    every_term = [term for one in made.sections for term in one.keywords]
    assert len(set(every_term)) == len(every_term)

    assert [claim.n for claim in made.claims] == list(range(1, len(made.claims) + 1))
    assert 5 <= len(made.claims) <= 12
    by_id = {one.id: [claim.text for claim in one.claims] for one in made.sections}
    assert all(claim.text in by_id[claim.section_id] for claim in made.claims)
    assert 1 <= sum(one.table for one in made.sections) <= 2

    if len(given.keyword) < 50:
        assert 50 <= len(made.title) <= 60
        assert 0 <= made.title.lower().find(given.keyword.lower()) <= 30
    assert len(made.title) <= 60
    assert 120 <= len(made.meta_description) <= 156
    assert made.slug.isascii()
    assert 4 <= len(made.takeaways) <= 8
    assert 4 <= len(made.questions) <= 8
    assert all(text.endswith("?") for text in made.questions)


async def test_a_good_plan_is_kept_and_completed() -> None:
    ctx = context()

    made = await planned(ctx)

    check(made, plan())
    assert [one.heading for one in made.sections] == [one["heading"] for one in OUTLINE["sections"]]
    assert made.title == HEAD["title"]
    assert made.meta_description == HEAD["metaDescription"]
    assert made.slug == HEAD["slug"]
    assert made.intent == "commercial"
    assert made.takeaways == HEAD["takeaways"]
    assert made.claims[0].text == "The average price per kilowatt peak"
    assert ctx.degraded == []


async def test_gaps_and_phrases_go_where_they_fit_and_inventions_go_nowhere() -> None:
    made = await planned(context())

    by_heading = {one.heading: one for one in made.sections}
    roof = by_heading["Roof Load and Shading"]
    assert roof.gap_ids == ["g1", "g2"]
    assert roof.keywords[0] == "roof load", "known by its stem, and written as it is known"
    assert "shading" in roof.keywords
    assert "invented phrase" not in by_heading["What Solar Panels Cost"].keywords
    assert "g4" not in [gap_id for one in made.sections for gap_id in one.gap_ids]
    assert all(KEYWORD not in one.keywords for one in made.sections)


async def test_people_also_ask_comes_first_among_the_questions() -> None:
    made = await planned(context())

    assert made.questions == [
        "Can solar panels overheat?",
        "How long do solar panels last?",
        "What happens when it snows?",
        "Is it safe?",
    ]


async def test_both_tasks_get_the_same_material_side_by_side() -> None:
    ctx = context()
    await STEP.run(ctx)

    (outline,), (head,) = (
        ctx.services.asked("blueprint_outline"),
        ctx.services.asked("blueprint_head"),
    )

    given = blocks(outline)
    assert given["request"] == {
        "keyword": KEYWORD, "year": 2026, "locale": "en-US", "mode": "generate",
        "wordsMin": 2600, "wordsMax": 3200,
    }  # fmt: skip
    assert given["keywords"] == KEYWORDS.keywords[1:]
    assert given["gaps"][0] == {
        "id": "g1", "type": "missing-topic", "topic": "shading losses in winter",
        "priority": "high", "opportunity": "Explain shading losses in winter.",
    }  # fmt: skip
    assert "existing" not in given
    assert {**given, "request": None} == {**blocks(head), "request": None}


async def test_a_replay_gives_the_same_without_asking_anyone() -> None:
    ctx = context()
    first = await STEP.run(ctx)

    assert await STEP.run(ctx.replay()) == first


@pytest.mark.parametrize("error", [AI_OPEN, AI_REFUSES])
async def test_without_the_model_the_plan_is_made_of_what_is_known(error: Exception) -> None:
    ctx = context(error, error)

    made = await planned(ctx)

    check(made, plan())
    assert len(made.sections) == 9
    headings = [one.heading for one in made.sections]
    assert "Shading losses in winter" in headings
    assert "Understanding solar panels" in headings
    assert len(ctx.degraded) == 2


async def test_headings_that_ranking_pages_share_lead_the_plan_without_the_model() -> None:
    competitors = [
        {"id": f"c{n}", "title": "T", "url": "https://a.example", "headings": headings}
        for n, headings in enumerate(
            [["Choosing a battery", "Follow me"], ["Battery for solar panels", "Buy at X"]], 1
        )
    ]
    found = GAPS.model_dump(mode="json", by_alias=True) | {"competitors": competitors}
    ctx = context(AI_OPEN)
    ctx.outputs["gap-analysis"] = found

    headings = [one.heading for one in (await planned(ctx)).sections]

    assert headings[2] == "Choosing a battery"
    assert not {"Buy at X", "Follow me"} & set(headings)


async def test_failures_that_may_pass_are_retried_first() -> None:
    with pytest.raises(TransientError):
        await STEP.run(context(AI_FAILS))

    ctx = context(AI_FAILS, final_attempt=True)
    check(await planned(ctx), plan())
    assert ctx.degraded == ["outline from the coverage matrix: ai failed with status 529"]


async def test_a_plan_of_three_sections_is_asked_for_again() -> None:
    def reply(request: ModelRequest) -> dict[str, Any]:
        return OUTLINE if "faults" in blocks(request) else {"sections": OUTLINE["sections"][:3]}

    ctx = context(reply)

    check(await planned(ctx), plan())
    assert len(ctx.services.asked("blueprint_outline")) == 2


def mess(*sections: dict[str, Any]) -> OutlineAnswer:
    return OutlineAnswer.model_validate({"sections": list(sections)})


EMPTY = mess()
MESSES = {
    "nothing": EMPTY,
    "only bodies": mess(*(section(f"Subject number {n * 37}") for n in range(15))),
    "every kind thrice": mess(
        *(
            section(f"{kind} {n}", kind, 900)
            for n in range(3)
            for kind in ("conclusion", "faq", "takeaways", "introduction", "body")
        )
    ),
    "one heading": mess(*(section("Solar  Panel", words=50) for _ in range(8))),
    "no words in headings": mess(*(section(text) for text in ("", "###", "<b></b>", "…"))),
    "numbered and marked": mess(
        section("1. Costs [[claim:1]]"), section("2) Roof"), section("- Yield"), section("FAQ")
    ),
    "all claims and tables": mess(
        *(
            section(
                f"Part {name}",
                table=True,
                claims=[{"text": f"The {name} statement number {n} here"} for n in range(9)]
                + [{"text": "Is this a claim?"}, {"text": " "}],
            )
            for name in ("alpha", "bravo", "charlie", "delta", "echo")
        )
    ),
    "all gaps in the wrong place": mess(
        section("Intro words", "introduction", gapIds=["g1", "g2"]),
        section("End", "conclusion", gapIds=["g1", "g2"]),
    ),
}


@pytest.mark.parametrize("name", MESSES)
@pytest.mark.parametrize("locale", ["en-US", "de-DE"])
def test_any_proposal_becomes_a_plan_that_keeps_every_rule(name: str, locale: str) -> None:
    given = plan(locale=locale)

    check(blueprint(MESSES[name], empty_head(KEYWORD), given), given)


HEADINGS = st.one_of(
    st.text(max_size=130), st.sampled_from(["Conclusion", "FAQ", "Key Takeaways", "Roof load"])
)
SECTIONS = st.builds(
    OutlineSection,
    heading=HEADINGS,
    kind=st.sampled_from(["introduction", "takeaways", "body", "body", "faq", "conclusion"]),
    words=st.integers(50, 900),
    keywords=st.lists(st.sampled_from([*KEYWORDS.keywords, "unknown"]), max_size=5),
    gap_ids=st.lists(st.sampled_from(["g1", "g2", "g3", "g4", "g9"]), max_size=5),
    claims=st.lists(st.builds(ClaimItem, text=st.text(max_size=40)), max_size=5),
    table=st.booleans(),
)
HEADS = st.builds(
    HeadAnswer,
    title=st.one_of(st.text(max_size=90), st.just(f"{KEYWORD} and a few more words")),
    slug=st.text(max_size=80),
    meta_description=st.text(max_size=250),
    intent=st.just("informational"),
    takeaways=st.lists(st.text(max_size=80), max_size=12),
    questions=st.lists(st.text(max_size=80), max_size=12),
)


@settings(max_examples=30, deadline=None)
@given(sections=st.lists(SECTIONS, max_size=16), head=HEADS)
def test_whatever_is_proposed_every_rule_is_kept(
    sections: list[OutlineSection], head: HeadAnswer
) -> None:
    made = blueprint(OutlineAnswer(sections=sections), head, plan())

    check(made, plan())
    assert BlueprintOutput.model_validate(made.model_dump(mode="json", by_alias=True)) == made


def test_numbering_and_markers_leave_the_headings() -> None:
    made = blueprint(MESSES["numbered and marked"], empty_head(KEYWORD), plan())

    assert [one.heading for one in made.sections[2:5]] == ["Costs", "Roof", "Yield"]


def test_with_sixty_phrases_seven_in_ten_are_assigned_and_no_section_drowns() -> None:
    terms = [f"term{n} word{n}" for n in range(59)]
    given = plan(keywords=KeywordsOutput(keywords=[KEYWORD, *terms]))

    made = with_keywords(budgeted(shaped(EMPTY.sections, given)), given)

    assert keyword_share(made, given) >= 0.7
    assert all(len(one.keywords) <= max(3, one.words / 40) for one in made)


def test_with_no_phrases_and_no_gaps_there_is_still_a_plan() -> None:
    none = GapsOutput(gaps=[], competitor_keywords=[], missing_keywords=[])
    given = plan(keywords=KeywordsOutput(keywords=[KEYWORD]), gaps=none)

    check(blueprint(EMPTY, empty_head(KEYWORD), given), given)


@pytest.mark.parametrize("size", [50, 300, 899])
@pytest.mark.parametrize("count", [7, 9, 20, 44])
def test_budgets_add_up_whatever_they_were(size: int, count: int) -> None:
    sections = [OutlineSection(heading=f"h{n}", words=size) for n in range(count)]

    total = sum(one.words for one in budgeted(sections))

    assert 2600 <= total <= 3200


def test_budgets_that_add_up_are_left_alone() -> None:
    sections = stock_outline(plan())

    assert budgeted(sections) == sections
    assert sum(one.words for one in sections) == 3050


# -- title, description, slug ----------------------------------------------------------


@pytest.mark.parametrize("length", range(3, 50))
@pytest.mark.parametrize("proposed", ["", "{}", "An Essay on {}", "{}: " + "very " * 20 + "long"])
def test_a_title_fits_for_a_keyword_of_any_length(length: int, proposed: str) -> None:
    keyword = ("abcd efgh " * 6)[:length].strip().ljust(length, "x")
    given = plan(keyword=keyword)

    made = title(proposed.format(keyword), given)

    assert 50 <= len(made) <= 60
    assert 0 <= made.lower().find(keyword) <= len(made) / 2


def test_a_keyword_longer_than_a_title_is_cut_at_a_word() -> None:
    keyword = "how to clean solar panels on a steep roof without a ladder in winter"

    made = title("", plan(keyword=keyword))

    assert made == "How to Clean Solar Panels on a Steep Roof without a Ladder"


def test_a_title_too_long_is_cut_where_it_can_end() -> None:
    proposed = "Solar Panels for Old Roofs: Costs, Yields and Limits – and What the Neighbours Say"

    assert title(proposed, plan()) == "Solar Panels for Old Roofs: Costs, Yields and Limits"


def test_outside_english_a_title_is_made_of_the_subjects_own_words() -> None:
    terms = ["Solaranlage Kosten", "Wechselrichter Größe", "Einspeisevergütung 2026"]
    given = plan(keyword="solaranlage", locale="de-DE", keywords=KeywordsOutput(keywords=terms))

    made = title("", given)

    assert made == "Solaranlage 2026: Solaranlage Kosten, Wechselrichter Größe"


@pytest.mark.parametrize(
    "proposed",
    [
        "",
        "Too short.",
        "Solar panels. " + "Nothing but a great many words that never seem to end " * 4,
        "One sentence. " * 5 + "Two sentences about solar panels stand at the end. " * 3,
        "x" * 300,
    ],
)
@pytest.mark.parametrize("locale", ["en", "fr"])
def test_a_description_fits_and_names_the_keyword(proposed: str, locale: str) -> None:
    made = description(proposed, plan(locale=locale))

    assert 120 <= len(made) <= 156
    assert KEYWORD in made.lower()


@pytest.mark.parametrize(
    ("proposed", "keyword", "made"),
    [
        ("solar-panels-cost", "solar panels", "solar-panels-cost"),
        ("Something Else", "solar panels", "solar-panels"),
        ("", "Größe & Maße", "groesse-and-masse"),
        ("", "café crème", "cafe-creme"),
        ("guide", "日本語", "guide"),
        ("", "日本語", "article-77710aed"),
        ("", "a" * 30 + " " + "b" * 40, "a" * 30),
    ],
)
def test_a_slug_is_ascii_short_and_names_the_keyword(
    proposed: str, keyword: str, made: str
) -> None:
    assert slug(proposed, keyword) == made


@pytest.mark.parametrize(
    ("keyword", "intent"),
    [
        ("buy solar panels", "transactional"),
        ("best solar panels", "commercial"),
        ("solar panels", "informational"),
    ],
)
def test_without_the_model_the_intent_is_guessed(keyword: str, intent: str) -> None:
    assert empty_head(keyword).intent == intent


def test_markup_and_markers_leave_the_head() -> None:
    head = HeadAnswer.model_validate(
        HEAD | {"takeaways": ["<script>x</script> Check the <b>roof</b> first [[claim:4]]."] * 2}
    )

    made = blueprint(EMPTY, head, plan())

    assert made.takeaways[0] == "x Check the roof first ."
    assert not any("<" in text or "[[" in text for text in made.takeaways)
    assert len(made.takeaways) >= 4


# -- refresh ---------------------------------------------------------------------------

OLD = """
<h1>Solar panels</h1><p>Old opening words.</p>
<h2>Why Bother?</h2><p>Old text.</p><img src="a.png">
<h2>Prices in <em>2019</em></h2><p>Old text.</p>
<h2>Our Roof</h2><p>{}</p>
<h2>FAQ</h2><h3>Q?</h3><p>A.</p>
<h2>Final Thoughts</h2><p>Bye.</p>
<h2>References</h2><ol><li>x</li></ol>
""".format("word " * 500)


def refreshing(**more: Any) -> SubmitRequest:
    return SubmitRequest(keyword=KEYWORD, mode="refresh", **more)


async def test_a_refresh_keeps_the_old_headings_in_order_and_adds_what_is_missing() -> None:
    proposal = {"sections": [*OUTLINE["sections"], section("Our roof", words=700, gapIds=["g2"])]}
    ctx = context(proposal, request=refreshing(existing_content=OLD))

    made = await planned(ctx)

    check(made, plan())
    assert [one.heading for one in made.sections] == [
        "Solar Panels on Your Roof",
        "Key Takeaways",
        "Why Bother?",
        "Prices in 2019",
        "Our Roof",
        "FAQ",
        "Conclusion: Final Thoughts",
    ]
    roof = made.sections[4]
    assert "g2" in roof.gap_ids, "what the model planned for an old heading is kept"
    assert roof.words > made.sections[3].words, "a long old section keeps its room"
    existing = blocks(ctx.services.asked("blueprint_outline")[0])["existing"]
    assert existing[0] == {"heading": "Why Bother?", "kind": "body"}
    assert [old["heading"] for old in existing][-1] == "Final Thoughts"


async def test_a_refresh_without_the_model_keeps_the_old_headings_too() -> None:
    made = await planned(context(AI_OPEN, AI_OPEN, request=refreshing(existing_content=OLD)))

    check(made, plan())
    assert [one.heading for one in made.sections[2:5]] == [
        "Why Bother?", "Prices in 2019", "Our Roof",
    ]  # fmt: skip


async def test_a_refresh_by_post_id_reads_the_post() -> None:
    post = Post(id=7, title="T", slug="t", content=OLD)
    ctx = context(request=refreshing(post_id=7), get_post=post)

    made = await planned(ctx)

    assert made.sections[2].heading == "Why Bother?"


async def test_a_refresh_of_nothing_is_refused() -> None:
    with pytest.raises(PermanentError, match="existingContent or postId"):
        await STEP.run(context(request=refreshing()))


def test_an_old_page_with_many_sections_keeps_them_all_within_the_budget() -> None:
    names = [f"Part about thing{n}" for n in range(30)]
    given = plan(existing=existing_of((name, 10) for name in names))

    made = blueprint(EMPTY, empty_head(KEYWORD), given)

    check(made, given, most=34)
    assert [one.heading for one in made.sections if one.kind == "body"] == names


def test_old_headings_that_are_alike_are_told_apart() -> None:
    given = plan(existing=existing_of([("Pros", 9), ("Pros", 9), ("Table of Contents", 9)]))

    made = blueprint(EMPTY, empty_head(KEYWORD), given)

    assert [one.heading for one in made.sections[2:4]] == ["Pros", "Pros (2)"]
    assert len(made.sections) == 7
