"""The client's pages that an article may link to."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from urllib.parse import urlsplit

from orchestrator.models import ExistingPage
from steps.links.targets import Target, target


def slug_of(page: ExistingPage) -> str:
    """The page's slug: as given, else the last part of its address."""
    path = urlsplit(str(page.url)).path.strip("/")
    return page.slug.strip("/") or path.rsplit("/", 1)[-1]


def linkable(
    pages: Sequence[ExistingPage], own_slug: str, own_markup: Iterable[str]
) -> list[ExistingPage]:
    """Each address once, without the article itself and without pages that the client's own
    markup (pieces of source, or addresses) links to already."""
    there = "\n".join(own_markup)
    distinct = {str(page.url): page for page in reversed(pages)}
    kept = [page for page in pages if distinct[str(page.url)] is page]
    return [page for page in kept if slug_of(page) != own_slug and str(page.url) not in there]


def targets(pages: Iterable[ExistingPage], subject: str) -> list[Target]:
    """The pages as they are matched, numbered in their order.

    :param subject: the article's keyword.
    """
    return [target(n, page.title, slug_of(page), subject) for n, page in enumerate(pages)]
