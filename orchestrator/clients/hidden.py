"""Taking out of a page what its readers do not see.

Hidden text is where instructions to language models are planted. What inline styles and
attributes hide is removed here; what a style sheet hides is not known without rendering.
"""

from __future__ import annotations

import re

from lxml import etree, html

_PARTS_NOT_SHOWN = "script style noscript template link meta"
_FOREIGN = "iframe object embed svg canvas math"
_CONTROLS = "input select textarea button dialog"
UNSEEN_TAGS = tuple(f"{_PARTS_NOT_SHOWN} {_FOREIGN} {_CONTROLS}".split())

MAX_STYLE = 2000
"""Characters; a longer style is not examined, and its element counts as hidden."""

_HIDDEN = "x-hidden"

NEVER = frozenset({"html", "body", "main", "article"})
"""Elements that are kept even when a page hides them: scripts reveal them at once."""

_NUMBER = re.compile(r"(-?\d*\.?\d+)\s*(px|pt|em|rem|ex|ch|vw|vh|%)?$")
SMALLEST = {"px": 2.0, "pt": 1.5, "em": 0.15, "rem": 0.15, "ex": 0.3, "ch": 0.3, "%": 15.0}
"""Type sizes below these cannot be read."""

FAR_AWAY = -900.0
"""Offsets below this many units put text off the screen."""


def strip_unseen(root: html.HtmlElement) -> None:
    """Remove scripts, controls and hidden elements from the tree, in place; what follows stays."""
    for element in root.iter(etree.Element):
        if is_hidden(element):
            element.tag = _HIDDEN
    etree.strip_elements(root, *UNSEEN_TAGS, _HIDDEN, etree.Comment, with_tail=False)


def is_hidden(element: html.HtmlElement) -> bool:
    """Whether attributes or the inline style of an element hide it."""
    if element.tag in NEVER:
        return False
    if "hidden" in element.attrib or element.get("aria-hidden", "").strip().lower() == "true":
        return True
    style = element.get("style") or ""
    return len(style) > MAX_STYLE or (bool(style) and hides(declarations(style)))


def declarations(style: str) -> dict[str, str]:
    """An inline style as property and value, both in lower case, comments and escapes gone."""
    plain = re.sub(r"/\*.*?\*/", "", style, flags=re.S).replace("\\", "").lower()
    pairs = (part.partition(":") for part in plain.split(";"))
    return {
        name.strip(): value.replace("!important", "").strip()
        for name, colon, value in pairs
        if colon
    }


def hides(style: dict[str, str]) -> bool:
    """Whether these declarations make an element unseen."""
    return (
        style.get("display") == "none"
        or style.get("visibility") in {"hidden", "collapse"}
        or style.get("content-visibility") == "hidden"
        or _at_most(style.get("opacity"), 0.05)
        or _too_small(style.get("font-size"))
        or any(
            _at_most(style.get(name), FAR_AWAY)
            for name in ("text-indent", "left", "top", "right", "margin-left", "margin-top")
        )
        or _clipped(style)
        or style.get("color") == "transparent"
    )


def _at_most(value: str | None, limit: float) -> bool:
    match = _NUMBER.match(value or "")
    if match is None:
        return False
    number = float(match[1]) / (100 if match[2] == "%" and limit >= 0 else 1)
    return number <= limit


def _too_small(value: str | None) -> bool:
    match = _NUMBER.match(value or "")
    return match is not None and float(match[1]) < SMALLEST.get(match[2] or "px", 0.01)


def _clipped(style: dict[str, str]) -> bool:
    if re.match(
        r"rect\(\s*[01](px)?[\s,]+[01](px)?[\s,]+[01](px)?[\s,]+[01]", style.get("clip", "")
    ):
        return True
    if re.match(r"inset\(\s*(50|[6-9]\d|100)%", style.get("clip-path", "")):
        return True
    shrunk = any(_at_most(style.get(side), 1.0) for side in ("width", "height", "max-height"))
    return shrunk and style.get("overflow", "").startswith(("hidden", "clip"))
