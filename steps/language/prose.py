"""Running text with markers in it: where sentences end, and small grammatical repairs. Pure."""

from __future__ import annotations

import bisect
import re

from steps.html import markers
from steps.language.text import words

_ABBREVIATIONS = frozenset(
    {"e.g.", "i.e.", "etc.", "vs.", "mr.", "mrs.", "ms.", "dr.", "prof.", "st.", "no.", "fig."}
    | {"approx.", "inc.", "ltd.", "co.", "corp.", "dept.", "est.", "u.s.", "u.k.", "ca.", "cf."}
)
_END = re.compile(
    r"[.!?…]+[\"'”’)\]]*(?:\s*\[\[claim:\d+\]\])*\s+"
    r"(?=(?:\[\[island:\d+\]\]\s*)?[\"'“‘(]*[A-ZÀ-ÞА-Я0-9])"
)
_LAST_WORD = re.compile(r"\S+$")
_ARTICLE = re.compile(r"\b(?P<article>[Aa]n?)(?P<space>\s+)(?P<word>[A-Za-z][\w-]*)")
_VOWEL_SOUND = re.compile(r"(?!eu|uni(?![nm])|use|usu|one\b|once)[aeiou]|hour|honest|heir", re.I)
_LETTER_NAMES = frozenset("AEFHILMNORSX")  #: letters whose names begin with a vowel's sound


def starts(text: str) -> list[int]:
    """The offsets at which the sentences of *text* begin; ``[]`` when it holds no words.

    A claim's marker behind the full stop belongs to the sentence before it.
    """
    if not words(markers.strip(text)):
        return []
    found = [match.end() for match in _END.finditer(text) if not _abbreviated(text, match)]
    return [0, *found]


def sentence_at(text: str, offset: int) -> tuple[int, int]:
    """Where the sentence around *offset* begins and ends."""
    begins = starts(text) or [0]
    index = bisect.bisect_right(begins, offset) - 1
    return begins[index], (begins[index + 1] if index + 1 < len(begins) else len(text))


def count(text: str) -> int:
    """How many sentences *text* has."""
    return len(starts(text))


def word_count(text: str) -> int:
    """How many words a reader counts: markers are none."""
    return len(words(markers.strip(text)))


def in_case_of(model: str, text: str) -> str:
    """*text* in the case of *model*: ALL CAPS, Capitalised or as it is."""
    letters = [char for char in model if char.isalpha()]
    if len(letters) > 1 and all(char.isupper() for char in letters):
        return text.upper()
    return capitalised(text) if letters and letters[0].isupper() else text


def capitalised(text: str) -> str:
    """*text* with its first letter in upper case and the rest as it is."""
    return text[:1].upper() + text[1:]


def vowel_sound(word: str) -> bool:
    """Whether English says *an* before this word, as far as its spelling tells."""
    if word[:1].isupper() and word.isupper():
        return word[0] in _LETTER_NAMES if len(word) > 1 else word in "AEFHILMNORSX"
    return bool(_VOWEL_SOUND.match(word))


def fix_article(text: str, offset: int) -> str:
    """*text* with the *a* or *an* directly before *offset* made to fit the word there."""
    for match in _ARTICLE.finditer(text, max(0, offset - 8)):
        if match.start("word") == offset:
            article = "an" if vowel_sound(match["word"]) else "a"
            article = prose_case(match["article"], article)
            return text[: match.start("article")] + article + text[match.end("article") :]
    return text


def prose_case(model: str, article: str) -> str:
    """An article in the case of the one it replaces."""
    return article.capitalize() if model[0].isupper() else article


def _abbreviated(text: str, match: re.Match[str]) -> bool:
    before = _LAST_WORD.search(text, 0, match.start() + 1)
    word = before[0].lstrip("(\"'“‘").lower() if before else ""
    initial = len(word) == 2 and word[0].isalpha() and word[0] != "i"
    return text[match.start()] == "." and (word in _ABBREVIATIONS or initial)
