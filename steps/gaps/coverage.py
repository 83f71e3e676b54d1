"""What the ranking pages cover, read from their headings and texts without a model. Pure.

A *subtopic* is a heading, or a name, together with everything that means the same on the other
pages; a row of the matrix says which pages cover it.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache

from steps.language.lexical import content_stems, overlap, phrase, plain, stems, words
from steps.language.phrases import FILLER_HEADINGS, STOP_WORDS
from steps.language.text import sentences
from steps.models import Competitor, Data

SAME_TOPIC = 0.75
"""Headings share a subtopic when so much of the shorter one's stems is in the longer one's."""

MAX_ROWS = 30
"""Rows of the matrix: what a model reads with care, and more than any page's outline."""

MAX_NAMES = 10
"""Of these rows, those that are names."""

MAX_HEADING_WORDS = 14
"""A longer heading is a sentence set in bold."""

STALE_YEARS = 2
"""Figures are stale when they are older than two years (PIPELINE section 2)."""

OLDEST_YEAR = 1990
"""Earlier years are history, not figures that somebody forgot to bring up to date."""

MAX_STALE = 6
"""Stale statements kept of one page."""

STALE_CHARS = 240
"""Length of a stale statement."""


class Row(Data):
    """A subtopic and the ids of the pages that cover it, out of *total*."""

    subtopic: str
    covered_by: list[str]
    total: int


class StaleFact(Data):
    """A statement with figures that carries an old year."""

    competitor: str
    text: str


@dataclass(frozen=True, slots=True)
class Source:
    """A competitor's page as far as it could be read: headings, and main text or snippet."""

    competitor: Competitor
    text: str

    @property
    def id(self) -> str:
        """The competitor's id, ``c1``…"""
        return self.competitor.id


@dataclass(slots=True)
class _Cluster:
    """Headings of one meaning; *stems* are those of the first, which names it."""

    name: str
    stems: frozenset[str]
    pages: list[str] = field(default_factory=list)


def matrix(sources: Sequence[Source], keyword: str, language: str) -> list[Row]:
    """The subtopics, most covered first, at most :data:`MAX_ROWS`."""
    by_heading = _clusters(sources, keyword, language)
    by_name = _names(sources, keyword, by_heading, language)
    rows = [
        Row(subtopic=cluster.name, covered_by=_covering(cluster, sources), total=len(sources))
        for cluster in [*by_heading, *by_name]
    ]
    return sorted(rows, key=lambda row: -len(row.covered_by))[:MAX_ROWS]


def stale_facts(sources: Iterable[Source], year: int) -> list[StaleFact]:
    """Statements with figures whose newest year is more than :data:`STALE_YEARS` ago.

    A sentence counts when it holds a figure besides its years: a bare date is no finding.
    """
    found: list[StaleFact] = []
    for source in sources:
        stale = (text for text in sentences(source.text) if _is_stale(text, year))
        kept = [plain(text, STALE_CHARS) for text, _ in zip(stale, range(MAX_STALE), strict=False)]
        found += [StaleFact(competitor=source.id, text=text) for text in kept]
    return found


def subject_headings(headings: Iterable[str]) -> list[str]:
    """The headings that name a subject: clean, short, no page furniture, each once."""
    cleaned = (plain(heading, 200).strip(" #:.") for heading in headings)
    named = (text for text in cleaned if text and text.lower() not in FILLER_HEADINGS)
    short = (text for text in named if 1 <= len(words(text)) <= MAX_HEADING_WORDS)
    return list(dict.fromkeys(short))


def mentions(source: Source, topic: str, language: str) -> bool:
    """Whether every subject-carrying word of *topic* occurs on the page."""
    wanted = content_stems(topic, language)
    text = "\n".join([*source.competitor.headings, source.text])
    return bool(wanted) and wanted <= _stem_set(text, language)


@lru_cache(maxsize=16)  # a page is asked about dozens of times, and a job has five
def _stem_set(text: str, language: str) -> frozenset[str]:
    return frozenset(stems(text, language))


def _clusters(sources: Sequence[Source], keyword: str, language: str) -> list[_Cluster]:
    """Headings grouped by meaning, leaving out what only repeats the keyword."""
    bare = content_stems(keyword, language)
    clusters: list[_Cluster] = []
    for source in sources:
        for heading in subject_headings(source.competitor.headings):
            own = content_stems(heading, language) - bare
            if own:
                _place(clusters, heading, own, source.id)
    return clusters


def _place(clusters: list[_Cluster], heading: str, own: frozenset[str], page: str) -> None:
    """Put a heading into the cluster it is nearest to, or begin one."""
    nearest = max(clusters, key=lambda cluster: overlap(cluster.stems, own), default=None)
    if nearest is None or overlap(nearest.stems, own) < SAME_TOPIC or _too_general(nearest, own):
        nearest = _Cluster(heading, own)
        clusters.append(nearest)
    if page not in nearest.pages:
        nearest.pages.append(page)


def _too_general(cluster: _Cluster, own: frozenset[str]) -> bool:
    """One shared word among many is not the same subject ("cost", "cost of roof repair")."""
    return min(len(cluster.stems), len(own)) == 1 < max(len(cluster.stems), len(own)) - 1


def _covering(cluster: _Cluster, sources: Sequence[Source]) -> list[str]:
    return [source.id for source in sources if source.id in cluster.pages]


_NAME = re.compile(
    r"(?<![.!?:]\s)(?<!^)\b[A-ZÀ-Þ][\w&'’-]+(?:\s(?:(?:of|for|and)\s)?[A-ZÀ-Þ][\w&-]+){0,3}"
)


def _names(
    sources: Sequence[Source], keyword: str, known: Sequence[_Cluster], language: str
) -> list[_Cluster]:
    """Names that at least two pages write and no heading has, most written first."""
    bare = content_stems(keyword, language)
    headed = [cluster.stems for cluster in known]
    pages: dict[str, list[str]] = {}
    for source in sources:
        for name in dict.fromkeys(_names_in(source.text)):
            pages.setdefault(name, []).append(source.id)
    shared = Counter({name: len(ids) for name, ids in pages.items() if len(ids) > 1})
    clusters: list[_Cluster] = []
    for name, _ in shared.most_common():
        own = content_stems(name, language) - bare
        if own and not any(own <= other for other in headed):
            headed.append(own)
            clusters.append(_Cluster(name, own, pages[name]))
    return clusters[:MAX_NAMES]


def _names_in(text: str) -> Iterator[str]:
    for sentence in sentences(text):
        for found in _NAME.finditer(sentence):
            name = phrase(found.group())
            if name and name.split()[0].lower() not in STOP_WORDS and len(name) > 2:
                yield name


_YEAR = re.compile(r"(?<![\d.,$€£#/-])(?:19|20)\d\d(?![\d%]|[.,]\d)")
_FIGURE = re.compile(r"\d")


def _is_stale(sentence: str, year: int) -> bool:
    years = [int(found) for found in _YEAR.findall(sentence)]
    plausible = [found for found in years if OLDEST_YEAR <= found <= year + 10]
    if not plausible or max(plausible) >= year - STALE_YEARS:
        return False
    return bool(_FIGURE.search(_YEAR.sub("", sentence)))
