"""Which of the client's pages fits where: only where a paragraph speaks of the page.

Pages are measured against paragraphs with BM25 (Robertson and Zaragoza 2009, in Lucene's form); an
anchor is a run of two to six words that names the page's topic.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from steps.links.anchors import best_anchor, runs
from steps.links.targets import Target, subjects

K1, B = 1.5, 0.75  #: BM25's usual constants

MIN_RELEVANCE = 0.5
"""How much of a page's topic a paragraph must hold to speak of it: its BM25 score, as a share of
what a paragraph of average length has that names every word of the topic once.

Half allows one that names the topic once and is three times as long (it scores 0.53); one that
names two rare words of three must be short, or come back to them. Measured on the twenty articles
of ``make eval``, over all pairs of a paragraph and a page with an anchor in it: those that speak
of the page came to 0.64 and more, those that do not to 0.41 and less."""

LINKS_PER_1000_WORDS = 4
MIN_LINKS, MAX_LINKS = 8, 15

MAX_TARGETS = 60
"""Pages that are looked at closely: four for every link that can be set."""


@dataclass(frozen=True, slots=True)
class Place:
    """Text that may carry a link: a run of words within one text node.

    :param section: number of its section; :param block: number of its paragraph.
    """

    section: int
    block: int
    text: str


@dataclass(frozen=True, slots=True)
class Candidate:
    """A possible link: the words ``text[start:end]`` of a place to a target."""

    target: int
    place: int
    start: int
    end: int
    score: float


def link_quota(word_total: int, pages: int) -> int:
    """How many links an article of so many words gets: 4 per 1,000 words, 8-15, and never more
    than there are pages."""
    wanted = round(word_total * LINKS_PER_1000_WORDS / 1000)
    return min(pages, max(MIN_LINKS, min(MAX_LINKS, wanted)))


def select(targets: Sequence[Target], places: Sequence[Place], quota: int) -> list[Candidate]:
    """At most *quota* links, fewer when fewer paragraphs speak of a page."""
    return choose(candidates(targets, places), places, quota)


def speaking(targets: Sequence[Target], places: Sequence[Place]) -> list[dict[int, float]]:
    """For each page the paragraphs that speak of it, by number, and how far they do."""
    blocks: dict[int, list[str]] = {}
    for place in places:
        blocks.setdefault(place.block, []).extend(subjects(place.text))
    return [
        {n: share for n, share in zip(blocks, row, strict=True) if share >= MIN_RELEVANCE}
        for row in relevance(targets, list(blocks.values()))
    ]


def relevance(targets: Sequence[Target], documents: Sequence[Sequence[str]]) -> list[list[float]]:
    """For each page how far each text, given as stems, speaks of it.

    1 is what a text of average length has that names the page's own topic once.
    """
    held = Counter(term for document in documents for term in set(document))
    ideals = [_ideal(one, held, len(documents)) for one in targets]
    scores = bm25([sorted(one.own) for one in targets], documents)
    return [[score / ideal for score in row] for row, ideal in zip(scores, ideals, strict=True)]


def _ideal(page: Target, held: Mapping[str, int], total: int) -> float:
    """The BM25 score of a text of average length that holds each word of the topic once; words
    that no text has weigh the most.

    :param held: how many of the *total* texts hold a stem.
    """
    counts = (held.get(term, 0) for term in page.own)
    weights = (math.log1p((total - count + 0.5) / (count + 0.5)) for count in counts)
    return sum(weights) / (1 + K1) or 1.0


def bm25(queries: Iterable[Sequence[str]], documents: Sequence[Sequence[str]]) -> list[list[float]]:
    """For each query, each document's BM25 score for the query's distinct terms."""
    # Heavy (numpy): only step 7 and the rubric need it, and a job actor must start lean.
    import bm25s  # noqa: PLC0415

    if not any(documents):
        return [[0.0] * len(documents) for _ in queries]
    index = bm25s.BM25(method="lucene", k1=K1, b=B)
    index.index([list(document) for document in documents], show_progress=False)
    return [index.get_scores(list(dict.fromkeys(query))).tolist() for query in queries]


def rarity(targets: Sequence[Target]) -> dict[str, float]:
    """How much a stem tells the pages apart: 1 when one page has it, towards 0 when all do."""
    holding = Counter(term for one in targets for term in one.stems)
    total = max(2, len(targets))
    return {term: 1 - math.log(count) / math.log(total + 1) for term, count in holding.items()}


def candidates(targets: Sequence[Target], places: Sequence[Place]) -> list[Candidate]:
    """The pages that some paragraph speaks of, each with its best anchor in every place of such a
    paragraph that has one; best first."""
    rare = rarity(targets)
    chunks = [runs(place.text) for place in places]
    found = []
    for one, by_block in _best_targets(targets, places):
        for index, place in enumerate(places):
            if place.block not in by_block:
                continue
            if best := best_anchor(chunks[index], one, rare):
                start, end, fit = best
                score = fit * min(1.0, by_block[place.block])
                found.append(Candidate(one.number, index, start, end, score))
    return sorted(found, key=lambda one: (-one.score, one.target, one.place))


def _best_targets(
    targets: Sequence[Target], places: Sequence[Place]
) -> list[tuple[Target, dict[int, float]]]:
    """The pages by how well they suit their best paragraph, each with the paragraphs that speak
    of it and how far they do."""
    ranked = [pair for pair in zip(targets, speaking(targets, places), strict=True) if pair[1]]
    ranked.sort(key=lambda pair: -max(pair[1].values()))
    return ranked[:MAX_TARGETS]


def choose(found: Sequence[Candidate], places: Sequence[Place], quota: int) -> list[Candidate]:
    """At most *quota* links: one a page, one a paragraph, spread over the sections.

    The best link comes next, where links that a section already has count against it.
    """
    chosen: list[Candidate] = []
    left = list(found)
    in_section: Counter[int] = Counter()
    while left and len(chosen) < quota:
        best = max(left, key=lambda one: one.score / (1 + in_section[places[one.place].section]))
        chosen.append(best)
        place = places[best.place]
        in_section[place.section] += 1
        left = [
            one
            for one in left
            if one.target != best.target and places[one.place].block != place.block
        ]
    return chosen
