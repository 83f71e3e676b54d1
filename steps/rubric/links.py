"""An article's links to the client's pages, judged one by one: does the paragraph speak of it?"""

from __future__ import annotations

from dataclasses import dataclass

from steps.html import dom
from steps.language.text import words
from steps.links import linking
from steps.links.pages import linkable, targets
from steps.links.spots import blocks, spots
from steps.rubric.article import Article
from steps.sources.authority import plain_url


@dataclass(frozen=True, slots=True)
class Links:
    """What the links to the client's pages come to.

    :param right: links whose paragraph speaks of their page, and those of the old text.
    :param wrong: addresses of the others.
    :param possible: links that the text has room for, the right ones of the old text included.
    """

    right: int = 0
    wrong: tuple[str, ...] = ()
    possible: int = 0


def links_of(article: Article) -> Links:
    """The article's links to the client's pages, and how many there might be.

    What the old text linked to is the client's own decision, and right.
    """
    by_url = {plain_url(str(page.url)): page for page in article.pages}
    own = {plain_url(url) for url in article.own_urls}
    root = dom.parse(article.html)
    set_links = [link for link in dom.elements(root, "a") if _url(link) in by_url]
    kept = [link for link in set_links if _url(link) in own]
    ours = [link for link in set_links if _url(link) not in own]
    numbers = {block: number for number, block in enumerate(blocks(root))}
    where = [(_url(link), _block(link, numbers)) for link in ours]
    for link in ours:
        dom.unwrap(link)
    places = [spot.place for spot in spots(root)]
    linked = targets([by_url[url] for url, _ in where], article.keyword)
    speak = linking.speaking(linked, places)
    pairs = zip(where, speak, strict=True)
    wrong = [url for (url, block), speaking in pairs if block not in speaking]
    free = linkable(article.pages, article.slug, [*article.own_urls])
    quota = linking.link_quota(len(words(dom.text(root))), len(free))
    room = linking.select(targets(free, article.keyword), places, quota)
    return Links(len(kept) + len(ours) - len(wrong), tuple(wrong), len(kept) + len(room))


def _url(link: dom.Element) -> str:
    return plain_url(link.get("href") or "")


def _block(link: dom.Element, numbers: dict[dom.Element, int]) -> int | None:
    found = (numbers[node] for node in link.iterancestors() if node in numbers)
    return next(found, None)
