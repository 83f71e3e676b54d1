"""Pages that say "not found" with a status that says "found"."""

from __future__ import annotations

import re

from yarl import URL

LEAST_TEXT = 60
"""Characters; a page that shows less says nothing that could be cited."""

SHORT_TEXT = 600
"""Characters; on a longer page the words "not found" are part of an article."""

_PHRASE = (
    r"(page|site|article|document|content|resource|file|url)\s+(you\s+(\w+\s+){1,4})?"
    r"((can\s?not|could\s?not|can[’']?t|couldn[’']?t)\s+be\s+(found|located)|(was|is|were)\s+not\s+"
    r"found|not\s+found|(does\s+not|doesn[’']?t|no\s+longer)\s+exists?|has\s+been\s+(removed|deleted)"
    r"|is\s+no\s+longer\s+available|unavailable)"
    r"|(can\s?not|could\s?not|can[’']?t|couldn[’']?t)\s+(seem\s+to\s+)?find\s+(the|that|this|your)\s+"
    r"(page|article)|no\s+such\s+page|nothing\s+(was\s+)?found\s+here"
    r"|seite\s+(wurde\s+)?nicht\s+gefunden|page\s+(introuvable|non\s+trouv[ée]e)"
    r"|p[áa]gina\s+no\s+(encontrada|existe)|pagina\s+niet\s+gevonden|pagina\s+non\s+trovata"
    r"|p[áa]gina\s+n[ãa]o\s+encontrada"
)
_TITLE = re.compile(
    rf"^\W*(error\s*)?(404|410)\b|\b(http|error|status)\W*404\b|^\W*not\s+found\b|\b404\W*$|{_PHRASE}",
    re.I,
)
_TEXT = re.compile(rf"\b(error\s*)?404\b|{_PHRASE}", re.I)


def is_soft_404(title: str, text: str, seen: int) -> bool:
    """Whether a page answered with success means that there is no such page.

    :param text: the page's main text.
    :param seen: how many characters the whole page shows.
    """
    if seen < LEAST_TEXT or _TITLE.search(title):
        return True
    return len(text) < SHORT_TEXT and _TEXT.search(text) is not None


def is_sent_home(asked: URL, final: URL) -> bool:
    """Whether a page's address now leads to a front page or an error page instead."""
    was_deep = asked.path.strip("/") != ""
    path = final.path.strip("/").lower()
    return was_deep and path != asked.path.strip("/").lower() and path in _HOMES


_HOMES = frozenset(
    {"", "404", "404.html", "not-found", "notfound", "error", "index.html", "index.php"}
)
