"""The deterministic repairs in their order, run over the whole article at once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeAlias

from steps.fixes.keyword import balance_keyword
from steps.fixes.markdown import convert_markdown
from steps.fixes.paragraphs import merge_short, shape_answers, split_long
from steps.fixes.structure import (
    SECTION_ID,
    FixContext,
    drop_duplicates,
    drop_empty,
    drop_leftovers,
    heading_levels,
    one_h1,
)
from steps.fixes.wording import replace_phrases
from steps.html import dom, markers
from steps.models import SectionHtml

Pass: TypeAlias = Callable[[dom.Element, FixContext], list[str]]

PASSES: tuple[Pass, ...] = (
    drop_leftovers,
    convert_markdown,
    one_h1,
    heading_levels,
    drop_duplicates,
    replace_phrases,
    balance_keyword,
    shape_answers,
    split_long,
    merge_short,
    drop_empty,
)
"""Each takes the article's tree and what to know about it, and returns its changes in words."""

SECTION_PASSES: tuple[Pass, ...] = tuple(
    one for one in PASSES if one not in {drop_duplicates, balance_keyword}
)
"""Those that make sense of a section without the others: how often the keyword stands, and which
of two like parts is one too many, only the whole article tells."""


def apply(
    parts: Sequence[SectionHtml], context: FixContext, passes: Sequence[Pass] = PASSES
) -> tuple[list[SectionHtml], list[str]]:
    """The sections after every pass, and what was changed. No marker is lost."""
    root = together(parts)
    changes = [change for one in passes for change in one(root, context)]
    fixed = [
        SectionHtml(id=part.id, html=_with_markers(part.html, dom.serialise(section)))
        for part, section in zip(parts, list(root), strict=True)
    ]
    return fixed, changes


def together(parts: Sequence[SectionHtml]) -> dom.Element:
    """The article's tree: every section in a ``div`` that carries its id."""
    root = dom.element("div")
    for part in parts:
        section = dom.parse(part.html)
        section.set(SECTION_ID, part.id)
        root.append(section)
    return root


def _with_markers(before: str, after: str) -> str:
    """*after* with the island markers it has lost put at its end.

    No pass is known to lose one; should one do so on a fragment nobody thought of, the client's
    content is still there.
    """
    kept = set(markers.islands(after))
    lost = [number for number in dict.fromkeys(markers.islands(before)) if number not in kept]
    return after + "".join(f"<p>{markers.island(number)}</p>" for number in lost)
