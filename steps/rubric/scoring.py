"""The rubric applied: every check, the weighted mean, what to mend first."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from steps.models import QualityReport
from steps.rubric import original, reading, seo, trust
from steps.rubric.article import Article
from steps.rubric.rule import WEIGHTS, Finding, Rule

CHECKS: tuple[Rule, ...] = (*original.CHECKS, *seo.CHECKS, *reading.CHECKS, *trust.CHECKS)
"""Every check in the order of the report; their names are wire data for ever."""

PASS_SCORE = 75.0
"""The least score of an article that passes, 0-100 (PIPELINE, the rubric)."""


@dataclass(frozen=True, slots=True)
class Assessment:
    """An article's findings, rule by rule, and the report made of them."""

    findings: tuple[tuple[Rule, Finding], ...]
    report: QualityReport

    @property
    def failing(self) -> list[tuple[Rule, Finding]]:
        """The failed checks, the most points lost first."""
        return sorted((pair for pair in self.findings if not pair[1].passed), key=_lost)


def assess(article: Article) -> Assessment:
    """Apply every check to the article."""
    findings = tuple((rule, rule.measure(article)) for rule in CHECKS)
    return Assessment(findings, _report(findings))


def score_article(article: Article) -> QualityReport:
    """The report on an article: its score is the mean of the checks' credits, weighted by their
    priority (critical 4, high 3, medium 2, low 1); checks that do not apply do not count."""
    return assess(article).report


def _report(findings: Sequence[tuple[Rule, Finding]]) -> QualityReport:
    counted = [(rule, finding) for rule, finding in findings if finding.applies]
    total = sum(WEIGHTS[rule.priority] for rule, _ in counted)
    earned = sum(WEIGHTS[rule.priority] * finding.credit for rule, finding in counted)
    score = round(100 * earned / total, 1)
    critical = [rule.name for rule, f in counted if not f.passed and rule.priority == "critical"]
    passed = not critical and score >= PASS_SCORE
    return QualityReport(
        passed=passed,
        score=score,
        checks=[rule.check(finding) for rule, finding in findings],
        summary=_summary(score, passed, critical, counted),
        recommendations=_recommendations(counted, total),
    )


def _summary(
    score: float, passed: bool, critical: Sequence[str], counted: Sequence[tuple[Rule, Finding]]
) -> str:
    good = sum(finding.passed for _, finding in counted)
    verdict = "Passed" if passed else "Not passed"
    failures = f"critical failures: {', '.join(critical)}" if critical else "no critical failure"
    return f"{verdict}: {score:g} of 100, {good} of {len(counted)} checks hold, {failures}."


def _recommendations(counted: Sequence[tuple[Rule, Finding]], total: int) -> list[str]:
    """Advice by points lost, each with the points it would win back."""
    failed = sorted((pair for pair in counted if not pair[1].passed), key=_lost)
    return [
        f"{rule.name} (+{-100 * _lost((rule, finding)) / total:.1f}): {finding.advice}"
        for rule, finding in failed
    ]


def _lost(pair: tuple[Rule, Finding]) -> float:
    """The weighted credit lost, negative, so that the worst sorts first."""
    rule, finding = pair
    return -WEIGHTS[rule.priority] * (1 - finding.credit)
