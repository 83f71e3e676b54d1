"""Words, stems and phrases: cleaning, de-duplication, similarity, TF-IDF. Pure.

Stemming uses snowballstemmer, imported on first use because a job actor must start lean.
"""

from __future__ import annotations

import functools
import math
import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence

from orchestrator.unseen import INVISIBLE
from steps.language.phrases import STOP_WORDS
from steps.language.text import sentences
from steps.language.text import words as cased_words

MAX_PHRASE_WORDS = 8
"""A longer keyword phrase is a sentence (PIPELINE section 1)."""

MAX_PHRASE_CHARS = 100
"""Longer than any eight ordinary words; guards against unbroken strings."""

MIN_TERM_CHARS = 3
"""Shorter words say too little by themselves to be terms."""

_LETTERS = str.maketrans(
    {"ä": "ae", "ö": "oe", "ü": "ue", "ß": "ss", "æ": "ae", "ø": "o", "å": "a", "œ": "oe",
     "ł": "l", "đ": "d", "ð": "d", "þ": "th", "ı": "i", "&": " and "}
)  # fmt: skip

_LANGUAGES = {
    "da": "danish",
    "de": "german",
    "en": "english",
    "es": "spanish",
    "fi": "finnish",
    "fr": "french",
    "hu": "hungarian",
    "it": "italian",
    "nb": "norwegian",
    "nl": "dutch",
    "no": "norwegian",
    "pt": "portuguese",
    "ro": "romanian",
    "ru": "russian",
    "sv": "swedish",
    "tr": "turkish",
}
MAX_LINE = 20_000
"""Characters that are looked at to make a line; what follows is dropped unread."""

_URL = re.compile(
    r"(?:https?:|www\.)|\b[\w-]+\.(?:com|org|net|io|gov|edu|info|biz)\b", re.IGNORECASE
)
_TAG = re.compile(r"<(?=[a-zA-Z/!?])(?:[^<>]{0,500}>)?")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]+")
_ADDRESS = re.compile(r"(?:https?:/|\bwww\.|(?<!\S)//(?=[\w-]+\.))[^\s\"'<>()\[\]]+", re.IGNORECASE)
_MARKER = re.compile(r"\[\[[^\[\]]*\]\]")
_SPACE = re.compile(r"\s+")
_EDGES = " \t\"'“”‘’«»„*_#`~.,;:!·•|<>[](){}=+-–—/\\"


def words(text: str) -> list[str]:
    """The words of a text in lower case; see :func:`steps.language.text.words`."""
    return cased_words(text.lower().replace("’", "'"))


def plain(text: str, limit: int) -> str:
    """Text as one clean line of at most *limit* characters, cut at a word's end if it is cut.

    No tag and no beginning of one, no address, no marker of ours (``[[claim:1]]``) and no
    character that cannot be seen: it may come from anywhere, and it is shown as it is.
    """
    text = _CONTROL.sub(" ", INVISIBLE.sub("", text[:MAX_LINE]))
    for unwanted in (_ADDRESS, _MARKER, _TAG):
        text = unwanted.sub(" ", text)
    text = _SPACE.sub(" ", text).strip()
    return text if len(text) <= limit else (text[: limit + 1].rsplit(" ", 1)[0][:limit]).rstrip()


def phrase(text: object) -> str | None:
    """A keyword phrase made clean, or None if it is none.

    None: not a string, no letters, more than :data:`MAX_PHRASE_WORDS` words, an address in it.
    """
    if not isinstance(text, str) or _URL.search(text) or "@" in text:
        return None
    cleaned = plain(text, MAX_PHRASE_CHARS + 1).strip(_EDGES)
    if not any(char.isalpha() for char in cleaned) or len(cleaned) > MAX_PHRASE_CHARS:
        return None
    return cleaned if len(cleaned.split()) <= MAX_PHRASE_WORDS else None


def stems(text: str, language: str = "en") -> tuple[str, ...]:
    """The stems of a text's words in order."""
    stem = _stemmer(language.split("-")[0])
    return tuple(stem(word.removesuffix("'s")) for word in words(text))


def content_stems(text: str, language: str = "en") -> frozenset[str]:
    """The stems of the words that carry a subject."""
    carrying = " ".join(word for word in words(text) if word not in STOP_WORDS)
    return frozenset(stems(carrying, language))


def same_key(text: str, language: str = "en") -> tuple[str, ...]:
    """Equal for phrases that differ only in case, endings, articles and punctuation."""
    without = " ".join(word for word in words(text.replace("-", " ")) if word not in _ARTICLES)
    return stems(without, language)


def distinct(
    phrases: Iterable[str], language: str = "en", *, known: Iterable[str] = ()
) -> Iterator[str]:
    """The phrases in order, without those that repeat an earlier one or a *known* one."""
    seen = {same_key(text, language) for text in known}
    for text in phrases:
        key = same_key(text, language)
        if key and key not in seen:
            seen.add(key)
            yield text


def overlap(one: frozenset[str], other: frozenset[str]) -> float:
    """How much of the smaller set of stems the other has too: 0..1."""
    smaller = min(len(one), len(other))
    return len(one & other) / smaller if smaller else 0.0


def tfidf_terms(documents: Sequence[str], limit: int, *, max_words: int = 3) -> list[str]:
    """The most telling terms of a few documents, best first.

    Terms are runs of one to *max_words* words within a sentence that neither begin nor end
    with a stop word. The score is summed log-scaled frequency times smoothed inverse document
    frequency, times the number of words (longer terms say more); terms inside a better term
    are left out. Terms that occur once only are counted only if nothing occurs twice.
    """
    counts = [Counter(_terms(document, max_words)) for document in documents]
    total, spread = sum(counts, Counter()), Counter(term for count in counts for term in count)
    floor = 2 if any(number > 1 for number in total.values()) else 1
    score = {
        term: sum(math.log1p(count[term]) for count in counts)
        * (math.log((1 + len(documents)) / (1 + spread[term])) + 1)
        * len(term.split())
        for term, number in total.items()
        if number >= floor
    }
    return _outermost(sorted(score, key=lambda term: (-score[term], term)), limit)


def _terms(document: str, max_words: int) -> Iterator[str]:
    for sentence in sentences(document):
        run = words(sentence)
        edges = [n for n, word in enumerate(run) if _is_edge(word)]
        for n, start in enumerate(edges):
            near = (end for end in edges[n : n + max_words] if end - start < max_words)
            yield from (" ".join(run[start : end + 1]) for end in near)


def _is_edge(word: str) -> bool:
    """Whether a term may begin or end with this word."""
    return word not in STOP_WORDS and len(word) >= MIN_TERM_CHARS and not word[0].isdigit()


def _outermost(terms: Iterable[str], limit: int) -> list[str]:
    chosen: list[str] = []
    for term in terms:
        if len(chosen) == limit:
            break
        if not any(f" {term} " in f" {other} " for other in chosen):
            chosen.append(term)
    return chosen


_ARTICLES = frozenset({"a", "an", "the"})


@functools.cache
def _stemmer(language: str) -> Callable[[str], str]:
    """The language's stemmer with a memory; words stay as they are where there is none."""
    name = _LANGUAGES.get(language)
    if name is None:
        return str
    import snowballstemmer  # noqa: PLC0415 (heavy: forty stemmers; not in a lean job actor)

    stem: Callable[[str], str] = snowballstemmer.stemmer(name).stemWord
    return functools.lru_cache(maxsize=20_000)(stem)


def slugged(text: str) -> str:
    """The words of *text* in ASCII letters and digits, joined by hyphens, as slugs have them."""
    folded = unicodedata.normalize("NFKD", text.lower().translate(_LETTERS))
    ascii_text = folded.encode("ascii", "ignore").decode()
    return "-".join(re.findall(r"[a-z0-9]+", ascii_text.replace("'", "")))
