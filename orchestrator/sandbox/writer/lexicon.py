"""Phrases around a keyword: variants, questions, problems, solutions and entities."""

from __future__ import annotations

import functools
import re
from collections.abc import Mapping
from importlib import resources

from orchestrator.sandbox.topics import content_words, rng, with_acronyms, words_of

BEFORE_PREPOSITION = re.compile(
    r"(?!how\b|what\b|why\b)(?:.*? )?(\w{4,}) (?:at|for|in|of|on|with) "
)
WEAK = frozenset({"planning", "plan", "guide", "tips", "ideas", "examples", "basics", "tools"})
DOMAINS = ("search", "software", "health", "home", "money", "food", "travel")


@functools.cache
def _lists() -> Mapping[str, tuple[str, ...]]:
    text = resources.files(__package__).joinpath("texts", "lexicon.txt").read_text("utf-8")
    found = {}
    for part in text.split("== ")[1:]:
        head, *lines = part.splitlines()
        found[head.strip()] = tuple(line for line in lines if line)
    return found


def domain_of(keyword: str) -> str:
    """The domain whose signs the keyword shows most, or ``generic``."""
    words = set(words_of(keyword))
    signs = {name: set(_lists()[f"signs.{name}"][0].split()) for name in DOMAINS}
    best = max(DOMAINS, key=lambda name: len(words & signs[name]))
    return best if words & signs[best] else "generic"


def head_of(keyword: str) -> str:
    """The keyword's main word as it is written there, or ``project`` when that is the whole
    keyword: phrases are built on it, and must not repeat the keyword itself.

    That is the word before a preposition (``composting at home``), else the last of meaning.
    """
    words = content_words(keyword) or ["project"]
    before = BEFORE_PREPOSITION.match(keyword.lower())
    head = before[1] if before and before[1] in words and before[1] not in WEAK else words[-1]
    if head == keyword.strip().lower():
        return "project"
    written = re.search(rf"(?<!\w){re.escape(head)}(?!\w)", keyword, re.IGNORECASE)
    return with_acronyms(written[0] if written else head)


def phrases(keyword: str, kind: str) -> list[str]:
    """Phrases of one *kind* around *keyword*, in an order that depends on the keyword."""
    names = [f"entity.{domain_of(keyword)}", "entity.generic"] if kind == "entity" else [kind]
    found: list[str] = []
    for name in dict.fromkeys(names):
        texts = list(_lists().get(name, ()))
        rng("phrases", keyword.lower(), name).shuffle(texts)
        found += texts
    return list(dict.fromkeys(text.format(head=head_of(keyword)) for text in found))
