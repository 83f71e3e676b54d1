"""Subtopics that pages and articles are made of, and how headings name them."""

from __future__ import annotations

import hashlib
import random
import re
from dataclasses import dataclass

_STOPWORDS = (
    "a an and are as at be best by can do does for from how i in is it my of on or our should "
    "that the to us use using vs what when where which who why will with you your"
)
STOPWORDS = frozenset(_STOPWORDS.split())


@dataclass(frozen=True, slots=True)
class Subtopic:
    """One side of a subject.

    :param slug: names the grammar's sections about it.
    :param phrase: a noun phrase for running text.
    :param heading: a heading without the keyword.
    :param keyed: a heading with ``{kw}`` in it.
    :param signs: words in a heading that give the subtopic away.
    """

    slug: str
    phrase: str
    heading: str
    keyed: str
    signs: tuple[str, ...]


SUBTOPICS: tuple[Subtopic, ...] = (
    Subtopic(
        "mistakes",
        "common mistakes",
        "Common Mistakes and How to Avoid Them",
        "Common {kw} Mistakes to Avoid",
        ("mistake", "avoid", "pitfall", "error", "wrong", "problem"),
    ),
    Subtopic(
        "measure",
        "measuring results",
        "How to Measure Results You Can Trust",
        "How to Measure {kw} Results",
        ("measur", "metric", "result", "track", "report", "kpi", "analytic"),
    ),
    Subtopic(
        "costs",
        "costs and budget",
        "Costs, Budget and Time to Plan For",
        "What {kw} Costs",
        ("cost", "budget", "price", "pricing", "spend", "money", "roi"),
    ),
    Subtopic(
        "tools",
        "choosing tools",
        "Choosing Tools That Fit the Job",
        "Choosing {kw} Tools",
        ("tool", "software", "platform", "equipment", "gear", "choos", "compar", "option"),
    ),
    Subtopic(
        "examples",
        "worked examples",
        "Worked Examples From Small Teams",
        "{kw} Examples That Work",
        ("example", "case", "real", "stor", "lesson"),
    ),
    Subtopic(
        "upkeep",
        "upkeep over time",
        "Upkeep: Keeping Good Results Over Time",
        "Keeping {kw} Working Over Time",
        ("upkeep", "mainten", "keep", "long", "advanced", "scal", "improv", "next level", "growth"),
    ),
    Subtopic(
        "team",
        "roles and skills",
        "Roles, Skills and Who Does What",
        "Who Should Own {kw}",
        ("team", "role", "skill", "who", "hire", "people", "train", "own"),
    ),
    Subtopic(
        "risks",
        "privacy and risk",
        "Privacy, Risk and Simple Safeguards",
        "{kw} Risks and Safeguards",
        ("risk", "privacy", "safe", "legal", "secur", "trust", "complian", "ethic"),
    ),
    Subtopic(
        "steps",
        "a step by step plan",
        "A Step by Step Plan for the First Month",
        "A Step by Step {kw} Plan",
        ("step", "plan", "start", "strateg", "actionable", "guide", "set up", "setup", "how to"),
    ),
    Subtopic(
        "basics",
        "the basics",
        "The Basics in Plain Words",
        "What {kw} Means in Practice",
        ("basic", "understand", "what", "mean", "defin", "work", "overview", "fundamental"),
    ),
)
BY_SLUG = {subtopic.slug: subtopic for subtopic in SUBTOPICS}


def subtopic_of(heading: str) -> Subtopic:
    """The subtopic a heading is about: the one most of whose signs it shows, else the basics."""
    low = heading.lower()
    scores = [sum(sign in low for sign in subtopic.signs) for subtopic in SUBTOPICS]
    best = max(scores)
    return SUBTOPICS[scores.index(best)] if best else BY_SLUG["basics"]


def rng(*parts: object) -> random.Random:
    """A generator seeded by *parts*: the same parts, the same choices."""
    digest = hashlib.sha256("\x1f".join(map(str, parts)).encode()).digest()
    return random.Random(digest)  # noqa: S311 - chance, not secrecy


def words_of(text: str) -> list[str]:
    """The words of *text*, lower case."""
    return re.findall(r"[a-z0-9]+(?:['’][a-z]+)?", text.lower())


def content_words(text: str) -> list[str]:
    """The words of *text* that carry meaning, in order, once each."""
    return list(dict.fromkeys(word for word in words_of(text) if word not in STOPWORDS))


def slugify(text: str, limit: int = 80) -> str:
    """*text* as a slug of at most *limit* characters, cut between words."""
    slug = "-".join(re.findall(r"[a-z0-9]+", text.lower()))
    return slug if len(slug) <= limit else slug[: limit + 1].rsplit("-", 1)[0]


_SMALL = "a an and as at by for from in of on or the to vs with"
SMALL = frozenset(_SMALL.split())


_ACRONYMS = (
    "ai api b2b ceo cms cpu crm css diy erp eu faq gdpr gps hr html iot ios it kpi led llm nas pc "
    "pdf pr roi seo serp sms sql tv uk url us usa usb ux vpn wifi"
)
ACRONYMS = {word: word.upper() for word in _ACRONYMS.split()} | {"wifi": "Wi-Fi"}
ACRONYMS_IN_TEXT = {word: ACRONYMS[word] for word in ACRONYMS if word not in {"it", "us"}}


def with_acronyms(text: str) -> str:
    """*text*, such as one read from a slug, with well-known acronyms in capitals."""
    return " ".join(ACRONYMS_IN_TEXT.get(word, word) for word in text.split())


def title_case(text: str) -> str:
    """*text* in title case, words with capitals of their own left as they are."""
    words = with_acronyms(text).split()
    last = len(words) - 1
    return " ".join(
        word
        if word != word.lower()
        else word
        if word in SMALL and 0 < n < last
        else word[:1].upper() + word[1:]
        for n, word in enumerate(words)
    )
