"""The client's pages as they are matched: by the words that tell their topic. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache

from steps.language.lexical import stems, words
from steps.language.phrases import STOP_WORDS

LEAST_WORDS = 2  #: a topic told by one word alone is not told: *stay*, *desserts*

_QUALIFIED = re.compile(
    r"[:|(–—]|\s-\s|\b(?:about|after|at|before|by|for|from|in|on|that|to|versus|vs|when|which|"
    r"with|without|you)\b",
    re.IGNORECASE,
)
"""Where an English title goes on to say for whom, where or how: *Battery storage | for a family
house*. Titles in other languages are taken whole."""

_OPENING = re.compile(r"^\W*(?:how|where|when|what|why|who)\s+(?:to|is|are|do|does)\b", re.I)


@dataclass(frozen=True, slots=True)
class Target:
    """A page to link to.

    :param number: its place in the input.
    :param stems: of every telling word of its title and slug.
    :param topic: those of them that say what it is about, see :func:`target`.
    :param own: the topic without what the whole article is about: what a text that speaks of
        this page, and not of the article's subject alone, has to name.
    :param given: what the article's subject says of the topic already.
    :param lead: stems of which an anchor needs one, unless they are *given*.
    """

    number: int
    stems: frozenset[str]
    topic: frozenset[str]
    own: frozenset[str]
    given: frozenset[str]
    lead: frozenset[str]


def target(number: int, title: str, slug: str, subject: str = "") -> Target:
    """A page as it is matched.

    Its topic is what its title says before it qualifies that, if these are two words or more,
    else all of title and slug; of the latter the title's first words must be named.

    :param subject: the article's keyword.
    """
    everything = _telling(f"{title} {re.sub('[-_/]+', ' ', slug)}")
    head = _telling(_head(title))
    topic = frozenset(head if len(head) >= LEAST_WORDS else everything)
    given = topic & frozenset(subjects(subject))
    return Target(
        number=number,
        stems=frozenset(everything),
        topic=topic,
        own=topic - given or topic,
        given=given,
        lead=frozenset(head or everything),
    )


def subjects(text: str) -> list[str]:
    """The stems of the words that carry meaning, in order; hyphens part words."""
    plain = text.replace("-", " ").replace("_", " ")
    pairs = zip(words(plain), stems(plain), strict=True)
    return [stem for word, stem in pairs if word not in STOP_WORDS and len(word) > 1]


def _head(title: str) -> str:
    """The first part of a title that has telling words: *A Guide to Rugs* speaks of rugs."""
    parts = _QUALIFIED.split(_OPENING.sub("", title))
    return next((part for part in parts if _any_telling(part)), title)


def _any_telling(text: str) -> bool:
    return any(stem not in _any_title() for stem in subjects(text))


def _telling(text: str) -> list[str]:
    """The stems that tell a topic; all when none does."""
    told = subjects(text)
    return [stem for stem in dict.fromkeys(told) if stem not in _any_title()] or told


@cache
def _any_title() -> frozenset[str]:
    """Stems that stand in titles of any subject and tell nothing about this one."""
    return frozenset(
        subjects(
            "guide checklist list explained practice tips introduction overview beginners "
            "complete ultimate steps ways things make write work works best better basics top "
            "new learn compared understand need know free easy good great"
        )
    )
