"""Looking for sources: what to search for, and which results may be cited at all. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from orchestrator.services import OrganicResult
from steps.html.sanitise import safe_url
from steps.language.lexical import plain
from steps.language.phrases import STOP_WORDS
from steps.language.text import words
from steps.models import Claim
from steps.sources import authority

MAX_CLAIM_QUERIES = 4
QUERY_WORDS = 12  #: search engines weigh later words less
RESULTS, CLAIM_RESULTS = 20, 10
MAX_CANDIDATES = 30
"""What the model is shown: enough to choose twelve from, few enough to read."""

PER_DOMAIN = 2
TITLE_CHARS, SNIPPET_CHARS = 160, 300

_YEAR = re.compile(r"(?<!\d)(?:19|20)\d\d(?!\d)")
_AGO = re.compile(r"\b(?:hours?|days?|weeks?|months?) ago\b", re.IGNORECASE)
_SITE = re.compile(r"\s+(?:[|–—·»]|-)\s+(?=[^|–—·»]{2,60}$)")
_CUT = re.compile(r"\s*(?:\.\.\.|…)\s*$")


@dataclass(frozen=True, slots=True)
class Query:
    """One search; ``num`` results are asked for."""

    text: str
    num: int


@dataclass(frozen=True, slots=True)
class Candidate:
    """A search result that may be cited if it holds what it promises.

    :param title: without the site's name.
    :param source: the site's name, else its host.
    :param rank: :func:`steps.sources.authority.rank`.
    """

    id: str
    title: str
    url: str
    source: str
    snippet: str
    year: int | None
    rank: int

    def shown(self) -> dict[str, object]:
        """What the model is shown of it."""
        return {
            "id": self.id,
            "title": self.title,
            "url": self.url,
            "source": self.source,
            "snippet": self.snippet,
            "year": self.year,
        }


@dataclass(frozen=True, slots=True)
class Context:
    """What decides who may be cited: the client's own domains, and those it competes with."""

    year: int
    own: frozenset[str]
    competitors: frozenset[str]


def queries(keyword: str, claims: Sequence[Claim], year: int) -> list[Query]:
    """The general search, and at most four for the claims, neighbours together."""
    size = -(-len(claims) // MAX_CLAIM_QUERIES) or 1
    groups = [claims[start : start + size] for start in range(0, len(claims), size)]
    general = Query(f"{keyword} {year} research data official", RESULTS)
    asked = [Query(_claim_query(keyword, group), CLAIM_RESULTS) for group in groups]
    return [general, *asked]


def _claim_query(keyword: str, group: Sequence[Claim]) -> str:
    """The keyword and the words of the claims in turn, no word twice."""
    each = [[w for w in words(claim.text) if w.lower() not in STOP_WORDS] for claim in group]
    in_turn = [row[at] for at in range(max(map(len, each))) for row in each if at < len(row)]
    chosen = {word.lower(): word for word in reversed([*words(keyword), *in_turn])}
    ordered = list(dict.fromkeys(chosen[word.lower()] for word in [*words(keyword), *in_turn]))
    return " ".join(ordered[:QUERY_WORDS])


def candidates(results: Iterable[OrganicResult], context: Context) -> list[Candidate]:
    """The results that may be cited, the most authoritative first, two of one domain at most."""
    distinct: dict[str, OrganicResult] = {}
    for one in results:
        distinct.setdefault(authority.plain_url(one.link), one)
    found = [_candidate(one, context) for one in distinct.values()]
    citable = [one for one in found if one.rank and _is_foreign(one.url, context)]
    best_first = sorted(citable, key=lambda one: -one.rank)
    few = authority.few_a_domain(best_first, lambda one: one.url, PER_DOMAIN)
    kept = list(few)[:MAX_CANDIDATES]
    return [_numbered(one, number) for number, one in enumerate(kept, 1)]


def _is_foreign(url: str, context: Context) -> bool:
    return safe_url(url) and authority.domain(url) not in context.own


def _candidate(result: OrganicResult, context: Context) -> Candidate:
    title, site = _titled(plain(result.title, TITLE_CHARS))
    year = year_of(result, context.year)
    competes = authority.domain(result.link) in context.competitors
    return Candidate(
        id="",
        title=title,
        url=result.link,
        source=site or authority.host(result.link),
        snippet=plain(result.snippet, SNIPPET_CHARS),
        year=year,
        rank=authority.rank(result.link, year, context.year, competitor=competes),
    )


def _titled(title: str) -> tuple[str, str]:
    """A result's title and the name of the site behind it, if it tells one."""
    parts = _SITE.split(title, maxsplit=1)
    return _CUT.sub("", parts[0]), parts[1] if len(parts) > 1 else ""


def year_of(result: OrganicResult, current_year: int) -> int | None:
    """The year of a result: its date's, else the latest its title or address names."""
    if result.date and _AGO.search(result.date):
        return current_year
    for text in (result.date or "", f"{result.title} {result.link}"):
        years = [int(year) for year in _YEAR.findall(text) if int(year) <= current_year]
        if years:
            return max(years)
    return None


def _numbered(one: Candidate, number: int) -> Candidate:
    return Candidate(f"r{number}", one.title, one.url, one.source, one.snippet, one.year, one.rank)
