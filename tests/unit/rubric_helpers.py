"""A good and a bad article for the rubric's tests, and ways to spoil the good one."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

from orchestrator.models import ExistingPage
from steps.models import Gap, QualityReport, Reference
from steps.quality import jsonld
from steps.rubric import Article, score_article

DATA = Path(__file__).resolve().parents[1] / "data"
GOOD = (DATA / "good_article.html").read_text()
BAD = (DATA / "bad_article.html").read_text()

TITLE = "Heat Pump Maintenance: A Yearly Plan for Homeowners"
META = (
    "Heat pump maintenance in four short jobs a year: what to clean yourself, what the "
    "engineer must measure and what both will save you."
)
NOW = 1_780_000_000.0  # 2026-05-28

PAGES = {
    "heat-pump-costs": "Heat Pump Running Costs",
    "flow-temperature": "Setting the Flow Temperature",
    "filters": "How to Choose Filters for a Heat Pump",
    "radiators": "Bleeding Radiators",
    "insulation": "Loft Insulation Materials",
}
KEYWORDS = (
    "heat pump maintenance",
    "outdoor coil",
    "indoor filter",
    "refrigerant leak",
    "flow temperature",
    "yearly engineer visit",
    "condensate drain",
    "superheat and subcooling",
    "how often to clean a filter",
    "service contract",
)
URLS = (
    "https://www.energy.gov/heat-pumps",
    "https://www.iea.org/reports/heat-pumps",
    "https://www.nature.com/articles/hp1",
    "https://www.ethz.ch/hp",
    "https://www.gov.uk/hp",
)


def page(slug: str, title: str) -> ExistingPage:
    url = f"https://site.example/{slug}"
    return ExistingPage.model_validate({"title": title, "slug": slug, "url": url})


def gap(topic: str, priority: str = "high", number: int = 1) -> Gap:
    return Gap(
        id=f"g{number}", type="missing-topic", topic=topic, opportunity="say it", priority=priority
    )


def reference(url: str, status: str = "valid") -> Reference:
    return Reference(title=url, url=url, source="source", year=2025, status=status)


def structured(html: str) -> dict[str, Any]:
    facts = jsonld.Facts(TITLE, META, KEYWORDS, "en-US", NOW, URLS)
    return jsonld.build(html, facts, 2600)


def good(**changes: Any) -> Article:
    """The good article with some of its facts changed."""
    article = Article(
        html=GOOD,
        keyword="heat pump maintenance",
        title=TITLE,
        slug="heat-pump-maintenance",
        meta_description=META,
        year=2026,
        semantic_keywords=KEYWORDS,
        gaps=(gap("readings worth keeping"), gap("service contracts"), gap("sea air", "low")),
        pages=[page(slug, title) for slug, title in PAGES.items()],
        references=tuple(map(reference, URLS)),
        json_ld=structured(GOOD),
    )
    return replace(article, **changes)


def edited(*pairs: tuple[str, str], **changes: Any) -> Article:
    """The good article with pieces of its HTML replaced; each must be there."""
    html = GOOD
    for old, new in pairs:
        assert old in html, f"the good article lacks {old!r}"
        html = html.replace(old, new)
    return good(html=html, **changes)


def unlinked(**changes: Any) -> Article:
    """The good article with the words of its internal links, but without the links."""
    html = re.sub(r'<a href="https://site\.example/[^"]*">(.*?)</a>', r"\1", GOOD)
    assert html != GOOD
    return good(html=html, **changes)


def bad() -> Article:
    return Article(
        html=BAD,
        keyword="blue widgets",
        title="Unlock",
        slug="post-1",
        meta_description="Widgets.",
        year=2026,
        semantic_keywords=("widget repair", "widget price", "buy widgets online"),
        gaps=(gap("warranty terms"),),
        pages=[page("a", "Widget Warranty Terms")],
    )


def check(report: QualityReport, name: str) -> Any:
    return next(item for item in report.checks if item.name == name)


def score(article: Article) -> float:
    return score_article(article).score
