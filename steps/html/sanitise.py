"""The allow-list that generated HTML passes last.

What a model writes is untrusted: only the elements, attributes, classes and addresses named
here get through. Islands (the client's own bytes) are put back *after* this.
"""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from steps.html.scan import scan

if TYPE_CHECKING:
    import nh3

TAGS = frozenset(
    {"h1", "h2", "h3", "h4", "p", "ul", "ol", "li", "dl", "dt", "dd", "br", "hr"}
    | {"table", "caption", "thead", "tbody", "tfoot", "tr", "th", "td", "figure", "figcaption"}
    | {"section", "aside", "div", "blockquote", "cite", "q", "pre", "code", "kbd"}
    | {"a", "strong", "em", "b", "i", "u", "s", "mark", "small", "sub", "sup", "span", "abbr"}
    | {"time", "details", "summary"}
)
"""Images, frames and media are missing on purpose: a model may not invent an address; the
client's own come back as islands."""

CONTENT_DROPPED = frozenset(
    {"script", "style", "iframe", "object", "template", "noscript", "svg", "math", "select"}
    | {"textarea", "title", "noembed", "noframes", "xmp", "audio", "video", "canvas"}
)
"""Elements that go with everything in them; of all others the text stays."""

CLASSES = {
    "section": frozenset({"key-takeaways", "faq", "references"}),
    "div": frozenset({"highlight", "note", "callout", "tip", "warning", "table-wrap"}),
    "aside": frozenset({"highlight", "note", "callout", "tip", "warning"}),
    "p": frozenset({"highlight", "note", "callout", "tip", "warning"}),
    "span": frozenset({"highlight"}),
    "table": frozenset({"comparison-table"}),
    "a": frozenset({"citation"}),
}

ATTRIBUTES: dict[str, frozenset[str]] = {
    "*": frozenset(),  # said explicitly: the sanitiser's own default allows lang and title
    "a": frozenset({"href", "title", "rel"}),
    "ol": frozenset({"start", "reversed"}),
    "th": frozenset({"scope", "colspan", "rowspan"}),
    "td": frozenset({"colspan", "rowspan"}),
    "abbr": frozenset({"title"}),
    "time": frozenset({"datetime"}),
}

SCHEMES = frozenset({"http", "https", "mailto"})

MAX_URL = 2048  #: characters; what the fetcher and all browsers take

_BRACKET = re.compile(r"\[(?!\d+\]|\[(?:claim|island):\d+\]\]|(?<=\[\[)(?:claim|island):\d+\]\])")
"""An opening bracket that is neither a citation's (``[1]``) nor a marker's."""

_HREF = re.compile(r"https?://[^\s\\/?#][^\s\\]*|mailto:\S+|#\S*", re.IGNORECASE)

_ADDRESS = re.compile(r"(https?):(?=//)", re.IGNORECASE)


def sanitise(markup: str) -> str:
    """*markup* with nothing in it but what this module allows.

    Links get ``rel="noopener"``; comments go; relative addresses go, links within the page
    (``#part``) stay. Markers (``[[claim:n]]``, ``[[island:n]]``) are text and pass through.

    Text is made inert too, because WordPress acts on it: it runs ``[shortcodes]``, also within
    attributes, and puts a frame in the place of an address that stands alone in a line. Both are
    written with an entity, as WordPress's handbook says to, and a reader sees no difference.
    """
    return _inert(_cleaner().clean(markup))


def _inert(markup: str) -> str:
    return "".join(
        _BRACKET.sub("&#91;", _ADDRESS.sub(r"\1&#58;", piece) if token.kind == "text" else piece)
        for token in scan(markup)
        if (piece := markup[token.start : token.end])
    )


def safe_url(url: str) -> bool:
    """Whether *url* is an absolute http(s) address that may stand in an ``href``."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return False
    plain = (
        len(url) <= MAX_URL and url.isprintable() and not any(char in url for char in " \"'<>\\")
    )
    return plain and parts.scheme in {"http", "https"} and bool(parts.hostname)


@cache
def _cleaner() -> nh3.Cleaner:
    import nh3  # noqa: PLC0415 - a native library that only this step of a job needs

    return nh3.Cleaner(
        tags=set(TAGS),
        clean_content_tags=set(CONTENT_DROPPED),
        attributes={name: _attributes(name) for name in {*ATTRIBUTES, *CLASSES}},
        url_schemes=set(SCHEMES),
        attribute_filter=_kept,
        link_rel=None,
        set_tag_attribute_values={"a": {"rel": "noopener"}},
        strip_comments=True,
    )


def _attributes(tag: str) -> set[str]:
    return {*ATTRIBUTES.get(tag, ()), *(("class",) if tag in CLASSES else ())}


def _kept(tag: str, name: str, value: str) -> str | None:
    """An attribute's value as it may stay, or None.

    Known classes only, and addresses spelt in full only: ``https:x`` is one address to some
    parsers and another to others.
    """
    if name == "class":
        return " ".join(one for one in value.split() if one in CLASSES[tag]) or None
    return value if name != "href" or _HREF.fullmatch(value) else None
