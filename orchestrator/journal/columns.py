"""Column types that mean the same on SQLite and PostgreSQL."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Dialect, Text
from sqlalchemy.types import TypeDecorator

MAX_WORDS = 2000  #: characters kept of an error or a detail; longer ones are provider dumps


def storable(text: str) -> str:
    """*text* without what PostgreSQL's UTF-8 cannot hold: NUL and lone surrogates."""
    return text.replace("\x00", "\ufffd").encode("utf-8", "replace").decode("utf-8")


def clipped(text: str) -> str:
    """*text* cut to :data:`MAX_WORDS` characters."""
    return text if len(text) <= MAX_WORDS else text[: MAX_WORDS - 1] + "…"


def to_json(value: Any) -> str:
    """Compact JSON text that both databases can hold.

    The order of keys is kept, not sorted: a replayed value must iterate as the first one did.

    :raises TypeError, ValueError: the value is not JSON (NaN and infinity are not).
    """
    text = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:  # a lone surrogate: escape it
        return json.dumps(value, ensure_ascii=True, allow_nan=False, separators=(",", ":"))
    return text


class Words(TypeDecorator[str]):
    """Text from outside, made storable."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:
        """Replace what cannot be stored."""
        return None if value is None else storable(value)


class Json(TypeDecorator[Any]):
    """A JSON value as text; ``None`` in Python is NULL in the database."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: Dialect) -> str | None:
        """Encode."""
        return None if value is None else to_json(value)

    def process_result_value(self, value: str | None, dialect: Dialect) -> Any:
        """Decode."""
        return None if value is None else json.loads(value)


@dataclass(frozen=True, slots=True)
class Sealed:
    """Content that only its job's data key opens: base64 of nonce, ciphertext and tag."""

    text: str


SEALED_MARK = "enc1:"
"""Begins sealed content in the database. No JSON text begins with an ``e``."""


class Content(Json):
    """What clients sent or was written for them: JSON as text, or :class:`Sealed`.

    A reader that forgets to open it has a :class:`Sealed` in its hands, and nothing of the content.
    """

    cache_ok = True

    def process_bind_param(self, value: Any, dialect: Dialect) -> str | None:
        """Encode, or mark what is sealed."""
        if isinstance(value, Sealed):
            return SEALED_MARK + value.text
        return super().process_bind_param(value, dialect)

    def process_result_value(self, value: str | None, dialect: Dialect) -> Any:
        """Decode, or take up what is sealed."""
        if value is not None and value.startswith(SEALED_MARK):
            return Sealed(value.removeprefix(SEALED_MARK))
        return super().process_result_value(value, dialect)
