"""The model's stand-in: writes answers from the inputs of a prompt.

The same prompt gives the same answer, another prompt another one; what is written follows the
prompt's data, never a recording.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from orchestrator.sandbox.prompts import Prompt
from orchestrator.sandbox.topics import rng
from orchestrator.sandbox.writer.analysis import (
    choose_references,
    competitor_gaps,
    semantic_keywords,
)
from orchestrator.sandbox.writer.flaws import flawed
from orchestrator.sandbox.writer.grammar import bank
from orchestrator.sandbox.writer.head import blueprint_head
from orchestrator.sandbox.writer.joining import join_section
from orchestrator.sandbox.writer.outline import blueprint_outline
from orchestrator.sandbox.writer.repair import repair_section
from orchestrator.sandbox.writer.section import write_section

TASKS: Mapping[str, Callable[[Prompt], dict[str, Any] | str]] = {
    "semantic_keywords": semantic_keywords,
    "competitor_gaps": competitor_gaps,
    "blueprint_outline": blueprint_outline,
    "blueprint_head": blueprint_head,
    "write_section": write_section,
    "join_section": join_section,
    "repair_section": repair_section,
    "choose_references": choose_references,
}


def write(prompt: Prompt, flaws: float = 0.0) -> dict[str, Any] | str:
    """The answer to a prompt: an object or a text, by its task.

    An unknown task is answered in a few plain sentences, as a model would.

    :param flaws: share of an article's sections that need a repair, see
        :mod:`orchestrator.sandbox.writer.flaws`.
    """
    task = TASKS.get(prompt.task)
    if task is write_section:
        return flawed(prompt, write_section(prompt), flaws)
    if task is not None:
        return task(prompt)
    return " ".join(rng("other", prompt.text).sample(bank("reason"), 3))
