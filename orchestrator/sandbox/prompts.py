"""Reading a prompt the way the steps write it: a task line and data blocks."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

TASK = re.compile(r"<task>\s*([a-z_]+)\s*</task>")
DATA = re.compile(r'<data name="([^"]+)">\s*(.*?)\s*</data>', re.DOTALL)


@dataclass(frozen=True, slots=True)
class Prompt:
    """A model call's inputs.

    :param task: the name on the task line, or the tool's name when there is none.
    :param text: everything that was said, for seeding.
    """

    task: str
    data: Mapping[str, Any] = field(default_factory=dict)
    text: str = ""

    def mapping(self, name: str) -> dict[str, Any]:
        """The block *name* as an object; empty when absent or of another kind."""
        value = self.data.get(name)
        return dict(value) if isinstance(value, dict) else {}

    def items(self, name: str) -> list[Any]:
        """The block *name* as a list; empty when absent or of another kind."""
        value = self.data.get(name)
        return list(value) if isinstance(value, list) else []

    def strings(self, name: str) -> list[str]:
        """The block *name* as a list of texts."""
        return strings(self.data.get(name))


def strings(value: Any) -> list[str]:
    """The texts in a list of strings, or of objects that have a text of some kind."""
    found = []
    for item in value if isinstance(value, list) else []:
        if isinstance(item, dict):
            item = item.get("text") or item.get("topic") or item.get("question") or ""
        if isinstance(item, str) and item.strip():
            found.append(item.strip())
    return found


def parse(system: str, user: str, tool: str = "") -> Prompt:
    """Read the inputs of a call from its *system* prompt and first *user* turn."""
    task = TASK.search(user) or TASK.search(system)
    data = {name: _value(raw) for name, raw in DATA.findall(system) + DATA.findall(user)}
    return Prompt(task=task[1] if task else tool, data=data, text=f"{system}\n{user}")


def _value(raw: str) -> Any:
    try:
        return json.loads(raw)
    except json.JSONDecodeError:
        return raw
