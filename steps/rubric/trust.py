"""Added checks: sources, claims, pictures' texts, structured data."""

from __future__ import annotations

from steps.html import dom, markers
from steps.quality import jsonld
from steps.rubric.article import Article
from steps.rubric.rule import Finding, at_least, at_most, not_applicable, rule
from steps.sources import authority

EEAT = "Google Search Central: creating helpful, reliable content (sources, trust)"

REFERENCES, DOMAINS = 5, 4


@rule("Reference Count", "high", "content", expected="at least 5", source=EEAT)
def reference_count(article: Article) -> Finding:
    """The references of the article."""
    count = len(article.references)
    return at_least(count, REFERENCES, f"Find {REFERENCES - count} more sources.")


@rule("Live References", "high", "content", expected="all", source=EEAT)
def live_references(article: Article) -> Finding:
    """The references that we fetched and found as described."""
    live = sum(reference.status == "valid" for reference in article.references)
    total = len(article.references)
    value = f"{live} of {total}"
    advice = f"Replace {total - live} unverified sources." if total else "Find live sources."
    passed = total > 0 and live == total
    return Finding(value, live / total if total else 0.0, passed, "" if passed else advice)


@rule("Reference Domains", "medium", "content", expected="at least 4", source=EEAT)
def reference_domains(article: Article) -> Finding:
    """The different domains among the references."""
    count = len({authority.domain(reference.url) for reference in article.references})
    return at_least(count, DOMAINS, f"Use sources of {DOMAINS - count} more domains.")


@rule(
    "Claims Resolved",
    "critical",
    "content",
    expected="0 markers left",
    source="own rule: a claim is cited, softened or removed",
)
def claims_resolved(article: Article) -> Finding:
    """Claim and island markers that a reader would see, but for those that the client's own page
    has as words: a page may be about them."""
    own = (piece for piece in article.own_markup if piece in article.html)
    count = _markers(article.html) - sum(map(_markers, own))
    return at_most(count, 0, f"Resolve {count} markers left in the text.", zero_above=3)


def _markers(text: str) -> int:
    return len(markers.MARKER.findall(text))


@rule(
    "Image Alt Text",
    "high",
    "structure",
    expected="on every image",
    source="WCAG 2.2, success criterion 1.1.1: non-text content",
)
def image_alt_text(article: Article) -> Finding:
    """Images without an alt attribute; an empty one marks decoration and is allowed."""
    images = dom.elements(article.root, "img")
    if not images:
        return not_applicable()
    bare = sum(image.get("alt") is None for image in images)
    value = f"{len(images) - bare} of {len(images)}"
    advice = f"Describe {bare} images in their alt attribute." if bare else ""
    return Finding(value, 1 - bare / len(images), not bare, advice)


@rule(
    "Structured Data",
    "medium",
    "seo",
    expected="valid Article and FAQPage",
    source="schema.org; Google Search Central: structured data features",
)
def structured_data(article: Article) -> Finding:
    """What is wrong with the JSON-LD that goes with the article."""
    problems = jsonld.problems(article.json_ld)
    advice = f"Mend {len(problems)} faults of the JSON-LD: {'; '.join(problems[:3])}."
    return at_most(len(problems), 0, advice, zero_above=4)


CHECKS = (
    reference_count,
    live_references,
    reference_domains,
    claims_resolved,
    image_alt_text,
    structured_data,
)
