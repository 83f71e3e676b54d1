"""How English prose reads: transition words, passive voice, sentence starts, reading ease.

Each measure takes sentences, as :func:`steps.language.text.sentences` has them. They are rules
of thumb of the kind the well-known SEO analysers use, and say so: good for a share over a thousand
sentences, not for judging one. They know English only (:func:`is_english`).

Reading ease counts syllables by itself. The usual library for it loads a pronouncing
dictionary over the network on first use, which a job must never do.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Sequence
from functools import cache, lru_cache

from steps.language.phrases import TRANSITION_WORDS
from steps.language.text import listed, words

BE = listed("am is are was were be been being isn't aren't wasn't weren't gets get got getting")
"""Auxiliaries of the passive."""

BETWEEN = listed("not never also always often usually still now already then all both")
"""What may stand between auxiliary and participle, beside adverbs in -ly."""

IRREGULAR = listed(
    "beaten become begun bent bet bitten blown born borne bought bound broken brought built burnt "
    "cast caught chosen cut dealt done drawn driven eaten fed felt forbidden forgotten fought "
    "found frozen given gone grown heard held hidden hit hurt kept known laid learnt led left lent "
    "lost made meant met overseen paid proven put read rebuilt reset ridden rung run said seen "
    "sent set sewn shaken shaped shot shown shut sold sought spent spoken split spread stolen "
    "struck stuck sung sunk sworn swept taken taught thought thrown told torn understood undone "
    "won woken worn woven written"
)
"""Participles that do not end in -ed."""

NOT_PARTICIPLES = listed(
    "need indeed speed feed seed bleed breed proceed exceed succeed hundred sacred naked wicked "
    "red bed shed sped embed interested excited tired pleased concerned worried supposed limited "
    "advanced experienced detailed complicated dedicated skilled talented ragged rugged aged "
    "crowded unlimited so-called"
)
"""Words in -ed that are adjectives or no participles at all."""

WEAK_STARTS = listed("the a an this that these those one two three")
"""Words too common to make two sentences begin alike; the next word counts with them."""

_VOWELS = re.compile(r"[aeiouy]+")
_SILENT = re.compile(r"(?:[aeiouy]l|[^laeiouy])e$|(?:[aeiouy]l|[^laeiouycsxzgh])es$|[^aeiouydt]ed$")
_APART = re.compile(
    r"(?<![ct])io(?!n|r|s\w)|rior|tios?$|(?<![cts])ia(?!ge)|(?<![qg])ua(?!r)|(?<!p)eo(?!n|u)"
    r"|(?<![ct])ie(?=nt|nc)|^scie|ie(?=ty|ts?$)|eum|uel|oe[mt]|[aeo]ye|iu|[aeiou]ing$"
    r"|cre(?=at)|idea|areas?$|uity|(?:th|s)ms?$"
)
_KNOWN = {
    "business": 2, "businesses": 3, "every": 2, "everyone": 3, "everything": 3, "evening": 2,
    "something": 2, "someone": 2, "sometimes": 2, "somewhere": 2, "therefore": 2, "different": 2,
    "interest": 2, "interested": 3, "homepage": 2, "website": 2, "websites": 2, "baseline": 2,
    "deadline": 2, "guideline": 2, "guidelines": 2, "software": 2, "hardware": 2, "worldwide": 2,
    "lifetime": 2, "timeline": 2, "likely": 2, "safety": 2, "namely": 2, "useful": 2, "careful": 2,
    "statement": 2, "statements": 2, "measurement": 3, "measurements": 3, "management": 3,
    "placement": 2, "agreement": 3, "requirement": 3, "requirements": 3, "improvement": 3,
    "improvements": 3, "engagement": 3, "movement": 2, "replacement": 3, "achievement": 3,
    "advertisement": 4, "judgement": 2,
}  # fmt: skip
"""Frequent words the rules get wrong, most of them for a silent e inside."""


def is_english(locale: str) -> bool:
    """Whether the measures of this module apply to texts of this locale."""
    return locale.split("-")[0].lower() == "en"


def share(sentences: Sequence[str], holds: Callable[[str], bool]) -> float:
    """The percentage of *sentences* for which *holds*; 0 when there are none."""
    return 100.0 * sum(map(holds, sentences)) / len(sentences) if sentences else 0.0


def is_long(sentence: str, limit: int = 20) -> bool:
    """Whether the sentence has more than *limit* words."""
    return len(words(sentence)) > limit


def has_transition(sentence: str) -> bool:
    """Whether the sentence holds a transition word or phrase, anywhere in it."""
    return bool(_transitions().search(sentence.replace("’", "'")))


@cache
def _transitions() -> re.Pattern[str]:
    longest_first = sorted(TRANSITION_WORDS, key=len, reverse=True)
    return re.compile(rf"\b(?:{'|'.join(map(re.escape, longest_first))})\b", re.IGNORECASE)


def is_passive(sentence: str) -> bool:
    """Whether a form of *be* or *get* is followed by a participle, at most two adverbs between.

    Misses passives whose auxiliary stands far off; counts some adjectives as participles.
    """
    parts = [word.lower().replace("’", "'") for word in words(sentence)]
    return any(_participle_follows(parts, at) for at, word in enumerate(parts) if word in BE)


def _participle_follows(parts: Sequence[str], at: int) -> bool:
    for word in parts[at + 1 : at + 4]:
        if _is_participle(word):
            return True
        if word not in BETWEEN and not word.endswith("ly"):
            return False
    return False


def _is_participle(word: str) -> bool:
    if word in IRREGULAR:
        return True
    return word.endswith("ed") and len(word) > 3 and word not in NOT_PARTICIPLES


def alike_runs(sentences: Sequence[str], least: int = 3) -> list[int]:
    """Where runs of *least* or more sentences that begin alike start (indices)."""
    found, at = [], 0
    for _, alike in itertools.groupby(map(_start, sentences)):
        length = len(list(alike))
        found += [at] if length >= least else []
        at += length
    return found


def _start(sentence: str) -> tuple[str, ...]:
    first = [word.lower() for word in words(sentence)[:2]]
    return tuple(first if first[0] in WEAK_STARTS else first[:1]) if first else ()


@lru_cache(maxsize=20_000)
def syllables(word: str) -> int:
    """About how many syllables an English word has: groups of vowels, silent endings taken off,
    vowels that are spoken apart counted twice. A number counts one for each digit."""
    if any(char.isdigit() for char in word):
        return sum(char.isdigit() for char in word)
    return sum(_part_syllables(part) for part in re.split(r"[-'’]", word.lower()) if len(part) > 1)


def _part_syllables(part: str) -> int:
    if part in _KNOWN:
        return _KNOWN[part]
    groups = len(_VOWELS.findall(part)) + len(_APART.findall(part))
    return max(1, groups - (len(part) > 2 and bool(_SILENT.search(part))))


def flesch(sentences: Sequence[str]) -> float:
    """Flesch reading ease: 206.835 - 1.015 x words a sentence - 84.6 x syllables a word.

    0-100 for ordinary prose, higher is easier (R. Flesch, *A New Readability Yardstick*, 1948).
    0 when there is no word.
    """
    tokens = [word for sentence in sentences for word in words(sentence)]
    if not tokens:
        return 0.0
    spoken = sum(max(1, syllables(token)) for token in tokens)
    return 206.835 - 1.015 * len(tokens) / len(sentences) - 84.6 * spoken / len(tokens)
