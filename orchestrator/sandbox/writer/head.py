"""``blueprint_head``: title, slug, description, takeaways, questions and glossary."""

from __future__ import annotations

from typing import Any

from orchestrator.sandbox.prompts import Prompt
from orchestrator.sandbox.topics import content_words, rng, slugify, subtopic_of, title_case
from orchestrator.sandbox.writer.grammar import Pen, Share, bank
from orchestrator.sandbox.writer.outline import by_priority

TITLE = (50, 60)  #: characters
META = (120, 156)  #: characters
TITLE_TAILS = (
    "A Guide",
    "A Plain Guide",
    "What Works Now",
    "A Practical Guide",
    "A Plan You Can Follow",
    "A Plain Guide for Teams",
    "What Works and What Costs",
    "Steps, Costs and Results",
    "A Practical Guide for {year}",
    "A Step by Step Guide for {year}",
    "What Works, What Costs, What Lasts",
    "A Practical Plan for Small Teams in {year}",
    "Steps, Tools and Results for Small Teams",
    "A Plain Guide to Steps, Costs and Results",
    "Clear Steps, Honest Costs and Real Results in {year}",
    "A Practical Guide With Steps, Costs and Results",
)
META_PARTS = (
    ("learn what works, what it costs and how to begin.", "clear steps and honest costs.",
     "a plain guide with steps, costs and real examples.", "what works and what to skip.",
     "a practical plan for small teams.", "a short guide."),
    ("Avoid common mistakes, measure results and keep a simple plan.",
     "See a plan for the first month, common mistakes and a checklist.",
     "With a checklist, a table and a plan for the first month.", "Start with one page today.",
     "With a checklist you can use today.", "Start today."),
)  # fmt: skip
"""First and second halves of descriptions, from long to short, to be combined to length."""
GLOSSARY_TERMS = 4  #: beside the subject itself
META_TAILS = tuple(
    [f"{first} {second}" for first in META_PARTS[0] for second in META_PARTS[1]]
    + list(META_PARTS[0])
)


def _fitting(start: str, tails: list[str], limits: tuple[int, int], seed: str) -> str:
    """*start* and the tail that brings it within *limits*, cut between words if need be."""
    whole = [f"{start}: {tail}" for tail in tails]
    fits = [text for text in whole if limits[0] <= len(text) <= limits[1]]
    if fits:
        return rng("fit", seed, start).choice(fits)
    shorter = [text for text in (*whole, start) if len(text) <= limits[1]]
    if shorter:
        return max(shorter, key=len)
    return start[: limits[1] + 1].rsplit(" ", 1)[0]


def blueprint_head(prompt: Prompt) -> dict[str, Any]:
    """Title, slug, description, intent, takeaways, questions and glossary."""
    asked = prompt.mapping("request")
    keyword = str(asked.get("keyword") or "the subject")
    year = str(asked.get("year") or "")
    kw = title_case(keyword)
    titles = [tail.format(year=year or "Today") for tail in TITLE_TAILS]
    meta_start = f"{kw[:1].upper()}{kw[1:]} in {year}" if year else kw
    return {
        "title": _fitting(kw, titles, TITLE, prompt.text),
        "slug": slugify(keyword, 60),
        "metaDescription": _fitting(meta_start, list(META_TAILS), META, prompt.text),
        "intent": _intent(keyword),
        "takeaways": _takeaways(prompt, keyword, year),
        "questions": _questions(prompt, keyword),
        "glossary": _glossary(prompt, keyword),
    }


def _glossary(prompt: Prompt, keyword: str) -> list[dict[str, Any]]:
    """The subject by its name, and terms that the writer's sentences use."""
    own = {"term": keyword, "meaning": "the subject, always by this name", "avoid": []}
    lines = rng("glossary", prompt.text).sample(bank("glossary"), GLOSSARY_TERMS)
    parts = [line.split("|") for line in lines]
    return [own, *({"term": term, "meaning": said, "avoid": [no]} for term, said, no in parts)]


def _intent(keyword: str) -> str:
    words = set(content_words(keyword)) | set(keyword.lower().split())
    if words & {"buy", "order", "coupon", "discount", "deal"}:
        return "transactional"
    if words & {"best", "review", "reviews", "compared", "top", "vs"}:
        return "commercial"
    return "navigational" if words & {"login", "signin"} else "informational"


def _takeaways(prompt: Prompt, keyword: str, year: str) -> list[str]:
    gaps = [str(gap.get("topic", "")) for gap in by_priority(prompt)]
    topics = [subtopic_of(topic).phrase for topic in gaps] or ["measuring results"]
    pen = Pen(
        rng("head", prompt.text),
        Share(f"head|{prompt.text}"),
        {"it": keyword, "topic": topics[0], "year": year},
    )
    first = pen.fill(bank("takeaway")[0])
    others = [pen.take("takeaway") for _ in range(7)]
    return [first, *[text for text in others if text != first and keyword not in text][:5]]


def _questions(prompt: Prompt, keyword: str) -> list[str]:
    """People's own questions first, then the usual ones; at most six."""
    asked = prompt.strings("questions")
    topics = [subtopic_of(str(gap.get("topic", ""))) for gap in by_priority(prompt)]
    own = [f"What should you know about {topic.phrase}?" for topic in topics[:1]]
    usual = [
        f"What is {keyword} in simple terms?",
        f"Is {keyword} worth the effort for a small team?",
        "How long does it take to see results?",
        "Which mistakes cost the most time?",
        "How do you know that it works?",
        "Who should own the work?",
    ]
    found = list(dict.fromkeys([*asked, *usual, *own]))
    return found[: max(5, min(6, len(asked)))]
