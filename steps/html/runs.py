"""The text of one block as a single string that can be edited in place.

A paragraph's text lies scattered over its inline elements; sentences and quotations do not
care. A :class:`Run` reads it as one string and carries changes back to where they belong.
"""

from __future__ import annotations

import bisect
import re
from collections.abc import Iterator

from steps.html import dom, markers
from steps.language import prose

_QUOTED = re.compile(r"“[^”]{1,400}”|\"[^\"]{1,400}\"|«[^»]{1,400}»|„[^“”]{1,400}[“”]")
_APART = dom.TEXT_BLOCKS | {"ul", "ol", "dl", "table", "pre"}


class Run:
    """The text of *block* without that of blocks within it."""

    def __init__(self, block: dom.Element) -> None:
        self.block = block
        self.slots = list(_own_slots(block))
        self._begins = [0]
        for slot in self.slots:
            self._begins.append(self._begins[-1] + len(slot.value))

    @property
    def text(self) -> str:
        """The whole text, markers included."""
        return "".join(slot.value for slot in self.slots)

    def find(self, offset: int) -> tuple[dom.Slot, int]:
        """The slot that holds the character at *offset*, and where it begins.

        :raises IndexError: the run is empty.
        """
        index = min(bisect.bisect_right(self._begins, offset) - 1, len(self.slots) - 1)
        return self.slots[index], self._begins[index]

    def pieces(self) -> Iterator[tuple[int, dom.Slot]]:
        """Every slot with the offset at which it begins."""
        yield from zip(self._begins, self.slots, strict=False)

    def cut(self, start: int, end: int, *, keep_markers: bool = True) -> None:
        """Delete the characters from *start* to *end*, but not the markers among them.

        The run must be read anew afterwards.
        """
        for begin, slot in list(self.pieces()):
            value = slot.value
            first, last = max(start - begin, 0), min(end - begin, len(value))
            if first < last:
                kept = "".join(markers.MARKER.findall(value[first:last]) if keep_markers else ())
                slot.value = value[:first] + kept + value[last:]

    def insert(self, offset: int, text: str) -> None:
        """Put *text* in at *offset*; the run must be read anew afterwards."""
        slot, begin = self.find(offset)
        at = offset - begin
        slot.value = slot.value[:at] + text + slot.value[at:]

    def quoted(self) -> list[tuple[int, int]]:
        """Where words stand between quotation marks."""
        return [match.span() for match in _QUOTED.finditer(self.text)]

    def sentences(self) -> int:
        """How many sentences the run has."""
        return prose.count(self.text)


def text_blocks(root: dom.Element, *names: str) -> list[dom.Element]:
    """The blocks below *root* that hold running text: paragraphs, items, cells by default."""
    return dom.elements(root, *(names or ("p", "li", "dd", "dt", "td", "figcaption")))


def overlaps(start: int, end: int, spans: list[tuple[int, int]]) -> bool:
    """Whether any of *spans* touches the characters from *start* to *end*."""
    return any(first < end and start < last for first, last in spans)


def _own_slots(node: dom.Element) -> Iterator[dom.Slot]:
    if node.text:
        yield dom.Slot(node, "text")
    for child in node:
        if dom.tag(child) and dom.tag(child) not in _APART:
            yield from _own_slots(child)
        if child.tail:
            yield dom.Slot(child, "tail")
