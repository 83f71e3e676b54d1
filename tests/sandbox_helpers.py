"""A whole article written by the sandbox's writer, put together the way the steps do it."""

from __future__ import annotations

import html
import json
import re
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from orchestrator.sandbox.prompts import parse
from orchestrator.sandbox.writer import write

YEAR = 2026
GAPS = [
    {"id": "g1", "type": "missing-topic", "topic": "measuring results", "priority": "high"},
    {"id": "g2", "type": "missing-examples", "topic": "worked examples", "priority": "high"},
    {"id": "g3", "type": "missing-topic", "topic": "privacy and risk", "priority": "medium"},
    {"id": "g4", "type": "shallow-coverage", "topic": "costs and budget", "priority": "medium"},
    {"id": "g5", "type": "outdated-data", "topic": "current figures on teams", "priority": "low"},
]


def block(name: str, value: Any) -> str:
    """A data block the way the steps write it."""
    text = json.dumps(value)
    for sign in "<>&":
        text = text.replace(sign, f"\\u{ord(sign):04x}")
    return f'<data name="{name}">{text}</data>'


def ask(task: str, system: str = "", **data: Any) -> Any:
    """What the writer answers to *task* with these data blocks."""
    prompt = "\n".join([f"<task>{task}</task>", *(block(k, v) for k, v in data.items())])
    return write(parse(system, prompt))


@dataclass
class Article:
    """An article and everything it was made from."""

    keyword: str
    head: dict[str, Any] = field(default_factory=dict)
    sections: list[dict[str, Any]] = field(default_factory=list)
    keywords: list[str] = field(default_factory=list)
    claims: dict[int, str] = field(default_factory=dict)
    html: dict[str, str] = field(default_factory=dict)

    @property
    def body(self) -> str:
        """The whole article's HTML."""
        return f"<h1>{self.head['title']}</h1>\n" + "\n".join(self.html.values())


def compose(keyword: str, questions: list[str] | None = None) -> Article:
    """Run every writing task for *keyword*."""
    article = Article(keyword)
    request = {"keyword": keyword, "year": YEAR, "locale": "en-US", "known": []}
    found = [keyword]
    for kinds in (["variant"], ["question"], ["problem", "solution", "entity"]):
        answer = ask("semantic_keywords", request={**request, "kinds": kinds, "count": 16})
        found += [phrase["text"] for phrase in answer["phrases"]]
    article.keywords = list(dict.fromkeys(found))
    common = {"keywords": article.keywords, "gaps": GAPS, "questions": questions or []}
    sized = {**request, "mode": "generate", "wordsMin": 2600, "wordsMax": 3200}
    outline = ask("blueprint_outline", request=sized, **common)
    article.head = ask("blueprint_head", request=request, **common)
    number = 0
    for index, section in enumerate(outline["sections"], 1):
        section["id"] = f"s{index}"
        section["numbered"] = []
        for claim in section["claims"]:
            number += 1
            article.claims[number] = claim["text"]
            section["numbered"].append({"n": number, "text": claim["text"]})
    article.sections = outline["sections"]
    for index in range(len(article.sections)):
        section = article.sections[index]
        article.html[section["id"]] = write_one(article, index)
    return article


def brief(article: Article) -> str:
    """The system prompt all of an article's sections share."""
    return block(
        "brief",
        {
            "title": article.head["title"],
            "keyword": article.keyword,
            "year": YEAR,
            "voice": "plain",
            "sections": [{k: s[k] for k in ("id", "heading", "purpose")} for s in article.sections],
            "takeaways": article.head["takeaways"],
            "questions": article.head["questions"],
            "keywords": article.keywords,
        },
    )


def write_one(article: Article, index: int, **more: Any) -> str:
    """One section's text."""
    section = article.sections[index]
    asked = {k: section[k] for k in ("id", "heading", "kind", "purpose", "words", "table")}
    data: dict[str, Any] = {
        "section": {**asked, "keywords": section["keywords"], "previous": "", "next": ""},
        "gaps": [gap for gap in GAPS if gap["id"] in section["gapIds"]],
        "claims": section["numbered"],
    }
    if section["kind"] == "takeaways":
        data["takeaways"] = article.head["takeaways"]
    if section["kind"] == "faq":
        data["questions"] = article.head["questions"]
    return str(ask("write_section", brief(article), **data, **more))


def plain(fragment: str) -> str:
    """The text of a fragment, blocks on lines of their own, markers gone."""
    text = re.sub(r"</(p|h\d|li|td|th|tr)>", "\n", fragment)
    text = re.sub(r"<[^>]+>|\s*\[\[[a-z]+:\d+\]\]", "", text)
    return html.unescape(text)


def sentences(fragment: str) -> list[str]:
    """The sentences of a fragment's paragraphs and list items."""
    blocks = re.findall(r"<(?:p|li)\b[^>]*>(.*?)</(?:p|li)>", fragment, re.DOTALL)
    return [s for b in blocks for s in re.split(r"(?<=[.!?])\s+(?=[A-Z\"])", plain(b)) if s.strip()]


def repeated(fragment: str, size: int = 8) -> float:
    """The share of *size*-grams that occur more than once."""
    words = re.findall(r"[\w'’]+", plain(fragment).lower())
    grams = Counter(tuple(words[n : n + size]) for n in range(len(words) - size + 1))
    return sum(count for count in grams.values() if count > 1) / max(1, sum(grams.values()))


class Naps:
    """A sleep that returns at once and keeps what it was asked for."""

    def __init__(self) -> None:
        self.taken: list[float] = []

    async def __call__(self, seconds: float) -> None:
        self.taken.append(seconds)


class Clock:
    """A clock that tests set: epoch seconds, in November 2026."""

    def __init__(self) -> None:
        self.now = 1_795_500_000.0

    def __call__(self) -> float:
        return self.now
