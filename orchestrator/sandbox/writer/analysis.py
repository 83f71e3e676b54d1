"""``semantic_keywords``, ``competitor_gaps`` and ``choose_references``."""

from __future__ import annotations

import re
from collections import Counter
from typing import Any
from urllib.parse import urlsplit

from orchestrator.sandbox.prompts import Prompt, strings
from orchestrator.sandbox.topics import STOPWORDS, SUBTOPICS, content_words, rng, subtopic_of
from orchestrator.sandbox.writer.lexicon import phrases

MAX_GAPS = 5  #: per competitor; five competitors are merged
MAX_PER_SOURCE = 2  #: references from one host
MOST_REFERENCES = 12
FITS = 0.5  #: of a claim's words in title and snippet


def semantic_keywords(prompt: Prompt) -> dict[str, Any]:
    """Phrases of the kinds asked for, as many as asked for, none of them known already."""
    asked = prompt.mapping("request")
    keyword = str(asked.get("keyword") or "the subject")
    known = {text.lower() for text in strings(asked.get("known"))}
    lists = [[(text, kind) for text in phrases(keyword, kind)] for kind in _kinds(asked)]
    found = [
        {"text": text, "kind": kind}
        for text, kind in _interleave(lists)
        if text.lower() not in known
    ]
    return {"phrases": found[: int(asked.get("count") or 20)]}


def _kinds(asked: dict[str, Any]) -> list[str]:
    return strings(asked.get("kinds")) or ["variant", "question", "problem", "solution", "entity"]


def _interleave(lists: list[list[tuple[str, str]]]) -> list[tuple[str, str]]:
    longest = max(map(len, lists), default=0)
    return [items[n] for n in range(longest) for items in lists if n < len(items)]


def competitor_gaps(prompt: Prompt) -> dict[str, Any]:
    """What one competitor leaves out, from the coverage matrix, and its stale facts."""
    asked = prompt.mapping("request")
    rival = prompt.mapping("competitor")
    open_rows = [gap for row in prompt.items("matrix") if (gap := _gap(row, rival, asked))]
    gaps = [*_once(open_rows), *_untouched(prompt, rival, asked)]
    gaps.sort(key=lambda gap: ("high", "medium", "low").index(gap["priority"]))
    facts = [gap for fact in prompt.items("stale") if (gap := _stale(fact, rival, asked))]
    stale = _once(facts)
    text = f"{rival.get('title', '')} {rival.get('text', '')}".lower()
    keyword = str(asked.get("keyword") or "")
    around = [p for kind in ("variant", "solution", "entity") for p in phrases(keyword, kind)]
    wanted = [*strings(prompt.items("keywords")), *strings(asked.get("keywords")), *around]
    return {
        "gaps": [*gaps[: MAX_GAPS - min(1, len(stale))], *stale[:1]],
        "competitorKeywords": _headline_phrases(strings(rival.get("headings")))[:10],
        "missingKeywords": [p for p in dict.fromkeys(wanted) if p.lower() not in text][:8],
    }


def _gap(row: Any, rival: dict[str, Any], asked: dict[str, Any]) -> dict[str, Any] | None:
    if not isinstance(row, dict) or not row.get("subtopic"):
        return None
    covered = [str(name) for name in row.get("coveredBy") or []]
    total = int(row.get("total") or 5)
    if rival.get("id") in covered or len(covered) * 2 > total:
        return None
    heading = str(row["subtopic"])
    subtopic = subtopic_of(heading)
    few = len(covered) <= total // 4
    kind = "missing-topic" if few else "shallow-coverage"
    if subtopic.slug == "examples":
        kind = "missing-examples"
    return _item(
        kind,
        subtopic.phrase,
        f"Only {len(covered)} of {total} ranking pages treat {subtopic.phrase}: "
        f"answer it for readers of {asked.get('keyword', 'the subject')} with steps and a case.",
        "high" if few else "medium",
        str(rival.get("id", "")),
        heading,
    )


def _item(
    kind: str, topic: str, opportunity: str, priority: str, rival: str, heading: str
) -> dict[str, Any]:
    return {
        "type": kind,
        "topic": topic,
        "opportunity": opportunity,
        "priority": priority,
        "evidence": {"competitors": [rival], "heading": heading},
    }


def _once(gaps: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The first gap on each topic."""
    return list({gap["topic"]: gap for gap in reversed(gaps)}.values())[::-1]


def _untouched(
    prompt: Prompt, rival: dict[str, Any], asked: dict[str, Any]
) -> list[dict[str, Any]]:
    """One subtopic that no ranking page has a heading for, another one for each rival."""
    rows = [row for row in prompt.items("matrix") if isinstance(row, dict)]
    there = {subtopic_of(str(row.get("subtopic", ""))).slug for row in rows}
    free = [subtopic for subtopic in SUBTOPICS if subtopic.slug not in there]
    if not free:
        return []
    chosen = rng("untouched", asked.get("keyword"), rival.get("id")).choice(free)
    opportunity = (
        f"No ranking page treats {chosen.phrase}: give {asked.get('keyword', 'the subject')} "
        "readers a short plan with one example."
    )
    rival_id = str(rival.get("id", ""))
    return [_item("missing-topic", chosen.phrase, opportunity, "medium", rival_id, "")]


def _stale(fact: Any, rival: dict[str, Any], asked: dict[str, Any]) -> dict[str, Any] | None:
    if not isinstance(fact, dict) or fact.get("competitor") not in {None, rival.get("id")}:
        return None
    text = str(fact.get("text") or "")
    year = re.search(r"\b(?:19|20)\d\d\b", text)
    if not text:
        return None
    return _item(
        "outdated-data",
        f"current figures on {subtopic_of(text).phrase}",
        f"The page still quotes figures from {year[0] if year else 'earlier years'}: "
        f"give those of {asked.get('year', 'this year')} with their source.",
        "low",
        str(rival.get("id", "")),
        "",
    )


def _headline_phrases(headings: list[str]) -> list[str]:
    """Runs of two to four words of meaning that stand in the headings."""
    found = []
    for heading in headings:
        marked = re.sub(r"[^a-z0-9' -]|\b(?:" + "|".join(STOPWORDS) + r")\b", "|", heading.lower())
        runs = (" ".join(part.split()) for part in marked.split("|"))
        found += [run for run in runs if 2 <= len(run.split()) <= 4]
    return list(dict.fromkeys(found))


def choose_references(prompt: Prompt) -> dict[str, Any]:
    """The candidates that fit the claims best, at most two from one host."""
    claims = [claim for claim in prompt.items("claims") if isinstance(claim, dict)]
    topic = set(content_words(str(prompt.mapping("request").get("keyword") or "")))
    given = [item for item in prompt.items("candidates") if isinstance(item, dict)]
    left = [_Ranked(candidate, claims, topic) for candidate in given]
    chosen: list[_Ranked] = []
    per_host: Counter[str] = Counter()
    supported: set[int] = set()
    while left and len(chosen) < MOST_REFERENCES:
        best = max(left, key=lambda one: (len(set(one.claims) - supported), one.score))
        left.remove(best)
        if per_host[best.host] < MAX_PER_SOURCE:
            per_host[best.host] += 1
            supported.update(best.claims)
            chosen.append(best)
    return {"choices": [one.choice() for one in chosen]}


def _fit(claim: str, words: set[str]) -> float:
    own = set(content_words(claim))
    return len(own & words) / len(own) if own else 0.0


class _Ranked:
    """A candidate and how well it fits: words shared with claims, and its year."""

    def __init__(self, candidate: dict[str, Any], claims: list[dict[str, Any]], topic: set[str]):
        self.candidate = candidate
        text = f"{candidate.get('title', '')} {candidate.get('snippet', '')}"
        words = set(content_words(text))
        self.host = urlsplit(str(candidate.get("url") or "")).netloc
        fits = {int(c["n"]): _fit(str(c.get("text") or ""), words) for c in claims if "n" in c}
        self.claims = sorted((n for n in fits if fits[n] >= FITS), key=lambda n: -fits[n])[:3]
        year = candidate.get("year")
        self.score = (
            sum(fits.values()) + len(words & topic) + (int(year) - 2020 if year else 0) / 10
        )

    def choice(self) -> dict[str, Any]:
        """The candidate as the answer names it."""
        snippet = " ".join(str(self.candidate.get("snippet") or "").split())
        return {
            "candidateId": str(self.candidate.get("id", "")),
            "claims": self.claims,
            "relevance": "high" if self.claims else "medium",
            "description": snippet[:160],
        }
