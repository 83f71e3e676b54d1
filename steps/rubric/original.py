"""The sixteen checks of the original service: names, thresholds and priorities as they were."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable

from steps.html import dom
from steps.language.text import density, occurrences, sentences, words
from steps.rubric.article import Article, Kind, Section
from steps.rubric.links import links_of
from steps.rubric.rule import Finding, at_least, at_most, between, holds, not_applicable, rule
from steps.rubric.topics import missing_phrases
from steps.rubric.voice import ai_phrases

ORIGINAL = "rubric of the original service"

WORDS = (2500, 3500)
USES = (5, 12)
DENSITY = (0.5, 2.5)  #: percent
H2 = (4, 10)
LINKS = (8, 20)
SENTENCE_WORDS = (12, 20)
PARAGRAPH_SENTENCES = (2, 5)
MOST_NAMED = 5  #: how many things an advice names


@rule("Word Count", "high", "content", expected="2500-3500 words", source=ORIGINAL)
def word_count(article: Article) -> Finding:
    """The words of everything written; the list of references is not counted."""
    count, (low, high) = len(article.words), WORDS
    add = f"Add about {low - count} words to the shortest sections."
    cut = f"Cut about {count - high} words from the longest sections."
    parts = article.of_kind("body", "conclusion")
    return between(
        count, low, high, add if count < low else cut, sections=_by_length(parts, count > high)
    )


def _by_length(sections: Iterable[Section], longest_first: bool) -> list[int]:
    sized = [(len(words(section.text)), section.number) for section in sections]
    return [number for _, number in sorted(sized, reverse=longest_first)]


@rule("Primary Keyword Usage", "critical", "seo", expected="5-12 times", source=ORIGINAL)
def keyword_usage(article: Article) -> Finding:
    """How often the keyword stands in the text, headings included."""
    count, (low, high) = occurrences(article.text, article.keyword), USES
    add = f'Name "{article.keyword}" {low - count} more times, in sections that lack it.'
    cut = f'Say something else for "{article.keyword}" in {count - high} places.'
    return between(
        count,
        low,
        high,
        add if count < low else cut,
        sections=_by_uses(article, most_first=count > high),
    )


def _by_uses(article: Article, *, most_first: bool) -> list[int]:
    parts = article.of_kind("body", "conclusion")
    used = [(occurrences(part.text, article.keyword), part.number) for part in parts]
    if most_first:
        return [number for uses, number in sorted(used, reverse=True) if uses > 1]
    return [number for uses, number in used if not uses] or [number for _, number in sorted(used)]


@rule("Keyword Density", "medium", "seo", expected="0.5-2.5 %", source=ORIGINAL)
def keyword_density(article: Article) -> Finding:
    """The share of words that belong to the keyword, to one decimal as the threshold is."""
    share, (low, high) = round(density(article.text, article.keyword), 1), DENSITY
    add = f"Raise the keyword's share from {share} % to {low} %: name it a few times more."
    cut = f"Lower the keyword's share from {share} % to {high} %: use other words for it."
    return between(
        share,
        low,
        high,
        add if share < low else cut,
        sections=_by_uses(article, most_first=share > high),
    )


@rule("Key Takeaways Box", "critical", "structure", expected="exactly 1", source=ORIGINAL)
def takeaways_box(article: Article) -> Finding:
    """Boxes with the class ``key-takeaways`` and sections headed so."""
    return _exactly_one(article, "takeaways", "key takeaways box")


@rule("FAQ Section", "high", "structure", expected="exactly 1", source=ORIGINAL)
def faq_section(article: Article) -> Finding:
    """Sections with the class ``faq`` and sections headed so."""
    return _exactly_one(article, "faq", "FAQ section")


@rule("Conclusion Section", "high", "structure", expected="exactly 1", source=ORIGINAL)
def conclusion_section(article: Article) -> Finding:
    """Sections whose heading says that they conclude."""
    return _exactly_one(article, "conclusion", "conclusion")


def _exactly_one(article: Article, kind: Kind, what: str) -> Finding:
    found = article.of_kind(kind)
    count = len(found) + article.boxes_without_heading(kind)
    return between(
        count,
        1,
        1,
        f"Remove {count - 1} of {count}: keep one {what}." if count else f"Add one {what}.",
        sections=[section.number for section in found[1:]],
        zero_above=3,
    )


@rule("H2 Headings", "medium", "structure", expected="4-10", source=ORIGINAL)
def h2_headings(article: Article) -> Finding:
    """The h2 headings; the heading of the references is not counted."""
    count, (low, high) = sum(block.level == 2 for block in article.headings), H2
    add = f"Divide the text further: {low - count} more h2 headings."
    cut = f"Join sections: {count - high} h2 headings fewer."
    return between(count, low, high, add if count < low else cut)


@rule("Data Tables", "medium", "content", expected="at least 1", source=ORIGINAL)
def data_tables(article: Article) -> Finding:
    """Tables with a data cell in them."""
    tables = [table for table in dom.elements(article.root, "table") if dom.elements(table, "td")]
    longest = _by_length(article.of_kind("body"), longest_first=True)
    return at_least(len(tables), 1, "Add a table that compares the options in figures.", longest)


@rule(
    "Internal Links",
    "high",
    "links",
    expected="8-20, fewer when the text speaks of fewer pages; none that does not belong",
    source=ORIGINAL,
)
def internal_links(article: Article) -> Finding:
    """Links to the client's pages. A text that speaks of fewer than eight of them needs a link to
    each of these only; a link in a paragraph that does not speak of its page counts against."""
    found = links_of(article)
    if not found.right and not found.wrong and not found.possible:
        return not_applicable()
    count, (low, high) = found.right, LINKS
    low = min(low, found.possible)
    add = f"Add {low - count} links to existing pages."
    ranged = between(count, low, high, add if count < low else f"Remove {count - high} links.")
    if not found.wrong:
        return ranged
    stray = f"Remove {len(found.wrong)} links from paragraphs that do not speak of their page."
    share = count / (count + len(found.wrong))
    told = f"{count} of {count + len(found.wrong)} links belong"
    return Finding(told, ranged.credit * share, False, f"{stray} {ranged.advice}".rstrip())


@rule("Freshness Signals", "medium", "content", expected="current year twice", source=ORIGINAL)
def freshness(article: Article) -> Finding:
    """How often the current year is named."""
    count = occurrences(article.text, str(article.year))
    advice = f"Name the year {article.year} {2 - count} more times, where figures are current."
    return at_least(count, 2, advice, [s.number for s in article.of_kind("body")])


@rule("Semantic Keyword Coverage", "high", "seo", expected="at least 70 %", source=ORIGINAL)
def semantic_coverage(article: Article) -> Finding:
    """The share of the semantic keywords that the text holds, as they are or reworded."""
    if not article.semantic_keywords:
        return not_applicable()
    missing = missing_phrases(article)
    share = round(100 * (1 - len(missing) / len(article.semantic_keywords)), 1)
    advice = f"{len(missing)} keywords are missing; work in: {'; '.join(missing[:MOST_NAMED])}."
    return at_least(share, 70, advice, _by_length(article.of_kind("body"), longest_first=False))


@rule("AI Detection Phrases", "critical", "content", expected="0", source=ORIGINAL)
def ai_detection(article: Article) -> Finding:
    """Phrases that mark a text as machine-made (:data:`steps.language.phrases.AI_PHRASES`)."""
    found = ai_phrases(article)
    named = "; ".join(sorted({phrase for _, phrase in found})[:MOST_NAMED])
    where = Counter(number for number, _ in found)
    return at_most(
        len(found),
        0,
        f"Reword {len(found)} phrases: {named}.",
        [number for number, _ in where.most_common()],
        zero_above=6,
    )


@rule("Average Sentence Length", "medium", "readability", expected="12-20 words", source=ORIGINAL)
def sentence_length(article: Article) -> Finding:
    """Words a sentence, over the prose."""
    average, (low, high) = round(_average(article.sentences, _size), 1), SENTENCE_WORDS
    add = f"Join short sentences: {average} words on average, {low} at least."
    cut = f"Split long sentences: {average} words on average, {high} at most."
    return between(
        average,
        low,
        high,
        add if average < low else cut,
        sections=_by_average(article, average > high),
    )


def _size(sentence: str) -> int:
    return len(words(sentence))


def _average(items: Iterable[str], measure: Callable[[str], int]) -> float:
    sizes = [measure(item) for item in items]
    return sum(sizes) / len(sizes) if sizes else 0.0


def _by_average(article: Article, longest_first: bool) -> list[int]:
    parts = article.of_kind("body", "faq", "conclusion")
    sized = [(_average(part.sentences, _size), part.number) for part in parts if part.sentences]
    return [number for _, number in sorted(sized, reverse=longest_first)]


@rule("Paragraph Length", "low", "readability", expected="2-5 sentences", source=ORIGINAL)
def paragraph_length(article: Article) -> Finding:
    """Sentences a paragraph, on average."""
    paragraphs = [block for block in article.blocks if block.is_paragraph]
    average = round(_average([block.text for block in paragraphs], _count), 1)
    low, high = PARAGRAPH_SENTENCES
    long = [block.section for block in paragraphs if _count(block.text) > high]
    add = f"Join paragraphs: {average} sentences on average, {low} at least."
    cut = f"Split {len(long)} paragraphs of more than {high} sentences."
    return between(average, low, high, add if average < low else cut, sections=_often_first(long))


def _count(text: str) -> int:
    return len(sentences(text))


def _often_first(numbers: Iterable[int]) -> list[int]:
    return [number for number, _ in Counter(numbers).most_common()]


@rule("References Section", "high", "content", expected="present", source=ORIGINAL)
def references_section(article: Article) -> Finding:
    """A section with the class ``references`` that lists something."""
    boxes = [s for s in dom.elements(article.root, "section") if dom.has_class(s, "references")]
    listed = sum(len(dom.elements(box, "li")) for box in boxes)
    return holds(listed > 0, listed, "Add a references section that lists the sources used.")


@rule("List Usage", "low", "structure", expected="at least 10 items", source=ORIGINAL)
def list_usage(article: Article) -> Finding:
    """List items outside the references."""
    listed = {
        id(item)
        for item in dom.elements(article.root, "li")
        if not any(dom.has_class(box, "references") for box in item.iterancestors())
    }
    advice = f"Turn enumerations into lists: {10 - len(listed)} more items."
    return at_least(len(listed), 10, advice, _by_length(article.of_kind("body"), True))


CHECKS = (
    word_count,
    keyword_usage,
    keyword_density,
    takeaways_box,
    faq_section,
    conclusion_section,
    h2_headings,
    data_tables,
    internal_links,
    freshness,
    semantic_coverage,
    ai_detection,
    sentence_length,
    paragraph_length,
    references_section,
    list_usage,
)
"""In the order of the original's report."""
