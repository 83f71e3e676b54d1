from __future__ import annotations

import re

import pytest

from steps.rubric import CHECKS, score_article
from steps.rubric.rule import NOT_APPLICABLE
from tests.unit.rubric_helpers import bad, check, edited, good, score, unlinked


def test_the_good_article_scores_90_or_more_and_passes() -> None:
    report = score_article(good())

    assert report.score >= 90
    assert report.passed
    assert report.summary.startswith("Passed: ")


def test_the_bad_article_scores_under_40_and_does_not_pass() -> None:
    report = score_article(bad())

    assert report.score < 40
    assert not report.passed
    assert "critical failures: Primary Keyword Usage" in report.summary


def test_one_critical_failure_fails_whatever_the_score() -> None:
    report = score_article(edited(("</h1>", " [[claim:1]]</h1>")))

    assert report.score > 90
    assert not report.passed


def test_the_score_is_the_weighted_mean_of_what_applies() -> None:
    report = score_article(bad())
    counted = [c for c in report.checks if c.value != NOT_APPLICABLE]

    mean = sum(c.weight * c.score for c in counted) / sum(c.weight for c in counted)

    assert report.score == pytest.approx(100 * mean, abs=0.06)


def test_a_check_that_does_not_apply_does_not_count() -> None:
    with_pages, without = unlinked(), unlinked(pages=())

    assert score(without) > score(with_pages)


def test_weights_follow_the_priority() -> None:
    weights = {check.priority: check.weight for check in score_article(good()).checks}

    assert weights == {"critical": 4, "high": 3, "medium": 2, "low": 1}


def test_recommendations_are_sorted_by_the_points_they_win() -> None:
    lines = score_article(bad()).recommendations
    points = [float(match[1]) for line in lines if (match := re.search(r"\(\+([\d.]+)\)", line))]

    assert len(points) == len(lines) == 35
    assert points == sorted(points, reverse=True)


def test_every_advice_of_a_failed_check_holds_a_number_or_a_name() -> None:
    for failed in (c for c in score_article(bad()).checks if not c.passed):
        assert re.search(r'\d|"|one|Add|Find', failed.advice), failed.name


def test_passed_checks_give_no_advice() -> None:
    assert not [c.name for c in score_article(good()).checks if c.advice]


def test_findings_name_sections_of_the_article() -> None:
    article = bad()
    numbers = {section.number for section in article.sections}

    for rule in CHECKS:
        assert set(rule.measure(article).sections) <= numbers, rule.name


def test_the_same_article_gets_the_same_report() -> None:
    assert score_article(bad()) == score_article(bad())


def test_an_empty_article_is_judged_too() -> None:
    report = score_article(good(html=""))

    assert not report.passed
    assert check(report, "Word Count").value == 0
