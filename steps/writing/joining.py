"""The joining pass: introduction and conclusion told what the sections between them say.

All sections are written side by side, so these two are drafted from the plan. Once the body is
there, a short call for each rewrites the one paragraph that speaks of the whole: the
introduction's last, which says what the reader will be able to do, and the conclusion's first,
which sums up. About 1,300 tokens read and 100 written each: less than a cent for both.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from orchestrator.step import StepContext
from steps.asking.ask import TextAnswer, ask_text, or_fallback
from steps.html import dom, markers
from steps.language import prose
from steps.language.lexical import plain
from steps.models import Section, SectionHtml, SectionKind

TASK = "join_section"

KINDS: frozenset[SectionKind] = frozenset({"introduction", "conclusion"})

BEGIN_WITHIN = 90.0
"""Seconds after which no joining is begun; step 4 has 120, and a call of this size takes three."""

WITHIN = 20.0
"""On the final attempt a call gets this long; then the draft stays as it is."""

SUMMARY_CHARS = 400
"""Of a section's first paragraph, which answers its heading in 40-60 words."""

LEAST_WORDS, MOST_WORDS = 25, 110
"""Of the paragraph: 30-60 are asked for, and phrases of the old one that must stay come on top."""


def part(section: Section) -> str:
    """The name under which a section's joining paragraph is recorded."""
    return f"join:{section.id}"


async def paragraph(
    ctx: StepContext,
    section: Section,
    draft: SectionHtml,
    says: Sequence[dict[str, str]],
    request: dict[str, Any],
) -> TextAnswer | None:
    """The paragraph that ties *draft* to what the body *says*; None (degraded) when it cannot be
    had.

    :raises TransientError: the service failed and a retry is left.
    """

    async def call() -> TextAnswer | None:
        return await ask_text(
            ctx,
            TASK,
            part(section),
            check=problems,
            request=request,
            section={
                "heading": section.heading,
                "kind": section.kind,
                "html": draft.html,
                "keywords": section.keywords,
            },
            says=list(says),
        )

    return await or_fallback(ctx, call, lambda: None, f"{section.kind} not joined", within=WITHIN)


def summary(heading: str, html: str) -> dict[str, str]:
    """What a section says: its heading and the paragraph that answers it."""
    found = dom.elements(dom.parse(html), "p")
    told = next((text for node in found if (text := markers.strip(dom.text(node)))), "")
    return {"heading": heading, "says": plain(" ".join(told.split()), SUMMARY_CHARS)}


def problems(answer: str) -> list[str]:
    """What is wrong with a joining paragraph, each as an instruction."""
    root = dom.parse(answer)
    blocks = [node for node in root if dom.tag(node) in dom.BLOCKS]
    if [dom.tag(node) for node in blocks] != ["p"] or (root.text or "").strip():
        return ["answer with one <p> element and nothing else"]
    found = []
    if not LEAST_WORDS <= prose.word_count(dom.text(root)) <= MOST_WORDS:
        found.append(f"the paragraph must have {LEAST_WORDS} to {MOST_WORDS} words")
    if markers.MARKER.search(markers.normal(answer)) or dom.elements(root, "a", "img"):
        found.append("no marker, link or picture may stand in the paragraph")
    return found


def joined(section: Section, draft: SectionHtml, answer: str) -> SectionHtml:
    """The draft with the paragraph in its place; as it is when that holds a marker.

    The first paragraph of an introduction stays: it names the keyword and answers the heading.
    """
    root = dom.parse(draft.html)
    own = [node for node in dom.elements(root, "p") if node.getparent() is root]
    old = own[0] if section.kind == "conclusion" and own else own[-1] if len(own) > 1 else None
    if old is None or markers.MARKER.search(dom.text(old)):
        return draft
    new = dom.element("p", " ".join(dom.text(dom.parse(answer)).split()))
    new.tail, old.tail = old.tail, None
    root.replace(old, new)
    return SectionHtml(id=draft.id, html=dom.serialise(root))
