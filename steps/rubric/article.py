"""The article as the rubric sees it: parsed once, cut into blocks and sections."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, Literal

from orchestrator.models import ExistingPage
from steps.html import dom, markers
from steps.language.text import sentences, words
from steps.models import Gap, Reference

Kind = Literal["lead", "body", "takeaways", "faq", "conclusion", "references"]

CONCLUSION = re.compile(
    r"^(?:conclusions?|final thoughts|closing thoughts|wrapping up|summary|to sum up|"
    r"the bottom line)\b",
    re.IGNORECASE,
)
FAQ = re.compile(r"\b(?:faqs?|frequently asked|common questions)\b", re.IGNORECASE)
TAKEAWAYS = re.compile(r"^key takeaways?\b", re.IGNORECASE)

BOXES: Mapping[str, Kind] = {
    "key-takeaways": "takeaways",
    "faq": "faq",
    "references": "references",
}
"""Class of a box -> the kind of section it makes."""

_LISTS = frozenset({"li", "dt", "dd"})
_CELLS = frozenset({"td", "th", "caption", "figcaption"})
_ENDS = re.compile(r"[.!?…。！？][\"'”’»)\]]*$")


@dataclass(frozen=True, slots=True)
class Block:
    """One run of sentences: a paragraph, a list item, a heading, a table cell.

    ``tag`` is the element's name, ``p`` for text that stands in no block of its own;
    ``within`` are the names of the elements around it, innermost first, itself included.
    """

    tag: str
    text: str
    section: int
    within: tuple[str, ...]

    @property
    def level(self) -> int:
        """1-6 for a heading, else 0."""
        return dom.HEADINGS.index(self.tag) + 1 if self.tag in dom.HEADINGS else 0

    @property
    def in_list(self) -> bool:
        """Whether it is a list item or stands in one."""
        return not _LISTS.isdisjoint(self.within)

    @property
    def is_paragraph(self) -> bool:
        """Whether it is running text of its own: no heading, list, cell, quotation or code."""
        apart = _CELLS | _LISTS | dom.QUOTES | dom.CODE
        return not self.level and apart.isdisjoint(self.within)

    @property
    def is_prose(self) -> bool:
        """A paragraph, or a list item written as a sentence."""
        return self.is_paragraph or (self.tag in _LISTS | {"p"} and bool(_ENDS.search(self.text)))


@dataclass(frozen=True)
class Section:
    """What stands under one ``<h2>``; number 0 is what stands before the first."""

    number: int
    heading: str
    kind: Kind
    blocks: tuple[Block, ...]

    @cached_property
    def text(self) -> str:
        """Everything in it, one line a block, heading included."""
        return "\n".join(block.text for block in self.blocks)

    @property
    def paragraphs(self) -> list[Block]:
        """Its paragraphs, see :attr:`Block.is_paragraph`."""
        return [block for block in self.blocks if block.is_paragraph]

    @cached_property
    def sentences(self) -> list[str]:
        """The sentences of its prose."""
        return [one for block in self.blocks if block.is_prose for one in sentences(block.text)]


@dataclass(frozen=True)
class Article:
    """An article with everything it is judged against.

    :param pages: the client's pages it may link to.
    :param own_urls: further addresses that may stand in it (links of the client's old text).
    :param own_markup: pieces of the client's old page that stand in it byte for byte.
    :param year: the current year, which a fresh article names.
    :param json_ld: the structured data that goes with it.
    """

    html: str
    keyword: str
    title: str
    slug: str
    meta_description: str
    year: int
    locale: str = "en-US"
    semantic_keywords: Sequence[str] = ()
    gaps: Sequence[Gap] = ()
    pages: Sequence[ExistingPage] = ()
    references: Sequence[Reference] = ()
    own_urls: Sequence[str] = ()
    own_markup: Sequence[str] = ()
    json_ld: Mapping[str, Any] = field(default_factory=dict)

    def with_json_ld(self, json_ld: Mapping[str, Any]) -> Article:
        """The same article with its structured data; what was parsed is kept."""
        other = replace(self, json_ld=json_ld)
        other.__dict__.update({**self.__dict__, "json_ld": json_ld})
        return other

    @cached_property
    def root(self) -> dom.Element:
        """The parsed HTML; nobody may change it."""
        return dom.parse(self.html)

    @cached_property
    def sections(self) -> tuple[Section, ...]:
        """Every section in order, the references and what stands before the first included."""
        return tuple(_sections(self.root))

    @cached_property
    def written(self) -> tuple[Section, ...]:
        """The sections somebody wrote: all but the list of references."""
        return tuple(section for section in self.sections if section.kind != "references")

    @cached_property
    def blocks(self) -> tuple[Block, ...]:
        """Every block of :attr:`written`."""
        return tuple(block for section in self.written for block in section.blocks)

    @cached_property
    def text(self) -> str:
        """What was written, one line a block."""
        return "\n".join(block.text for block in self.blocks)

    @cached_property
    def words(self) -> list[str]:
        """The words of :attr:`text`."""
        return words(self.text)

    @cached_property
    def sentences(self) -> list[str]:
        """The sentences of the prose, lists written as sentences included."""
        return [sentence for section in self.written for sentence in section.sentences]

    @cached_property
    def headings(self) -> list[Block]:
        """The headings of :attr:`written`, h1 included."""
        return [block for block in self.blocks if block.level]

    @cached_property
    def links(self) -> list[str]:
        """The address of every link, in order, markup of the client's own included."""
        found = (node.get("href") for node in dom.elements(self.root, "a"))
        return [href.strip() for href in found if href]

    def boxes_without_heading(self, kind: Kind) -> int:
        """How many boxes of this kind hold no h2, and so are no section."""
        return sum(
            BOXES.get(name) == kind and not dom.elements(node, "h2")
            for node in dom.elements(self.root)
            for name in (node.get("class") or "").split()
        )

    def of_kind(self, *kinds: Kind) -> list[Section]:
        """The sections of these kinds."""
        return [section for section in self.sections if section.kind in kinds]


def _sections(root: dom.Element) -> Iterator[Section]:
    parts: list[tuple[Kind, list[Block]]] = [("lead", [])]
    for node, slots in _by_block(root):
        if dom.tag(node) == "h2":
            parts.append((_kind(node), []))
        block = _block(node, slots, len(parts) - 1)
        if block.text:
            parts[-1][1].append(block)
    for number, (kind, blocks) in enumerate(parts):
        heading = blocks[0].text if number and blocks and blocks[0].tag == "h2" else ""
        yield Section(number, heading, kind, tuple(blocks))


def _by_block(root: dom.Element) -> Iterator[tuple[dom.Element, list[dom.Slot]]]:
    """Runs of text grouped by the block they stand in, in reading order."""
    current: dom.Element | None = None
    slots: list[dom.Slot] = []
    for slot in dom.slots(root, skip={"script", "style"}):
        block = _home(slot.parent)
        if block is not current:
            if current is not None:
                yield current, slots
            current, slots = block, []
        slots.append(slot)
    if current is not None:
        yield current, slots


def _home(node: dom.Element | None) -> dom.Element | None:
    """The block a run of text stands in: a text block, else the nearest element of layout."""
    block = dom.block_of(node)
    while block is None and node is not None:
        if dom.tag(node) in dom.BLOCKS:
            return node
        node = node.getparent()
    return block


def _block(node: dom.Element, slots: Iterable[dom.Slot], section: int) -> Block:
    run = "".join(_run(slot) for slot in slots)
    tag = dom.tag(node)
    return Block(
        tag=tag if tag in dom.TEXT_BLOCKS else "p",
        text=" ".join(markers.strip(run).split()),
        section=section,
        within=tuple(dom.ancestors(node)),
    )


def _run(slot: dom.Slot) -> str:
    """A run of text as it counts: a line break is a blank, a citation is nothing."""
    parent = slot.parent
    if parent is not None and dom.tag(parent) == "a" and dom.has_class(parent, "citation"):
        return ""
    broken = slot.where == "tail" and dom.tag(slot.element) == "br"
    return (" " if broken else "") + slot.value


def _kind(heading: dom.Element) -> Kind:
    node: dom.Element | None = heading.getparent()
    while node is not None:
        for name, kind in BOXES.items():
            if dom.has_class(node, name):
                return kind
        node = node.getparent()
    words_of = dom.text(heading)
    if TAKEAWAYS.search(words_of):
        return "takeaways"
    if FAQ.search(words_of):
        return "faq"
    return "conclusion" if CONCLUSION.search(words_of) else "body"
