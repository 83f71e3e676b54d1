"""The joining pass: introduction and conclusion say what the body says, and nothing is lost."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from orchestrator.services import ModelRequest
from orchestrator.step import Json
from steps.generating_article import STEP, landed
from steps.html import dom
from steps.models import ContentOutput, SectionHtml
from steps.writing import joining
from tests import sandbox_helpers as sandbox
from tests.unit.content_helpers import (
    ANSWER,
    BODY,
    JOINT,
    PLAN,
    blueprint,
    content_context,
    html_of,
    joiner,
    writer,
)
from tests.unit.steps_helpers import AI_FAILS, AI_OPEN, FakeContext, blocks

INTRODUCTION, CONCLUSION = PLAN[0], PLAN[5]
ENDS = {INTRODUCTION.id, CONCLUSION.id}


async def sections(ctx: FakeContext) -> dict[str, str]:
    output = ContentOutput.model_validate(await STEP.run(ctx))
    return {one.id: one.html for one in output.sections}


def paragraphs(html: str) -> list[str]:
    return [dom.text(node) for node in dom.elements(dom.parse(html), "p")]


async def test_the_introduction_s_last_paragraph_and_the_conclusion_s_first_are_rewritten() -> None:
    written = await sections(content_context())

    assert paragraphs(written["s1"]) == [ANSWER, JOINT]
    assert paragraphs(written["s6"]) == [JOINT, BODY]
    assert all(JOINT not in written[one.id] for one in PLAN if one.id not in ENDS)


async def test_each_is_told_what_every_body_section_answers_and_nothing_else() -> None:
    ctx = content_context()
    await STEP.run(ctx)
    given = [blocks(request) for request in ctx.services.asked("join_section")]

    assert {one["section"]["kind"] for one in given} == {"introduction", "conclusion"}
    for one in given:
        headings = [said["heading"] for said in one["says"]]
        assert headings == [section.heading for section in PLAN if section.kind == "body"]
        assert all(said["says"] == ANSWER for said in one["says"])
        assert one["request"]["glossary"] == []
    keys = {request.idempotency_key for request in ctx.services.asked("join_section")}
    assert keys == {ctx.key("join:s1"), ctx.key("join:s6")}


async def test_nobody_joins_before_the_whole_body_is_written() -> None:
    ended: list[str] = []

    async def slow(request: ModelRequest) -> str:
        asked = blocks(request)["section"]["id"]
        for _ in range(20 if asked == "s4" else 1):
            await asyncio.sleep(0)
        ended.append(asked)
        return writer(request)

    def joins(request: ModelRequest) -> str:
        ended.append("join")
        return joiner(request)

    await STEP.run(content_context({"write_section": slow, "join_section": joins}))

    assert ended.index("join") > max(ended.index("s3"), ended.index("s4"))
    assert ended.count("join") == 2


async def test_what_the_joining_waits_for_is_begun_first() -> None:
    ctx = content_context()
    await STEP.run(ctx)
    begun = [blocks(request)["section"]["id"] for request in ctx.services.asked("write_section")]

    assert set(begun[:2]) == {"s3", "s4"}
    assert set(begun[2:4]) == ENDS


async def test_with_the_models_out_of_reach_the_drafts_stay_and_that_is_told() -> None:
    ctx = content_context({"join_section": AI_OPEN})
    written = await sections(ctx)

    assert paragraphs(written["s6"]) == [ANSWER, BODY]
    assert ctx.degraded == [
        "introduction not joined: ai circuit breaker open",
        "conclusion not joined: ai circuit breaker open",
    ]


async def test_a_failed_joining_is_tried_again_and_the_sections_are_not() -> None:
    fails = True
    ctx = content_context({"join_section": lambda request: AI_FAILS if fails else joiner(request)})
    with pytest.raises(type(AI_FAILS)):
        await STEP.run(ctx)
    fails = False
    written = await sections(ctx)

    assert JOINT in written["s1"]
    assert len(ctx.services.asked("write_section")) == len(PLAN)


async def test_no_joining_is_begun_when_the_step_s_time_is_nearly_over() -> None:
    ctx = content_context()

    def late(request: ModelRequest) -> str:
        ctx.now += joining.BEGIN_WITHIN / len(PLAN) + 1
        return writer(request)

    ctx.services.replies["write_section"] = late
    written = await sections(ctx)

    assert ctx.services.asked("join_section") == []
    assert paragraphs(written["s6"]) == [ANSWER, BODY]
    assert STEP.timeout > joining.BEGIN_WITHIN + joining.WITHIN


async def test_an_end_that_holds_the_client_s_old_text_is_left_as_it_is() -> None:
    old = f"<p>{ANSWER}</p><h2>What a system costs</h2><p>{BODY}</p>"
    ctx = content_context(mode="refresh", existingContent=old)
    written = await sections(ctx)
    (asked,) = ctx.services.asked("join_section")

    assert blocks(asked)["section"]["kind"] == "conclusion"
    assert JOINT not in written["s1"]


@pytest.mark.parametrize(
    "answer",
    [
        JOINT,
        f"<p>{JOINT}</p><p>{JOINT}</p>",
        f"<h2>To sum up</h2><p>{JOINT}</p>",
        f"Here it is: <p>{JOINT}</p>",
        "<p>Too short to say anything.</p>",
        f"<p>{JOINT * 5}</p>",
        f"<p>{JOINT} [claim: 1]</p>",
        f'<p>{JOINT} <a href="https://x.example">More</a></p>',
    ],
)
def test_what_is_no_joining_paragraph_is_refused(answer: str) -> None:
    assert joining.problems(answer)
    assert joining.problems(f"<p>{JOINT}</p>") == []


@pytest.mark.parametrize(
    ("section", "html"),
    [
        (INTRODUCTION, "<h2>Why</h2><p>The only paragraph.</p>"),
        (INTRODUCTION, "<h2>Why</h2><p>One.</p><p>Two [[island:3]].</p>"),
        (CONCLUSION, "<h2>Conclusion</h2><p>A claim [[claim:1]].</p><p>Two.</p>"),
        (CONCLUSION, "<h2>Conclusion</h2><ul><li><p>In a list.</p></li></ul>"),
    ],
)
def test_a_paragraph_that_must_stay_stays(section: Any, html: str) -> None:
    draft = SectionHtml(id=section.id, html=html)
    assert joining.joined(section, draft, f"<p>{JOINT}</p>") == draft


def test_only_the_text_of_an_answer_reaches_the_article() -> None:
    draft = SectionHtml(id="s6", html=html_of(CONCLUSION))
    answer = f'<p class="x" onclick="go()">{JOINT} <b>Bold</b> &lt;i&gt;</p>'
    html = joining.joined(CONCLUSION, draft, answer).html

    assert f"<p>{JOINT} Bold &lt;i&gt;</p>" in html


async def test_an_end_has_landed_when_it_is_joined_and_not_before() -> None:
    draft: Json = {"text": html_of(INTRODUCTION), "model": "m", "notes": []}
    ctx = FakeContext(step="auto-fix")
    ctx.parts["generating-article", "section:s1"] = draft
    assert await landed(ctx, INTRODUCTION, blueprint()) is None

    ctx.parts["generating-article", "join:s1"] = {**draft, "text": f"<p>{JOINT}</p>"}
    part = await landed(ctx, INTRODUCTION, blueprint())
    assert part is not None
    assert paragraphs(part.html) == [ANSWER, JOINT]


# -- the sandbox's model -----------------------------------------------------------------


@pytest.mark.parametrize("keyword", ["AI in SEO", "composting at home", "knitting"])
def test_the_sandbox_joins_an_article_as_it_is_asked_to(keyword: str) -> None:
    article = sandbox.compose(keyword)
    body = [one for one in article.sections if one["kind"] == "body"]
    says = [joining.summary(one["heading"], article.html[one["id"]]) for one in body]
    for one in article.sections:
        if one["kind"] not in joining.KINDS:
            continue
        html = article.html[one["id"]]
        asked = {"heading": one["heading"], "kind": one["kind"], "html": html}
        answer = sandbox.ask(
            "join_section",
            request={"keyword": keyword, "year": sandbox.YEAR},
            section={**asked, "keywords": one["keywords"]},
            says=says,
        )
        text = sandbox.plain(answer)
        old = paragraphs(html)[0 if one["kind"] == "conclusion" else -1].lower()
        kept = [phrase for phrase in one["keywords"] if phrase.lower().rstrip("?") in old]

        assert joining.problems(answer) == []
        assert all(phrase.lower().rstrip("?") in text.lower() for phrase in kept)
        if one["kind"] == "conclusion":
            assert 40 <= len(text.split()) <= 60
            assert str(sandbox.YEAR) in text
