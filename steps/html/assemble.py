"""The article's body put together: title, sections with citations, list of references."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from steps.fixes.passes import together
from steps.html import dom
from steps.models import Reference, SectionHtml
from steps.sources.citations import resolve, usable

REFERENCES = "References"


def body(title: str, parts: Sequence[SectionHtml], references: Sequence[Reference]) -> dom.Element:
    """The article's tree, its sections still in ``div`` elements that name them."""
    listed = usable(references)
    root = together(parts)
    resolve(root, listed)
    root.insert(0, dom.element("h1", title))
    if listed:
        root.append(reference_list(listed))
    return root


def reference_list(references: Iterable[Reference]) -> dom.Element:
    """``<section class="references">`` with an ordered list, one source an item."""
    section = dom.element("section", class_="references")
    section.append(dom.element("h2", REFERENCES))
    items = dom.element("ol")
    for reference in references:
        items.append(_item(reference))
    section.append(items)
    return section


def _item(reference: Reference) -> dom.Element:
    item = dom.element("li")
    link = dom.element(
        "a", reference.title.strip() or reference.url, href=reference.url, rel="noopener"
    )
    item.append(link)
    told = [reference.source.strip(), str(reference.year or "")]
    behind = "".join(f", {part}" for part in told if part) + "."
    description = " ".join(reference.description.split())
    link.tail = f"{behind} {description}".rstrip()
    return item


def finished(root: dom.Element) -> str:
    """The body's markup: the ``div`` elements that named the sections are gone."""
    for section in list(root):
        if dom.tag(section) == "div":
            section.tail = "\n"
            dom.unwrap(section)
    return dom.serialise(root)
