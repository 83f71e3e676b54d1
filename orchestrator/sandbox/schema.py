"""Making a value conform to a JSON schema, as a forced tool call's input does."""

from __future__ import annotations

import re
from typing import Any


def conform(value: Any, schema: dict[str, Any], root: dict[str, Any] | None = None) -> Any:
    """*value* bent to *schema*: properties found under camelCase or snake_case names, unknown
    ones dropped where they are forbidden, missing required ones filled, limits kept.

    Supports what pydantic writes: ``$ref``, ``anyOf``/``oneOf``, ``enum``, ``const``, types
    and their usual limits.
    """
    root = schema if root is None else root
    schema = _resolve(schema, root)
    if "const" in schema:
        return schema["const"]
    if "enum" in schema:
        return value if value in schema["enum"] else schema["enum"][0]
    options = schema.get("anyOf") or schema.get("oneOf")
    if options:
        return conform(value, _choose(value, options, root), root)
    return _of_type(value, schema, root)


def _resolve(schema: dict[str, Any], root: dict[str, Any]) -> dict[str, Any]:
    while "$ref" in schema:
        node: Any = root
        for part in schema["$ref"].removeprefix("#/").split("/"):
            node = node[part]
        schema = node
    if len(schema.get("allOf", ())) == 1:
        return _resolve(schema["allOf"][0], root)
    return schema


KINDS: dict[str, tuple[type, ...]] = {
    "object": (dict,),
    "array": (list,),
    "string": (str,),
    "integer": (int,),
    "number": (int, float),
    "boolean": (bool,),
    "null": (type(None),),
}


def _choose(value: Any, options: list[dict[str, Any]], root: dict[str, Any]) -> dict[str, Any]:
    for option in options:
        kind = _resolve(option, root).get("type")
        if isinstance(kind, str) and isinstance(value, KINDS[kind]):
            return option
    return options[-1] if value is None else options[0]


def _kind(value: Any, schema: dict[str, Any]) -> str | None:
    kind = schema.get("type")
    if isinstance(kind, list):
        fitting = [name for name in kind if isinstance(value, KINDS[name])]
        return str((fitting or kind)[0])
    if kind is None and "properties" in schema:
        return "object"
    return kind


def _of_type(value: Any, schema: dict[str, Any], root: dict[str, Any]) -> Any:
    kind = _kind(value, schema)
    if kind == "object":
        return _object(value if isinstance(value, dict) else {}, schema, root)
    if kind == "array":
        return _array(value if isinstance(value, list) else [], schema, root)
    if kind == "string":
        return _string(value, schema)
    if kind in {"integer", "number"}:
        return _number(value, schema, kind)
    if kind == "boolean":
        return bool(value)
    return None if kind == "null" else value


def _snake(name: str) -> str:
    return re.sub(r"(?<!^)([A-Z])", r"_\1", name).lower()


def _object(value: dict[str, Any], schema: dict[str, Any], root: dict[str, Any]) -> dict[str, Any]:
    properties: dict[str, Any] = schema.get("properties", {})
    required = set(schema.get("required", ()))
    given = {_snake(name): item for name, item in value.items()}
    result = {}
    for name, inner in properties.items():
        if _snake(name) in given:
            result[name] = conform(given[_snake(name)], inner, root)
        elif name in required:
            result[name] = conform(inner.get("default"), inner, root)
    extra = schema.get("additionalProperties", False)
    if extra is not False:
        known = {_snake(name) for name in properties}
        result |= {name: item for name, item in value.items() if _snake(name) not in known}
    return result


def _array(value: list[Any], schema: dict[str, Any], root: dict[str, Any]) -> list[Any]:
    inner = schema.get("items", {})
    items = [conform(item, inner, root) for item in value[: schema.get("maxItems")]]
    while len(items) < schema.get("minItems", 0):
        items.append(conform(None, inner, root))
    return items


def _string(value: Any, schema: dict[str, Any]) -> str:
    text = "" if value is None else str(value)
    text = text[: schema.get("maxLength")]
    return text.ljust(schema.get("minLength", 0), ".")


def _number(value: Any, schema: dict[str, Any], kind: str) -> float:
    number = value if isinstance(value, (int, float)) and not isinstance(value, bool) else 0
    step = 1 if kind == "integer" else 1e-9
    bounds = (
        schema.get("minimum", number),
        schema.get("exclusiveMinimum", number - step) + step,
    )
    number = max(number, *bounds)
    bounds = (
        schema.get("maximum", number),
        schema.get("exclusiveMaximum", number + step) - step,
    )
    number = min(number, *bounds)
    return int(number) if kind == "integer" else number
