"""The two kinds of marker that stand in the text for something else.

``[[claim:n]]`` marks a statement that needs a source; step 7 resolves it. ``[[island:n]]``
stands for a piece of the client's own page that is put back byte for byte at the end.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from steps.html import dom

CLAIM = re.compile(r"\[\[claim:(\d+)\]\]")
ISLAND = re.compile(r"\[\[island:(\d+)\]\]")
_GAPS = ((re.compile(r"[ \t]{2,}"), " "), (re.compile(r"[ \t]+(?=[.,;:!?](\s|$))"), ""))
MARKER = re.compile(r"\[\[(?:claim|island):\d+\]\]")
_ALMOST = re.compile(
    r"(?:\[|&#91;|&lbrack;){1,2}\s*(claim|island)\s*[:#\-]\s*(\d{1,6})\s*(?:\]|&#93;|&rbrack;){1,2}",
    re.IGNORECASE,
)
"""A marker as a model may write it: one bracket, blanks, capitals, another sign."""


def claim(number: int) -> str:
    """The marker of a claim."""
    return f"[[claim:{number}]]"


def island(number: int | str) -> str:
    """The marker of an island."""
    return f"[[island:{number}]]"


def normal(text: str) -> str:
    """*text* with what is almost a marker (``[Island: 3]``) written as one."""
    return _ALMOST.sub(lambda match: f"[[{match[1].lower()}:{match[2]}]]", text)


def spelled_out(text: str, sources: Mapping[str, str]) -> str:
    """*text* with what these islands hold in the place of their first marker."""
    left = dict(sources)
    return ISLAND.sub(lambda m: left.pop(m[1], "") if m[1] in sources else m[0], text)


def claims(text: str) -> list[int]:
    """The numbers of the claim markers in *text*, in order, repeats included."""
    return [int(number) for number in CLAIM.findall(text)]


def islands(text: str) -> list[str]:
    """The numbers of the island markers in *text*, in order, repeats included."""
    return ISLAND.findall(text)


def strip(text: str) -> str:
    """*text* as a reader will count it: without markers."""
    return MARKER.sub("", text)


def remove(text: str, pattern: re.Pattern[str]) -> str:
    """*text* without what *pattern* finds, and without the gap that would leave."""
    return tidy(pattern.sub("", text)) if pattern.search(text) else text


def tidy(text: str) -> str:
    """*text* without double blanks and without blanks before a punctuation mark."""
    for pattern, filling in _GAPS:
        text = pattern.sub(filling, text)
    return text


def keep_once(root: dom.Element, pattern: re.Pattern[str], known: Iterable[str]) -> list[str]:
    """Leave the first of each marker whose number is in *known*; remove all the others.

    Returns the numbers that were found.
    """
    allowed, seen = frozenset(known), []

    def keep(match: re.Match[str]) -> str:
        if match[1] in allowed and match[1] not in seen:
            seen.append(match[1])
            return match[0]
        return ""

    for slot in dom.slots(root):
        if pattern.search(slot.value):
            kept = pattern.sub(keep, slot.value)
            slot.value = kept if kept == slot.value else tidy(kept)
    return seen


def clean_attributes(root: dom.Element) -> None:
    """Remove markers from attributes, where nothing may ever be put back."""
    for node in dom.elements(root):
        for name in node.attrib:
            value = node.get(name) or ""
            if MARKER.search(value):
                node.set(name, MARKER.sub("", value))
