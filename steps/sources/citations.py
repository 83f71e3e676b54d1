"""Claims resolved: a citation where a source supports one, a softer sentence where none does."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from steps.html import dom, markers
from steps.html.runs import Run
from steps.html.sanitise import safe_url
from steps.language import prose
from steps.models import Reference

HEDGE = "By some estimates, "
"""Put before a sentence that states a figure for which no source was found."""

_FIGURE = re.compile(
    r"\d+([.,]\d+)?\s?(%|percent|per cent|million|billion|times|x\b)|[$€£]\s?\d|\d{2,}", re.I
)
_HEDGED = re.compile(
    r"\b(by some estimates|according to|about|around|roughly|approximately|an estimated|"
    r"it is estimated|some estimates|may|might|could|often|typically|usually)\b",
    re.I,
)
_WORD = re.compile(r"[^\W\d_][\w’'-]*")
_MARKED = re.compile(r"[ \t]*\[\[claim:(\d+)\]\]")


def usable(references: Sequence[Reference]) -> list[Reference]:
    """The references whose address may stand in a page, each address once."""
    seen: dict[str, Reference] = {}
    for reference in references:
        if safe_url(reference.url):
            seen.setdefault(reference.url, reference)
    return list(seen.values())


def resolve(root: dom.Element, references: Sequence[Reference]) -> list[int]:
    """Put a citation in the place of every claim's marker, or soften the sentence and drop it.

    :param references: in the order in which they are listed.
    :returns: the numbers of the claims without a source.
    """
    supports = {
        claim: (place, reference)
        for place, reference in reversed(list(enumerate(references, start=1)))
        for claim in reference.claims
    }
    open_claims = []
    for block in dom.elements(root, *dom.TEXT_BLOCKS):
        open_claims += _soften(block, supports, root)
    for slot in dom.slots(root):
        _cite(slot, supports)
    return open_claims


def _soften(block: dom.Element, supported: Mapping[int, object], root: dom.Element) -> list[int]:
    """Remove the markers of claims without a source, from the last to the first."""
    found = []
    for match in reversed(list(_MARKED.finditer(Run(block).text))):
        claim = int(match[1])
        run = Run(block)
        if claim in supported and _in_one_slot(run, match):
            continue
        found.append(claim)
        start, end = prose.sentence_at(run.text, match.start())
        sentence = run.text[start:end]
        run.cut(*match.span(), keep_markers=False)
        others = {int(number) for number in markers.CLAIM.findall(sentence)} & supported.keys()
        if dom.tag(block) in {"p", "li", "dd"} and not others and needs_hedge(sentence):
            _hedge(Run(block), start, root)
    return found[::-1]


def _in_one_slot(run: Run, match: re.Match[str]) -> bool:
    """Whether a marker is not torn apart by an element that opens or closes within it."""
    return run.find(match.end() - 1)[0] is run.find(match.start(1) - len("[[claim:"))[0]


def needs_hedge(sentence: str) -> bool:
    """Whether a sentence states a figure as certain."""
    plain = markers.strip(sentence)
    return bool(_FIGURE.search(plain)) and not _HEDGED.search(plain)


def _hedge(run: Run, start: int, root: dom.Element) -> None:
    if not run.slots:
        return
    slot, begin = run.find(start)
    at = start - begin
    rest = slot.value[at:]
    word = _WORD.match(rest)
    if word and _common(word[0], root):
        rest = rest[:1].lower() + rest[1:]
    slot.value = slot.value[:at] + HEDGE + rest


def _common(word: str, root: dom.Element) -> bool:
    """Whether a capitalised word is an ordinary one: the article also writes it small."""
    if not word[:1].isupper() or word[1:] != word[1:].lower() or word == "I":
        return False
    small = re.compile(rf"(?<!\w){re.escape(word.lower())}(?!\w)")
    return word.lower() in _ORDINARY or bool(small.search(dom.text(root)))


_ORDINARY = frozenset(
    {
        "the",
        "a",
        "an",
        "in",
        "on",
        "at",
        "by",
        "for",
        "with",
        "more",
        "most",
        "many",
        "over",
        "only",
    }
    | {"this", "these", "that", "those", "it", "they", "we", "you", "our", "your", "their", "its"}
    | {"one", "two", "three", "four", "five", "half", "nearly", "almost", "up", "as", "when", "if"}
)


def _cite(slot: dom.Slot, supports: Mapping[int, tuple[int, Reference]]) -> None:
    for match in reversed(list(_MARKED.finditer(slot.value))):
        before, after = slot.value[: match.start()], slot.value[match.end() :]
        found = supports.get(int(match[1]))
        if found is None or dom.inside(slot.parent, dom.HEADINGS):
            slot.value = before + after
            continue
        dom.split_text(slot, match.end(), citation(*found))
        slot.value = before + " " if before else before


def citation(place: int, reference: Reference) -> dom.Element:
    """The link that stands behind a claim: ``[place]``, the number in the list of references."""
    return dom.element("a", f"[{place}]", href=reference.url, class_="citation", rel="noopener")
