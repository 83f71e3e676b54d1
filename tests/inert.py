"""Whether markup and texts can do anything: a second opinion that shares no code with the
sanitiser. Markup is read by the standard library's parser and by lxml, and its source by the
patterns with which WordPress looks for shortcodes and embeds.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterator
from html.parser import HTMLParser
from typing import Any

from lxml import html

_ELEMENTS = """
h1 h2 h3 h4 p ul ol li dl dt dd br hr table caption thead tbody tfoot tr th td figure figcaption
section aside div blockquote cite q pre code kbd a strong em b i u s mark small sub sup span abbr
time details summary
"""
ELEMENTS = frozenset(_ELEMENTS.split())
_ATTRIBUTES = "class rel href title start reversed scope colspan rowspan datetime"
ATTRIBUTES = frozenset(_ATTRIBUTES.split())
HREF = re.compile(r"(https?://[^\s\"'<>]+|mailto:[^\s\"'<>]+|#[^\s\"'<>]*)$")

SHORTCODE = re.compile(r"\[/?(?!\d+\])[^<>&/\[\]\x00-\x20=]+")
"""How WordPress finds the names of shortcodes (``do_shortcode``); plain numbers are citations."""

BARE_ADDRESS = re.compile(r"https?://", re.IGNORECASE)
MARKER = re.compile(r"\[\[\s*(?:claim|island)\s*:\s*\d+\s*\]\]")
CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]")
TAG = re.compile(r"<[a-zA-Z/!?]")


class _Reader(HTMLParser):
    def __init__(self, allowed: Collection[str] | None) -> None:
        super().__init__(convert_charrefs=True)
        self.allowed = allowed
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found += element_problems(tag, {name: value or "" for name, value in attrs})
        for name, value in attrs:
            if name == "href" and self.allowed is not None and (value or "") not in self.allowed:
                self.found.append(f"a link to {value}")

    def handle_comment(self, data: str) -> None:
        self.found.append(f"a comment: {data[:40]}")

    def handle_decl(self, decl: str) -> None:
        self.found.append(f"a declaration: {decl[:40]}")

    def handle_pi(self, data: str) -> None:
        self.found.append(f"an instruction: {data[:40]}")

    def unknown_decl(self, data: str) -> None:
        self.found.append(f"a section: {data[:40]}")


def element_problems(tag: str, attributes: dict[str, str]) -> list[str]:
    """What an element may not be or have."""
    found = [] if tag in ELEMENTS else [f"an element {tag}"]
    found += [f"{tag} has {name}" for name in attributes if name not in ATTRIBUTES]
    if "href" in attributes and not HREF.match(attributes["href"]):
        found.append(f"{tag} leads to {attributes['href']!r}")
    return found


def problems(markup: str, allowed: Collection[str] | None = None) -> list[str]:
    """Everything in a fragment that could act on its reader, or on a WordPress that shows it.

    :param allowed: the only values of ``href`` there may be; None: any web address.
    """
    reader = _Reader(allowed)
    reader.feed(markup)
    reader.close()
    found = reader.found
    printable = CONTROL.sub(" ", markup)  # lxml takes no other
    for node in html.fragment_fromstring(printable, create_parent="body").iter():
        if not isinstance(node.tag, str):
            found.append(f"a node that is no element: {str(node)[:40]}")
        elif node.tag != "body":
            found += element_problems(node.tag, dict(node.attrib))
    found += [f"a shortcode {name}" for name in SHORTCODE.findall(MARKER.sub("", markup))]
    shown = re.sub(r"<[^>]*>", "\n", markup)
    found += ["an address in the text" for _ in BARE_ADDRESS.findall(shown)]
    return list(dict.fromkeys(found))


def text_problems(text: str) -> list[str]:
    """What a field that is shown as it is may not hold: a tag, an address, a marker of ours."""
    patterns = {"a tag": TAG, "an address": BARE_ADDRESS, "a marker": MARKER}
    return [
        f"{what} in {text[:80]!r}" for what, pattern in patterns.items() if pattern.search(text)
    ]


def strings(value: Any) -> Iterator[str]:
    """Every text in a JSON value, keys aside."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for item in value.values():
            yield from strings(item)
    elif isinstance(value, list):
        for item in value:
            yield from strings(item)


def script_problems(json_ld: Any) -> list[str]:
    """Whether structured data, written as JSON by whoever embeds it, can leave its element."""
    return ["structured data ends its script"] if "<" in json.dumps(json_ld) else []
