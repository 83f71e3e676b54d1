"""Topics compared by their words' stems, so that inflection does not matter."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache

from steps.language import lexical


@lru_cache(maxsize=4096)
def stems(text: str, locale: str) -> frozenset[str]:
    """The stems of the words that carry a subject; hyphens part words."""
    return lexical.content_stems(text.replace("-", " "), locale)


def covered(wanted: frozenset[str], there: Iterable[str]) -> float:
    """The share (0..1) of the stems *wanted* that are *there*; 0 when none are wanted."""
    return len(wanted & frozenset(there)) / len(wanted) if wanted else 0.0
