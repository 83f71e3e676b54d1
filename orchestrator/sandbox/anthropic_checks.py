"""Which Messages requests the API would refuse, and in which words.

As the API stood in November 2026: models after 4.5 take no prefill, models after 4.6 (and all
under API version 2026-10-21) no sampling parameters, and no model that thinks a forced tool.
"""

from __future__ import annotations

import re
from typing import Any

from aiohttp import web

SAMPLING = ("temperature", "top_p", "top_k")
ACCEPTS_SAMPLING = re.compile(r"claude-[a-z]+-4-[56]\b")
SAMPLING_VERSION = "2023-06-01"  #: the API version under which some models take them
THINKS = re.compile(r"claude-[a-z]+-5(-\d)?\b")  #: unless told not to
ACCEPTS_PREFILL = re.compile(r"claude-[a-z]+-4-5\b")
REFUSED_KEY = "invalid"  #: the one key that is wrong; any other opens the sandbox


class Refused(Exception):
    """A request the API does not accept."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status, self.message = status, message


def check(request: web.Request, body: Any) -> dict[str, Any]:
    """The request's body if the API would accept it, else :class:`Refused`."""
    bearer = request.headers.get("Authorization", "").removeprefix("Bearer ")
    key = request.headers.get("x-api-key") or bearer  # the SDK sends either
    if not key:
        raise Refused(401, "x-api-key header is required")
    if key == REFUSED_KEY:
        raise Refused(401, "invalid x-api-key")
    if not isinstance(body, dict):
        raise Refused(400, "The request body is not valid JSON")
    for name, kind in (("model", str), ("max_tokens", int), ("messages", list)):
        if name not in body:
            raise Refused(400, f"{name}: Field required")
        if not isinstance(body[name], kind):
            raise Refused(400, f"{name}: Input should be a valid {kind.__name__}")
    if body["max_tokens"] < 1:
        raise Refused(400, "max_tokens: Input should be greater than or equal to 1")
    if not body["model"].startswith("claude-"):
        raise Refused(404, f"model: {body['model']}")
    if body.get("stream"):
        raise Refused(400, "stream: this stand-in answers without streaming only")
    _check_turns(body)
    _check_options(body, request.headers.get("anthropic-version", SAMPLING_VERSION))
    return body


def _check_turns(body: dict[str, Any]) -> None:
    messages, model = body["messages"], body["model"]
    if not messages:
        raise Refused(400, "messages: at least one message is required")
    if messages[0].get("role") != "user":
        raise Refused(400, 'messages: first message must use the "user" role')
    if messages[-1].get("role") == "assistant" and not ACCEPTS_PREFILL.match(model):
        raise Refused(
            400,
            "This model does not support assistant message prefill. "
            "The conversation must end with a user message.",
        )


def _check_options(body: dict[str, Any], version: str) -> None:
    accepts = version == SAMPLING_VERSION and ACCEPTS_SAMPLING.match(body["model"])
    refused = [name for name in SAMPLING if body.get(name) is not None]
    if refused and not accepts:
        raise Refused(400, f"`{refused[0]}` is deprecated for this model.")
    forced = (body.get("tool_choice") or {}).get("type") in {"tool", "any"}
    thinking = (body.get("thinking") or {}).get("type", "adaptive")
    if forced and THINKS.match(body["model"]) and thinking != "disabled":
        raise Refused(400, "Thinking may not be enabled when tool_choice forces tool use.")
