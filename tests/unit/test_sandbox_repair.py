"""The stand-in's repairs: each problem named is gone afterwards, the rest stays."""

from __future__ import annotations

import re

import pytest

from orchestrator.sandbox.writer.draft import count_words
from tests.sandbox_helpers import YEAR, ask, plain, sentences

SECTION = """<h2>Common Mistakes to Avoid</h2>
<p>Short answer. It is short.</p>
<p>First one thing. Second one thing. Third one thing. Fourth one thing. Fifth one thing. \
Sixth one thing. Seventh one thing [[claim:3]].</p>
<p>We leverage robust tools, and the plan that we wrote in the spring of last year holds up \
well under the weight of many small changes. [[island:2]]</p>
<p>A last word. And one more.</p>"""


def repair(*problems: str, html: str = SECTION) -> str:
    return str(
        ask(
            "repair_section",
            section={"heading": "Common Mistakes to Avoid", "html": html},
            problems=list(problems),
            request={"keyword": "AI in SEO", "year": YEAR},
        )
    )


@pytest.mark.parametrize(
    "problem",
    [
        "too short: 60 words, planned are 200",
        "the first paragraph under the <h2> has 5 words: make it answer the heading in 40-60 words",
        "Split 1 paragraphs of more than 5 sentences.",
        "Reword 2 phrases: leverage; robust.",
        "Split long sentences: 30 % have more than 20 words, 25 % may.",
        'Name "AI in SEO" 2 more times, in sections that lack it.',
        "Name the year 2026 2 more times, where figures are current.",
        "the comparison table is missing: add one <table> with <caption> and <thead>",
        "Turn enumerations into lists: 5 more items.",
        "Join more sentences to the last: 20 % do it, 30 % should.",
        "Set subheadings into 1 stretches; the longest has 320 words.",
        "2 keywords are missing; work in: page speed; a fair trial.",
        "Cut about 10 words from the longest sections.",
    ],
)
def test_every_marker_and_the_heading_survive_every_repair(problem: str) -> None:
    html = repair(problem)

    assert html != SECTION
    assert html.startswith("<h2>Common Mistakes to Avoid</h2>")
    assert re.findall(r"\[\[\w+:\d+\]\]", html) == ["[[claim:3]]", "[[island:2]]"]


def test_nothing_is_changed_without_a_known_problem() -> None:
    assert repair("Find 3 more sources.") == SECTION


def test_words_are_added_up_to_the_plan() -> None:
    html = repair("too short: 60 words, planned are 200")

    assert count_words(html) == pytest.approx(200, rel=0.15)


def test_words_are_added_inside_a_box() -> None:
    box = '<section class="faq">\n<h2>Questions</h2>\n<h3>Why?</h3><p>So. It is.</p>\n</section>'

    html = repair("too short: 6 words, planned are 100", html=box)

    assert html.rstrip().endswith("</section>")
    assert count_words(html) > 80


def test_the_first_paragraph_becomes_an_answer() -> None:
    html = repair("the first paragraph under the <h2> has 5 words: make it 40-60 words")

    first = re.search(r"<p>(.*?)</p>", html)
    assert first
    assert 40 <= count_words(first[1]) <= 60


def test_long_paragraphs_are_divided_evenly() -> None:
    html = repair("Split 1 paragraphs of more than 5 sentences.")

    assert max(len(sentences(p)) for p in re.findall(r"<p>.*?</p>", html, re.DOTALL)) <= 5
    assert sentences(html) == sentences(SECTION)


def test_stock_phrases_are_reworded_in_text_and_not_in_tags() -> None:
    html = repair("Reword 2 phrases.", html='<p class="robust">Robust plans leverage time.</p>')

    assert html == '<p class="robust">Strong plans use time.</p>'


def test_long_sentences_are_cut_in_two() -> None:
    html = repair("Split long sentences: 30 % have more than 20 words, 25 % may.")

    assert max(len(sentence.split()) for sentence in sentences(html)) <= 22
    assert "Also, the plan that we wrote" in html


def test_the_keyword_is_added_or_made_rarer() -> None:
    many = "<h2>AI in SEO</h2><p>AI in SEO works. Use AI in SEO well. AI in SEO grows.</p>"

    assert "AI in SEO" in repair('Name "AI in SEO" 2 more times, in sections that lack it.')
    fewer = repair('Say something else for "AI in SEO" in 2 places.', html=many)
    assert plain(fewer).count("AI in SEO") == 2


def test_missing_phrases_and_gaps_are_worked_in() -> None:
    html = repair(
        "2 keywords are missing; work in: page speed; a fair trial.",
        "Treat 1 open gaps: privacy and risk.",
    )

    assert all(text in html for text in ("page speed", "a fair trial", "privacy and risk"))


def test_a_list_a_table_and_a_subheading_are_set_where_they_lack() -> None:
    html = repair(
        "Turn enumerations into lists: 5 more items.",
        "the comparison table is missing: add one <table>",
        "Set subheadings into 1 stretches; the longest has 320 words.",
    )

    assert html.count("<li>") >= 4
    assert re.search(r"<table[^>]*><caption>.*</caption><thead>", html)
    assert "<h3>" in html


def test_too_few_takeaways_and_questions_are_filled_up() -> None:
    box = '<section class="key-takeaways"><h2>Key Takeaways</h2></section>'

    assert repair("fewer than 3 takeaways: write them as <ul><li>", html=box).count("<li>") >= 3
    faq = '<section class="faq"><h2>Questions</h2></section>'
    answered = repair("0 questions have an answer: give each an <h3> followed by a <p>", html=faq)
    assert len(re.findall(r"<h3>.*?</h3>\s*<p>", answered)) == 3


def test_a_section_that_is_too_long_loses_plain_paragraphs_only() -> None:
    html = repair("Cut about 10 words from the longest sections.")

    assert "A last word" not in html
    assert "Short answer" in html
