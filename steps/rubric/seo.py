"""Added checks: where the keyphrase stands, how long title and description are, the links.

Thresholds are those of the public guidelines named in each rule's ``source``.
"""

from __future__ import annotations

from steps.language.lexical import slugged
from steps.language.text import occurrences
from steps.language.topics import covered, stems
from steps.rubric.article import Article
from steps.rubric.rule import Finding, at_least, at_most, between, holds, not_applicable, rule
from steps.rubric.topics import open_gaps
from steps.sources.authority import plain_url

YOAST = "Yoast SEO analysis"
SERP_WIDTH = "Google Search Central: title links; usual width of a result's title (600 px)"
YOAST_META = "Yoast SEO analysis: meta description length 120-156"

TITLE = (50, 60)  #: characters
META = (120, 156)  #: characters
SUBHEADINGS = (30, 75)  #: percent
GAPS_SHARE = 80  #: percent of the high-priority gaps


@rule(
    "Keyphrase in Title",
    "high",
    "seo",
    expected="in the title",
    source=f"{YOAST}: keyphrase in SEO title",
)
def in_title(article: Article) -> Finding:
    """Whether the title names the keyphrase; half credit for most of its words."""
    return _named(article, article.title, "title")


@rule("Keyphrase in Slug", "low", "seo", expected="in the slug", source=f"{YOAST}: slug")
def in_slug(article: Article) -> Finding:
    """Whether the slug holds the keyphrase's words, endings, accents and function words aside."""
    slug = stems(slugged(article.slug), article.locale)
    share = covered(stems(slugged(article.keyword), article.locale) or _keyphrase(article), slug)
    value = f"{round(100 * share)} % of its words"
    advice = f'Put the words of "{article.keyword}" into the slug: it holds {value}.'
    return Finding(value, share, share == 1.0, "" if share == 1.0 else advice)


@rule(
    "Keyphrase in Meta Description",
    "medium",
    "seo",
    expected="in the meta description",
    source=f"{YOAST}: keyphrase in meta description",
)
def in_meta(article: Article) -> Finding:
    """Whether the description names the keyphrase; half credit for most of its words."""
    return _named(article, article.meta_description, "meta description")


@rule(
    "Keyphrase in First Paragraph",
    "medium",
    "seo",
    expected="in the first paragraph",
    source=f"{YOAST}: keyphrase in introduction",
)
def in_introduction(article: Article) -> Finding:
    """Whether the first paragraph names the keyphrase; half credit for most of its words."""
    first = next((block for block in article.blocks if block.is_paragraph), None)
    finding = _named(article, first.text if first else "", "first paragraph")
    if finding.passed or first is None:
        return finding
    return Finding(finding.value, finding.credit, False, finding.advice, (first.section,))


def _keyphrase(article: Article) -> frozenset[str]:
    return stems(article.keyword, article.locale) or frozenset({article.keyword.casefold()})


def _named(article: Article, text: str, where: str) -> Finding:
    if occurrences(text, article.keyword):
        return holds(True, "named", "")
    most = covered(_keyphrase(article), stems(text, article.locale))
    value = f"{round(100 * most)} % of its words"
    advice = f'Name "{article.keyword}" in the {where}: it holds {value}.'
    return Finding(value, most / 2, False, advice)


@rule(
    "Keyphrase in Subheadings",
    "low",
    "seo",
    expected="in 30-75 % of h2 and h3",
    source=f"{YOAST}: keyphrase in subheadings",
)
def in_subheadings(article: Article) -> Finding:
    """The share of h2 and h3 with the keyphrase or more than half of its words in them."""
    subheadings = [block for block in article.headings if block.level in {2, 3}]
    wanted = _keyphrase(article)
    reflecting = sum(covered(wanted, stems(b.text, article.locale)) > 0.5 for b in subheadings)
    if not subheadings:
        return Finding(0.0, 0.0, False, "Add subheadings; three in ten name the keyphrase.")
    share, (low, high) = round(100 * reflecting / len(subheadings), 1), SUBHEADINGS
    goal = low if share < low else high
    verb = "Name" if share < low else "Do not name"
    number = abs(round(goal * len(subheadings) / 100) - reflecting) or 1
    advice = f"{verb} the keyphrase in {number} more of {len(subheadings)} subheadings."
    return between(share, low, high, advice, zero_above=100)


@rule("Title Length", "medium", "seo", expected="50-60 characters", source=SERP_WIDTH)
def title_length(article: Article) -> Finding:
    """Characters of the title."""
    return _length(len(article.title), TITLE, "title")


@rule("Meta Description Length", "medium", "seo", expected="120-156 characters", source=YOAST_META)
def meta_length(article: Article) -> Finding:
    """Characters of the meta description."""
    return _length(len(article.meta_description), META, "meta description")


def _length(count: int, limits: tuple[int, int], what: str) -> Finding:
    low, high = limits
    add = f"Lengthen the {what} by {low - count} characters or more."
    cut = f"Shorten the {what} by {count - high} characters or more."
    return between(count, low, high, add if count < low else cut)


@rule(
    "Link Targets",
    "critical",
    "links",
    expected="0 links outside the pages, references and old links given",
    source="own rule: a model may not introduce an address",
)
def link_targets(article: Article) -> Finding:
    """Links that lead to none of the client's pages, references or earlier links."""
    pages = [str(page.url) for page in article.pages]
    given = [*pages, *article.own_urls, *(item.url for item in article.references)]
    allowed = {plain_url(url) for url in given}
    strange = [
        link
        for link in article.links
        if not link.startswith("#") and link not in given and plain_url(link) not in allowed
    ]
    advice = f"Remove {len(strange)} links to addresses nobody gave: {'; '.join(strange[:3])}."
    return at_most(len(strange), 0, advice, zero_above=3)


@rule(
    "Gap Coverage",
    "high",
    "content",
    expected="at least 80 % of the high-priority gaps",
    source="own rule: the gap analysis is there to be used; Google Search Central: helpful content",
)
def gap_coverage(article: Article) -> Finding:
    """The share of the high-priority gaps that some section treats."""
    urgent = [gap for gap in article.gaps if gap.priority == "high"]
    if not urgent:
        return not_applicable()
    missing = open_gaps(article, urgent)
    share = round(100 * (1 - len(missing) / len(urgent)), 1)
    named = "; ".join(gap.topic for gap in missing[:3])
    bodies = [section.number for section in article.of_kind("body")]
    return at_least(share, GAPS_SHARE, f"Treat {len(missing)} open gaps: {named}.", bodies)


CHECKS = (
    in_title,
    in_slug,
    in_meta,
    in_introduction,
    in_subheadings,
    title_length,
    meta_length,
    link_targets,
    gap_coverage,
)
