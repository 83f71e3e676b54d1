"""What a model wrote for one section, made into a fragment that the article can use."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from steps.html import dom, markers, settling
from steps.html.sanitise import CLASSES
from steps.language import prose
from steps.models import Section, SectionKind

SECTION_CLASS: Mapping[SectionKind, str] = {"takeaways": "key-takeaways", "faq": "faq"}
"""The class of the ``section`` element around these kinds of section."""

MIN_WORDS = 20
"""A fragment with fewer words is no section: the shortest kind, four takeaways, has 40."""

_FENCE = re.compile(r"^[ \t]*(```|~~~)\w*[ \t]*$", re.MULTILINE)
_DROPPED = frozenset(
    {"script", "style", "iframe", "object", "embed", "form", "img", "picture", "video", "audio"}
    | {"svg", "math", "canvas", "noscript", "template", "link", "meta", "base", "title", "head"}
    | {"input", "button", "select", "textarea", "task", "data", "source"}
)
_UNWRAPPED = frozenset(
    {"a", "html", "body", "article", "main", "header", "footer", "nav", "section", "font"}
)


def problems(raw: str) -> list[str]:
    """Why an answer cannot be used at all; empty when :func:`clean` will make do with it."""
    root = _parsed(raw)
    found = []
    if not dom.elements(root, "p", "li", "td", "dd"):
        found.append("the answer holds no paragraph, list or table: answer with HTML elements")
    elif prose.word_count(dom.text(root)) < MIN_WORDS:
        found.append(f"the answer has fewer than {MIN_WORDS} words: write the whole section")
    return found


def clean(
    raw: str, section: Section, claims: Iterable[int] = (), islands: Mapping[str, str] | None = None
) -> str:
    """The section as a fragment that keeps every rule about form.

    It begins with its one h2 (the plan's words), has no h1, link, image or anything that runs;
    takeaways and FAQ stand in their ``section``; every marker is known and there at most once;
    every island is there.

    :param claims: the numbers of the claims this section may carry.
    :param islands: number -> source of the islands it must carry (refresh mode).
    """
    root = _parsed(raw)
    _as_blocks(root)
    _one_heading(root, section.heading)
    markers.keep_once(root, markers.CLAIM, map(str, claims))
    _wrap(root, section.kind)
    settling.settle(root, islands or {})
    settling.mend(root, islands or {})
    return dom.serialise(root)


def _parsed(raw: str) -> dom.Element:
    root = dom.parse(_FENCE.sub("", markers.normal(raw)))
    for node in list(root.iter()):
        if node is root:
            continue
        if not dom.tag(node) or dom.tag(node) in _DROPPED:
            dom.remove(node)
        elif dom.tag(node) in _UNWRAPPED or not _known_div(node):
            dom.unwrap(node)
    return root


def _known_div(node: dom.Element) -> bool:
    classes = set((node.get("class") or "").split())
    return dom.tag(node) != "div" or bool(classes & CLASSES["div"])


def _as_blocks(root: dom.Element) -> None:
    """Put text that stands free into paragraphs; what was said before the first element goes."""
    said = markers.islands(root.text or "")
    root.text = None
    run = dom.element("p", "".join(map(markers.island, said)))
    for child in [None, *list(root)]:
        if child is not None and dom.tag(child) not in dom.BLOCKS:
            run.append(child)  # with the text behind it
            continue
        if child is not None:
            _place(run, before=child)
            run = dom.element("p", child.tail or "")
            child.tail = None
    if _says_something(run):
        root.append(run)


def _place(run: dom.Element, before: dom.Element) -> None:
    if _says_something(run):
        before.addprevious(run)


def _says_something(run: dom.Element) -> bool:
    return bool(dom.text(run))


def _one_heading(root: dom.Element, heading: str) -> None:
    """Make the plan's heading the first thing and the only h2; others become h3."""
    first = next(iter(root), None)
    headed = first is not None and dom.tag(first) in {"h1", "h2"}
    own = first if first is not None and headed else dom.element("h2")
    for other in dom.elements(root, "h1", "h2"):
        other.tag = "h3"
    carried = markers.islands(dom.text(own))
    for child in list(own):
        own.remove(child)
    own.tag, own.text, own.tail = "h2", heading, None
    own.attrib.clear()
    root.insert(0, own)
    for number in reversed(carried):
        dom.insert_after(own, dom.element("p", markers.island(number)))


def _wrap(root: dom.Element, kind: SectionKind) -> None:
    if kind not in SECTION_CLASS:
        return
    wrapper = dom.element("section", class_=SECTION_CLASS[kind])
    for child in list(root):
        wrapper.append(child)
    root.append(wrapper)
