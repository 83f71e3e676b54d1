"""Refresh mode: the facts of the old text, which stay unless the gap analysis calls them outdated.

A fact is a sentence that states a figure or a name. It is kept where the new text has every one
of them, whatever the words around it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence

from steps.html import dom, markers
from steps.language.lexical import content_stems, overlap
from steps.language.text import sentences, words
from steps.models import GapItem

MAX_FACTS = 40
"""Facts of one old section that are watched over: a fact has some 15 words, so they say as
much as 600 words, and the longest section has 900."""

SAME_SUBJECT, SAME_WORDS = 0.5, 2
"""A gap speaks of a fact when half of the words that carry its subject are the fact's, two at
least."""

_NAME = re.compile(r"(?<=[\w),;]\s)[A-Z][\w’'-]+")  # not at a sentence's or a quotation's start
_ALL_NOUNS = ("de", "lb")  #: languages in which a capital letter does not mean a name


def facts(html: str, locale: str = "en") -> list[str]:
    """The sentences of a text that state a figure or a name, at most :data:`MAX_FACTS`.

    :param locale: of the text, as the request names it.
    """
    return [one for one in _sentences(html) if stated(one, locale)][:MAX_FACTS]


def _sentences(html: str) -> Iterator[str]:
    root = dom.parse(html)
    for heading in dom.elements(root, *dom.HEADINGS):
        dom.remove(heading)
    for line in dom.text(root).splitlines():
        yield from sentences(markers.remove(line, markers.MARKER))


def stated(sentence: str, locale: str = "en") -> frozenset[str]:
    """The figures and names of a sentence, in the form in which they are compared."""
    found = [word for word in words(sentence) if word[0].isdigit()]
    if locale[:2] not in _ALL_NOUNS:
        found += [name for match in _NAME.findall(sentence) for name in words(match)]
    return _compared(found)


def _compared(found: Iterable[str]) -> frozenset[str]:
    return frozenset(word.replace("’", "'").removesuffix("'s").casefold() for word in found)


def missing(old: Iterable[str], html: str, locale: str = "en") -> list[str]:
    """Those of the *old* facts that *html* does not state any more.

    Each figure and name must stand in a sentence that shares a word of its subject with the
    fact: a 31 of something else is not the same fact.
    """
    said = [
        (_compared(words(one)), content_stems(one, locale))
        for one in sentences(dom.text(dom.parse(html)))
    ]
    return [fact for fact in old if not _is_stated(fact, said, locale)]


def _is_stated(
    fact: str, said: Sequence[tuple[frozenset[str], frozenset[str]]], locale: str
) -> bool:
    subject = content_stems(fact, locale)
    return all(
        any(part in there and _share(subject, about, part) for there, about in said)
        for part in stated(fact, locale)
    )


def _share(subject: frozenset[str], about: frozenset[str], part: str) -> bool:
    others = subject - content_stems(part)
    return not others or bool(others & about)


def still_true(old: Iterable[str], gaps: Sequence[GapItem], keyword: str) -> list[str]:
    """The facts that no gap shows to be outdated."""
    bare = content_stems(keyword)
    told = [
        content_stems(f"{gap.topic} {gap.evidence.heading}") - bare
        for gap in gaps
        if gap.type == "outdated-data"
    ]
    return [fact for fact in old if not _is_outdated(content_stems(fact) - bare, told)]


def _is_outdated(fact: frozenset[str], gaps: Iterable[frozenset[str]]) -> bool:
    return any(overlap(fact, gap) >= SAME_SUBJECT and len(fact & gap) >= SAME_WORDS for gap in gaps)


def put_back(html: str, lost: Sequence[str]) -> str:
    """The section with these sentences in a paragraph at its end."""
    root = dom.parse(html)
    only = root[0] if len(root) == 1 and dom.tag(root[0]) == "section" else root
    only.append(dom.element("p", " ".join(lost)))
    return dom.serialise(root)
