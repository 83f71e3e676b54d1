"""Our instructions in an answer: a model that was talked into reciting them. Pure."""

from __future__ import annotations

from functools import cache

from orchestrator.step import Json
from steps.asking.prompt_texts import PREAMBLE
from steps.asking.prompts import PROMPTS
from steps.language.text import runs, words

RUN = 8
"""Words in a row that nobody has in common with our prompts by chance; the rubric's measure of
repetition looks at runs of the same length."""


def echoes(text: str) -> bool:
    """Whether *text* has :data:`RUN` words in a row that stand in one of our prompts."""
    return not _known().isdisjoint(_runs(text))


def without_echoes(value: Json) -> Json:
    """A structured answer in which every text that recites the instructions is empty."""
    if isinstance(value, dict):
        return {name: without_echoes(item) for name, item in value.items()}
    if isinstance(value, list):
        return [without_echoes(item) for item in value]
    return "" if isinstance(value, str) and echoes(value) else value


@cache
def _known() -> frozenset[tuple[str, ...]]:
    texts = [(one.role, one.god, one.instructions) for one in PROMPTS.values()]
    return frozenset(run for text in (PREAMBLE, *sum(texts, ())) for run in _runs(text))


def _runs(text: str) -> list[tuple[str, ...]]:
    return runs(words(text.lower()), RUN)
