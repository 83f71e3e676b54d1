"""How the parts that an article has exactly once are known by their headings."""

from __future__ import annotations

import re

from steps.models import SectionKind

CONCLUSION = re.compile(
    r"^(?:conclusions?|final thoughts|closing thoughts|wrapping up|summary|to sum up|"
    r"the bottom line)\b",
    re.IGNORECASE,
)
FAQ = re.compile(r"\b(?:faqs?|frequently asked|common questions)\b", re.IGNORECASE)
TAKEAWAYS = re.compile(r"^key takeaways?\b", re.IGNORECASE)

_KINDS: tuple[tuple[SectionKind, re.Pattern[str]], ...] = (
    ("faq", re.compile(r"\bfaqs?\b|frequently asked|\bquestions\b", re.IGNORECASE)),
    (
        "conclusion",
        re.compile(r"conclu|final thoughts|summary|wrapping up|bottom line", re.IGNORECASE),
    ),
    ("takeaways", re.compile(r"takeaways|key points|at a glance|tl;?dr", re.IGNORECASE)),
    ("introduction", re.compile(r"^introduction\b", re.IGNORECASE)),
)


def kind_of(heading: str) -> SectionKind:
    """What a heading of a page that is not ours introduces."""
    return next((kind for kind, pattern in _KINDS if pattern.search(heading)), "body")
