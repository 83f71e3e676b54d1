"""Anthropic's prompt cache, simulated: prefixes that were marked, by hash, for five minutes."""

from __future__ import annotations

import hashlib
import json
from collections import OrderedDict
from dataclasses import dataclass, field
from typing import Any

TTL = 300.0  #: seconds since last use; Anthropic's default lifetime
MAX_ENTRIES = 10_000
MINIMUM_TOKENS = 1_024
"""Shorter prefixes are not cached. The real minimum is 1,024 to 4,096 tokens by model."""


def estimate_tokens(text: str) -> int:
    """Roughly the tokens of English text: four characters each."""
    return (len(text) + 3) // 4


@dataclass(frozen=True, slots=True)
class CacheUse:
    """What the cache did for one request, in tokens."""

    written: int = 0
    read: int = 0
    uncached: int = 0
    digest: str = ""  #: of the marked prefix; empty when it is too short to be cached


@dataclass(slots=True)
class PromptCache:
    """Prefixes by hash, each with the time it was last used."""

    entries: OrderedDict[str, float] = field(default_factory=OrderedDict)

    def look(self, blocks: list[tuple[str, bool]], model: str, now: float) -> CacheUse:
        """What is cached of a prompt made of *blocks* of (text, marked for caching).

        The prefix that counts ends with the last marked block. Nothing is stored yet: as with
        the real service, an entry can be read only once an answer to its first use has begun.
        """
        tokens = [estimate_tokens(text) for text, _ in blocks]
        end = max((n for n, (_, marked) in enumerate(blocks, 1) if marked), default=0)
        cached, rest = sum(tokens[:end]), sum(tokens[end:])
        if cached < MINIMUM_TOKENS:
            return CacheUse(uncached=cached + rest)
        digest = _digest(blocks[:end], model)
        hit = now - self.entries.get(digest, float("-inf")) < TTL
        return CacheUse(
            written=0 if hit else cached, read=cached if hit else 0, uncached=rest, digest=digest
        )

    def store(self, use: CacheUse, now: float) -> None:
        """Keep the prefix of *use*, or renew its lifetime."""
        if not use.digest:
            return
        self.entries[use.digest] = now
        self.entries.move_to_end(use.digest)
        if len(self.entries) > MAX_ENTRIES:
            self.entries.popitem(last=False)


def prompt_blocks(body: dict[str, Any]) -> list[tuple[str, bool]]:
    """A Messages request as (text, marked) blocks in the order the cache sees them:
    tools, system, messages."""
    parts: list[Any] = [*(body.get("tools") or []), *_as_blocks(body.get("system"))]
    for message in body.get("messages") or []:
        parts.extend(_as_blocks(message.get("content")))
    blocks = [(_text(part), bool(part.get("cache_control"))) for part in parts]
    if body.get("cache_control") and blocks:  # automatic caching marks the last block
        blocks[-1] = (blocks[-1][0], True)
    return blocks


def _as_blocks(content: Any) -> list[Any]:
    if isinstance(content, str):
        return [{"type": "text", "text": content}]
    return list(content or [])


def _text(part: dict[str, Any]) -> str:
    if "text" in part:
        return str(part["text"])
    return json.dumps({k: v for k, v in part.items() if k != "cache_control"}, sort_keys=True)


def _digest(blocks: list[tuple[str, bool]], model: str) -> str:
    joined = json.dumps([model, [text for text, _ in blocks]])
    return hashlib.sha256(joined.encode()).hexdigest()
