"""An article's HTML looked at from outside: its links, and what should not stand in it.

A parser of its own (the standard library's) and lists of its own: the pipeline's scanner and
rubric are what is checked here. Only what the sanitiser *promises* is taken from it.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from html.parser import HTMLParser
from typing import Any

from steps.html.sanitise import ATTRIBUTES, CLASSES, TAGS

MARKER = re.compile(r"\[\[\s*(?:claim|island)\b", re.IGNORECASE)
"""Stand-ins of the pipeline that no reader may see."""

NEVER = frozenset({"script", "style", "iframe", "object", "embed", "form", "base", "meta", "link"})
"""Elements that are wrong whatever the sanitiser's list may say one day."""

_LETTERS = 4  #: of a word that do not change with its ending: *trips*, *tripped*

_SMALL = frozenset({"and", "for", "from", "how", "the", "with", "your"})

_SCHEME = re.compile(r"\s*([a-z][a-z0-9+.-]*):", re.IGNORECASE)
_INVISIBLE = re.compile(r"[\x00-\x20]+")  # browsers drop these inside a scheme
_LINK_SCHEMES = frozenset({"http", "https", "mailto"})
_ADDED = frozenset({("a", "rel")})  # by the sanitiser itself


@dataclass(frozen=True, slots=True)
class Tag:
    """A start tag: its name, its attributes, and how it is written."""

    name: str
    attributes: tuple[tuple[str, str], ...]
    written: str

    @property
    def href(self) -> str | None:
        """Where it leads, if anywhere."""
        return next((value for name, value in self.attributes if name == "href"), None)


@dataclass(slots=True)
class Page:
    """What a piece of HTML is made of, in order."""

    tags: list[Tag] = field(default_factory=list)
    anchors: list[tuple[str, str]] = field(default_factory=list)  #: where to, and on which words
    remarks: list[str] = field(default_factory=list)  #: comments, declarations, instructions

    @property
    def links(self) -> list[str]:
        """Every ``href``, as a browser would read it."""
        found = (tag.href for tag in self.tags)
        return [href.strip() for href in found if href is not None]


def read(html: str) -> Page:
    """The start tags and remarks of *html*."""
    parser = _Reader()
    parser.feed(html)
    parser.close()
    return parser.page


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.page = Page()
        self.linking = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        pairs = tuple((name, value or "") for name, value in attrs)
        self.page.tags.append(Tag(tag, pairs, self.get_starttag_text() or ""))
        if tag == "a":
            self.page.anchors.append((self.page.tags[-1].href or "", ""))
            self.linking = True

    def handle_endtag(self, tag: str) -> None:
        self.linking = self.linking and tag != "a"

    def handle_data(self, data: str) -> None:
        if self.linking:
            href, words = self.page.anchors[-1]
            self.page.anchors[-1] = (href, words + data)

    def handle_comment(self, data: str) -> None:
        self.page.remarks.append(f"<!--{data}-->")

    def handle_decl(self, decl: str) -> None:
        self.page.remarks.append(f"<!{decl}>")

    def unknown_decl(self, data: str) -> None:
        self.page.remarks.append(f"<![{data}]>")

    def handle_pi(self, data: str) -> None:
        self.page.remarks.append(f"<?{data}>")


@dataclass(frozen=True, slots=True)
class Links:
    """Where an article's links lead; in-page ones (``#part``) are left out.

    :param internal: to the pages of the input.
    :param cited: to the result's references.
    :param kept: to where a link of the old post led already.
    :param foreign: to anywhere else.
    """

    internal: tuple[str, ...] = ()
    cited: tuple[str, ...] = ()
    kept: tuple[str, ...] = ()
    foreign: tuple[str, ...] = ()


def links(html: str, pages: Iterable[str], references: Iterable[str], old_post: str = "") -> Links:
    """Every link of *html* by where it leads; addresses must agree to the letter."""
    kinds = {
        "internal": frozenset(pages),
        "cited": frozenset(references),
        "kept": frozenset(read(old_post).links),
    }
    found: dict[str, list[str]] = {name: [] for name in (*kinds, "foreign")}
    for href in read(html).links:
        if not href.startswith("#") or len(href) == 1:
            kind = next((name for name, known in kinds.items() if href in known), "foreign")
            found[kind].append(href)
    return Links(**{name: tuple(hrefs) for name, hrefs in found.items()})


def stray(html: str, titles: Mapping[str, str]) -> list[str]:
    """The links to pages whose words to click on are not those of the page's title.

    Two words must agree in their first letters, or the only one that the title has.

    :param titles: of the pages, by address.
    """
    return [
        f"{words!r} to {titles[href]!r}"
        for href, words in read(html).anchors
        if href in titles
        and len(_begun(words) & _begun(titles[href])) < min(2, len(_begun(titles[href])))
    ]


def _begun(text: str) -> set[str]:
    """How the words of a text begin; short ones say nothing."""
    found = re.findall(r"\w{3,}", text.casefold())
    return {word[:_LETTERS] for word in found if word not in _SMALL}


def unsanitised(html: str, old_post: str = "") -> list[str]:
    """What stands in *html* and should not, a line each.

    The sanitiser's elements, attributes and classes may; so may a tag of the old post, written
    exactly as it was and no more often, since such pieces are promised byte for byte.
    """
    old = read(old_post)
    page, left = read(html), Counter(tag.written for tag in old.tags)
    remarks, ids = set(old.remarks), {value for tag in old.tags for value in _ids(tag)}
    faults = [f"remark {remark[:60]}" for remark in page.remarks if remark not in remarks]
    for tag in page.tags:
        fault = next(_faults(tag), None)
        if _runs(tag.href or ""):
            faults.append(f"<{tag.name}> href {(tag.href or '')[:40]}")
        elif fault and left[tag.written]:
            left[tag.written] -= 1
        elif fault and not _is_anchor(tag, ids):
            faults.append(fault)
    return faults


def _faults(tag: Tag) -> Iterator[str]:
    if tag.name in NEVER or tag.name not in TAGS:
        yield f"<{tag.name}>"
    allowed = ATTRIBUTES.get(tag.name, frozenset()) | ATTRIBUTES["*"]
    for name, value in tag.attributes:
        if name == "class":
            strange = set(value.split()) - CLASSES.get(tag.name, frozenset())
            yield from (f"<{tag.name}> class {one}" for one in sorted(strange))
        elif name.startswith("on") or (name not in allowed and (tag.name, name) not in _ADDED):
            yield f"<{tag.name}> {name}"


def _runs(href: str) -> bool:
    """Whether an address is something other than a place: ``javascript:``, ``data:`` …"""
    scheme = _SCHEME.match(_INVISIBLE.sub("", href))
    return scheme is not None and scheme[1].lower() not in _LINK_SCHEMES


def _ids(tag: Tag) -> list[str]:
    return [value for name, value in tag.attributes if name == "id"]


def _is_anchor(tag: Tag, ids: set[str]) -> bool:
    """An empty span that keeps the ``id`` of an old element whose text was rewritten."""
    only_id = [name for name, _ in tag.attributes] == ["id"]
    return tag.name == "span" and only_id and tag.attributes[0][1] in ids


def markers(value: Any) -> list[str]:
    """The markers left in a text, or anywhere in a structure of texts."""
    if isinstance(value, str):
        return MARKER.findall(value)
    parts = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return [found for part in parts for found in markers(part)]
