"""Anchors: the runs of words in a text that say where a link leads. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from steps.links.targets import LEAST_WORDS, Target, subjects

ANCHOR_MIN, ANCHOR_MAX = 2, 6  #: words

MIN_COVER = 0.6
"""Share of an anchor's subject words that the page's title must have, and of the page's topic that
an anchor must name: two of three make it say where the link leads."""

_WORD = re.compile(r"[^\W_]+(?:['’][^\W_]+)*")
_OPENERS = frozenset(
    {"a", "an", "the", "your", "our", "their", "its", "this", "these", "any", "some", "no", "such"}
    | {"of", "for", "in", "with", "on", "about", "from", "without", "at", "by", "into", "between"}
)
_CONNECTORS = frozenset(
    {"of", "for", "in", "on", "at", "to", "and", "or", "with", "the", "a", "an"}
)
_VERB_ENDING = re.compile(r"(ed|ing|s)$")
_HYPHENS = frozenset("-‐‑")
_BREAK = re.compile(r"[.,;:!?()\[\]{}<>=“”\"«»…/|–—]")


@dataclass(frozen=True, slots=True)
class Word:
    """A word of a text with its stem (``""`` for stop words) and where it stands.

    ``bound`` says that a hyphen joins it to the word before.
    """

    text: str
    stem: str
    start: int
    end: int
    bound: bool = False


def best_anchor(
    chunks: Sequence[Sequence[Word]], page: Target, rare: Mapping[str, float]
) -> tuple[int, int, float] | None:
    """The run of two to six words that best says what *page* is about: start, end and how well.

    It neither crosses punctuation nor begins or ends with a stop word or within a compound
    (*four-day trip* is one or nothing). Most of its subject words are the page's, and it names
    most of the page's topic, something of it that is not the article's own subject included. A
    topic of one word is named by a whole phrase between stop words and punctuation with that
    word last, or by a name: *a compost heap*, not *the compost smells*.
    """
    total = sum(rare.get(term, 1.0) + 0.1 for term in page.stems) or 1.0
    best: tuple[float, int, int] | None = None
    for run in chunks:
        for first, last in _windows(run, page):
            window = run[first : last + 1]
            held = {word.stem for word in window} & page.stems
            others = sum(word.stem not in page.stems for word in window)
            fit = sum(rare.get(term, 1.0) + 0.1 for term in held) / total - 0.02 * others
            found = (fit, -window[0].start, window[-1].end)
            if fit > 0 and (best is None or found > best):
                best = found
    return (-best[1], best[2], best[0]) if best else None


def _windows(run: Sequence[Word], page: Target) -> Iterator[tuple[int, int]]:
    """The windows of *run* that may be anchors, as first and last word."""
    hits = [at for at, word in enumerate(run) if word.stem in page.stems]
    near = {at for hit in hits for at in range(hit - ANCHOR_MAX + 1, hit + 1)}
    for first in sorted(at for at in near if at >= 0 and run[at].stem):
        for last in range(first + ANCHOR_MIN - 1, min(first + ANCHOR_MAX, len(run))):
            whole = not run[first].bound and not (last + 1 < len(run) and run[last + 1].bound)
            if run[last].stem and whole and _tells(run, first, last, page):
                yield first, last


def _tells(run: Sequence[Word], first: int, last: int, page: Target) -> bool:
    """Whether a window says what the page is about, see :func:`best_anchor`."""
    window = run[first : last + 1]
    carrying = [word for word in window if word.stem]
    held = {word.stem for word in carrying} & page.stems
    if not _names(held, page):
        return False
    if len(held) >= LEAST_WORDS:
        filling = [word for word in window if not word.stem]
        joined = len(filling) < len(carrying) and all(w.text in _CONNECTORS for w in filling)
        shared = sum(word.stem in page.stems for word in carrying)
        return joined and shared >= MIN_COVER * len(carrying)
    named = first > 0 and all(word.text[0].isupper() for word in window)
    pair = len(window) == len(carrying) == ANCHOR_MIN
    headed = window[-1].stem in page.stems  # the last word of a noun phrase says what it is
    return pair and (named or (headed and _is_phrase(run, first, last)))


def _names(held: set[str], page: Target) -> bool:
    """Whether these stems name the page's topic, the article's subject being understood."""
    enough = len(held & page.topic) >= min(LEAST_WORDS, len(page.topic))
    said = (held | page.given) & page.topic
    led = not page.lead.isdisjoint(held | page.given)
    most = len(said) >= MIN_COVER * len(page.topic)
    return enough and led and most and not page.own.isdisjoint(held)


def _is_phrase(run: Sequence[Word], first: int, last: int) -> bool:
    """Whether a window is all that stands between a word that opens a noun phrase and the next
    stop word or punctuation mark, and no word of it looks like a verb."""
    after = run[last + 1] if last + 1 < len(run) else None
    if first == 0 or run[first - 1].text.lower() not in _OPENERS or (after and after.stem):
        return False
    return not any(_VERB_ENDING.search(word.text) for word in run[first : last + 1])


def runs(text: str) -> list[list[Word]]:
    """The text's words between punctuation marks."""
    found: list[list[Word]] = [[]]
    at = 0
    for match in _WORD.finditer(text):
        between, at = text[at : match.start()], match.end()
        if _BREAK.search(between):
            found.append([])
        stem = next(iter(subjects(match[0])), "")
        found[-1].append(Word(match[0], stem, *match.span(), bound=between in _HYPHENS))
    return found
