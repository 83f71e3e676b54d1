"""Where in an article's tree a link may stand."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass

from steps.html import dom, markers
from steps.html.runs import Run, text_blocks
from steps.links.linking import Place

BOXES = ("key-takeaways", "references")  #: classes of the boxes that get no link

_FORBIDDEN = frozenset({*dom.PROTECTED, "th", "caption", "summary"})
_BLANK = "|"  #: stands for what no anchor may contain; a break for :mod:`steps.links.anchors`


@dataclass(frozen=True, slots=True)
class Spot:
    """A text node that may carry a link.

    :param block: the paragraph, item or cell that it stands in.
    :param offset: where the node's text begins in ``block_text``, its paragraph's text.
    """

    slot: dom.Slot
    place: Place
    block: dom.Element
    block_text: str
    offset: int


def blocks(root: dom.Element) -> list[dom.Element]:
    """The blocks that may hold links, in order: prose and items of the sections, but not the
    article's first paragraph, nor the takeaways, nor the references."""
    first = next(iter(dom.elements(root, "p")), None)
    found = text_blocks(root, "p", "li", "dd", "td")
    return [
        block
        for block in found
        if block is not first and not dom.inside(block, _FORBIDDEN) and not _boxed(block)
    ]


def _boxed(block: dom.Element) -> bool:
    return any(dom.has_class(around, name) for around in block.iterancestors() for name in BOXES)


def spots(root: dom.Element) -> list[Spot]:
    """The text nodes of :func:`blocks`, less what stands in quotations, code and links."""
    section_of = dict(_sections(root))
    numbered = enumerate(blocks(root))
    in_blocks = (_in_block(Run(block), section_of[block], number) for number, block in numbered)
    return list(itertools.chain.from_iterable(in_blocks))


def _sections(root: dom.Element) -> Iterator[tuple[dom.Element, int]]:
    """Every element with how many h2 headings have begun before it."""
    number = 0
    for node in dom.elements(root):
        number += dom.tag(node) == "h2"
        yield node, number


def _in_block(run: Run, section: int, number: int) -> Iterator[Spot]:
    text = run.text
    kept_out = [*run.quoted(), *(match.span() for match in markers.MARKER.finditer(text))]
    masked = list(text)
    for start, end in kept_out:
        masked[start:end] = _BLANK * (end - start)
    for offset, slot in run.pieces():
        if not dom.inside(slot.parent, _FORBIDDEN):
            open_text = "".join(masked[offset : offset + len(slot.value)])
            place = Place(section, number, open_text)
            yield Spot(slot, place, run.block, text, offset)
