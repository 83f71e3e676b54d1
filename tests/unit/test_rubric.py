"""Each check of the rubric: the good article passes it, and a spoilt one fails it alone enough
to be told what to do."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from steps.models import Check
from steps.rubric import CHECKS, Article, score_article
from steps.rubric.rule import NOT_APPLICABLE, between, ramp
from tests.unit.rubric_helpers import (
    GOOD,
    URLS,
    check,
    edited,
    gap,
    good,
    page,
    reference,
    unlinked,
)

INTERNAL = "Internal Links"

NAMES = [
    "Word Count", "Primary Keyword Usage", "Keyword Density", "Key Takeaways Box", "FAQ Section",
    "Conclusion Section", "H2 Headings", "Data Tables", "Internal Links", "Freshness Signals",
    "Semantic Keyword Coverage", "AI Detection Phrases", "Average Sentence Length",
    "Paragraph Length", "References Section", "List Usage",
    "Keyphrase in Title", "Keyphrase in Slug", "Keyphrase in Meta Description",
    "Keyphrase in First Paragraph", "Keyphrase in Subheadings", "Title Length",
    "Meta Description Length", "Link Targets", "Gap Coverage",
    "Section Length", "Long Sentences", "Passive Voice", "Transition Words",
    "Consecutive Sentences", "Flesch Reading Ease", "Heading Hierarchy", "Direct Answers",
    "Repeated Phrases",
    "Reference Count", "Live References", "Reference Domains", "Claims Resolved",
    "Image Alt Text", "Structured Data",
]  # fmt: skip

ORIGINAL_PRIORITIES = {
    "Word Count": "high", "Primary Keyword Usage": "critical", "Keyword Density": "medium",
    "Key Takeaways Box": "critical", "FAQ Section": "high", "Conclusion Section": "high",
    "H2 Headings": "medium", "Data Tables": "medium", "Internal Links": "high",
    "Freshness Signals": "medium", "Semantic Keyword Coverage": "high",
    "AI Detection Phrases": "critical", "Average Sentence Length": "medium",
    "Paragraph Length": "low", "References Section": "high", "List Usage": "low",
}  # fmt: skip


def before_conclusion(more: str) -> Article:
    """The good article with something added to its last body section."""
    return edited(('<section class="faq">', f'{more}<section class="faq">'))


PLAIN = "<p>Water runs down the hill. The stone stays where it is. Nobody saw it move.</p>"
LONG = (
    "The man who came to the house saw that there was no one in it and went back the way "
    "he came to tell us all of it. "
)
PASSIVE = "<p>" + "The coil was cleaned. A part is sold. Filters are changed. " * 60 + "</p>"
HARD = "Organisational considerations necessitate comprehensive methodological implementation. "


@dataclass(frozen=True)
class Case:
    name: str
    spoil: Callable[[], Article]
    value: Any


CASES = [
    Case(
        "Word Count",
        lambda: edited(
            (GOOD[GOOD.index("<h2>How often") : GOOD.index('<section class="faq">')], "")
        ),
        None,
    ),
    Case("Primary Keyword Usage", lambda: good(keyword="vacuum pump upkeep"), 0),
    Case("Keyword Density", lambda: good(keyword="compressor"), None),
    Case(
        "Key Takeaways Box",
        lambda: edited(("Key Takeaways", "In short"), ("key-takeaways", "note")),
        0,
    ),
    Case(
        "FAQ Section",
        lambda: before_conclusion(
            '<section class="faq"><h2>More</h2><h3>Why?</h3><p>So.</p></section>'
        ),
        2,
    ),
    Case("Conclusion Section", lambda: edited(("Conclusion: start", "Now start")), 0),
    Case("H2 Headings", lambda: before_conclusion("<h2>One more</h2><p>Text.</p>"), 11),
    Case(
        "Data Tables",
        lambda: edited(
            ("<table>", "<div>"), ("</table>", "</div>"), ("<td>", "<b>"), ("</td>", "</b>")
        ),
        0,
    ),
    Case("Internal Links", lambda: unlinked(), 0),
    Case("Freshness Signals", lambda: good(year=2031), 0),
    Case(
        "Semantic Keyword Coverage",
        lambda: good(semantic_keywords=("heat pump maintenance", "tax credit", "gas boiler")),
        33.3,
    ),
    Case(
        "AI Detection Phrases",
        lambda: before_conclusion("<p>We delve into a rich tapestry.</p>"),
        2,
    ),
    Case(
        "Average Sentence Length",
        lambda: before_conclusion("<p>" + "Go on. Stop it. " * 150 + "</p>"),
        None,
    ),
    Case(
        "Paragraph Length",
        lambda: before_conclusion(
            PLAIN[:-4] + "Dogs bark at the gate every night of the week. " * 400 + "</p>"
        ),
        None,
    ),
    Case("References Section", lambda: edited(('class="references"', 'class="note"')), 0),
    Case("List Usage", lambda: edited(("<li>", "<p>"), ("</li>", "</p>")), 0),
    Case(
        "Keyphrase in Title",
        lambda: good(title="A Yearly Plan for Homeowners with Warm Houses Today"),
        "0 % of its words",
    ),
    Case("Keyphrase in Slug", lambda: good(slug="pump-plan"), "33 % of its words"),
    Case(
        "Keyphrase in Meta Description",
        lambda: good(meta_description="x" * 130),
        "0 % of its words",
    ),
    Case(
        "Keyphrase in First Paragraph",
        lambda: edited(("<p>Heat pump maintenance keeps", "<p>Care keeps")),
        None,
    ),
    Case("Keyphrase in Subheadings", lambda: edited(("heat pump", "machine")), 4.0),
    Case("Title Length", lambda: good(title="Heat pump maintenance"), 21),
    Case(
        "Meta Description Length", lambda: good(meta_description="Heat pump maintenance. " * 8), 184
    ),
    Case(
        "Link Targets", lambda: before_conclusion('<p><a href="https://made.up/x">study</a></p>'), 1
    ),
    Case(
        "Gap Coverage",
        lambda: good(gaps=(gap("tax credits explained"), gap("service contracts"))),
        50.0,
    ),
    Case("Section Length", lambda: before_conclusion(PLAIN * 25), None),
    Case("Long Sentences", lambda: before_conclusion("<p>" + LONG * 90 + "</p>"), None),
    Case("Passive Voice", lambda: before_conclusion(PASSIVE), None),
    Case("Transition Words", lambda: before_conclusion(PLAIN * 90), None),
    Case("Consecutive Sentences", lambda: before_conclusion("<p>We go. We stay. We sing.</p>"), 1),
    Case("Flesch Reading Ease", lambda: before_conclusion("<p>" + HARD * 120 + "</p>"), None),
    Case(
        "Heading Hierarchy", lambda: before_conclusion("<h2>More</h2><h4>Deep</h4><p>Text.</p>"), 1
    ),
    Case("Direct Answers", lambda: before_conclusion("<h2>Short</h2><p>Too short.</p>"), "8 of 9"),
    Case("Repeated Phrases", lambda: before_conclusion(PLAIN * 40), None),
    Case("Reference Count", lambda: good(references=tuple(map(reference, URLS[:2]))), 2),
    Case(
        "Live References",
        lambda: good(references=(reference(URLS[0]), reference(URLS[1], "unverified"))),
        "1 of 2",
    ),
    Case(
        "Reference Domains",
        lambda: good(references=tuple(reference(f"https://a.example.org/{n}") for n in range(6))),
        1,
    ),
    Case("Claims Resolved", lambda: before_conclusion("<p>Half of them do [[claim:3]].</p>"), 1),
    Case(
        "Image Alt Text",
        lambda: before_conclusion('<img src="a.png"><img src="b.png" alt="A coil">'),
        "1 of 2",
    ),
    Case(
        "Structured Data", lambda: good(json_ld={"@context": "https://schema.org", "@graph": []}), 1
    ),
]


def test_check_names_are_pinned() -> None:
    assert [rule.name for rule in CHECKS] == NAMES


def test_the_originals_priorities_are_pinned() -> None:
    assert {rule.name: rule.priority for rule in CHECKS[:16]} == ORIGINAL_PRIORITIES


def test_every_check_has_a_case() -> None:
    assert sorted(case.name for case in CASES) == sorted(NAMES)


def test_the_good_article_passes_every_check() -> None:
    failed = [check.name for check in score_article(good()).checks if not check.passed]

    assert not failed


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_spoilt_article_fails_the_check(case: Case) -> None:
    found: Check = check(score_article(case.spoil()), case.name)

    assert not found.passed
    assert found.score < 1.0
    assert found.advice.endswith((".", "%"))
    assert found.source
    assert found.expected
    if case.value is not None:
        assert found.value == case.value


@pytest.mark.parametrize(
    ("name", "article"),
    [
        ("Internal Links", lambda: good(pages=())),
        ("Internal Links", lambda: unlinked(pages=[page("rugs", "Washing Wool Rugs")])),
        ("Semantic Keyword Coverage", lambda: good(semantic_keywords=())),
        ("Gap Coverage", lambda: good(gaps=(gap("tax", "low"),))),
        ("Flesch Reading Ease", lambda: good(locale="de-DE")),
        ("Passive Voice", lambda: good(locale="de-DE")),
        ("Transition Words", lambda: good(locale="de-DE")),
        ("Image Alt Text", good),
    ],
)
def test_a_check_that_does_not_apply_passes_and_says_so(
    name: str, article: Callable[[], Article]
) -> None:
    found = check(score_article(article()), name)

    assert (found.passed, found.value, found.advice) == (True, NOT_APPLICABLE, "")


def test_a_slug_without_its_keyword_s_accents_names_it() -> None:
    spoken = good(keyword="crème brûlée & Söhne", slug="creme-brulee-and-soehne")
    assert check(score_article(spoken), "Keyphrase in Slug").passed


def test_internal_links_scale_to_the_pages_that_the_text_speaks_of() -> None:
    """Three links do where the text speaks of no fourth page, however many pages there are."""
    others = [page(f"p{n}", f"Washing Wool Rug Number {n}") for n in range(13)]
    fourth = [page("plaster", "Plaster Dust"), page("dust-2", "Black Film on Coils")]
    article = good(pages=[*good().pages, *others])
    more = good(pages=[*article.pages, *fourth])

    assert check(score_article(article), INTERNAL).passed
    assert check(score_article(more), INTERNAL).value == 3
    assert not check(score_article(more), INTERNAL).passed


def test_a_link_where_the_text_speaks_of_something_else_counts_against_the_article() -> None:
    link = '<a href="https://site.example/radiators">sea air</a>'
    found = check(score_article(edited(("Sea air is harder", f"{link} is harder"))), INTERNAL)

    assert found.value == "3 of 4 links belong"
    assert not found.passed
    assert found.score == 0.75
    assert found.advice == "Remove 1 links from paragraphs that do not speak of their page."


def test_a_link_of_the_client_s_old_text_is_right_wherever_it_stands() -> None:
    href = "https://site.example/radiators"
    pair = ("Sea air is harder", f'<a href="{href}">Sea air</a> is harder')
    found = check(score_article(edited(pair, own_urls=[href])), INTERNAL)

    assert (found.value, found.passed) == (4, True)


def test_a_marker_that_the_client_s_own_page_has_as_a_word_is_none_of_ours() -> None:
    own = "<code>[[claim:1]] and [[claim:2]]</code>"
    spoken = before_conclusion(f"<p>We write {own} for it.</p>").html

    assert check(score_article(good(html=spoken)), "Claims Resolved").value == 2
    assert check(score_article(good(html=spoken, own_markup=[own])), "Claims Resolved").passed
    both = good(html=spoken.replace("We write", "We write [[claim:1]]"), own_markup=[own, "<hr>"])
    assert check(score_article(both), "Claims Resolved").value == 1
    gone = good(html=edited(("</h1>", " [[claim:1]]</h1>")).html, own_markup=[own])
    assert check(score_article(gone), "Claims Resolved").value == 1  # that piece is not there


def test_the_keyword_itself_is_no_ai_phrase() -> None:
    article = before_conclusion("<p>A landscape needs light.</p>")

    assert not check(score_article(article), "AI Detection Phrases").passed

    named = before_conclusion("<p>Landscape lighting suits a landscape.</p>")
    spared = Article(**{**_fields(named), "keyword": "landscape lighting"})
    assert check(score_article(spared), "AI Detection Phrases").passed


@pytest.mark.parametrize(
    "more",
    [
        "<p>She called it a “rich tapestry” of tools.</p>",
        "<p>Run <code>unlock</code> first.</p>",
        "<p>The Landscape Institute agrees, and Landscape Partners do.</p>",
        '<blockquote class="leverage"><p>Leverage is all.</p></blockquote>',
        "<p>We go inland, scape goats follow.</p>",
    ],
)
def test_quotations_code_and_names_are_no_ai_phrases(more: str) -> None:
    assert check(score_article(before_conclusion(more)), "AI Detection Phrases").passed


def test_references_and_citations_are_not_counted_as_writing() -> None:
    text = good().text

    assert "U.S. Department of Energy, 2025" not in text
    assert "[1]" not in text
    assert "Heat Pump Maintenance: A Yearly Plan" in text


def test_a_box_counts_by_its_class_even_without_a_heading() -> None:
    article = before_conclusion('<div class="key-takeaways"><ul><li>Again</li></ul></div>')

    assert check(score_article(article), "Key Takeaways Box").value == 2


@pytest.mark.parametrize(
    ("value", "credit"), [(0, 0.0), (2, 0.5), (4, 1.0), (8, 1.0), (12, 0.5), (16, 0.0), (99, 0.0)]
)
def test_credit_falls_linearly_outside_a_range(value: float, credit: float) -> None:
    assert ramp(value, 4, 8) == credit


def test_a_range_includes_its_ends() -> None:
    assert between(4, 4, 8).passed
    assert between(8, 4, 8).passed
    assert not between(8.1, 4, 8, "less").passed


def _fields(article: Article) -> dict[str, Any]:
    return {name: getattr(article, name) for name in article.__dataclass_fields__}
