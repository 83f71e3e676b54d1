"""Step 5: every repair mends what it is for, touches nothing else and loses no marker."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestrator.errors import TransientError
from orchestrator.models import SubmitRequest
from orchestrator.services import ModelRequest
from steps.auto_fix import STEP
from steps.fixes import passes as fixes
from steps.fixes import section_checks
from steps.fixes.keyword import MAX_USES, balance_keyword
from steps.fixes.markdown import convert_markdown
from steps.fixes.paragraphs import merge_short, shape_answers, split_long
from steps.fixes.structure import (
    FixContext,
    drop_duplicates,
    drop_empty,
    drop_leftovers,
    heading_levels,
    one_h1,
)
from steps.fixes.wording import replace_phrases
from steps.html import dom, markers, parts
from steps.language import prose
from steps.language.phrases import AI_PHRASES
from steps.language.text import occurrences
from steps.models import AutofixOutput, ContentOutput, SectionHtml
from steps.rubric import article
from tests.unit.content_helpers import ANSWER, BODY, KEYWORD, PLAN, blueprint, html_of, section
from tests.unit.steps_helpers import AI_FAILS, AI_OPEN, FakeContext, blocks

CONTEXT = FixContext(KEYWORD, kinds={one.id: one.kind for one in PLAN})


def _fixed(one: fixes.Pass, html: str, context: FixContext = CONTEXT, id_: str = "s3") -> str:
    parts, _ = fixes.apply([SectionHtml(id=id_, html=html)], context, [one])
    return parts[0].html


# -- structure ---------------------------------------------------------------------------


def test_no_section_keeps_an_h1() -> None:
    assert _fixed(one_h1, "<h1>A</h1><p>x</p>") == "<h2>A</h2><p>x</p>"
    assert _fixed(one_h1, "<h2>A</h2><h1>B</h1>") == "<h2>A</h2><h3>B</h3>"


def test_heading_levels_do_not_jump() -> None:
    html = "<h2>A</h2><h4>B</h4><h6>C</h6><h3>D</h3>"
    assert _fixed(heading_levels, html) == "<h2>A</h2><h3>B</h3><h4>C</h4><h3>D</h3>"


def test_a_second_conclusion_goes_and_the_planned_one_stays() -> None:
    parts = [
        SectionHtml(id="s3", html="<h2>Costs</h2><p>a</p><h3>Conclusion</h3><p>again</p>"),
        SectionHtml(id="s6", html="<h2>Conclusion: the roof</h2><p>b</p>"),
    ]
    fixed, changes = fixes.apply(parts, CONTEXT, [drop_duplicates])
    assert [part.html for part in fixed] == ["<h2>Costs</h2><p>a</p>", parts[1].html]
    assert len(changes) == 1


def test_a_lone_conclusion_stays_wherever_it_is() -> None:
    html = "<h2>Costs</h2><p>a</p><h3>Conclusion</h3><p>b</p>"
    assert _fixed(drop_duplicates, html) == html


def test_what_carries_a_marker_survives_the_removal_of_its_part() -> None:
    parts = [
        SectionHtml(
            id="s3",
            html="<h2>Costs</h2><h3>FAQ</h3><p>gone</p><p>fact [[claim:1]].</p>"
            "<p>[[island:4]] x</p>",
        ),
        SectionHtml(id="s5", html="<h2>Frequently Asked Questions</h2><p>b</p>"),
    ]
    fixed, _ = fixes.apply(parts, CONTEXT, [drop_duplicates])
    assert fixed[0].html == "<h2>Costs</h2><p>fact [[claim:1]].</p><p>[[island:4]]</p>"


def test_empty_elements_go_with_what_only_held_them() -> None:
    html = (
        "<h2>A</h2><p> </p><ul><li></li></ul><p><strong></strong></p><p>x<br>y</p>"
        "<table><tr><td></td><td>1</td></tr></table>"
    )
    assert _fixed(drop_empty, html) == (
        "<h2>A</h2><p>x<br>y</p><table><tr><td></td><td>1</td></tr></table>"
    )


def test_a_paragraph_with_only_a_marker_is_not_empty() -> None:
    assert _fixed(drop_empty, "<p>[[island:1]]</p>") == "<p>[[island:1]]</p>"


def test_a_sentence_in_which_the_model_speaks_goes() -> None:
    html = "<p>First fact. As an AI, I cannot know. Last <b>fact</b>.</p><p>I hope this helps!</p>"
    assert _fixed(drop_leftovers, html) == "<p>First fact. Last <b>fact</b>.</p><p></p>"


def test_a_subject_s_own_words_are_no_leftovers() -> None:
    html = "<p>A large language model predicts the next word.</p>"
    assert _fixed(drop_leftovers, html) == html


# -- markdown ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("<p>a **b c** d</p>", "<p>a <strong>b c</strong> d</p>"),
        ("<p>a *b* and `c()`.</p>", "<p>a <em>b</em> and <code>c()</code>.</p>"),
        ("<p>## Head</p><p>x</p>", "<h3>Head</h3><p>x</p>"),
        ("<p>- a\n- b</p>", "<ul><li>a</li><li>b</li></ul>"),
        ("<p>- a</p><p>- b</p><p>c</p>", "<ul><li>a</li><li>b</li></ul><p>c</p>"),
        ("<p>1. a<br>2. <b>b</b> c</p>", "<ol><li>a</li><li><b>b</b> c</li></ol>"),
        ("<p>see [the law](https://x.example/a) now</p>", "<p>see the law now</p>"),
        ("<p>a</p><p>---</p><p>b</p>", "<p>a</p><p>b</p>"),
    ],
)
def test_markdown_becomes_what_it_stands_for(before: str, after: str) -> None:
    assert _fixed(convert_markdown, before) == after


@pytest.mark.parametrize(
    "html",
    [
        "<p>2 * 3 * 4 and a_b_c</p>",
        "<pre><code>**x** # y</code></pre>",
        "<p>- a single dash line</p>",
        "<p>[[claim:1]] and [[island:2]] stay</p>",
        "<p>Pick #1 of 3.</p>",
    ],
)
def test_what_only_looks_like_markdown_stays(html: str) -> None:
    assert _fixed(convert_markdown, html) == html


# -- wording -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("Delve into it.", "Explore it."),
        ("We DELVE INTO it.", "We EXPLORE it."),
        ("You leverage a robust plan.", "You use a strong plan."),
        ("It is a fast-paced, holistic view.", "It is a fast, comprehensive view."),
        ("A cutting-edge tool.", "An advanced tool."),
        ("It’s worth noting that it works.", "Note that it works."),
        ("Needless to say, it works.", "It works."),
        (
            "Put it first, because readers look no further.",
            "Put it first, because readers look no further.",
        ),
        ("Put it in the first line, because readers look no further.", "Put it in the first line."),
        ("It is a game-changer.", "It is a major change."),
    ],
)
def test_a_telling_phrase_becomes_a_plain_one(before: str, after: str) -> None:
    assert _fixed(replace_phrases, f"<p>{before}</p>") == f"<p>{after}</p>"


@pytest.mark.parametrize(
    "html",
    [
        "<p>She said “a robust holistic realm” and left.</p>",
        "<p>Er sagte „a robust holistic realm“ und ging.</p>",
        "<blockquote><p>We leverage this.</p></blockquote>",
        "<p>Call <code>leverage()</code> now.</p>",
        '<p>Read <a href="https://x.example/leverage">leverage it</a>.</p>',
        "<p>The firm Robust Intelligence tests it.</p>",
        "<p>They met Holistic there.</p>",
        '<p class="leverage">x</p>',
    ],
)
def test_quotations_code_links_names_and_attributes_stay(html: str) -> None:
    assert _fixed(replace_phrases, html) == html


def test_the_keyword_s_own_words_are_no_telling_phrase() -> None:
    html = "<p>Good landscape lighting helps the landscape.</p>"
    assert _fixed(replace_phrases, html, FixContext("landscape lighting")) == html


def test_the_specified_phrases_have_their_specified_replacements() -> None:
    specified = {
        "delve into": "explore", "tapestry": "collection", "landscape": "environment",
        "realm": "area", "it's worth noting": "note that", "in conclusion": "to sum up",
        "leverage": "use", "robust": "strong", "holistic": "comprehensive", "paradigm": "model",
    }  # fmt: skip
    assert {phrase: AI_PHRASES[phrase] for phrase in specified} == specified
    assert {"unlock", "game-changer", "revolutionize", "cutting-edge"} <= set(AI_PHRASES)


def test_every_phrase_of_the_list_is_found_in_a_sentence() -> None:
    for phrase in AI_PHRASES:
        html = f"<p>Here are six plain words first, {phrase} and so on. One more.</p>"
        assert phrase not in _fixed(replace_phrases, html), phrase


# -- the keyword -------------------------------------------------------------------------


def _uses(html: str) -> int:
    return occurrences(dom.text(dom.parse(html)), KEYWORD)


def test_surplus_uses_of_the_keyword_are_reworded() -> None:
    first = f"<h2>A</h2><p>{BODY}</p>"
    html = first + f"<p>Good solar panels last. {BODY * 3} Buyers of solar panels save.</p>" * 20
    fixed = _fixed(balance_keyword, html)
    assert _uses(fixed) == MAX_USES
    assert len(dom.text(dom.parse(fixed)).split()) >= len(dom.text(dom.parse(html)).split()) - 60


def test_a_pronoun_stands_only_where_its_noun_stood_before_it() -> None:
    html = f"<h2>A</h2><p>{BODY}</p>" + (
        f"<p>Buy solar panels. Solar panels are safe. {BODY} People talk about solar panels.</p>"
        * 9
    )
    fixed = _fixed(balance_keyword, html)
    assert "They are safe." in fixed
    assert "about them." in fixed
    assert "Buy them" not in fixed


def test_headings_links_quotations_and_the_first_paragraph_keep_the_keyword() -> None:
    kept = (
        f"<h2>Solar panels</h2><p>Solar panels first. {BODY}</p>"
        '<p>Read <a href="https://x.example">solar panels</a> and “solar panels”.</p>'
    )
    fixed = _fixed(balance_keyword, kept + f"<p>The solar panels work. {BODY}</p>" * 20)
    assert fixed.startswith(kept)


def test_a_rare_keyword_is_written_out_where_its_short_form_stands_alone() -> None:
    html = f"<h2>A</h2><p>{BODY}</p>" + f"<p>The panels are on the roof. {BODY * 2}</p>" * 8
    assert _uses(_fixed(balance_keyword, html)) >= 5


def test_a_density_within_its_range_is_left_alone() -> None:
    html = f"<h2>A</h2><p>{BODY}</p>" + f"<p>The solar panels work. {BODY * 3}</p>" * 8
    assert _fixed(balance_keyword, html) == html


def test_a_keyword_with_a_sign_in_it_is_neither_doubled_nor_cut_at_the_sign() -> None:
    context = FixContext("repair & care plans")
    first, use = f"<h2>A</h2><p>{BODY}</p>", "People ask about repair &amp; care plans."
    few = _fixed(balance_keyword, first + f"<p>{use} {BODY * 9}</p>" * 4, context)
    assert few.count("repair &amp; care plans") == few.count("repair") == 4
    many = _fixed(balance_keyword, first + f"<p>{use} {BODY * 3}</p>" * 20, context)
    assert many.count("repair &amp; care plans") == MAX_USES
    assert many.count("ask about care plans.") == 20 - MAX_USES


# -- paragraphs --------------------------------------------------------------------------


def _sentences(number: int) -> str:
    return " ".join(f"This is sentence number {n} of them." for n in range(number))


@pytest.mark.parametrize("number", [6, 7, 8, 11, 20])
def test_a_long_paragraph_is_split_between_sentences(number: int) -> None:
    html = _fixed(split_long, f"<h2>A</h2><p>{_sentences(number)}</p>")
    counts = [prose.count(dom.text(node)) for node in dom.elements(dom.parse(html), "p")]
    assert sum(counts) == number
    assert 1 < min(counts) <= max(counts) <= 5


def test_a_split_keeps_inline_elements_classes_and_markers_with_their_sentence() -> None:
    told = "It fell [[claim:1]]. <em>Then</em> it rose."
    html = f'<p class="note">{_sentences(3)} {told} {_sentences(3)}</p>'
    fixed = _fixed(split_long, html)
    assert fixed.count('<p class="note">') == 2
    assert 'It fell [[claim:1]].</p><p class="note"><em>Then</em> it rose.' in fixed
    assert dom.text(dom.parse(fixed)).split() == dom.text(dom.parse(html)).split()


def test_five_sentences_are_not_too_many() -> None:
    html = f"<p>{_sentences(5)}</p>"
    assert _fixed(split_long, html) == html


def test_an_answer_too_long_or_too_short_takes_or_gives_whole_sentences() -> None:
    long = f"<h2>A</h2><p>{ANSWER} {BODY}</p><p>{BODY}</p>"
    first, second = ANSWER.split(". ", 1)
    short = f"<h2>A</h2><p>{first}.</p><p>{second} {BODY}</p>"
    for html in (long, short):
        paragraphs = dom.elements(dom.parse(_fixed(shape_answers, html)), "p")
        assert 40 <= prose.word_count(dom.text(paragraphs[0])) <= 60
        assert "".join(map(dom.text, paragraphs)).replace(" ", "") == dom.text(
            dom.parse(html)
        ).removeprefix("A\n").replace("\n", "").replace(" ", "")


def test_short_paragraphs_of_one_sentence_are_joined() -> None:
    html = f"<h2>A</h2><p>{ANSWER}</p><p>One short line.</p><p>Another one.</p>"
    assert "<p>One short line. Another one.</p>" in _fixed(merge_short, html)


@pytest.mark.parametrize(
    "tail",
    [
        "<p>These count:</p><ul><li>x</li></ul>",
        '<p class="note">Short.</p><p>Line.</p>',
        "<p>[[island:1]]</p><p>Line.</p>",
        "<p>Short.</p><h3>B</h3><p>Line.</p>",
    ],
)
def test_what_stands_by_itself_is_not_joined(tail: str) -> None:
    html = f"<h2>A</h2><p>{ANSWER}</p>{tail}"
    assert _fixed(merge_short, html) == html


# -- the promise over all passes ---------------------------------------------------------

_BITS = st.sampled_from([
    "<p>", "</p>", "<h1>T</h1>", "<h2>FAQ</h2>", "<h3>Conclusion</h3>", "<h2>Key Takeaways</h2>",
    "<ul><li>", "</li></ul>", "<strong>", "</strong>", "**b** ", "- a\n- b", "# H",
    "Delve into it. ",
    "As an AI I hope this helps. ", "Solar panels are robust. ", "Short. ", _sentences(7), ANSWER,
    "<table><tr><td>", "</td></tr></table>", "<blockquote>", "</blockquote>", "<br>", "“quoted” ",
])  # fmt: skip


@settings(deadline=None, derandomize=True)
@given(st.lists(st.tuples(_BITS, st.booleans()), max_size=25), st.integers(0, 3))
def test_every_marker_survives_every_pass(bits: list[tuple[str, bool]], seed: int) -> None:
    written = "".join(
        bit + (f"[[{('claim', 'island')[(n + seed) % 2]}:{n}]]. " if marked else "")
        for n, (bit, marked) in enumerate(bits)
    )
    html = dom.serialise(dom.parse(written))
    parts = [
        SectionHtml(id="s3", html=html),
        SectionHtml(id="s6", html="<h2>Conclusion</h2><p>x</p>"),
    ]
    fixed, _ = fixes.apply(parts, CONTEXT)
    there = "".join(part.html for part in fixed)
    assert Counter(markers.MARKER.findall(there)) == Counter(markers.MARKER.findall(html))


@settings(deadline=None, derandomize=True)
@given(st.lists(_BITS, max_size=15))
def test_what_is_repaired_needs_no_repair_of_structure(bits: list[str]) -> None:
    html = dom.serialise(dom.parse("<h2>A</h2>" + "".join(bits)))
    once, _ = fixes.apply([SectionHtml(id="s3", html=html)], CONTEXT)
    structure = [one_h1, heading_levels, drop_duplicates, drop_leftovers, replace_phrases]
    twice, changes = fixes.apply(once, CONTEXT, structure)
    assert (twice, changes) == (once, [])


# -- the step ----------------------------------------------------------------------------


def _context(replies: dict[str, Any] | None = None, broken: str = "", **more: Any) -> FakeContext:
    content = ContentOutput(
        title=blueprint().title,
        sections=[
            SectionHtml(id=one.id, html=broken if one.id == "s3" and broken else html_of(one, [1]))
            for one in PLAN
        ],
        model="m",
        islands={"1": "<figure>f</figure>"},
    )
    outputs = {
        "article-blueprint": blueprint().model_dump(mode="json", by_alias=True),
        "generating-article": content.model_dump(mode="json", by_alias=True),
    }
    return FakeContext(replies=replies, outputs=outputs, step="auto-fix", **more)


async def _run(ctx: FakeContext) -> AutofixOutput:
    return AutofixOutput.model_validate(await STEP.run(ctx))


BROKEN = "<h2>What a system costs</h2><p>It costs money [[claim:1]].</p><p>[[island:1]]</p>"


def _mends(request: ModelRequest) -> str:
    return html_of(PLAN[2], [1])


async def test_a_good_article_is_not_sent_to_a_model() -> None:
    ctx = _context()
    output = await _run(ctx)
    assert ctx.services.calls == []
    assert [part.id for part in output.sections] == [one.id for one in PLAN]


async def test_a_section_that_fails_its_checks_is_repaired_once_with_its_problems_named() -> None:
    ctx = _context({"repair_section": _mends}, BROKEN)
    output = await _run(ctx)
    (asked,) = ctx.services.asked("repair_section")
    assert any("table" in problem for problem in blocks(asked)["problems"])
    assert any("too short" in problem for problem in blocks(asked)["problems"])
    html = output.sections[2].html
    assert "<table>" in html
    assert markers.islands(html) == ["1"]  # the model forgot it: put back
    assert markers.claims(html) == [1]
    assert any(change.startswith("rewrote What a system costs") for change in output.changes)


async def test_a_replay_asks_nobody_and_gives_the_same() -> None:
    ctx = _context({"repair_section": _mends}, BROKEN)
    first = await STEP.run(ctx)
    assert await STEP.run(ctx.replay()) == first


@pytest.mark.parametrize(
    "answer",
    [
        BROKEN + f"<p>{BODY}</p>",  # not better: still no table, no answer, hardly longer
        html_of(PLAN[2]),  # better, but it lost the claim's marker
        "<p>sorry</p>",
    ],
)
async def test_a_repair_that_is_no_better_is_not_taken(answer: str) -> None:
    output = await _run(_context({"repair_section": answer}, BROKEN))
    assert not any(change.startswith("rewrote") for change in output.changes)
    assert "It costs money [[claim:1]]." in output.sections[2].html


async def test_without_a_model_the_section_stays_and_the_step_says_so() -> None:
    ctx = _context({"repair_section": AI_OPEN}, BROKEN)
    output = await _run(ctx)
    assert "[[island:1]]" in output.sections[2].html
    assert "section left as it was: What a system costs" in ctx.degraded[0]


async def test_a_failure_that_may_pass_is_tried_again_while_tries_are_left() -> None:
    with pytest.raises(TransientError):
        await _run(_context({"repair_section": AI_FAILS}, BROKEN))
    last = _context({"repair_section": AI_FAILS}, BROKEN, final_attempt=True)
    await _run(last)
    assert last.degraded


def _landed(ctx: FakeContext, section_id: str, text: str) -> None:
    ctx.parts["generating-article", f"section:{section_id}"] = {"text": text, "model": "m"}


async def test_a_section_that_landed_with_a_fault_is_repaired_before_the_article_is_whole() -> None:
    whole = asyncio.Event()

    class Waiting(FakeContext):
        async def output(self, step: str) -> Any:
            if step == "generating-article":
                await whole.wait()
            return await super().output(step)

    def mends(request: ModelRequest) -> str:
        whole.set()  # else step 4 would never end, and neither would this test
        return _mends(request)

    settled = _context({}, BROKEN)
    ctx = Waiting(replies={"repair_section": mends}, outputs=settled.outputs, step="auto-fix")
    _landed(ctx, "s3", BROKEN)
    output = await asyncio.wait_for(_run(ctx), 5)

    assert len(ctx.services.asked("repair_section")) == 1  # the whole article's repair found it
    assert "<table>" in output.sections[2].html
    assert await _run(ctx.replay()) == output


async def test_a_failure_ahead_of_the_whole_article_is_no_failure_yet() -> None:
    answers = iter([AI_FAILS, _mends])

    def once(request: ModelRequest) -> Any:
        answer = next(answers)
        return answer(request) if callable(answer) else answer

    ctx = _context({"repair_section": once}, BROKEN)
    _landed(ctx, "s3", BROKEN)
    output = await _run(ctx)

    assert "<table>" in output.sections[2].html
    assert ctx.degraded == []


async def test_a_model_that_hangs_on_the_last_attempt_costs_the_repair_and_not_the_step(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("steps.auto_fix.WITHIN", 0.01)

    async def hangs(request: ModelRequest) -> str:
        await asyncio.Event().wait()
        raise AssertionError("it waits for ever")

    ctx = _context({"repair_section": hangs}, BROKEN, final_attempt=True)
    _landed(ctx, "s3", BROKEN)
    output = await asyncio.wait_for(_run(ctx), 5)

    assert "It costs money [[claim:1]]." in output.sections[2].html
    assert ctx.degraded == ["section left as it was: What a system costs: no answer in time"]


async def test_an_answer_had_ahead_serves_the_last_attempt_too() -> None:
    ctx = _context({"repair_section": _mends}, BROKEN)
    _landed(ctx, "s3", BROKEN)
    await _run(ctx)
    last = _context({"repair_section": AI_FAILS}, BROKEN, final_attempt=True)
    last.memos.update(ctx.memos)
    _landed(last, "s3", BROKEN)

    assert "<table>" in (await _run(last)).sections[2].html
    assert last.degraded == []


async def test_what_is_sent_ahead_is_not_worked_on_as_if_it_were_the_whole_article() -> None:
    use = f"<p>Good solar panels last. {BODY}</p>"
    text = f"<h2>What a system costs</h2><p>It costs money.</p>{use * 20}<h3>FAQ</h3><p>Why?</p>"
    ctx = _context({"repair_section": _mends})
    _landed(ctx, "s3", text)
    await _run(ctx)

    (asked,) = ctx.services.asked("repair_section")
    assert occurrences(blocks(asked)["section"]["html"], KEYWORD) == 20
    assert "FAQ" in blocks(asked)["section"]["html"]


async def test_a_repair_ahead_that_is_not_wanted_degrades_nothing() -> None:
    def lower(request: ModelRequest) -> Any:
        return _mends(request) if request.fallback else AI_OPEN

    unwanted = _context({"repair_section": lower})
    _landed(unwanted, "s3", BROKEN)
    await _run(unwanted)
    assert unwanted.services.asked("repair_section")
    assert unwanted.degraded == []

    wanted = _context({"repair_section": lower}, BROKEN)
    _landed(wanted, "s3", BROKEN)
    await _run(wanted)
    assert wanted.degraded == ["lower-cost model: ai circuit breaker open"]


async def test_a_call_ahead_and_one_for_the_whole_have_keys_of_their_own() -> None:
    answers = iter([AI_FAILS, html_of(PLAN[2], [1])])
    ctx = _context({"repair_section": lambda _: next(answers)}, BROKEN)
    _landed(ctx, "s3", f"{BROKEN}<p>Said otherwise.</p>")
    await _run(ctx)

    first, second = ctx.services.asked("repair_section")
    assert first.prompt != second.prompt
    assert first.idempotency_key != second.idempotency_key


async def test_sections_of_an_old_page_are_repaired_when_all_are_there() -> None:
    request = SubmitRequest(keyword=KEYWORD, mode="refresh", existing_content="<p>old</p>")
    ctx = _context({"repair_section": _mends}, request=request)
    _landed(ctx, "s3", BROKEN)  # without its islands, which only the whole output has
    await _run(ctx)

    assert ctx.services.calls == []


@pytest.mark.parametrize("one", PLAN, ids=[one.id for one in PLAN])
def test_a_good_section_has_no_problems(one: Any) -> None:
    assert section_checks.problems(html_of(one), one, blueprint().questions) == []


@pytest.mark.parametrize(
    ("html", "kind", "problem"),
    [
        ("<h2>A</h2>", "body", "too short"),
        (f"<h2>A</h2><p>{BODY}</p>", "body", "first paragraph"),
        (f"<h2>A</h2><ul><li>{ANSWER}</li></ul>", "body", "first paragraph"),
        ("<h2>A</h2><h3>Q?</h3><p>a</p>", "faq", "questions have an answer"),
        ("<h2>A</h2><ul><li>a</li></ul>", "takeaways", "takeaways"),
    ],
)
def test_a_missing_part_is_named(html: str, kind: str, problem: str) -> None:
    assert any(problem in one for one in section_checks.problems(html, section(1, "A", kind)))


def test_the_rubric_knows_the_parts_by_the_same_headings() -> None:
    """Else a part could be counted twice that no repair ever takes out."""
    for name in ("CONCLUSION", "FAQ", "TAKEAWAYS"):
        assert getattr(parts, name).pattern == getattr(article, name).pattern
