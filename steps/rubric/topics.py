"""Which keywords and gaps an article treats: by the stems of its words."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from steps.language.text import occurrences
from steps.language.topics import covered, stems
from steps.models import Gap
from steps.rubric.article import Article

TOPIC_SHARE = 0.66
"""Two of a topic's three words in one section treat it: headings are reworded, not repeated."""


def missing_phrases(article: Article) -> list[str]:
    """The semantic keywords that occur nowhere: not as they are, nor in any one block."""
    blocks = [stems(block.text, article.locale) for block in article.blocks]
    return [
        phrase
        for phrase in article.semantic_keywords
        if not _somewhere(stems(phrase, article.locale), blocks)
        and not occurrences(article.text, phrase)
    ]


def _somewhere(wanted: frozenset[str], blocks: Sequence[frozenset[str]]) -> bool:
    return bool(wanted) and any(wanted <= block for block in blocks)


def open_gaps(article: Article, gaps: Iterable[Gap]) -> list[Gap]:
    """Those of *gaps* whose topic no section treats (see :data:`TOPIC_SHARE`)."""
    sections = [stems(section.text, article.locale) for section in article.written]
    return [
        gap
        for gap in gaps
        if not any(
            covered(stems(gap.topic, article.locale), section) >= TOPIC_SHARE
            for section in sections
        )
    ]
