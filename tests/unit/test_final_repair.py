from __future__ import annotations

import pytest

from steps.models import InternalLink
from steps.quality import final_repair
from steps.quality.final_repair import Repair, accepted, by_rule, plan, replaced, still_there
from steps.rubric import assess
from tests.unit.rubric_helpers import bad, edited, good

BODY = (
    "<h1>T</h1>\n<h2>One</h2>\n<p>First text of one.</p>\n"
    '<section class="faq"><h2>Two</h2><h3>Q?</h3><p>A.</p></section>\n'
    '<h2>Three</h2><p>Last [[island:1]] and <a class="citation" href="https://w3.org/x">[1]</a>.</p>'
)
LONG = "a section that is long enough to be taken for one, with more than twenty words in it, " * 2


def repair(html: str, heading: str = "One") -> Repair:
    return Repair(1, heading, html, ("too short",))


def test_by_rule_mends_wording_links_and_markers() -> None:
    html = (
        '<h2>A</h2><p>We delve into it [[claim:2]]. See <a href="https://made.up/">this</a> and '
        '<a href="https://site.example/a/">that</a>, or <a href="#x">there</a>.</p><p> </p>'
    )

    mended = by_rule(html, "heat pumps", {"https://site.example/a"})

    assert mended == (
        '<h2>A</h2><p>We explore it. See this and <a href="https://site.example/a/">that</a>, '
        'or <a href="#x">there</a>.</p>'
    )


def test_by_rule_keeps_islands() -> None:
    assert "[[island:3]]" in by_rule("<h2>A</h2><p>[[island:3]]</p>", "heat pumps", ())


def test_the_plan_names_the_sections_of_the_failing_checks() -> None:
    article = edited(('<section class="faq">', '<h2>Thin</h2><p>No.</p><section class="faq">'))
    headings = [section.heading for section in article.sections]
    repairs = plan(article.html, assess(article), headings)

    assert repairs[0].heading == "Thin"
    assert repairs[0].html == "<h2>Thin</h2><p>No.</p>"
    assert any(problem.startswith("Direct Answers: ") for problem in repairs[0].problems)


def test_every_section_that_fails_a_critical_check_is_repaired_if_four_do() -> None:
    starts = ("Some homes wear", "Start with the power", "Ask for the sheet", "The sum is simple")
    stock = "It is a <em>game</em> changer. "
    article = edited(*((start, stock + start) for start in starts))
    spoilt = [one.heading for one in article.sections if "game changer" in one.text]
    headings = [section.heading for section in article.sections]
    repairs = plan(article.html, assess(article), headings)

    assert len(spoilt) == 4
    assert {one.heading for one in repairs} == set(spoilt)
    assert all(any("game changer" in told for told in one.problems) for one in repairs)


def test_the_plan_is_bounded() -> None:
    article = bad()
    headings = [section.heading for section in article.sections]
    repairs = plan(article.html, assess(article), headings)

    assert 1 <= len(repairs) <= final_repair.MAX_REPAIRS
    assert all(len(one.problems) <= final_repair.MAX_PROBLEMS for one in repairs)


def test_a_passing_article_needs_no_repair() -> None:
    assert not final_repair.needed(assess(good()))
    assert final_repair.needed(assess(bad()))


def test_better_means_fewer_critical_failures_before_score() -> None:
    critical = assess(edited(("</h1>", " [[claim:1]]</h1>")))
    low = assess(good(title="x", meta_description="y", slug="z"))

    assert critical.report.score > low.report.score
    assert final_repair.better(low, critical)
    assert not final_repair.better(low, low)


def test_an_acceptable_answer_keeps_the_heading() -> None:
    answer = f"<h2>Renamed <em>a bit</em></h2><p>New: {LONG}</p>"

    html = accepted(repair("<h2>One</h2><p>Old.</p>"), answer)

    assert html == f"<h2>One</h2><p>New: {LONG}</p>"


@pytest.mark.parametrize(
    ("old", "answer"),
    [
        ("<p>Old.</p>", "no markup"),
        ("<p>Old.</p>", f"<p>{LONG}</p>"),
        ("<p>Old.</p>", f"<h2>A</h2><p>{LONG}</p><h2>B</h2><p>x</p>"),
        ("<p>Old.</p>", f"<h1>A</h1><h2>B</h2><p>{LONG}</p>"),
        ("<p>[[island:1]]</p>", f"<h2>A</h2><p>{LONG}</p>"),
        ("<p>[[island:1]]</p>", f"<h2>A</h2><p>{LONG}[[island:1]] [[island:1]]</p>"),
        (
            '<p>x <a class="citation" href="https://w3.org/x">[1]</a></p>',
            f"<h2>A</h2><p>{LONG}</p>",
        ),
    ],
)
def test_an_answer_that_loses_something_is_refused(old: str, answer: str) -> None:
    assert accepted(repair(f"<h2>One</h2>{old}"), answer) is None


def test_invented_links_scripts_and_markers_go() -> None:
    answer = (
        f'<h2>One</h2><p onclick="x()">{LONG}<a href="https://made.up/">there</a> [[claim:7]]</p>'
        "<script>alert(1)</script>"
    )
    html = accepted(repair("<h2>One</h2><p>Old.</p>"), answer) or ""

    assert "there" in html
    for gone in ("made.up", "script", "onclick", "claim"):
        assert gone not in html


def test_the_box_of_a_section_stays() -> None:
    old = '<section class="faq"><h2>Two</h2><h3>Q?</h3><p>A.</p></section>'
    answer = f"<h2>Two</h2><h3>Q?</h3><p>{LONG}</p>"
    html = accepted(repair(old, "Two"), answer) or ""

    assert html.startswith('<section class="faq"><h2>Two</h2><h3>Q?</h3><p>a section')
    assert html.endswith("</section>")


def test_replacing_touches_only_the_repaired_sections() -> None:
    new = "<h2>One</h2><p>Second text.</p>"

    html = replaced(BODY, [(repair("", "One"), new)])

    assert html.replace("\n", "") == BODY.replace("First text of one", "Second text").replace(
        "\n", ""
    )


def test_internal_links_are_kept_true() -> None:
    def link(anchor: str, url: str) -> InternalLink:
        return InternalLink(
            anchor_text=anchor, target_slug="s", context="c", placement="body", url=url
        )

    html = (
        '<p><a href="https://site.example/a">two words</a> <a href="https://x.example/">b</a></p>'
    )
    links = [
        link("two words", "https://site.example/a/"),
        link("two words", "https://site.example/a/"),
        link("gone", "https://site.example/a/"),
    ]

    assert still_there(links, html) == links[:1]
