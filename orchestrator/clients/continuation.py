"""Going on with an answer that was cut at ``max_tokens``: pure text handling.

Present models refuse to continue an assistant's turn (prefill), so the cut answer is handed back
and a user's turn asks for the rest. A model begins its turn without a space, so nobody could
tell whether the cut fell inside a word; the answer is therefore taken back to its last white space,
and that white space joins the parts.
"""

from __future__ import annotations

import re

CONTINUE = (
    "Your answer was cut off because it was too long for one turn. Continue it exactly where it "
    "stopped: begin with the very next word, repeat nothing, add no remark, and finish the answer."
)

REACH = 400
"""Characters back from the cut in which the last white space, or a repetition, is looked for."""

LEAST_OVERLAP = 12
"""Characters a continuation must repeat for the repetition to be dropped."""


def back_to_space(cut: str) -> tuple[str, str]:
    """The cut answer up to its last white space, and that white space.

    Text without any near its end (Chinese, a long token) stays whole and is joined directly.
    """
    tail = cut[-REACH:]
    spaces = list(re.finditer(r"\s+", tail))
    if not spaces:
        return cut, ""
    offset = len(cut) - len(tail)
    start, end = (offset + place for place in spaces[-1].span())
    return (cut[:start], cut[start:end]) if cut[:start] else (cut, "")


def joined(said: str, space: str, more: str) -> str:
    """The answer so far and its continuation; what the continuation repeats is dropped."""
    begin = more.lstrip() if space else more
    for size in range(min(REACH, len(said), len(begin)), LEAST_OVERLAP - 1, -1):
        if said.endswith(begin[:size]):
            rest = begin[size:]
            return said + (space + rest.lstrip() if rest[:1].isspace() and space else rest)
    return said + space + begin
