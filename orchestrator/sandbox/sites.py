"""The sandbox's small web: its sites, what each covers, and how its pages are named."""

from __future__ import annotations

import re
from dataclasses import dataclass

from orchestrator.sandbox.topics import content_words, rng, slugify, title_case, with_acronyms
from orchestrator.sandbox.writer.claims import confirmed_by


@dataclass(frozen=True, slots=True)
class Site:
    """A site of the sandbox's web.

    :param slug: its first path segment.
    :param covers: slugs of the subtopics its guides have a section on.
    :param depth: paragraphs a section has.
    :param official: an office, a university or a journal; guides come from the others.
    """

    slug: str
    name: str
    covers: tuple[str, ...] = ()
    depth: int = 2
    official: bool = False


SITES: tuple[Site, ...] = (
    Site("field-notes", "Field Notes", ("basics", "steps", "mistakes", "tools", "measure"), 3),
    Site("plain-guides", "Plain Guides", ("basics", "steps", "tools"), 2),
    Site("the-workbench", "The Workbench", ("tools", "costs", "mistakes", "basics"), 2),
    Site("short-answers", "Short Answers", ("basics", "mistakes"), 1),
    Site("north-studio", "North Studio", ("steps", "examples", "tools", "mistakes"), 3),
    Site("open-desk", "Open Desk", ("basics", "steps", "team"), 2),
    Site("statistics-office", "National Statistics Office", official=True),
    Site("standards-board", "International Standards Board", official=True),
    Site("state-university", "State University Research", official=True),
    Site("practice-journal", "Journal of Applied Practice", official=True),
    Site("consumer-agency", "Consumer Research Agency", official=True),
    Site("public-archive", "Public Data Archive", official=True),
    Site("trade-institute", "Institute for Trade and Skills", official=True),
    Site("open-library", "Open Library of Methods", official=True),
    Site("city-observatory", "City Observatory", official=True),
    Site("safety-council", "National Safety Council Review", official=True),
)
BY_SLUG = {site.slug: site for site in SITES}
GUIDES = tuple(site for site in SITES if not site.official)
OFFICIAL = tuple(site for site in SITES if site.official)

BEHAVIOURS = ("dead", "soft404", "forbidden", "slow", "moved")
"""Slug prefixes that decide how a page behaves; any other slug is simply there."""
REPORT = "report-"  #: slug prefix of pages with figures, as references need them
YEAR = re.compile(r"-(20\d\d)$")


def behaviour_of(slug: str) -> tuple[str, str]:
    """A slug's behaviour (``ok`` when it has no such prefix) and the slug without it."""
    head, _, rest = slug.partition("-")
    return (head, rest) if head in BEHAVIOURS and rest else ("ok", slug)


@dataclass(frozen=True, slots=True)
class PageName:
    """What a slug says: the kind of page, its subject and, for a report, its year."""

    report: bool
    subject: str
    year: int | None


def read_slug(slug: str) -> PageName:
    """Read a slug, its behaviour prefix already gone."""
    year = YEAR.search(slug)
    bare = YEAR.sub("", slug)
    subject = bare.removeprefix(REPORT).removesuffix("-guide").replace("-", " ")
    return PageName(slug.startswith(REPORT), with_acronyms(subject), int(year[1]) if year else None)


def guide_slug(keyword: str) -> str:
    """The slug of a guide about *keyword*."""
    return f"{slugify(keyword, 90)}-guide"


def report_slug(subject: str, year: int) -> str:
    """The slug of a report with figures on *subject*."""
    return f"{REPORT}{slugify(' '.join(content_words(subject)[:12]), 110)}-{year}"


GUIDE_TITLES = (
    "{kw}: The Complete Guide",
    "{kw} Explained in Plain Words",
    "{kw} for Beginners: Where to Start",
    "How {kw} Works and What It Costs",
    "{kw}: Ten Lessons From Practice",
)
REPORT_TITLES = (
    "{topic}: Annual Survey {year}",
    "{topic}: Research Data {year}",
    "{topic}: Official Figures {year}",
    "{topic}: A Review of the Evidence, {year}",
    "{topic}: Statistical Bulletin {year}",
)


def page_title(site: Site, slug: str) -> str:
    """The title of a page, the same in search results and in its HTML."""
    name = read_slug(slug)
    chance = rng("title", site.slug, slug)
    if not name.report:
        return chance.choice(GUIDE_TITLES).format(kw=title_case(name.subject))
    found = confirmed_by(name.subject)
    if found:
        topic = chance.choice(found).title
    else:  # two of the subject's words: a title never repeats a whole keyword
        topic = title_case(" and ".join(dict.fromkeys(name.subject.split()[-1:1:-4][:2])))
    return chance.choice(REPORT_TITLES).format(topic=topic or site.name, year=name.year or "")
