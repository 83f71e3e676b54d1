"""Whose page an old page is, as far as its own source tells."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from urllib.parse import urlsplit

from steps.html.sanitise import safe_url
from steps.html.scan import Token, scan
from steps.sources.authority import domain

UPLOADS = "/wp-content/uploads/"
"""Where a WordPress site keeps its pictures (WordPress developer handbook: uploads folder)."""

LEAST_LINKS = 2  #: to one domain, which also serves a picture, before it is taken for the page's


def own_site(html: str) -> str:
    """An address on the site that an old page is from; ``""`` when nothing tells.

    In this order: what the page calls its own address (``canonical``, ``og:url``); where WordPress
    keeps its pictures, if that is one site; the domain linked to most, if it is linked to twice
    and serves a picture too. Links alone tell nothing: a page links most to whom it speaks of.
    """
    tokens = [token for token in scan(html) if token.kind in {"start", "void"}]
    return next((url for url in _told(tokens) if safe_url(url)), "") or _most_linked(tokens)


def _told(tokens: Sequence[Token]) -> Iterator[str]:
    for token in tokens:
        if token.name == "link" and "canonical" in token.get("rel").lower().split():
            yield token.get("href").strip()
    for token in tokens:
        if token.name == "meta" and token.get("property").lower() == "og:url":
            yield token.get("content").strip()
    uploads = [url for url in _pictures(tokens) if urlsplit(url).path.startswith(UPLOADS)]
    if len({domain(url) for url in uploads}) == 1:
        yield uploads[0]


def _pictures(tokens: Sequence[Token]) -> list[str]:
    found = (token.get("src").strip() for token in tokens if token.name == "img")
    return [url for url in found if safe_url(url)]


def _most_linked(tokens: Sequence[Token]) -> str:
    links = [token.get("href").strip() for token in tokens if token.name == "a"]
    outside = [url for url in links if safe_url(url)]
    served = {domain(url) for url in _pictures(tokens)}
    ranked = Counter(domain(url) for url in outside).most_common()
    name, count = ranked[0] if ranked else ("", 0)
    alone = len(ranked) < 2 or ranked[1][1] < count
    if not alone or count < LEAST_LINKS or name not in served:
        return ""
    return next(url for url in outside if domain(url) == name)
