"""HTML fragments as trees: parsing, serialising, and walking over their text.

Every pass over generated HTML works on these trees and never on markup with regular
expressions. A fragment is parsed under one ``div`` that is never written out again.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Literal, TypeAlias

from lxml import etree, html

Element: TypeAlias = etree._Element

HEADINGS = ("h1", "h2", "h3", "h4", "h5", "h6")
BLOCKS = frozenset(
    {*HEADINGS, "p", "div", "section", "article", "aside", "header", "footer", "main", "nav"}
    | {"ul", "ol", "li", "dl", "dt", "dd", "table", "thead", "tbody", "tfoot", "tr", "td", "th"}
    | {"blockquote", "figure", "figcaption", "pre", "hr", "details", "summary", "caption"}
)
"""Elements that begin on a line of their own."""

TEXT_BLOCKS = frozenset({*HEADINGS, "p", "li", "dt", "dd", "td", "th", "figcaption", "caption"})
"""Elements whose text reads as one run of sentences."""

CODE = frozenset({"code", "pre", "kbd", "samp", "var", "script", "style"})
QUOTES = frozenset({"blockquote", "q", "cite"})
PROTECTED = frozenset({*CODE, *QUOTES, *HEADINGS, "a"})
"""Where prose must not be rewritten: code, quotations, headings, links."""

VOID = frozenset({"br", "hr", "img", "col", "wbr", "input", "source", "track", "embed", "area"})

_HTML5_BLOCKS = ("section", "article", "aside", "figure", "details", "nav", "header", "footer")
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")
_REFERENCE = re.compile(r"&#(?:x(?P<hex>[0-9a-f]+)|(?P<decimal>[0-9]+));?", re.IGNORECASE)
_SPACES = re.compile(r"[ \t\r\f\v\u00a0]+")


@dataclass(slots=True)
class Slot:
    """One run of text in a tree: an element's text, or the tail behind it."""

    element: Element
    where: Literal["text", "tail"]

    @property
    def value(self) -> str:
        """The text, ``""`` when there is none."""
        found = self.element.text if self.where == "text" else self.element.tail
        return str(found) if found else ""

    @value.setter
    def value(self, text: str) -> None:
        if self.where == "text":
            self.element.text = text
        else:
            self.element.tail = text

    @property
    def parent(self) -> Element | None:
        """The element in which a reader sees this text."""
        return self.element if self.where == "text" else self.element.getparent()


def parse(markup: str) -> Element:
    """The fragment under a nameless ``div``; control characters are dropped."""
    visible = _REFERENCE.sub(_without_control, _CONTROL.sub("", markup))
    root: Element = html.fragment_fromstring(visible, create_parent="div")
    for block in list(root.iter(*_HTML5_BLOCKS)):
        _hoist(block)
    return root


def _without_control(match: re.Match[str]) -> str:
    """A numeric character reference, unless it stands for what no tree can hold."""
    digits = (match["hex"] or match["decimal"]).lstrip("0")
    code = int(digits[:10] or "0", 16 if match["hex"] else 10)  # no number of a character is longer
    return "" if code > sys.maxunicode or _CONTROL.match(chr(code)) else match[0]


def serialise(root: Element) -> str:
    """The fragment's markup, without the ``div`` it was parsed under."""
    inner = [_escape(root.text)]
    inner += [etree.tostring(child, encoding="unicode", method="html") for child in root]
    return "".join(inner).strip()


def element(tag: str, text: str = "", **attributes: str) -> Element:
    """A new element; ``class_`` stands for ``class``."""
    made: Element = html.Element(
        tag, {name.rstrip("_"): value for name, value in attributes.items()}
    )
    made.text = text or None
    return made


def tag(node: Element) -> str:
    """The element's name, ``""`` for comments and processing instructions."""
    return node.tag.lower() if isinstance(node.tag, str) else ""


def elements(root: Element, *names: str) -> list[Element]:
    """The elements below *root* with one of these names (all when none), in document order."""
    wanted = frozenset(names)
    return [
        node
        for node in root.iter()
        if node is not root and tag(node) and (not wanted or tag(node) in wanted)
    ]


def slots(root: Element, skip: Iterable[str] = ()) -> Iterator[Slot]:
    """Every run of text below *root* in reading order, except inside elements named in *skip*.

    The tail of a skipped element is read: it stands outside the element. The runs are
    collected first, so their values may be changed while iterating.
    """
    yield from list(_slots(root, frozenset(skip)))


def _slots(node: Element, skip: frozenset[str]) -> Iterator[Slot]:
    if tag(node) and tag(node) not in skip:
        if node.text:
            yield Slot(node, "text")
        for child in node:
            yield from _slots(child, skip)
            if child.tail:
                yield Slot(child, "tail")


def text(root: Element) -> str:
    """What a reader reads: one line a block, runs of spaces made one, code included."""
    parts: list[str] = []
    _collect(root, parts)
    lines = (_SPACES.sub(" ", line).strip() for line in "".join(parts).split("\n"))
    return "\n".join(line for line in lines if line)


def _collect(node: Element, parts: list[str]) -> None:
    if not tag(node) or tag(node) in {"script", "style"}:
        return
    edge = "\n" if tag(node) in BLOCKS or tag(node) == "br" else ""
    parts += [edge, _flat(node.text)]
    for child in node:
        _collect(child, parts)
        parts.append(_flat(child.tail))
    parts.append(edge)


def _flat(run: str | None) -> str:
    return run.replace("\n", " ") if run else ""


def ancestors(node: Element | None) -> Iterator[str]:
    """The names of *node* and of the elements around it, innermost first."""
    while node is not None:
        yield tag(node)
        node = node.getparent()


def inside(node: Element | None, names: Iterable[str]) -> bool:
    """Whether *node* is, or stands in, an element with one of these names."""
    return not frozenset(names).isdisjoint(ancestors(node))


def has_class(node: Element, name: str) -> bool:
    """Whether *name* is one of the element's classes."""
    return name in (node.get("class") or "").split()


def level(node: Element) -> int:
    """1-6 for a heading, 0 for anything else."""
    return HEADINGS.index(tag(node)) + 1 if tag(node) in HEADINGS else 0


def block_of(node: Element | None) -> Element | None:
    """The innermost element of :data:`TEXT_BLOCKS` that holds *node*, itself included."""
    while node is not None and tag(node) not in TEXT_BLOCKS:
        node = node.getparent()
    return node


def remove(node: Element) -> None:
    """Take *node* out with everything in it; the text behind it stays."""
    parent = node.getparent()
    if parent is None:
        return
    append_before(node, node.tail or "")
    node.tail = None
    parent.remove(node)


def append_before(node: Element, run: str) -> None:
    """Put *run* directly before *node*."""
    parent, previous = node.getparent(), node.getprevious()
    if previous is not None:
        previous.tail = (previous.tail or "") + run or None
    elif parent is not None:
        parent.text = (parent.text or "") + run or None


def append_text(node: Element, run: str) -> None:
    """Put *run* at the end of what *node* holds."""
    if len(node):
        node[-1].tail = (node[-1].tail or "") + run
    else:
        node.text = (node.text or "") + run


def unwrap(node: Element) -> None:
    """Put what *node* holds in its place."""
    parent = node.getparent()
    if parent is None:
        return
    append_before(node, node.text or "")
    for child in list(node):
        node.addprevious(child)
    remove(node)


def insert_after(node: Element, new: Element) -> None:
    """Put *new* right behind *node*, before the text that follows it."""
    tail, node.tail = node.tail, None
    node.addnext(new)
    new.tail = tail


def split_text(slot: Slot, at: int, new: Element) -> None:
    """Put *new* into a run of text, *at* characters from its start."""
    before, after = slot.value[:at], slot.value[at:]
    if slot.where == "text":
        slot.element.insert(0, new)
    else:
        slot.element.addnext(new)
    slot.value = before
    new.tail = after or None


def move_children(source: Element, target: Element) -> None:
    """Move everything *source* holds to the end of *target*."""
    append_text(target, source.text or "")
    source.text = None
    for child in list(source):
        target.append(child)


def _hoist(block: Element) -> None:
    """Take a block out of the paragraph that the HTML 4 parser left it in."""
    parent = block.getparent()
    if parent is None or tag(parent) != "p":
        return
    rest = element("p", block.tail or "")
    block.tail = None
    for later in list(block.itersiblings()):
        rest.append(later)
    insert_after(parent, rest)
    parent.addnext(block)
    for leftover in (parent, rest):
        if not len(leftover) and not (leftover.text or "").strip():
            remove(leftover)


def _escape(run: str | None) -> str:
    escaped = (run or "").replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return escaped.replace("\u00a0", "&nbsp;")
