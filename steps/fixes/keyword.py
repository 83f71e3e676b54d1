"""The keyword's density brought into its range: by pronouns and shorter forms, or back again."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

from steps.fixes.structure import FixContext
from steps.html import dom, markers
from steps.html.runs import Run, overlaps
from steps.language import prose
from steps.language.phrases import STOP_WORDS
from steps.language.text import density, occurrences, spans, words

MIN_USES, MAX_USES = 5, 12  #: the rubric's "Primary Keyword Usage"
MIN_DENSITY, MAX_DENSITY = 0.5, 2.5  #: percent of the words, the rubric's "Keyword Density"

_PREPOSITIONS = frozenset(
    {"in", "for", "of", "with", "on", "to", "about", "from", "by", "into", "without", "at"}
    | {"between", "through", "against", "under", "over", "around", "behind", "via", "versus"}
)
_AUXILIARIES = frozenset(
    {"is", "are", "was", "were", "can", "could", "will", "would", "may", "might", "must", "should"}
    | {"has", "have", "had", "does", "do", "did"}
)
_FUNCTION = (
    _PREPOSITIONS
    | _AUXILIARIES
    | {"and", "or", "but", "than", "as", "that", "which", "when", "while", "because", "if", "so"}
    | {"a", "an", "the", "your", "our", "their", "its", "this", "these", "those", "most", "any"}
)
_KEPT = frozenset({*dom.PROTECTED, "th", "caption"})


@dataclass(frozen=True, slots=True)
class Use:
    """One place of the keyword in the text, with the words beside it (lower case, ``""`` at a
    sentence's edge or a punctuation mark)."""

    slot: dom.Slot
    start: int
    end: int
    before: str
    after: str
    opens: bool
    known: bool  #: the same block has named the keyword before

    @property
    def words(self) -> str:
        """The keyword as it stands there."""
        return self.slot.value[self.start : self.end]


def uses_range(word_total: int, keyword: str) -> tuple[int, int]:
    """How often *keyword* may occur in so many words: both rules of the rubric kept; where
    they contradict each other the critical one, 5-12 uses, wins."""
    held = max(1, len(words(keyword.replace("-", " "))))
    most = min(MAX_USES, math.floor(word_total * MAX_DENSITY / 100 / held))
    least = max(MIN_USES, math.ceil(word_total * MIN_DENSITY / 100 / held))
    return min(least, most, MAX_USES), most


def balance_keyword(root: dom.Element, context: FixContext) -> list[str]:
    """Replace surplus uses of the keyword by a pronoun or a shorter form, or write shorter forms
    out where it is rare. Headings, links, quotations, code and the article's first paragraph
    stay as they are."""
    text = markers.strip(dom.text(root))
    in_title = occurrences(context.title, context.keyword)
    count = occurrences(text, context.keyword) + in_title
    least, most = uses_range(len(words(text)), context.keyword)
    before = density(text, context.keyword)
    if count > most:
        changed = _reduce(root, context.keyword, count - most)
    elif count < least:
        changed = _spell_out(root, context.keyword, least - count)
    else:
        return []
    after = density(markers.strip(dom.text(root)), context.keyword)
    told = f"keyword density {before:.2f} % -> {after:.2f} % ({changed} uses changed)"
    return [told] if changed else []


# -- fewer -------------------------------------------------------------------------------


def _reduce(root: dom.Element, keyword: str, surplus: int) -> int:
    """Replace up to *surplus* uses; first where the same block has just named the keyword."""
    uses = list(_uses(root, keyword))
    order = sorted(range(len(uses)), key=lambda index: (not uses[index].known, -index))
    chosen = [index for index in order if _replacement(uses[index], keyword)][:surplus]
    for index in sorted(chosen, reverse=True):  # from the end, so that offsets stay true
        _put(uses[index], _replacement(uses[index], keyword))
    return len(chosen)


def _replacement(use: Use, keyword: str) -> str:
    plural = keyword.rstrip().lower().endswith("s") and not keyword.lower().endswith("ss")
    if use.known and use.opens and use.after in _AUXILIARIES:
        return "they" if plural else "it"
    if use.known and use.before in _PREPOSITIONS and use.after in {"", "and", "or", "but"}:
        return "them" if plural else "it"
    return _shorter(use.words)


def _shorter(phrase: str) -> str:
    """A natural short form: what stands before a preposition (*AI* for *AI in SEO*), else
    without its first word and a sign behind it; ``""`` where that would leave no subject."""
    parts = phrase.split()
    cut = next((i for i, part in enumerate(parts) if i and part.lower() in _PREPOSITIONS), 0)
    rest = parts[1:] if words(" ".join(parts[1:2])) else parts[2:]
    short = parts[:cut] if cut else rest
    edges = {short[0].lower(), short[-1].lower()} if short else {"the"}
    return "" if edges & STOP_WORDS else " ".join(short)


# -- more --------------------------------------------------------------------------------


def _spell_out(root: dom.Element, keyword: str, wanted: int) -> int:
    """Write the keyword where its short form stands alone, at most once a block."""
    short = _shorter(keyword)
    if not short:
        return 0
    seen: set[int] = set()
    done = 0
    for use in _uses(root, short):
        block = id(dom.block_of(use.slot.parent))
        alone = use.before in {"", *_FUNCTION} and use.after in {"", *_FUNCTION}
        if done < wanted and alone and block not in seen and not _within(use, keyword):
            _put(use, keyword)
            seen.add(block)
            done += 1
    return done


def _within(use: Use, keyword: str) -> bool:
    return overlaps(use.start, use.end, spans(use.slot.value, keyword))


# -- both --------------------------------------------------------------------------------


def _uses(root: dom.Element, phrase: str) -> Iterator[Use]:
    first = next(iter(dom.elements(root, "p")), None)
    for block in dom.elements(root, "p", "li", "dd", "td"):
        if block is first or dom.inside(block, _KEPT):
            continue
        yield from _in_block(Run(block), phrase)


def _in_block(run: Run, phrase: str) -> Iterator[Use]:
    text, quoted = run.text, run.quoted()
    begins = prose.starts(text)
    for number, (start, end) in enumerate(spans(text, phrase)):
        slot, begin = run.find(start)
        if run.find(end - 1)[0] is not slot or dom.inside(slot.parent, _KEPT):
            continue
        if not overlaps(start, end, quoted):
            before, after = _before(text[:start]), _after(text[end:])
            opens = start in begins
            yield Use(slot, start - begin, end - begin, before, after, opens, number > 0)


def _before(text: str) -> str:
    last = text.rstrip().rsplit(None, 1)[-1:] if text[-1:].isspace() else []
    return last[0].lower() if last and last[0].isalpha() else ""


def _after(text: str) -> str:
    if text[:1] in {"'", "’", "-"}:
        return text[:1]
    first = text.split(None, 1)[:1] if text[:1].isspace() else []
    return first[0].rstrip(".,;:!?").lower() if first and first[0][0].isalpha() else ""


def _put(use: Use, replacement: str) -> None:
    value = use.slot.value
    written = prose.capitalised(replacement) if use.opens else replacement
    changed = value[: use.start] + written + value[use.end :]
    use.slot.value = prose.fix_article(changed, use.start)
