"""Markdown that a model left in its HTML, made into the elements it stands for."""

from __future__ import annotations

import re

from steps.fixes.structure import FixContext
from steps.html import dom
from steps.html.runs import text_blocks

_HEADING = re.compile(r"^\s*(?P<marks>#{1,6})\s+(?P<text>\S.*)$")
_BULLET = re.compile(r"^\s*[-*•–]\s+(?=\S)")
_NUMBER = re.compile(r"^\s*\d{1,2}[.)]\s+(?=\S)")
_MARK = re.compile(r"^\s*(?:[-*•–]|\d{1,2}[.)])\s+")
_RULE = re.compile(r"^\s*([-*_])\1{2,}\s*$")
_LINK = re.compile(r"!?\[(?P<text>[^\[\]]+)\]\([^()\s]+(?:\s\"[^\"]*\")?\)")
_INLINE = re.compile(
    r"(?P<strong>\*\*|__)(?=\S)(?P<bold>[^*_]+?)(?<=\S)(?P=strong)"
    r"|(?<![\w*])\*(?=[^\s*])(?P<em>[^*\n]+?)(?<=[^\s*])\*(?![\w*])"
    r"|`(?P<code>[^`\n]+)`"
)


def convert_markdown(root: dom.Element, context: FixContext) -> list[str]:
    """Turn ``**bold**``, ``- item``, ``1. item`` and ``# heading`` into elements; unlink
    ``[text](address)``, because only given addresses may stand in the article."""
    found = _headings(root) + _lists(root) + _links(root) + _inline(root)
    return [f"converted markdown: {what}" for what in found]


def _headings(root: dom.Element) -> list[str]:
    found = []
    for paragraph in text_blocks(root, "p"):
        match = _HEADING.match(paragraph.text or "") if not len(paragraph) else None
        if match:
            paragraph.tag = f"h{max(3, min(4, len(match['marks'])))}"
            paragraph.text = match["text"].rstrip("# ")
            found.append("heading")
        elif not len(paragraph) and _RULE.match(paragraph.text or ""):
            dom.remove(paragraph)
            found.append("rule")
    return found


def _lists(root: dom.Element) -> list[str]:
    found = []
    for paragraph in text_blocks(root, "p"):
        for pattern, name in ((_BULLET, "ul"), (_NUMBER, "ol")):
            if paragraph.getparent() is not None and _is_list(paragraph, pattern):
                _to_list(paragraph, pattern, name)
                found.append("list")
    return found


def _is_list(paragraph: dom.Element, pattern: re.Pattern[str]) -> bool:
    """Whether every line is an item, and there are two: on its own lines or in what follows."""
    lines = _lines(paragraph)
    after = paragraph.getnext()
    more = after is not None and dom.tag(after) == "p" and _all_items(_lines(after), pattern)
    return _all_items(lines, pattern) and (len(lines) > 1 or more)


def _all_items(lines: list[str], pattern: re.Pattern[str]) -> bool:
    return bool(lines) and all(pattern.match(line) for line in lines)


def _lines(paragraph: dom.Element) -> list[str]:
    """The paragraph's lines as far as its own text tells (inline elements count as text)."""
    text = paragraph.text or ""
    for child in paragraph:
        broken = "\n" if dom.tag(child) == "br" else ""
        text += broken + "".join(map(str, child.itertext())) + (child.tail or "")
    return [line for line in text.split("\n") if line.strip()]


def _to_list(first: dom.Element, pattern: re.Pattern[str], name: str) -> None:
    made = dom.element(name)
    dom.insert_after(first, made)
    node: dom.Element | None = first
    paragraphs = []
    while node is not None and (node is first or _all_items(_lines(node), pattern)):
        paragraphs.append(node)
        node = made.getnext() if node is first else node.getnext()
        if (node is not None and dom.tag(node) != "p") or (made.tail or "").strip():
            break
    for paragraph in paragraphs:
        for item in _items(paragraph):
            _strip_mark(item)
            made.append(item)
        dom.remove(paragraph)


def _items(paragraph: dom.Element) -> list[dom.Element]:
    """The paragraph's lines as items; inline elements go with their line."""
    items = [dom.element("li")]

    def add(text: str) -> None:
        head, *rest = text.split("\n")
        dom.append_text(items[-1], head)
        for line in rest:
            if dom.text(items[-1]):
                items.append(dom.element("li"))
            dom.append_text(items[-1], line)

    add(paragraph.text or "")
    for child in list(paragraph):
        tail, child.tail = child.tail or "", None
        if dom.tag(child) == "br":
            add("\n")
        else:
            items[-1].append(child)
        add(tail)
    return [item for item in items if dom.text(item)]


def _strip_mark(item: dom.Element) -> None:
    text = _MARK.sub("", item.text or "", count=1)
    item.text = text if len(item) else text.strip()


def _links(root: dom.Element) -> list[str]:
    found = []
    for slot in dom.slots(root, skip=dom.CODE):
        if _LINK.search(slot.value):
            slot.value = _LINK.sub(lambda match: match["text"], slot.value)
            found.append("link")
    return found


def _inline(root: dom.Element) -> list[str]:
    found = []
    for slot in dom.slots(root, skip=dom.CODE):
        for match in reversed(list(_INLINE.finditer(slot.value))):
            name, text = _named(match)
            made = dom.element(name, text)
            dom.split_text(slot, match.end(), made)
            slot.value = slot.value[: match.start()]
            found.append(name)
    return found


def _named(match: re.Match[str]) -> tuple[str, str]:
    if match["bold"]:
        return "strong", match["bold"]
    return ("em", match["em"]) if match["em"] else ("code", match["code"])
