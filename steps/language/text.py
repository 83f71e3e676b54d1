"""Measures on plain text: words, sentences, occurrences of a phrase, repetition.

Plain text is what :func:`steps.html.dom.text` gives: one line a block, so a line's end always ends
a sentence. Everything here is a pure function. What needs a reader's ear (passive voice,
transition words, reading ease) is in :mod:`steps.language.readability`.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from functools import lru_cache
from itertools import pairwise


def listed(names: str) -> frozenset[str]:
    """The set of the words of a string: how this package writes word lists down."""
    return frozenset(names.split())


_WORD = re.compile(r"[^\W_]+(?:[-'’][^\W_]+|[.,]\d+)*")
_END = re.compile(r"[.!?…]+[\"'”’»)\]]*(?=\s|$)|[。！？]+[」』”]?")
_OPENERS = "\"'“‘«([¿¡"
_LIST_NUMBER = re.compile(r"^\s*(?:\d{1,3}|[A-Za-z])$")
_INITIALS = re.compile(r"(?:^|[\s(\"“])(?:[^\W\d_]\.)*[^\W\d_]$")

NEVER_LAST = listed(
    "dr mr mrs ms prof sr jr st mt vs cf fig figs eq sec ch vol no nos pp approx ca dept est gen "
    "gov hon lt col sgt capt rep sen rev e.g i.e eg ie viz resp incl ed eds trans"
)
"""Abbreviations that stand before something and so never end a sentence."""

MAYBE_LAST = listed(
    "etc inc ltd co corp llc plc al a.m p.m am pm jan feb mar apr jun jul aug sep sept oct nov "
    "dec mon tue wed thu fri sat sun u.s u.k e.u u.n ave blvd"
)
"""Abbreviations that end a sentence only when what follows begins like a new one."""


def words(text: str) -> list[str]:
    """The words and numbers of *text* in order; ``cutting-edge``, ``don't`` and ``2,500.5`` are
    one word each, punctuation is none."""
    return _WORD.findall(text)


def sentences(text: str) -> list[str]:
    """The sentences of *text*, stripped. Decimals, abbreviations, initials and list numbers do
    not end one; a line's end does. Runs without a single word are left out."""
    found = (part.strip() for line in text.splitlines() for part in _split(line))
    return [sentence for sentence in found if _WORD.search(sentence)]


def _split(line: str) -> Iterator[str]:
    start = 0
    for match in _END.finditer(line):
        if _ends(line, start, match):
            yield line[start : match.end()]
            start = match.end()
    yield line[start:]


def _ends(line: str, start: int, match: re.Match[str]) -> bool:
    """Whether a sentence that began at *start* ends with this punctuation."""
    before, after = line[start : match.start()], line[match.end() :].lstrip()
    if not after or match[0][0] in "。！？":
        return True
    first = after.lstrip(_OPENERS)[:1]
    if first.islower():
        return False
    return match[0] != "." or not _abbreviated(before, first)


def _abbreviated(before: str, first: str) -> bool:
    """Whether the full stop after *before* belongs to a word; *first* is what follows it."""
    if _LIST_NUMBER.match(before):
        return True
    last = before.rsplit(None, 1)[-1].lstrip(_OPENERS).lower() if before.strip() else ""
    if last in NEVER_LAST:
        # "No. 5" counts something; "She said no. Then" does not
        return last not in {"no", "nos", "ed"} or first.isdigit()
    if last in MAYBE_LAST:
        return not first.isupper()
    return bool(_INITIALS.search(before)) and last != "i"


# -- phrases ---------------------------------------------------------------------------


@lru_cache(maxsize=512)
def pattern(phrase: str) -> re.Pattern[str]:
    """What finds *phrase* in a text: whole words, any case, words joined by blanks, hyphens or
    the phrase's own signs (``R & D``, also as ``R and D``), the last word in its singular or
    its simple plural.

    A phrase without a word finds nothing.
    """
    plain = phrase.replace("-", " ").lower()
    found = list(_WORD.finditer(plain))
    if not found:
        return re.compile(r"(?!)")
    forms = sorted(_forms(found[-1][0]), reverse=True)
    joined = "".join(
        re.escape(one[0]) + _joint(plain[one.end() : after.start()])
        for one, after in pairwise(found)
    )
    last = "|".join(map(re.escape, forms))
    return re.compile(rf"(?<![\w])(?:{joined}(?:{last}))(?![\w])", re.IGNORECASE)


def _joint(between: str) -> str:
    """What may stand where *between* stands between two words of a phrase."""
    signs = re.escape("".join(between.split()))
    if not signs:
        return r"[\s\-]+"
    spelled = r"|[\s\-]+and[\s\-]+" if "&" in signs else ""
    return rf"(?:[\s\-]+|[\s\-]*{signs}[\s\-]*{spelled})"


def _forms(word: str) -> set[str]:
    """A word with its simple plural and its simple singular."""
    forms = {word, word + "s"}
    if re.search(r"(?:s|x|z|ch|sh)$", word):
        forms.add(word + "es")
    if re.search(r"[^aeiou]y$", word):
        forms.add(word[:-1] + "ies")
    if word.endswith("ies") and len(word) > 4:
        forms.add(word[:-3] + "y")
    elif re.search(r"(?:sses|xes|zes|ches|shes)$", word):
        forms.add(word[:-2])
    elif re.search(r"[^su]s$", word) and len(word) > 3 and not word.endswith("is"):
        forms.add(word[:-1])
    return forms


def spans(text: str, phrase: str) -> list[tuple[int, int]]:
    """Where *phrase* stands in *text*, as ``(start, end)`` offsets; matched as :func:`pattern`."""
    return [match.span() for match in pattern(phrase).finditer(text)]


def occurrences(text: str, phrase: str) -> int:
    """How often *phrase* stands in *text*; matched as :func:`pattern` says."""
    return len(spans(text, phrase))


def density(text: str, phrase: str) -> float:
    """The share of the words of *text* that belong to *phrase*, in percent.

    A phrase of three words that occurs ten times counts thirty words: the usual definition
    for phrases, and the only one under which 5-12 uses in 3,000 words can reach 0.5 %.
    """
    total = len(words(text))
    held = occurrences(text, phrase) * len(words(phrase.replace("-", " ")))
    return 100.0 * held / total if total else 0.0


# -- repetition ------------------------------------------------------------------------


def repeated_share(tokens: Sequence[str], size: int = 8) -> float:
    """The share of runs of *size* words that repeat an earlier run, in percent."""
    counts = Counter(runs(tokens, size))
    total = sum(counts.values())
    return 100.0 * (total - len(counts)) / total if total else 0.0


def runs(tokens: Sequence[str], size: int = 8) -> list[tuple[str, ...]]:
    """Every run of *size* words, lower case, in order."""
    lowered = [token.lower() for token in tokens]
    return list(zip(*(lowered[shift:] for shift in range(size)), strict=False))
