"""What is wrong with a field, in words for whoever sent it: what it has to be instead."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from pydantic_core import ErrorDetails

MAX_TOLD = 50  #: problems told of one body; five hundred bad pages are bad in the same way

_BY_FIELD = {
    "publish": 'use true, false or "draft"',
    "recentNews": "use a list, an object or a text",
    "locale": 'use a language and a country, such as "en-US" or "de"',
}
"""Fields of several types, or with a form of their own."""

_BY_TYPE = {
    "missing": "is missing: send it",
    "string_type": "use a text in quotation marks",
    "string_too_short": "is too short: use at least {min_length} characters",
    "string_too_long": "is too long: use at most {max_length} characters",
    "too_long": "has too many entries: send at most {max_length}",
    "literal_error": "is not known: use {expected}",
    "int_type": "use a whole number",
    "int_parsing": "use a whole number",
    "int_from_float": "use a whole number",
    "greater_than_equal": "is too small: use {ge} or more",
    "less_than_equal": "is too large: use {le} or less",
    "bool_type": "use true or false",
    "bool_parsing": "use true or false",
    "list_type": "use a list",
    "dict_type": "use an object",
    "model_type": "use an object",
    "model_attributes_type": "use an object",
    "url_type": "use an address in quotation marks",
    "url_parsing": "is no address: use one such as https://example.com/page",
    "url_scheme": "cannot be used: use an address that begins with http:// or https://",
    "url_too_long": "is too long for an address: use at most {max_length} characters",
}


def problems(errors: Iterable[ErrorDetails]) -> list[dict[str, str]]:
    """Each field once, with its problem and remedy; :data:`MAX_TOLD` at most.

    :param errors: of a pydantic ``ValidationError``.
    """
    told: dict[str, str] = {}
    for error in errors:
        told.setdefault(_field(error["loc"]), in_words(error))
    return [{"field": name, "problem": text} for name, text in list(told.items())[:MAX_TOLD]]


def _field(where: tuple[int | str, ...]) -> str:
    """The field as the sender knows it: the branches of a choice of types are none."""
    known = where[:1] if where and where[0] in _BY_FIELD else where
    return ".".join(map(str, known)) or "body"


def in_words(error: ErrorDetails) -> str:
    """One error: what to send instead."""
    first = str(error["loc"][0]) if error["loc"] else ""
    template = _BY_FIELD.get(first) or _BY_TYPE.get(error["type"])
    if template is None:
        return error["msg"].removeprefix("Value error, ")
    values: Mapping[str, Any] = error.get("ctx", {})
    return template.format_map(values)
