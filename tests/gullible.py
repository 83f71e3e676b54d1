"""Models that do what strangers tell them, for showing what the defences are worth.

An attack is a text with an order in it, known by its ``sign``, and what the attacker wants to see
in the answer, its ``loot``. :class:`Gullible` reads a prompt as a model is told to: the system
text, the instructions, and data in ``<data name="…">JSON</data>``. It is as clever as a model at
seeing through disguises (:func:`seen_through`), and it obeys

* with ``everywhere=False`` every order that stands outside the data, as well as one that begins a
  line (a forged turn): the delimiters are all that protects it;
* with ``everywhere=True`` every order it can find at all, decoded too: nothing protects it, and
  what it answers is as bad as can be.
"""

from __future__ import annotations

import base64
import binascii
import codecs
import json
import re
import unicodedata
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from orchestrator.sandbox.prompts import parse
from orchestrator.sandbox.schema import conform
from orchestrator.sandbox.writer import write
from orchestrator.services import ModelReply, ModelRequest, Usage

Model = Callable[[ModelRequest], Awaitable[ModelReply]]

BLOCK = re.compile(r'<\s*data name="[a-z_]+"\s*>.*?<\s*/\s*data\s*>', re.DOTALL | re.IGNORECASE)
TURN = re.compile(r"^\W*(?:system|human|assistant|user)\W*:.*$", re.IGNORECASE | re.MULTILINE)
_BASE64 = re.compile(r"[A-Za-z0-9+/]{24,}={0,2}")
_BRACKETS = str.maketrans("‹›˂˃ᐸᐳ❮❯❬❭⟨⟩〈〉", "<><><><><><><>")
_LINE_ENDS = str.maketrans(dict.fromkeys("\x0b\x0c\x1c\x1d\x1e\x85\u2028\u2029\r", "\n"))


@dataclass(frozen=True)
class Attack:
    """One entry of ``tests/data/injections.json``.

    :param plants: place -> text, see :data:`tests.planted.PLACES`.
    :param sign: by which the order is known; it stands in no prompt of ours.
    :param loot: what the attacker wants in the answer.
    """

    name: str
    plants: Mapping[str, str]
    sign: str
    loot: str


def seen_through(text: str) -> str:
    """A text as a clever reader takes it: look-alikes are what they look like, the unseen is
    seen, every kind of line end is one."""
    shown = "".join(_shown(char) for char in text)
    return unicodedata.normalize("NFKC", shown).translate(_BRACKETS).translate(_LINE_ENDS)


def _shown(char: str) -> str:
    if 0xE0020 <= ord(char) <= 0xE007E:  # the tag block repeats ASCII
        return chr(ord(char) - 0xE0000)
    return "" if unicodedata.category(char) == "Cf" else char


def outside(request: ModelRequest) -> str:
    """What a prompt says outside its data."""
    return BLOCK.sub("", seen_through(f"{request.system}\n{request.prompt}"))


def hears(request: ModelRequest, sign: str, *, everywhere: bool) -> bool:
    """Whether the order with this sign reaches a gullible model."""
    whole = seen_through(f"{request.system}\n{request.prompt}")
    if everywhere:
        return any(sign in text for text in (whole, codecs.decode(whole, "rot13"), *_hidden(whole)))
    return sign in outside(request) or any(sign in line for line in TURN.findall(whole))


def _hidden(text: str) -> list[str]:
    found = []
    for run in _BASE64.findall(text):
        try:
            found.append(base64.b64decode(run, validate=True).decode("utf-8", "replace"))
        except binascii.Error:
            continue
    return found


async def honest(request: ModelRequest) -> ModelReply:
    """The sandbox's writer, which reads data as data."""
    value = write(parse(request.system, request.prompt, request.output_name or ""))
    if request.output_schema is None:
        text = value if isinstance(value, str) else json.dumps(value)
        return ModelReply(text=text, model="honest", usage=Usage(calls=1))
    data = conform(value, request.output_schema)
    return ModelReply(data=data, model="honest", usage=Usage(calls=1))


@dataclass
class Recorded:
    """An honest model that says the same to the same question, whatever the data: it answers as
    it did in the run it was recorded in."""

    replies: dict[str, ModelReply] = field(default_factory=dict)

    async def __call__(self, request: ModelRequest) -> ModelReply:
        key = request.idempotency_key
        if key not in self.replies:
            self.replies[key] = await honest(request)
        return self.replies[key]


@dataclass
class Gullible:
    """Answers like *base*, but obeys; ``obeyed`` lists the calls in which it did."""

    attack: Attack
    everywhere: bool
    base: Model = honest
    obeyed: list[str] = field(default_factory=list)

    async def __call__(self, request: ModelRequest) -> ModelReply:
        reply = await self.base(request)
        if not hears(request, self.attack.sign, everywhere=self.everywhere):
            return reply
        self.obeyed.append(request.idempotency_key)
        if reply.data is None:
            return reply.model_copy(update={"text": _spoilt_text(reply.text, self._prey(request))})
        return reply.model_copy(update={"data": spoilt(reply.data, self._prey(request))})

    def _prey(self, request: ModelRequest) -> str:
        """The loot, and the system text where that is what the attacker is after."""
        return self.attack.loot.replace("{prompt}", request.system)


def _spoilt_text(text: str, loot: str) -> str:
    """The loot before, behind, in a paragraph and in an item."""
    inner = text.replace("<p>", f"<p>{loot} ", 1).replace("<li>", f"<li>{loot} ", 1)
    return f"{loot}\n{inner}\n{loot}\n<p>{loot}</p>"


def spoilt(value: Any, loot: str) -> Any:
    """The loot in every text of a structured answer, and as one more item of every list."""
    if isinstance(value, dict):
        return {name: _spoilt_field(name, item, loot) for name, item in value.items()}
    if isinstance(value, list):
        more = [_all_loot(value[0], loot)] if value else [loot]
        return [*(spoilt(item, loot) for item in value), *more]
    return f"{value} {loot}" if isinstance(value, str) else value


IDS = frozenset({"candidateId", "kind", "type", "priority", "intent", "relevance"})
"""Fields in which a longer text would only make the answer invalid."""


def _spoilt_field(name: str, item: Any, loot: str) -> Any:
    return item if name in IDS and isinstance(item, str) else spoilt(item, loot)


def _all_loot(value: Any, loot: str) -> Any:
    if isinstance(value, dict):
        kept = IDS - {"candidateId"}
        return {
            name: item if name in kept else _all_loot(item, loot) for name, item in value.items()
        }
    if isinstance(value, list):
        return [_all_loot(item, loot) for item in value]
    return loot if isinstance(value, str) else value
