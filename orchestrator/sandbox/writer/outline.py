"""``blueprint_outline``: the sections of an article."""

from __future__ import annotations

from typing import Any

from orchestrator.sandbox.prompts import Prompt
from orchestrator.sandbox.topics import (
    BY_SLUG,
    SUBTOPICS,
    Subtopic,
    rng,
    subtopic_of,
    title_case,
)
from orchestrator.sandbox.writer.claims import statements
from orchestrator.sandbox.writer.grammar import bank
from orchestrator.sandbox.writer.lexicon import head_of

BODY_SECTIONS = 5
KEYED_BODIES = (0, 2)
"""Body sections whose heading carries the keyword: with introduction and conclusion that makes
40 % of the subheadings, inside the rubric's 30 to 75 %."""
USUAL = ("basics", "steps", "tools", "mistakes", "measure", "examples", "costs")
SHARES = {"introduction": 0.083, "takeaways": 0.05, "faq": 0.115, "conclusion": 0.066}
LEAST_BODY = 80  #: words of a section
LONG_KEYWORD = 45  #: characters; longer ones are left out of body headings


def by_priority(prompt: Prompt) -> list[dict[str, Any]]:
    """The gaps of a prompt, the most urgent first."""
    order = ("high", "medium", "low")
    gaps = [gap for gap in prompt.items("gaps") if isinstance(gap, dict)]
    return sorted(gaps, key=lambda gap: order.index(gap.get("priority") or "low"))


def _bodies(gaps: list[dict[str, Any]]) -> list[Subtopic]:
    """The subtopics of the body: the basics, then what gaps call for, then the usual."""
    wanted = [BY_SLUG["basics"]]
    wanted += [subtopic_of(str(gap.get("topic", ""))) for gap in gaps]
    wanted += [BY_SLUG[slug] for slug in USUAL]
    chosen = list(dict.fromkeys(wanted))[:BODY_SECTIONS]
    return sorted(chosen, key=lambda subtopic: _ORDER.index(subtopic.slug))


_ORDER = [
    "basics", "steps", "tools", "team", "costs", "measure", "examples", "mistakes", "risks",
    "upkeep",
]  # fmt: skip
assert len(_ORDER) == len(SUBTOPICS)


def blueprint_outline(prompt: Prompt) -> dict[str, Any]:
    """Nine sections whose budgets add up, every keyword and gap assigned, claims in the body."""
    asked = prompt.mapping("request")
    keyword = str(asked.get("keyword") or "the subject")
    low, high = int(asked.get("wordsMin") or 2600), int(asked.get("wordsMax") or 3200)
    total = (low + high) // 2
    gaps = by_priority(prompt)
    old = [item for item in prompt.items("existing") if isinstance(item, dict)]
    planned = _planned(gaps, keyword, [str(o["heading"]) for o in old if o.get("kind") == "body"])
    subtopics = [subtopic for subtopic, _ in planned]
    bodies = [_body(heading, subtopic, keyword) for subtopic, heading in planned]
    _assign_gaps(bodies, subtopics, gaps)
    _assign_claims(bodies, subtopics, keyword)
    _table_in(bodies, subtopics)
    sections = [*_front(keyword, asked, total), *bodies, *_back(keyword, total, old)]
    _assign_keywords(sections, prompt.strings("keywords"), keyword)
    left = total - sum(section["words"] for section in sections)
    for n, body in enumerate(bodies):
        body["words"] = max(LEAST_BODY, left // len(bodies) + (n < left % len(bodies)))
    return {"sections": sections}


def _planned(
    gaps: list[dict[str, Any]], keyword: str, existing: list[str]
) -> list[tuple[Subtopic, str]]:
    """The body's subtopics and headings: those of the old page, in order, or fresh ones."""
    kept = [(subtopic_of(heading), heading) for heading in dict.fromkeys(existing)]
    if len(kept) >= BODY_SECTIONS:
        return kept
    there = {subtopic for subtopic, _ in kept}
    fresh = [subtopic for subtopic in _bodies(gaps) if subtopic not in there]
    fresh = fresh[: BODY_SECTIONS - len(kept)]
    return kept + [(topic, _heading(n, topic, keyword)) for n, topic in enumerate(fresh)]


def _section(heading: str, kind: str, purpose: str, words: int = 0) -> dict[str, Any]:
    return {
        "heading": heading,
        "kind": kind,
        "purpose": purpose,
        "words": words,
        "keywords": [],
        "gapIds": [],
        "claims": [],
        "table": False,
    }


def _front(keyword: str, asked: dict[str, Any], total: int) -> list[dict[str, Any]]:
    intro = f"Why {title_case(keyword)} Matters in {asked.get('year', 'Practice')}"
    return [
        _section(
            intro,
            "introduction",
            "Say what the reader gains and how the guide is built.",
            round(total * SHARES["introduction"]),
        ),
        _section(
            "Key Takeaways",
            "takeaways",
            "The points to remember, each one an action.",
            round(total * SHARES["takeaways"]),
        ),
    ]


def _back(keyword: str, total: int, old: list[dict[str, Any]]) -> list[dict[str, Any]]:
    headings = {
        "faq": "Frequently Asked Questions",
        "conclusion": f"Conclusion: Your Next Step With {title_case(keyword)}",
    }
    headings |= {o["kind"]: str(o["heading"]) for o in old if o.get("kind") in headings}
    purposes = {
        "faq": "Short answers to what people ask first.",
        "conclusion": "Sum up and name one action for this week.",
    }
    return [
        _section(headings[kind], kind, purposes[kind], round(total * SHARES[kind]))
        for kind in ("faq", "conclusion")
    ]


def _heading(number: int, subtopic: Subtopic, keyword: str) -> str:
    keyed = number in KEYED_BODIES and len(keyword) <= LONG_KEYWORD
    return subtopic.keyed.format(kw=title_case(keyword)) if keyed else subtopic.heading


def _body(heading: str, subtopic: Subtopic, keyword: str) -> dict[str, Any]:
    purpose = rng("purpose", keyword, subtopic.slug).choice(bank("purpose"))
    return _section(heading, "body", purpose.format(topic=subtopic.phrase))


def _assign_gaps(
    bodies: list[dict[str, Any]], subtopics: list[Subtopic], gaps: list[dict[str, Any]]
) -> None:
    for number, gap in enumerate(gaps):
        topic = subtopic_of(str(gap.get("topic", "")))
        where = subtopics.index(topic) if topic in subtopics else number % len(bodies)
        if len(bodies[where]["gapIds"]) >= 3:  # spread them
            where = min(range(len(bodies)), key=lambda n: len(bodies[n]["gapIds"]))
        bodies[where]["gapIds"].append(str(gap.get("id", "")))


def _assign_claims(bodies: list[dict[str, Any]], subtopics: list[Subtopic], keyword: str) -> None:
    """Two statements a body section, one in the last, none of them twice."""
    head, made = head_of(keyword), set[str]()
    for number, (body, subtopic) in enumerate(zip(bodies, subtopics, strict=True)):
        count = 1 if number == len(bodies) - 1 else 2
        texts = [statement.about(head) for statement in statements(subtopic.slug)]
        fresh = [text for text in texts if text not in made][:count]
        made.update(fresh)
        body["claims"] = [{"text": text} for text in fresh]


def _table_in(bodies: list[dict[str, Any]], subtopics: list[Subtopic]) -> None:
    slugs = [subtopic.slug for subtopic in subtopics]
    best = next(
        (slug for slug in ("tools", "costs", "steps", "measure") if slug in slugs), slugs[0]
    )
    bodies[slugs.index(best)]["table"] = True


def _assign_keywords(sections: list[dict[str, Any]], keywords: list[str], keyword: str) -> None:
    """Deal the phrases out: mostly to body sections, a few to introduction and conclusion."""
    bodies = [section for section in sections if section["kind"] == "body"]
    ends = [section for section in sections if section["kind"] in {"introduction", "conclusion"}]
    rest = [text for text in keywords if text.lower() != keyword.lower()]
    turns = [*bodies, *bodies, *ends]
    for number, text in enumerate(rest):
        turns[number % len(turns)]["keywords"].append(text)
    sections[0]["keywords"].insert(0, keyword)
