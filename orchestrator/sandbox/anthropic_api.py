"""The Anthropic Messages API: ``POST /v1/messages``, without streaming.

Follows what the present models do: a conversation must end with a user turn (no prefill), the
sampling parameters are refused by models that dropped them, an answer longer than
``max_tokens`` is cut with ``stop_reason: max_tokens``, and a later turn that asks to go on
gets the rest of the same answer.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import Any

from aiohttp import web

from orchestrator.sandbox.anthropic_checks import Refused, check
from orchestrator.sandbox.caching import CacheUse, estimate_tokens, prompt_blocks
from orchestrator.sandbox.prompts import Prompt, parse
from orchestrator.sandbox.schema import conform
from orchestrator.sandbox.state import SANDBOX, Sandbox, key_of
from orchestrator.sandbox.writer import write

ERROR_TYPES = {
    400: "invalid_request_error",
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    408: "timeout_error",
    413: "request_too_large",
    429: "rate_limit_error",
    504: "timeout_error",
    529: "overloaded_error",
}
MESSAGES = {
    429: "This request would exceed your organization's rate limit.",
    529: "Overloaded",
}
CHARACTERS_PER_TOKEN = 4


def error_body(status: int, message: str, request_id: str) -> dict[str, Any]:
    """An error in Anthropic's shape."""
    kind = ERROR_TYPES.get(status, "api_error")
    return {
        "type": "error",
        "error": {
            "type": kind,
            "message": message or MESSAGES.get(status, "Internal server error"),
        },
        "request_id": request_id,
    }


@dataclass(frozen=True, slots=True)
class Answer:
    """What the model says: one content block, why it stopped, and its length in tokens."""

    block: dict[str, Any]
    stop_reason: str
    tokens: int


def _text_of(content: Any) -> str:
    if isinstance(content, str):
        return content
    return "\n".join(str(part.get("text", "")) for part in content or [])


def _said(body: dict[str, Any]) -> str:
    turns = body["messages"]
    return "".join(_text_of(m.get("content")) for m in turns if m.get("role") == "assistant")


def remainder(whole: str, said: str) -> str:
    """What is left of *whole* once *said* (give or take white space) has been said."""
    left = "".join(said.split())
    position = 0
    for mark in left:
        while position < len(whole) and whole[position].isspace():
            position += 1
        if position >= len(whole) or whole[position] != mark:
            return whole
        position += 1
    return whole[position:]


def answer(body: dict[str, Any], flaws: float = 0.0) -> Answer:
    """The whole answer to a request: a tool call, JSON text, or text; cut at max_tokens.

    :param flaws: share of an article's sections that are flawed.
    """
    tool = _forced_tool(body)
    first = _text_of(body["messages"][0].get("content"))
    prompt = parse(_text_of(body.get("system")), first, str(tool["name"]) if tool else "")
    if tool:
        return _tool_call(prompt, tool, body["max_tokens"])
    schema = ((body.get("output_config") or {}).get("format") or {}).get("schema")
    text = _as_text(prompt, schema, flaws)
    return _text_answer(remainder(text, _said(body)), body["max_tokens"])


def _as_text(prompt: Prompt, schema: dict[str, Any] | None, flaws: float) -> str:
    value = write(prompt, flaws)
    if schema:
        return json.dumps(conform(value, schema), ensure_ascii=False)
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _forced_tool(body: dict[str, Any]) -> dict[str, Any] | None:
    tools = body.get("tools") or []
    choice = body.get("tool_choice") or {}
    if choice.get("type") == "tool":
        found = [tool for tool in tools if tool.get("name") == choice.get("name")]
        if not found:
            raise Refused(400, f"tool_choice: tool {choice.get('name')!r} not found in tools")
        return dict(found[0])
    return dict(tools[0]) if tools and choice.get("type") == "any" else None


def _tool_call(prompt: Prompt, tool: dict[str, Any], limit: int) -> Answer:
    value = conform(write(prompt), tool.get("input_schema") or {"type": "object"})
    tokens = estimate_tokens(json.dumps(value, ensure_ascii=False))
    digest = hashlib.sha256(prompt.text.encode()).hexdigest()
    block = {"type": "tool_use", "id": f"toolu_{digest[:24]}", "name": tool["name"]}
    if tokens > limit:  # cut short, the call's input is not to be trusted
        return Answer({**block, "input": {}}, "max_tokens", limit)
    return Answer({**block, "input": value}, "tool_use", tokens)


def _text_answer(text: str, limit: int) -> Answer:
    tokens = estimate_tokens(text)
    if tokens <= limit:
        return Answer({"type": "text", "text": text}, "end_turn", tokens)
    cut = text[: limit * CHARACTERS_PER_TOKEN]
    return Answer({"type": "text", "text": cut}, "max_tokens", limit)


async def messages(request: web.Request) -> web.Response:
    """``POST /v1/messages``."""
    sandbox = request.app[SANDBOX]
    request_id = f"req_{sandbox.rand.getrandbits(96):024x}"
    headers = {"request-id": request_id}
    try:
        body = check(request, await _json(request))
        said = answer(body, sandbox.flaw_share)
    except Refused as refused:
        wrong = error_body(refused.status, refused.message, request_id)
        return web.json_response(wrong, status=refused.status, headers=headers)
    use = sandbox.cache.look(prompt_blocks(body), body["model"], sandbox.clock())
    await sandbox.pause("ai", key_of(request), said.tokens, _task(body))
    sandbox.cache.store(use, sandbox.clock())
    return web.json_response(_message(sandbox, body, said, use), headers=headers)


def _task(body: dict[str, Any]) -> str:
    return parse("", _text_of(body["messages"][0].get("content"))).task


async def _json(request: web.Request) -> Any:
    try:
        return await request.json()
    except ValueError:
        return None


def _message(sandbox: Sandbox, body: dict[str, Any], said: Answer, use: CacheUse) -> dict[str, Any]:
    usage = {
        "input_tokens": use.uncached,
        "output_tokens": said.tokens,
        "cache_creation_input_tokens": use.written,
        "cache_read_input_tokens": use.read,
        "cache_creation": {
            "ephemeral_5m_input_tokens": use.written,
            "ephemeral_1h_input_tokens": 0,
        },
        "service_tier": "standard",
    }
    sandbox.stats.tokens.update({k: v for k, v in usage.items() if isinstance(v, int)})
    return {
        "id": f"msg_{sandbox.rand.getrandbits(96):024x}",
        "type": "message",
        "role": "assistant",
        "model": body["model"],
        "content": [said.block],
        "stop_reason": said.stop_reason,
        "stop_sequence": None,
        "usage": usage,
    }


def routes() -> list[web.RouteDef]:
    """The stand-in's routes."""
    return [web.post("/anthropic/v1/messages", messages)]
