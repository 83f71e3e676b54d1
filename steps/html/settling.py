"""Keeping islands where they may stand while the text around them changes."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from steps.html import dom, markers
from steps.html.islands import is_anchor, is_block, is_link

SEE_ALSO = "See also: "


def settle(root: dom.Element, islands: Mapping[str, str]) -> None:
    """Give every island a legal place: no island in a heading, no block within a paragraph.

    Markers of unknown islands and second copies of a marker are removed.

    :param islands: number -> source of the islands that belong here.
    """
    markers.clean_attributes(root)
    markers.keep_once(root, markers.ISLAND, islands)
    for block in dom.elements(root, "p", *dom.HEADINGS):
        in_heading = dom.level(block) > 0
        _lift(block, {n for n in islands if in_heading or is_block(islands[n])})


def _lift(block: dom.Element, numbers: set[str]) -> None:
    """Take these islands out of *block* into paragraphs of their own behind it."""
    here = [n for n in markers.islands(dom.text(block)) if n in numbers]
    if not here or dom.text(block) == markers.island(here[0]):
        return
    taken = re.compile("|".join(re.escape(markers.island(number)) for number in here))
    for slot in dom.slots(block):
        slot.value = markers.remove(slot.value, taken)
    for number in reversed(here):
        dom.insert_after(block, dom.element("p", markers.island(number)))
    if not dom.text(block):
        dom.remove(block)


def lost(root: dom.Element, islands: Iterable[str]) -> list[str]:
    """The numbers whose marker is not in the text."""
    there = set(markers.islands(dom.text(root)))
    return [number for number in islands if number not in there]


def mend(root: dom.Element, islands: Mapping[str, str]) -> list[str]:
    """Put lost islands back at the end of what *root* holds; returns their numbers.

    Links come together in one sentence, anchors at the first paragraph, the rest one by one.
    """
    missing = lost(root, islands)
    end = _end(root)
    links = [number for number in missing if is_link(islands[number])]
    for number in missing:
        if is_anchor(islands[number]):
            _anchor(root, number)
        elif number not in links:
            end.append(dom.element("p", markers.island(number)))
    if links:
        end.append(dom.element("p", SEE_ALSO + ", ".join(map(markers.island, links)) + "."))
    return missing


def _end(root: dom.Element) -> dom.Element:
    """Where a section's content ends: its ``section`` element when that is all there is."""
    only = root[0] if len(root) == 1 else root
    return only if dom.tag(only) == "section" else root


def _anchor(root: dom.Element, number: str) -> None:
    paragraphs = dom.elements(root, "p")
    if not paragraphs:
        _end(root).append(dom.element("p", markers.island(number)))
        return
    paragraphs[0].text = markers.island(number) + (paragraphs[0].text or "")
