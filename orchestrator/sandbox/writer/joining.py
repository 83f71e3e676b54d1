"""``join_section``: the paragraph that ties introduction or conclusion to the body."""

from __future__ import annotations

import html
import re

from orchestrator.sandbox.prompts import Prompt, strings
from orchestrator.sandbox.topics import rng, subtopic_of
from orchestrator.sandbox.writer.grammar import Pen, Share

PARAGRAPH = re.compile(r"<p\b[^>]*>(.*?)</p>", re.DOTALL)
SENTENCE = re.compile(r"(?<=[.!?])\s+(?=[A-Z\"“])")
USUAL = ("costs and budget", "measuring results", "worked examples")
"""What is named where the body has fewer than three subtopics."""
MOST_KEPT = 3  #: sentences; with the two new ones that makes five


def join_section(prompt: Prompt) -> str:
    """One paragraph that names what the body treats, in its order."""
    section, asked = prompt.mapping("section"), prompt.mapping("request")
    ends = section.get("kind") == "conclusion"
    pen = Pen(rng("join", prompt.text), Share(prompt.text), _slots(prompt, str(asked.get("year"))))
    told = [pen.take(f"join.{'conclusion' if ends else 'introduction'}{n}") for n in (1, 2, 3)]
    paragraphs = PARAGRAPH.findall(str(section.get("html") or "")) or [""]
    wanted = [*strings(section.get("keywords")), str(asked.get("keyword") or "")]
    kept = [] if ends else _carrying(paragraphs[-1], wanted)
    return f"<p>{html.escape(' '.join([*kept, *filter(None, told)]), quote=False)}</p>"


def _slots(prompt: Prompt, year: str) -> dict[str, str]:
    """The subtopics of the body as ``{a}``, ``{b}`` and ``{c}``."""
    headings = [
        str(one.get("heading", "")) for one in prompt.items("says") if isinstance(one, dict)
    ]
    phrases = list(dict.fromkeys([*(subtopic_of(text).phrase for text in headings), *USUAL]))
    return {**dict(zip("abc", phrases, strict=False)), "year": year}


def _carrying(paragraph: str, phrases: list[str]) -> list[str]:
    """The sentences of the old paragraph that carry one of these phrases."""
    text = html.unescape(re.sub(r"<[^>]+>", "", paragraph))
    wanted = [phrase.lower().rstrip("?") for phrase in phrases if phrase]
    found = [one for one in SENTENCE.split(text) if any(w in one.lower() for w in wanted)]
    return found[:MOST_KEPT]
