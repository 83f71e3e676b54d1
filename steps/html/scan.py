"""A scanner over HTML source that never changes a byte.

:func:`scan` cuts a source into contiguous tokens with their offsets; joined again they give
the source exactly. It is what the refresh mode's islands are cut out with: a parser that
builds a tree cannot give the client's own bytes back, and the standard library's scanner takes
quadratic time on unclosed constructs. This one is linear: what is never closed runs to the end.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from html import unescape
from typing import Literal

Kind = Literal["start", "end", "void", "comment", "text", "other"]

_NEVER_CLOSED = frozenset(
    {"area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "param"}
    | {"source", "track", "wbr"}
)
RAW = frozenset({"script", "style", "textarea", "title", "xmp", "iframe", "noembed", "noframes"})
"""Elements whose content is no markup: it ends at their own end tag only."""

_ATTRIBUTE = (
    r"[\s/]*+(?:[^\s/>=][^\s/>=]*+|=[^\s/>=]*+)"
    r"(?:\s*+=\s*+(?:\"[^\"]*+\"|'[^']*+'|(?![\"'])[^\s>]*+))?+"
)
_TAG = re.compile(
    rf"<(?P<end>/)?(?P<name>[a-zA-Z][^\s/>]*+)(?P<attributes>(?:{_ATTRIBUTE})*+)[\s/]*+>"
)
_OPENS_TAG = re.compile(r"</?[a-zA-Z]")
_PAIR = re.compile(
    r"[\s/]*(?P<name>[^\s/>=]+|=[^\s/>=]*)"
    r"(?:\s*=\s*(?:\"(?P<double>[^\"]*)\"|'(?P<single>[^']*)'|(?P<bare>[^\s>]*)))?"
)


@dataclass(frozen=True, slots=True)
class Token:
    """A piece of the source: ``source[start:end]``.

    ``name`` is the lower-case element name for tags, ``""`` otherwise; ``written`` are the
    attributes as they stand there. ``void`` is a start tag with no end tag to come (``<img>``,
    ``<path/>``); ``other`` is what a reader does not see (declarations, scripts).
    """

    kind: Kind
    start: int
    end: int
    name: str = ""
    written: str = ""

    def get(self, attribute: str) -> str:
        """An attribute's value with entities resolved, ``""`` when it is not there."""
        match = self._pair(attribute)
        values = (match["double"], match["single"], match["bare"]) if match else ()
        return unescape(next(filter(None, values), ""))

    def as_written(self, attribute: str) -> str:
        """The attribute as it stands in the source (``id='x'``), ``""`` when it is not there."""
        match = self._pair(attribute)
        return match[0].lstrip(" \t\r\n\f/") if match else ""

    def _pair(self, attribute: str) -> re.Match[str] | None:
        pairs = _PAIR.finditer(self.written)
        return next((match for match in pairs if match["name"].lower() == attribute), None)


def scan(source: str) -> list[Token]:
    """The tokens of *source*, gapless and in order; neighbouring text is one token."""
    tokens: list[Token] = []
    for token in _tokens(source):
        if token.kind == "text" and tokens and tokens[-1].kind == "text":
            tokens[-1] = Token("text", tokens[-1].start, token.end)
        elif token.end > token.start:
            tokens.append(token)
    return tokens


def _tokens(source: str) -> Iterator[Token]:
    at = 0
    while at < len(source):
        begin = source.find("<", at)
        if begin < 0:
            yield Token("text", at, len(source))
            return
        yield Token("text", at, begin)
        token = _markup(source, begin)
        yield token
        at = token.end
        if token.kind == "start" and token.name in RAW:
            yield (inner := _raw(source, at, token.name))
            at = inner.end


def _markup(source: str, begin: int) -> Token:
    """The token that begins with the ``<`` at *begin*."""
    if source.startswith("<!--", begin):
        return Token("comment", begin, _behind(source, "-->", begin + 2))
    if source.startswith(("<!", "<?"), begin):
        return Token("other", begin, _behind(source, ">", begin))
    if not _OPENS_TAG.match(source, begin):
        return Token("text", begin, begin + 1)
    match = _TAG.match(source, begin)
    if match is None:  # a tag that the source ends in
        return Token("other", begin, len(source))
    name = match["name"].lower()
    if match["end"]:
        return Token("end", *match.span(), name)
    closed = match[0].endswith("/>") or name in _NEVER_CLOSED
    return Token("void" if closed else "start", *match.span(), name, match["attributes"])


def _behind(source: str, closing: str, begin: int) -> int:
    found = source.find(closing, begin)
    return len(source) if found < 0 else found + len(closing)


def _raw(source: str, begin: int, name: str) -> Token:
    found = re.compile(rf"</{name}(?=[\s/>])", re.IGNORECASE).search(source, begin)
    return Token("other", begin, found.start() if found else len(source))


def closings(tokens: list[Token]) -> list[int]:
    """For each token the index of the token that closes it; itself when nothing does."""
    closed_by = list(range(len(tokens)))
    open_tags: dict[str, list[int]] = {}
    for index, token in enumerate(tokens):
        if token.kind == "start":
            open_tags.setdefault(token.name, []).append(index)
        elif token.kind == "end" and open_tags.get(token.name):
            closed_by[open_tags[token.name].pop()] = index
    return closed_by
