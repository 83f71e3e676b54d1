"""What each section has to do: gaps, keywords, claims, the table. Pure.

Every function takes sections and gives new ones; none changes what it was given.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

from steps.blueprint.plan import Plan
from steps.language.lexical import content_stems, distinct, plain, same_key, words
from steps.models import ClaimItem, OutlineSection

MIN_KEYWORD_SHARE = 0.7
"""At least this share of the phrases is assigned (PIPELINE section 3)."""

WORDS_PER_KEYWORD = 40
"""A section takes one phrase for so many words of its budget; more reads like a list."""

MIN_CLAIMS, MAX_CLAIMS, CLAIMS_PER_SECTION = 5, 12, 3
"""The rubric wants five references or more; PIPELINE section 6 chooses 8-12."""

MAX_GAPS_PER_SECTION = 3
"""Beyond this, gaps of lower priority stay out: a section cannot serve them all."""

MAX_TABLES = 2
"""Where tables go: at least one (the rubric), and no article of tables."""

_COMPARES = re.compile(r"compar|cost|price|versus|\bvs\b|types?\b|options?\b|choose|best", re.I)
_HELD_BY_ENDS = 3
"""Phrases an introduction, takeaways or conclusion takes."""


def with_gaps(sections: Sequence[OutlineSection], plan: Plan) -> list[OutlineSection]:
    """Each gap in at most one body section; every gap of high priority in one."""
    bodies = [n for n, section in enumerate(sections) if section.kind == "body"]
    known = {gap.id: gap for gap in plan.gaps.gaps}
    held: dict[int, list[str]] = {n: [] for n in bodies}
    for n in bodies:
        fresh = (name for name in sections[n].gap_ids if name in known)
        taken = {name for names in held.values() for name in names}
        held[n] = [name for name in dict.fromkeys(fresh) if name not in taken]
    assigned = {name for names in held.values() for name in names}
    for gap in plan.gaps.gaps:
        if gap.id in assigned:
            continue
        nearness = {
            n: _nearness(f"{gap.topic} {gap.opportunity}", sections[n], plan) for n in bodies
        }
        best = max(bodies, key=lambda n: (nearness[n], -len(held[n])))
        fits = nearness[best] > 0 and len(held[best]) < MAX_GAPS_PER_SECTION
        if gap.priority == "high" and not fits:
            best = min(bodies, key=lambda n: len(held[n]))
        if gap.priority == "high" or fits:
            held[best].append(gap.id)
    return _updated(sections, "gap_ids", {n: held.get(n, []) for n in range(len(sections))})


def with_keywords(sections: Sequence[OutlineSection], plan: Plan) -> list[OutlineSection]:
    """Each phrase in at most one section, at least 70 % of them in one.

    First where the model put them, then where they fit best and there is room; if too many are
    left over, where they weigh least.
    """
    terms = plan.terms
    by_key = {same_key(term, plan.locale): term for term in terms}
    held: dict[int, list[str]] = {n: [] for n in range(len(sections))}
    free = dict.fromkeys(terms)
    for n, section in enumerate(sections):
        for text in section.keywords:
            term = by_key.get(same_key(text, plan.locale))
            if term in free and term is not None:
                free.pop(term)
                held[n].append(term)
    stems = [content_stems(_about(section, plan), plan.locale) for section in sections]
    for term in list(free):
        room = [n for n, section in enumerate(sections) if len(held[n]) < _capacity(section)]
        if room:
            held[_best(term, room, sections, stems, held, plan)].append(free.pop(term) or term)
    wanted = MIN_KEYWORD_SHARE * len(terms)
    for term in list(free):
        if sum(map(len, held.values())) < wanted:
            held[min(held, key=lambda n: len(held[n]) / sections[n].words)].append(term)
    return _updated(sections, "keywords", held)


def with_claims(sections: Sequence[OutlineSection], plan: Plan) -> list[OutlineSection]:
    """Five to twelve distinct claims, at most three to a section, none outside the text proper."""
    seen: list[str] = []
    held: dict[int, list[ClaimItem]] = {n: [] for n in range(len(sections))}
    for n, section in enumerate(sections):
        for text in _claims(section, plan, seen):
            if len(seen) < MAX_CLAIMS and len(held[n]) < CLAIMS_PER_SECTION:
                seen.append(text)
                held[n].append(ClaimItem(text=text))
    bodies = [n for n, section in enumerate(sections) if section.kind == "body"]
    for text, n in _spare_claims(sections, bodies, held, plan):
        if len(seen) >= MIN_CLAIMS:
            break
        seen.append(text)
        held[n].append(ClaimItem(text=text))
    return _updated(sections, "claims", held)


def with_table(sections: Sequence[OutlineSection]) -> list[OutlineSection]:
    """One or two body sections with a table; without a wish, where things are compared."""
    bodies = [n for n, section in enumerate(sections) if section.kind == "body"]
    wished = [n for n in bodies if sections[n].table][:MAX_TABLES]
    if not wished:
        comparing = [n for n in bodies if _COMPARES.search(sections[n].heading)]
        wished = comparing[:1] or [max(bodies, key=lambda n: sections[n].words)]
    return _updated(sections, "table", {n: n in wished for n in range(len(sections))})


def _about(section: OutlineSection, plan: Plan) -> str:
    by_id = {gap.id: gap for gap in plan.gaps.gaps}
    topics = [by_id[name].topic for name in section.gap_ids if name in by_id]
    return " ".join([section.heading, section.purpose, *section.keywords, *topics])


def _nearness(text: str, section: OutlineSection, plan: Plan) -> float:
    """How much of a text's subject a section has in its heading, and in all it is about: 0..2."""
    own = content_stems(text, plan.locale) - content_stems(plan.keyword, plan.locale)
    heading = content_stems(section.heading, plan.locale)
    about = content_stems(_about(section, plan), plan.locale)
    return (len(own & heading) + len(own & about)) / max(1, len(own))


def _capacity(section: OutlineSection) -> int:
    if section.kind in {"introduction", "takeaways", "conclusion"}:
        return _HELD_BY_ENDS
    return max(_HELD_BY_ENDS, section.words // WORDS_PER_KEYWORD)


def _best(
    term: str,
    room: Sequence[int],
    sections: Sequence[OutlineSection],
    stems: Sequence[frozenset[str]],
    held: dict[int, list[str]],
    plan: Plan,
) -> int:
    """Where a phrase fits best: by shared words, questions in the FAQ, else the emptiest body."""
    own = content_stems(term, plan.locale) - content_stems(plan.keyword, plan.locale)
    asks = term.endswith("?") or term in plan.keywords.questions
    return max(
        room,
        key=lambda n: (
            len(own & stems[n]),
            asks and sections[n].kind == "faq",
            sections[n].kind == "body",
            -len(held[n]) / sections[n].words,
        ),
    )


def _claims(section: OutlineSection, plan: Plan, seen: Sequence[str]) -> Iterator[str]:
    if section.kind not in {"introduction", "body"}:
        return iter(())
    texts = (plain(claim.text, 240) for claim in section.claims)
    stated = [text for text in texts if len(words(text)) > 2 and not text.endswith("?")]
    return distinct(stated, plan.locale, known=seen)


def _spare_claims(
    sections: Sequence[OutlineSection],
    bodies: Sequence[int],
    held: dict[int, list[ClaimItem]],
    plan: Plan,
) -> Iterator[tuple[str, int]]:
    """Claims about current figures, for the sections that have fewest first."""
    counts = Counter({n: len(held[n]) for n in bodies})
    frames = ("{}: current figures as of {}", "{}: findings of official statistics up to {}")
    for frame in frames:
        for n in sorted(bodies, key=lambda n: counts[n]):
            yield frame.format(sections[n].heading.rstrip("?"), plan.year), n


def _updated(
    sections: Sequence[OutlineSection], name: str, values: Mapping[int, object]
) -> list[OutlineSection]:
    return [section.model_copy(update={name: values[n]}) for n, section in enumerate(sections)]
