"""What a call of the Messages API sends, and how a structured answer is read: pure functions."""

from __future__ import annotations

import json
from typing import Any

import anthropic

from orchestrator.clients.model_traits import SAMPLING_VERSION, traits_of
from orchestrator.services import ModelRequest

Turns = list[dict[str, Any]]


def parameters(
    request: ModelRequest,
    model: str,
    turns: Turns,
    key: str,
    max_tokens: int,
    schema: dict[str, Any] | None,
) -> dict[str, Any]:
    """What to send; the system prompt is a block of its own, marked for the prompt cache."""
    traits, headers = traits_of(model), {"Idempotency-Key": key}
    cached = {"type": "text", "text": request.system, "cache_control": {"type": "ephemeral"}}
    asked: dict[str, Any] = {
        "model": model,
        "max_tokens": max_tokens,
        "messages": turns,
        "extra_headers": headers,
    }
    if request.system:
        asked["system"] = [cached]
    if traits.thinking:
        asked["thinking"] = traits.thinking
    if traits.sampling:
        headers["anthropic-version"] = SAMPLING_VERSION
        asked["extra_body"] = {"temperature": request.temperature}
    if schema is not None:
        form = {"type": "json_schema", "schema": complete(anthropic.transform_schema(schema))}
        asked["output_config"] = {"format": form}
    return asked


def complete(schema: Any) -> Any:
    """The schema with every property required.

    A model bound by a grammar likes to leave out what it may, and the API limits how many
    optional properties a schema can have (24 at the time of writing).
    """
    if isinstance(schema, list):
        return [complete(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    whole = {name: complete(value) for name, value in schema.items()}
    if schema.get("type") == "object" and isinstance(schema.get("properties"), dict):
        whole["required"] = list(schema["properties"])
    return whole


def user(text: str) -> dict[str, Any]:
    """A turn of ours."""
    return {"role": "user", "content": text}


def assistant(text: str) -> dict[str, Any]:
    """A turn of the model's."""
    return {"role": "assistant", "content": text}


def texts(turns: Turns) -> list[str]:
    """What the turns say."""
    return [str(turn["content"]) for turn in turns]


def object_in(text: str) -> dict[str, Any] | None:
    """The JSON object a structured answer is, or None; the steps check it by their models."""
    try:
        data = json.loads(text)
    except ValueError:
        return None
    return data if isinstance(data, dict) else None
