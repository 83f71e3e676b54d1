"""Finding the phrases that mark a text as machine-made."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache

from steps.html import dom
from steps.html.runs import Run, overlaps
from steps.language import prose
from steps.language.phrases import AI_PHRASES
from steps.language.text import occurrences
from steps.rubric.article import Article

_KEPT = frozenset({*dom.CODE, *dom.QUOTES, "a"})
_CAPITALISED = re.compile(r"\s?[A-Z][\w'-]")


def ai_phrases(article: Article) -> list[tuple[int, str]]:
    """The telling phrases of an article, each with the number of its section.

    None are: what is quoted or stands in a link or in code, what is a name (a capital within a
    sentence, or before another one), and what belongs to the article's own keyword
    (``landscape lighting``).
    """
    found, section = [], 0
    for block in dom.elements(article.root, *dom.TEXT_BLOCKS):
        section += dom.tag(block) == "h2"
        if not dom.inside(block, _KEPT):
            found += [(section, phrase) for phrase in _phrases(block, article.keyword)]
    return found


def _phrases(block: dom.Element, keyword: str) -> Iterator[str]:
    run = Run(block)
    text = run.text.replace("’", "'")
    kept = run.quoted() + [
        (begin, begin + len(slot.value))
        for begin, slot in run.pieces()
        if dom.inside(slot.parent, _KEPT)
    ]
    begins = prose.starts(text)
    for match in _pattern().finditer(text):
        known = overlaps(*match.span(), kept) or occurrences(keyword, match[0])
        if not known and (dom.level(block) or not _is_name(text, match, begins)):
            yield match[0].lower()


def _is_name(text: str, match: re.Match[str], begins: list[int]) -> bool:
    if not match[0][0].isupper() or match[0].isupper():
        return False
    return match.start() not in begins or bool(_CAPITALISED.match(text, match.end()))


@cache
def _pattern() -> re.Pattern[str]:
    longest_first = sorted(AI_PHRASES, key=len, reverse=True)
    return re.compile(rf"(?<![\w-])(?:{'|'.join(map(re.escape, longest_first))})(?![\w-])", re.I)
