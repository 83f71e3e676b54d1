"""Whether a fetched page is the source it was taken for. Pure.

A search result promises a title and a subject; the page has to keep both.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal
from urllib.parse import urlsplit

from orchestrator.services import Page
from steps.html.sanitise import safe_url
from steps.language.topics import covered, stems
from steps.models import Claim
from steps.sources import authority
from steps.sources.search import Candidate

TITLE_AGREES = 60.0
"""rapidfuzz's token_set_ratio, 0-100; unrelated titles of one subject stay under 55."""

CLAIM_SHARE = 0.5
"""Half of a claim's own words on the page: claims are reworded, not quoted."""

UNASKED_SHARE, UNASKED_CLAIMS = 0.6, 3
"""For a source that nobody matched with claims: a stricter share, and at most three claims."""

KEYWORD_SHARE = 0.5
MIN_TEXT = 200  #: characters of main text; less is a page without content

_NOT_FOUND_TITLE = re.compile(
    r"^\W*(?:error\W*)?404\b|\b404\W*(?:error|not found)|\bnot found\W*$|\bpage not found\b|"
    r"\bpage (?:unavailable|gone)\b",
    re.IGNORECASE,
)
_NOT_FOUND_TEXT = re.compile(
    r"\bpage (?:(?:was|is|could|can)(?: not|n't) (?:be )?(?:found|available)|not found|"
    r"(?:does not|doesn't|no longer) exists?)\b|\berror 404\b",
    re.IGNORECASE,
)
_OPENING = 400  #: characters of the text in which a page says that it is not there
_HTML = ("text/html", "application/xhtml+xml")
_PDF = "application/pdf"

Status = Literal["valid", "unverified", "refused"]


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a check came to: ``problem`` says why a source was refused or is unverified."""

    status: Status
    url: str
    title: str = ""
    status_code: int | None = None
    year: int | None = None
    claims: tuple[int, ...] = ()
    problem: str = ""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What sources are wanted for.

    :param asked: the numbers of the claims that the model matched with the source, or None
        where nobody did.
    """

    keyword: str
    locale: str
    claims: Sequence[Claim]
    own: frozenset[str] = frozenset()
    asked: Sequence[int] | None = None


def judge(page: Page, candidate: Candidate, wanted: Wanted) -> Verdict:
    """The verdict on a page that was fetched for a candidate."""
    problem = _unreachable(page, candidate) or _strange(page, wanted)
    if problem:
        return Verdict("refused", candidate.url, status_code=page.status, problem=problem)
    if page.outcome == "unverified":
        told = f"{candidate.title} {candidate.snippet}"
        supported = supported_claims(told, wanted)
        why = f"status {page.status}: the server does not show it to us"
        return Verdict(
            "unverified",
            candidate.url,
            candidate.title,
            page.status,
            candidate.year,
            supported,
            why,
        )
    return _content(page, candidate, wanted)


def _unreachable(page: Page, candidate: Candidate) -> str:
    if page.outcome not in {"ok", "unverified"}:
        return f"dead: {page.problem or f'status {page.status}'}"
    if _sent_home(candidate.url, page.final_url):
        return "dead: redirected to the site's front page"
    return ""


def _sent_home(url: str, final_url: str) -> bool:
    return bool(urlsplit(url).path.strip("/")) and not urlsplit(final_url).path.strip("/")


def _strange(page: Page, wanted: Wanted) -> str:
    if not safe_url(page.final_url) or authority.domain(page.final_url) in wanted.own:
        return "leads to an address that may not be cited"
    kind = page.content_type.split(";")[0].strip().lower()
    if page.outcome == "ok" and kind and kind not in {*_HTML, _PDF}:
        return f"neither HTML nor PDF: {kind}"
    return ""


def _content(page: Page, candidate: Candidate, wanted: Wanted) -> Verdict:
    is_pdf = page.content_type.lower().startswith(_PDF)
    told = f"{' '.join(page.headings)} {page.text}"
    if is_pdf and not page.text:
        told = f"{candidate.title} {candidate.snippet}"
    supported = supported_claims(told, wanted)
    problem = _untrue(page, candidate, wanted, is_pdf) or _off_topic(told, supported, wanted)
    if problem:
        return Verdict("refused", candidate.url, status_code=page.status, problem=problem)
    return Verdict(
        status="valid",
        url=page.final_url,
        title=candidate.title or page.title,
        status_code=page.status,
        year=_year(page.published) or candidate.year,
        claims=supported,
    )


def _untrue(page: Page, candidate: Candidate, wanted: Wanted, is_pdf: bool) -> str:
    """Why the page is not what the search result promised."""
    if not is_pdf and len(page.text) < MIN_TEXT:
        return "no content: the page holds hardly any text"
    if says_not_found(page):
        return "soft 404: the page says that it was not found"
    if page.title and not titles_agree(candidate.title, page.title, page.headings):
        return "another page: its title does not agree with the search result's"
    if page.language and _primary(page.language) != _primary(wanted.locale):
        return f"another language: {page.language}"
    return ""


def says_not_found(page: Page) -> bool:
    """Whether the page itself says that there is no such page."""
    opening = page.text[:_OPENING]
    return bool(_NOT_FOUND_TITLE.search(page.title) or _NOT_FOUND_TEXT.search(opening))


def titles_agree(promised: str, found: str, headings: Iterable[str] = ()) -> bool:
    """Whether the page's title, or its first heading, is the one that the result promised."""
    from rapidfuzz import fuzz  # noqa: PLC0415 - a native library that only this step needs

    first = next(iter(headings), "")
    pairs = [(promised.lower(), text.lower()) for text in (found, first) if text]
    return not promised or any(fuzz.token_set_ratio(*pair) >= TITLE_AGREES for pair in pairs)


def _off_topic(told: str, supported: Sequence[int], wanted: Wanted) -> str:
    keyword = covered(stems(wanted.keyword, wanted.locale), stems(told, wanted.locale))
    return "" if supported or keyword >= KEYWORD_SHARE else "off topic: it names none of the claims"


def supported_claims(told: str, wanted: Wanted) -> tuple[int, ...]:
    """The numbers of the claims whose own words occur in a text.

    Of those the model matched with the source when it did, else the best three.
    """
    share = claim_shares(told, wanted)
    if wanted.asked is not None:
        return tuple(n for n in wanted.asked if share.get(n, 0.0) >= CLAIM_SHARE)
    good = sorted((n for n in share if share[n] >= UNASKED_SHARE), key=lambda n: -share[n])
    return tuple(sorted(good[:UNASKED_CLAIMS]))


def claim_shares(told: str, wanted: Wanted) -> Mapping[int, float]:
    """For each claim the share of its own words (those of the keyword aside) in a text."""
    there = stems(told, wanted.locale)
    keyword = stems(wanted.keyword, wanted.locale)
    shares = {}
    for claim in wanted.claims:
        whole = stems(claim.text, wanted.locale)
        own = whole - keyword
        shares[claim.n] = covered(own if len(own) > 1 else whole, there)
    return shares


def _primary(language: str) -> str:
    return language.replace("_", "-").split("-")[0].strip().lower()


def _year(published: str | None) -> int | None:
    match = re.match(r"(?:19|20)\d\d", published or "")
    return int(match[0]) if match else None
