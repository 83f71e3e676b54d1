"""Repairs of the wording: plainer words for phrases that mark a text as machine-made."""

from __future__ import annotations

import re
from functools import cache

from steps.fixes.structure import FixContext
from steps.html import dom
from steps.html.runs import Run, overlaps
from steps.language import prose
from steps.language.phrases import AI_PHRASES
from steps.language.text import occurrences

MIN_CLAUSE = 4
"""Words that must be left of a sentence when a clause with a phrase is cut off."""

_OPEN = ("that", ",")
_APART = re.compile(r"[,;:–—]\s*$")
_CLAUSE = re.compile(r",[^,]*$")
_STOP = re.compile(r"[,.;:!?]")
_EDGE = re.compile(r"[\s,]*")
_CAPITAL = re.compile(r"[A-Z][\w’'-]*")
_KEPT = frozenset({*dom.CODE, *dom.QUOTES, "a"})
_ANYWHERE = ("p", "li", "dd", "dt", "td", "th", "figcaption", "caption", *dom.HEADINGS)


def replace_phrases(root: dom.Element, context: FixContext) -> list[str]:
    """Write something plainer for each phrase of :data:`~steps.language.phrases.AI_PHRASES`.

    In text only, never in attributes; the case is kept; quotations, code, links, proper names
    and the keyword itself are left alone.
    """
    found = []
    for block in dom.elements(root, *_ANYWHERE):
        if dom.inside(block, _KEPT):
            continue
        for match in reversed(_matches(block, context)):
            start, phrase = match
            replacement = AI_PHRASES[phrase]
            _replace(block, start, len(phrase), replacement)
            found.append(f'replaced "{phrase}" by "{replacement or ""}"')
    return found


def _matches(block: dom.Element, context: FixContext) -> list[tuple[int, str]]:
    run = Run(block)
    text = run.text.replace("’", "'")
    kept = run.quoted() + [
        (begin, begin + len(slot.value))
        for begin, slot in run.pieces()
        if dom.inside(slot.parent, _KEPT)
    ]
    in_heading = dom.level(block) > 0
    return [
        (match.start(), match[0].lower())
        for match in _phrases().finditer(text)
        if not overlaps(*match.span(), kept)
        and not occurrences(context.keyword, match[0])
        and _in_one_slot(run, *match.span())
        and (in_heading or not _proper_name(text, match))
    ]


def _in_one_slot(run: Run, start: int, end: int) -> bool:
    return run.find(start)[0] is run.find(end - 1)[0]


def _proper_name(text: str, match: re.Match[str]) -> bool:
    """Whether a capitalised phrase is (part of) a name: another capitalised word beside it, or
    a capital in the middle of a sentence."""
    if not match[0][0].isupper():
        return False
    after = _CAPITAL.match(text, _skip(text, match.end()))
    if after and after[0] != "I":
        return True
    return match.start() not in prose.starts(text) and not match[0].isupper()


def _skip(text: str, at: int) -> int:
    return at + 1 if text[at : at + 1] == " " else at


def _replace(block: dom.Element, start: int, length: int, replacement: str | None) -> None:
    if replacement is None:
        _drop(block, start, start + length)
        return
    slot, begin = Run(block).find(start)
    at = start - begin
    value, old = slot.value, slot.value[at : at + length]
    changed = value[:at] + prose.in_case_of(old, replacement) + value[at + length :]
    slot.value = prose.fix_article(changed, at)


def _drop(block: dom.Element, start: int, end: int) -> None:
    """Leave a phrase out: by itself where it stands apart, else with its clause, else with its
    sentence, where others say enough."""
    run = Run(block)
    text = run.text
    begins, ends = prose.sentence_at(text, start)
    clause = _CLAUSE.search(text[begins:start])
    if start == begins or _APART.search(text[begins:start]) or text[start:end].endswith(_OPEN):
        run.cut(start, end + _edge(text[end:ends]))
        if start == begins:
            _capitalise(Run(block), start)
    elif clause and prose.word_count(text[begins : begins + clause.start()]) >= MIN_CLAUSE:
        stop = _STOP.search(text, end)
        run.cut(begins + clause.start(), stop.start() if stop else ends)
    elif run.sentences() > 1:
        run.cut(begins, ends)


def _capitalise(run: Run, at: int) -> None:
    if at < len(run.text):
        slot, begin = run.find(at)
        slot.value = slot.value[: at - begin] + prose.capitalised(slot.value[at - begin :])


def _edge(rest: str) -> int:
    """How much of what follows a deleted phrase goes with it: a comma and blanks."""
    match = _EDGE.match(rest)
    return match.end() if match else 0


@cache
def _phrases() -> re.Pattern[str]:
    """Every phrase as whole words, the longest first."""
    longest = sorted(AI_PHRASES, key=lambda phrase: (-len(phrase), phrase))
    joined = "|".join(re.escape(phrase) for phrase in longest)
    return re.compile(rf"(?<!\w)(?:{joined})(?!\w)", re.IGNORECASE)
