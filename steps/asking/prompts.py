"""How a prompt is put together: the task line, the instructions, the data blocks.

``render(task, **blocks)`` returns ``(system, prompt)``. The texts themselves stand in
:mod:`steps.asking.prompt_texts`. Text from outside (pages, searches, a client's fields) is only
ever put in through :func:`data_block`, so it can neither end its block nor pass for an order.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from orchestrator.unseen import INVISIBLE
from steps.asking import prompt_texts as texts

_LOOK_ALIKES = "＜＞﹤﹥‹›˂˃ᐸᐳ❮❯❬❭⟨⟩〈〉＆﹠"
"""What a model may take for a bracket of ours; NFKC makes some of them the bracket itself."""

_LINE_ENDS = "\x7f\x85\u2028\u2029"
"""Line ends that JSON leaves as they are: behind one a forged turn would begin a line."""

_ESCAPES = {ord(char): f"\\u{ord(char):04x}" for char in f"<>&{_LOOK_ALIKES}{_LINE_ENDS}"}
_SURROGATE = re.compile("[\ud800-\udfff]")


@dataclass(frozen=True, slots=True)
class Prompt:
    """One model task.

    :param version: raised with every change of the texts; part of cache keys.
    :param role: the system text that follows the common preamble.
    :param instructions: what the prompt says between its task line and its data blocks.
    :param required: blocks that must be given; :param optional: blocks that may be.
    :param in_system: blocks that go into the system text, where the provider caches them.
    :param god: what God Mode adds to *role*, for the task that has it.
    :param max_tokens: of the answer. :param temperature: 0..1, low where facts are sorted.
    """

    name: str
    version: int
    role: str
    instructions: str
    required: tuple[str, ...]
    optional: tuple[str, ...] = ()
    in_system: tuple[str, ...] = ()
    god: str = ""
    max_tokens: int = 4096
    temperature: float = 0.3

    def template(self, blocks: Mapping[str, Any], god_mode: bool = False) -> tuple[str, str]:
        """The system text and the prompt with *blocks* put in.

        :raises ValueError: a required block is missing, or one is given that the task lacks.
        """
        self._check(blocks.keys())
        parts = [texts.PREAMBLE, self.role, self.god if god_mode else ""]
        system = [*(part for part in parts if part), *self._blocks(blocks, within=True)]
        prompt = [f"<task>{self.name}</task>", self.instructions]
        return "\n\n".join(system), "\n".join([*prompt, *self._blocks(blocks, within=False)])

    def _blocks(self, blocks: Mapping[str, Any], *, within: bool) -> list[str]:
        wanted = ((name, value) for name, value in blocks.items() if value is not None)
        return [
            data_block(name, value) for name, value in wanted if (name in self.in_system) == within
        ]

    def _check(self, given: Iterable[str]) -> None:
        given = set(given)
        missing = set(self.required) - given
        unknown = given - {*self.required, *self.optional}
        if missing or unknown:
            raise ValueError(
                f"prompt {self.name}: missing blocks {sorted(missing)}, "
                f"unknown blocks {sorted(unknown)}: pass the blocks this task is made of"
            )


PROMPTS: Mapping[str, Prompt] = {
    prompt.name: prompt
    for prompt in (
        Prompt(
            name="semantic_keywords",
            version=1,
            role=texts.KEYWORDS_ROLE,
            instructions=texts.KEYWORDS,
            required=("request",),
            max_tokens=2048,
            temperature=0.2,
        ),
        Prompt(
            name="competitor_gaps",
            version=1,
            role=texts.GAPS_ROLE,
            instructions=texts.GAPS,
            required=("request", "matrix", "competitor", "stale"),
            max_tokens=3072,
            temperature=0.2,
        ),
        Prompt(
            name="blueprint_outline",
            version=1,
            role=texts.OUTLINE_ROLE,
            instructions=texts.OUTLINE,
            required=("request", "keywords", "gaps", "questions"),
            optional=("existing",),
        ),
        Prompt(
            name="blueprint_head",
            version=2,
            role=texts.HEAD_ROLE,
            instructions=texts.HEAD,
            required=("request", "keywords", "gaps", "questions"),
            optional=("existing",),
            max_tokens=2048,
        ),
        Prompt(
            name="write_section",
            version=3,
            role=texts.SECTION_ROLE,
            instructions=texts.SECTION,
            required=("brief", "section"),
            optional=("gaps", "claims", "takeaways", "questions", "original", "context"),
            in_system=("brief",),
            god=texts.SECTION_GOD_MODE,
            temperature=0.6,
        ),
        Prompt(
            name="join_section",
            version=1,
            role=texts.JOIN_ROLE,
            instructions=texts.JOIN,
            required=("request", "section", "says"),
            max_tokens=512,
            temperature=0.5,
        ),
        Prompt(
            name="repair_section",
            version=1,
            role=texts.REPAIR_ROLE,
            instructions=texts.REPAIR,
            required=("section", "problems", "request"),
        ),
        Prompt(
            name="choose_references",
            version=1,
            role=texts.REFERENCES_ROLE,
            instructions=texts.REFERENCES,
            required=("request", "claims", "candidates"),
            max_tokens=3072,
            temperature=0.1,
        ),
    )
}
"""The eight model tasks by name; the names are settled between the steps and the sandbox."""


def data_block(name: str, value: Any) -> str:
    r"""One value as ``<data name="…">JSON</data>`` on one line.

    ``<``, ``>``, ``&`` and what looks like them become ``\u003c`` and the like: the same JSON
    value, but nothing inside can close the block or open another. Characters that nobody sees
    are left out, and broken ones (lone surrogates) replaced, since UTF-8 cannot carry them.
    """
    text = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    text = _SURROGATE.sub("\ufffd", INVISIBLE.sub("", text))
    return f'<data name="{name}">{text.translate(_ESCAPES)}</data>'


def render(task: str, *, god_mode: bool = False, **blocks: Any) -> tuple[str, str]:
    """``(system, prompt)`` of a task; a block that is None is left out.

    :raises ValueError: a block is missing or unknown.
    """
    return PROMPTS[task].template(blocks, god_mode)


def prompt_version(task: str) -> str:
    """What a cache key carries so that a changed prompt does not find old answers."""
    return f"{task}.{PROMPTS[task].version}"
