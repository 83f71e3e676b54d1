"""Added checks: how the text reads. Those that know English only do not apply elsewhere."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from itertools import pairwise

from steps.language import readability
from steps.language.text import repeated_share, runs, sentences, words
from steps.rubric.article import Article, Block, Section
from steps.rubric.rule import (
    Finding,
    Rule,
    at_least,
    at_most,
    not_applicable,
    ramp,
    rule,
)

YOAST = "Yoast SEO readability analysis"

STRETCH = 300  #: words without a subheading
LONG_SHARE, PASSIVE_SHARE, TRANSITION_SHARE = 25, 10, 30  #: percent of sentences
EASE = 50
ANSWER = (40, 60)  #: words
REPEATED = 1.0  #: percent


@rule(
    "Section Length",
    "medium",
    "readability",
    expected="at most 300 words without a subheading",
    source=f"{YOAST}: subheading distribution",
)
def section_length(article: Article) -> Finding:
    """The longest stretch of prose between two headings, in words."""
    stretches = _stretches(article.blocks)
    longest = max((count for count, _ in stretches), default=0)
    over = [section for count, section in sorted(stretches, reverse=True) if count > STRETCH]
    advice = f"Set subheadings into {len(over)} stretches; the longest has {longest} words."
    return at_most(longest, STRETCH, advice, _once(over), zero_above=2 * STRETCH)


def _stretches(blocks: Iterable[Block]) -> list[tuple[int, int]]:
    """``(words, section)`` of each run of paragraphs and lists between two headings."""
    found: list[tuple[int, int]] = [(0, 0)]
    for block in blocks:
        if block.level:
            found.append((0, block.section))
        elif block.is_paragraph or block.in_list:
            found[-1] = (found[-1][0] + len(words(block.text)), block.section)
    return found


def _once(numbers: Iterable[int]) -> list[int]:
    return list(dict.fromkeys(numbers))


@rule(
    "Long Sentences",
    "medium",
    "readability",
    expected="at most 25 % over 20 words",
    source=f"{YOAST}: sentence length",
)
def long_sentences(article: Article) -> Finding:
    """The share of sentences of more than 20 words."""
    share = _share(article, readability.is_long)
    advice = f"Split long sentences: {share} % have more than 20 words, {LONG_SHARE} % may."
    worst = _ranked(article, readability.is_long)
    return at_most(share, LONG_SHARE, advice, worst, zero_above=75)


@rule(
    "Passive Voice",
    "medium",
    "readability",
    expected="at most 10 % of sentences",
    source=f"{YOAST}: passive voice",
)
def passive_voice(article: Article) -> Finding:
    """The share of sentences with a passive in them."""
    share = _share(article, readability.is_passive)
    advice = f"Say who does it: {share} % of sentences are passive, {PASSIVE_SHARE} % may be."
    worst = _ranked(article, readability.is_passive)
    return at_most(share, PASSIVE_SHARE, advice, worst, zero_above=40)


@rule(
    "Transition Words",
    "medium",
    "readability",
    expected="at least 30 % of sentences",
    source=f"{YOAST}: transition words",
)
def transition_words(article: Article) -> Finding:
    """The share of sentences with a transition word in them."""
    share = _share(article, readability.has_transition)
    advice = f"Join more sentences to the last: {share} % do it, {TRANSITION_SHARE} % should."
    worst = _ranked(article, lambda one: not readability.has_transition(one))
    return at_least(share, TRANSITION_SHARE, advice, worst)


def _share(article: Article, holds: Callable[[str], bool]) -> float:
    return round(readability.share(article.sentences, holds), 1)


def _ranked(article: Article, bad: Callable[[str], bool]) -> list[int]:
    """The numbers of the sections with a bad sentence, the most of them first."""
    counts = Counter({part.number: sum(map(bad, part.sentences)) for part in article.written})
    return [number for number, count in counts.most_common() if count]


@rule(
    "Consecutive Sentences",
    "low",
    "readability",
    expected="no three in a row that begin alike",
    source=f"{YOAST}: consecutive sentences",
)
def consecutive_sentences(article: Article) -> Finding:
    """Runs of three or more sentences of running text that begin with the same word."""
    found = {part.number: _alike(part) for part in article.written}
    count = sum(found.values())
    advice = f"Vary the beginnings in {count} places where three sentences begin alike."
    worst = [number for number, runs_of in Counter(found).most_common() if runs_of]
    return at_most(count, 0, advice, worst, zero_above=5)


def _alike(section: Section) -> int:
    """Over paragraphs that follow each other; headings and lists begin anew."""
    count, sentences_in_a_row = 0, list[str]()
    for block in (*section.blocks, None):
        if block is not None and block.is_paragraph:
            sentences_in_a_row += sentences(block.text)
            continue
        count += len(readability.alike_runs(sentences_in_a_row))
        sentences_in_a_row = []
    return count


@rule(
    "Flesch Reading Ease",
    "medium",
    "readability",
    expected="at least 50",
    source="R. Flesch, A New Readability Yardstick (1948): 50-60 is fairly difficult",
)
def reading_ease(article: Article) -> Finding:
    """Flesch's measure over the prose."""
    ease = round(readability.flesch(article.sentences), 1)
    advice = f"Use shorter words and sentences: reading ease is {ease}, {EASE} is the least."
    scores = {p.number: readability.flesch(p.sentences) for p in article.written if p.sentences}
    return at_least(ease, EASE, advice, sorted(scores, key=lambda number: scores[number]))


@rule(
    "Heading Hierarchy",
    "high",
    "structure",
    expected="no level left out, one h1",
    source="WCAG 2.2, technique G141: organizing a page using headings",
)
def heading_hierarchy(article: Article) -> Finding:
    """Headings more than one level below the one before, and h1 missing or repeated."""
    levels = [(0, 0), *((block.level, block.section) for block in article.headings)]
    jumps = [section for (before, _), (level, section) in pairwise(levels) if level > before + 1]
    ones = abs(sum(level == 1 for level, _ in levels) - 1)
    count = len(jumps) + ones
    advice = f"Mend {len(jumps)} jumps between heading levels; keep one h1 ({ones} off)."
    return at_most(count, 0, advice, _once(jumps), zero_above=5)


@rule(
    "Direct Answers",
    "medium",
    "seo",
    expected="40-60 words in the first paragraph of each section",
    source="Semrush featured snippets study: most paragraph snippets have 40-60 words",
)
def direct_answers(article: Article) -> Finding:
    """The share of sections whose first paragraph answers the heading at snippet length."""
    parts = article.of_kind("body", "conclusion")
    credits = {part.number: ramp(_answer(part), *ANSWER) for part in parts}
    good = sum(credit == 1.0 for credit in credits.values())
    if not parts:
        return Finding("0 of 0", 0.0, False, "Divide the text into sections with h2 headings.")
    advice = f"Make the first paragraph 40-60 words long in {len(parts) - good} sections."
    worst = sorted((n for n in credits if credits[n] < 1.0), key=lambda number: credits[number])
    return Finding(
        f"{good} of {len(parts)}",
        sum(credits.values()) / len(parts),
        good == len(parts),
        advice if worst else "",
        tuple(worst),
    )


def _answer(section: Section) -> int:
    """The words of the first paragraph, when it follows the heading directly."""
    follows = [block for block in section.blocks if block.level != 2][:1]
    return sum(len(words(block.text)) for block in follows if block.is_paragraph)


@rule(
    "Repeated Phrases",
    "high",
    "content",
    expected="at most 1 % of 8-word runs",
    source="own rule, after the n-gram deduplication of web corpora; Google spam policies",
)
def repeated_phrases(article: Article) -> Finding:
    """The share of runs of eight words that stood in the text before."""
    prose = " ".join(block.text for block in article.blocks if block.is_prose)
    share = round(repeated_share(words(prose)), 2)
    advice = f"Say things once: {share} % of 8-word runs repeat earlier ones, 1 % may."
    return at_most(share, REPEATED, advice, _repeating(article), zero_above=10)


def _repeating(article: Article) -> list[int]:
    seen: set[tuple[str, ...]] = set()
    counts: Counter[int] = Counter()
    for section in article.written:
        here = runs(words(" ".join(block.text for block in section.blocks if block.is_prose)))
        counts[section.number] = sum(run in seen for run in here)
        seen.update(here)
    return [number for number, count in counts.most_common() if count]


def english_only(checked: Rule) -> Rule:
    """The rule, not applicable to texts in other languages."""

    def measure(article: Article) -> Finding:
        applies = readability.is_english(article.locale)
        return checked.measure(article) if applies else not_applicable()

    return Rule(
        checked.name,
        checked.priority,
        checked.category,
        checked.expected,
        checked.source,
        measure,
    )


CHECKS = (
    section_length,
    long_sentences,
    english_only(passive_voice),
    english_only(transition_words),
    english_only(consecutive_sentences),
    english_only(reading_ease),
    heading_hierarchy,
    direct_answers,
    repeated_phrases,
)
