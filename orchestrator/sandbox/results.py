"""Search results: links to the sandbox's own pages, the same for the same query."""

from __future__ import annotations

import datetime as dt
import random
import re
from typing import Any

from orchestrator.sandbox import sites
from orchestrator.sandbox.pages import first_sentence
from orchestrator.sandbox.topics import content_words, rng, title_case
from orchestrator.sandbox.writer.lexicon import head_of

_RESEARCH = "research data official statistics study studies survey report evidence figures"
RESEARCH = frozenset(_RESEARCH.split())
LONG_QUERY = 7  #: words; longer queries are taken for statements that need a source
TROUBLE_GUIDES = {4: "forbidden", 6: "dead", 8: "moved", 9: "slow"}
"""How guides far enough down the results misbehave, by position from 1."""
TROUBLE_REPORTS = ("dead", "dead", "soft404", "forbidden", "moved", "moved", *[""] * 14)
"""How reports misbehave, one chance each: three in ten do."""
OFFICIAL_RESULTS = 6  #: official sites that answer one query; another query finds others


def search_results(
    query: str, number: int, hosts: tuple[str, ...], port: int, now: float
) -> dict[str, Any]:
    """The parts of a result page that depend on the query.

    :param number: organic results wanted.
    :param hosts: addresses of the web sites; site n is linked under host n.
    :param now: epoch seconds; dates results.
    """
    year = dt.datetime.fromtimestamp(now, dt.UTC).year
    chance = rng("serp", query.lower())
    pages = (_reports if is_research(query) else _guides)(query, number, year, chance)
    organic = [
        _organic(position, site, slug, behaviour, hosts, port, now)
        for position, (site, slug, behaviour) in enumerate(pages, 1)
    ]
    if is_research(query):
        return {"organic": organic, "peopleAlsoAsk": [], "relatedSearches": []}
    return {"organic": organic, **_around(query, chance)}


def is_research(query: str) -> bool:
    """Whether a query looks for sources rather than for guides."""
    words = re.findall(r"[a-z]+", query.lower())
    return bool(RESEARCH & set(words)) or len(words) >= LONG_QUERY


Listed = tuple[sites.Site, str, str]


def _guides(query: str, number: int, _year: int, chance: random.Random) -> list[Listed]:
    order = chance.sample(sites.GUIDES, len(sites.GUIDES))
    subjects = [query, f"{query} checklist", f"{query} tutorial", f"{query} handbook"]
    listed = [(site, sites.guide_slug(subject)) for subject in subjects for site in order]
    return [
        (site, slug, TROUBLE_GUIDES.get(position, ""))
        for position, (site, slug) in enumerate(listed[:number], 1)
    ]


def _reports(query: str, number: int, year: int, chance: random.Random) -> list[Listed]:
    subject = " ".join(w for w in content_words(query) if w not in RESEARCH and not w.isdigit())
    official = chance.sample(sites.OFFICIAL, OFFICIAL_RESULTS)
    guides = chance.sample(sites.GUIDES, 3)
    ages = [*[(site, chance.randint(0, 1)) for site in official], *[(site, 1) for site in guides]]
    ages += [(site, age) for age in (4, 6) for site in official]
    listed = [(site, sites.report_slug(subject or query, year - age)) for site, age in ages]
    return [(site, slug, _trouble(site, slug)) for site, slug in listed[:number]]


def _trouble(site: sites.Site, slug: str) -> str:
    return rng("trouble", site.slug, slug).choice(TROUBLE_REPORTS)


def link_to(site: sites.Site, slug: str, hosts: tuple[str, ...], port: int) -> str:
    """The address of a page: each site has a host of its own."""
    host = hosts[sites.SITES.index(site) % len(hosts)]
    return f"http://{host}:{port}/web/{site.slug}/{slug}"


def _organic(
    position: int,
    site: sites.Site,
    slug: str,
    behaviour: str,
    hosts: tuple[str, ...],
    port: int,
    now: float,
) -> dict[str, Any]:
    address = f"{behaviour}-{slug}" if behaviour else slug
    age = rng("age", site.slug, slug).randint(20, 700)
    day = dt.datetime.fromtimestamp(now, dt.UTC) - dt.timedelta(days=age)
    year = sites.read_slug(slug).year
    shown = day.replace(year=year, day=min(day.day, 28)) if year else day
    return {
        "title": f"{sites.page_title(site, slug)} | {site.name}",
        "link": link_to(site, address, hosts, port),
        "snippet": first_sentence(site, slug),
        "date": f"{shown:%b} {shown.day}, {shown.year}",
        "position": position,
    }


QUESTIONS = (
    "What is {kw} and how does it work?",
    "Is {kw} worth the effort for a small team?",
    "How long does it take to see results?",
    "How much should a small team spend?",
    "Which mistakes cost the most time?",
    "Do I need special tools to begin?",
    "How do I know that it works?",
)
RELATED = (
    "{last} checklists",
    "{last} plan templates",
    "monthly {last} costs",
    "{last} for small teams",
    "weekly {last} reviews",
    "comparing {last} tools",
    "{last} examples",
    "first month planning",
)


def _around(query: str, chance: random.Random) -> dict[str, Any]:
    last = head_of(query)
    asked = [*QUESTIONS[:2], *chance.sample(QUESTIONS[2:], 2)]
    related = chance.sample(RELATED, 6)
    return {
        "peopleAlsoAsk": [
            {
                "question": question.format(kw=query),
                "snippet": f"A short answer: begin with one page and review {last} each week.",
                "title": title_case(query),
                "link": "",
            }
            for question in asked
        ],
        "relatedSearches": [{"query": text.format(last=last)} for text in related],
    }
