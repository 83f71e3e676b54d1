"""Repairs of an article's structure: headings, doubled parts, empty elements, leftovers.

Each pass takes the whole article as a tree (every section in a ``div`` that names it) and
returns what it changed, in words. No pass loses a marker.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import dataclass, field

from steps.asking.echo import echoes
from steps.html import dom, markers
from steps.html.parts import CONCLUSION, FAQ, TAKEAWAYS
from steps.html.runs import Run, text_blocks
from steps.language import prose
from steps.language.phrases import MODEL_VOICE
from steps.language.text import words
from steps.models import SectionKind

SECTION_ID = "data-section"
"""The attribute of the ``div`` around a section while the passes run."""

DEEPEST = 4  #: heading level; the sanitiser knows no deeper one

_SUBJECTS_OF_THEIR_OWN = frozenset({"language model"})
"""Traces of a model that are also ordinary words of some subjects."""

_LEFTOVERS = tuple(phrase for phrase in MODEL_VOICE if phrase not in _SUBJECTS_OF_THEIR_OWN)
_EMPTY_MEANS_NOTHING = frozenset(
    {"p", "li", "ul", "ol", "dl", "dt", "dd", "div", "section", "blockquote", "table", "thead"}
    | {"tbody", "tr", "figure", "aside", "strong", "em", "b", "i", "u", "span", "mark", "a"}
    | {"code", "pre", "sub", "sup", "q", "h3", "h4", "h5", "h6", "caption", "figcaption"}
)


@dataclass(frozen=True, slots=True)
class FixContext:
    """What the passes must know about the article.

    :param kinds: a section's id -> its kind.
    :param title: the h1 that will stand above, which also names the keyword.
    """

    keyword: str
    title: str = ""
    kinds: Mapping[str, SectionKind] = field(default_factory=dict)


def sections(root: dom.Element) -> list[dom.Element]:
    """The article's sections in order."""
    return [node for node in root if node.get(SECTION_ID)]


def kind_of(section: dom.Element, context: FixContext) -> SectionKind:
    """The kind of a section; ``body`` when the plan does not know it."""
    return context.kinds.get(section.get(SECTION_ID) or "", "body")


def drop_leftovers(root: dom.Element, context: FixContext) -> list[str]:
    """Delete sentences in which the prompt or the model itself speaks."""
    found = []
    known = context.keyword.lower()
    phrases = [phrase for phrase in _LEFTOVERS if phrase not in known]
    for block in text_blocks(root):
        run = Run(block)
        lowered = run.text.lower().replace("’", "'")
        for phrase in (phrase for phrase in phrases if phrase in lowered):
            found += _drop_sentences(block, phrase)
        found += _drop_echoes(block)
    return found


def _drop_echoes(block: dom.Element) -> list[str]:
    """Delete the sentences from the first that recites our instructions to the last."""
    text = Run(block).text
    if not echoes(text):
        return []
    begins = [*prose.starts(text), len(text)]
    spans = itertools.pairwise(begins)
    reciting = [(start, end) for start, end in spans if echoes(text[start:end])]
    first, last = (reciting[0][0], reciting[-1][1]) if reciting else (0, len(text))
    Run(block).cut(first, last)
    return ["removed a recital of the task"]


def _drop_sentences(block: dom.Element, phrase: str) -> list[str]:
    from_end: list[tuple[int, int]] = []
    run = Run(block)
    lowered = run.text.lower().replace("’", "'")
    at = lowered.find(phrase)
    while at >= 0:
        start, end = prose.sentence_at(run.text, at)
        if not from_end or from_end[-1] != (start, end):
            from_end.append((start, end))
        at = lowered.find(phrase, end)
    for start, end in reversed(from_end):
        Run(block).cut(start, end)
    return [f'removed a sentence with "{phrase}"' for _ in from_end]


def one_h1(root: dom.Element, context: FixContext) -> list[str]:
    """The article's only h1 is its title, which is put above the sections: none may be left."""
    found = []
    for section in sections(root):
        for heading in dom.elements(section, "h1"):
            heading.tag = "h3" if dom.elements(section, "h2") else "h2"
            found.append(f"made an h1 an {heading.tag}: {_name(heading)}")
    return found


def heading_levels(root: dom.Element, context: FixContext) -> list[str]:
    """Below each heading the next level at most, none deeper than h4."""
    found = []
    for section in sections(root):
        before = 1
        for heading in dom.elements(section, *dom.HEADINGS):
            right = min(dom.level(heading), before + 1, DEEPEST)
            if right != dom.level(heading):
                found.append(f"made an {dom.tag(heading)} an h{right}: {_name(heading)}")
                heading.tag = f"h{right}"
            before = right
    return found


def drop_duplicates(root: dom.Element, context: FixContext) -> list[str]:
    """Key takeaways, FAQ and conclusion stand once: in the section that the plan gave them."""
    found = []
    for kind, pattern in (("takeaways", TAKEAWAYS), ("faq", FAQ), ("conclusion", CONCLUSION)):
        headings = [
            (section, heading)
            for section in sections(root)
            for heading in dom.elements(section, "h2", "h3")
            if pattern.search(dom.text(heading))
        ]
        for section, heading in headings:
            own = kind_of(section, context) == kind
            if own and dom.elements(section, *dom.HEADINGS)[0] is heading:
                continue
            if own or any(kind_of(other, context) == kind for other, _ in headings):
                found.append(f"removed a second {kind} part: {_name(heading)}")
                _drop_part(heading)
    return found


def _drop_part(heading: dom.Element) -> None:
    """Remove a heading and what stands under it; what carries a marker stays."""
    part = [heading]
    for later in heading.itersiblings():
        if 0 < dom.level(later) <= dom.level(heading):
            break
        part.append(later)
    for node in part:
        if markers.CLAIM.search(dom.text(node)) and node is not heading:
            continue
        for number in markers.islands(dom.text(node)):
            node.addprevious(dom.element("p", markers.island(number)))
        dom.remove(node)


def drop_empty(root: dom.Element, context: FixContext) -> list[str]:
    """Remove elements in which there is nothing to see."""
    found = 0
    for node in reversed(dom.elements(root, *_EMPTY_MEANS_NOTHING)):
        if not node.get(SECTION_ID) and not _shows(node):
            dom.remove(node)
            found += 1
    return [f"removed {found} empty elements"] if found else []


def _shows(node: dom.Element) -> bool:
    seen = any(dom.tag(inner) in dom.VOID - {"br", "wbr"} for inner in dom.elements(node))
    return seen or bool(dom.text(node))


def _name(heading: dom.Element) -> str:
    return " ".join(words(dom.text(heading))[:8])
