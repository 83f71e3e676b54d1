"""Anthropic's Messages API over the official SDK, without streaming.

The engine retries, so the SDK does not (``max_retries=0``). Structured answers use the API's own
structured outputs (``output_config.format``) rather than a forced tool call, because the present
default model thinks by default and the newest ones refuse forced tools; see
:mod:`orchestrator.clients.model_traits`.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import anthropic
import httpx2
from anthropic.types import Message

from orchestrator.clients.asking import Turns, assistant, object_in, parameters, texts, user
from orchestrator.clients.continuation import CONTINUE, back_to_space, joined
from orchestrator.clients.failures import error_for, quotable
from orchestrator.clients.pricing import cost_usd
from orchestrator.errors import Misconfigured, PermanentError, ServiceError, TransientError
from orchestrator.services import ModelReply, ModelRequest, Usage

# at DEBUG the SDK writes whole requests: prompts and headers
logging.getLogger("anthropic").setLevel(logging.INFO)

SERVICE = "ai"
BASE_URL = "https://api.anthropic.com"
TIMEOUT = 120.0
"""Seconds for one call: as long as the longest step may take (DESIGN, section 4)."""

CONNECT_TIMEOUT = 5.0
MAX_CONNECTIONS = 512
MAX_CONTINUATIONS = 3
MAX_TOKENS = 64_000
"""The longest answer the smallest of the priced models can give."""
SANDBOX_HEADER = "x-sota-sandbox"


@dataclass(frozen=True, slots=True)
class Part:
    """One answer of the API: its text and why it stopped."""

    text: str
    stop: str

    @property
    def cut(self) -> bool:
        """Whether the answer was cut at ``max_tokens``."""
        return self.stop == "max_tokens"


class AnthropicClient:
    """Asks Claude.

    :param key: ``ANTHROPIC_API_KEY``.
    :param base_url: ``ANTHROPIC_BASE_URL``, or empty for Anthropic's own.
    :param default_model: used when a request names none; *fallback_model* when it asks for the
        lower-cost one.
    :param prices: dollars per million input and output tokens, by model.
    :param clock: epoch seconds; reads ``Retry-After`` dates.
    :param timer: seconds from any start; measures calls.
    """

    def __init__(
        self,
        key: str,
        *,
        default_model: str,
        fallback_model: str,
        prices: dict[str, tuple[float, float]],
        base_url: str = "",
        timeout: float = TIMEOUT,
        clock: Callable[[], float] = time.time,
        timer: Callable[[], float] = time.monotonic,
    ) -> None:
        if not key:
            raise Misconfigured(SERVICE, "ANTHROPIC_API_KEY is not set: set it or use the sandbox")
        self._key, self._default, self._fallback = key, default_model, fallback_model
        self._prices, self._clock, self._timer = prices, clock, timer
        limits = httpx2.Limits(max_connections=MAX_CONNECTIONS, max_keepalive_connections=64)
        times = httpx2.Timeout(timeout, connect=CONNECT_TIMEOUT)
        self._sdk = anthropic.AsyncAnthropic(
            api_key=key,
            base_url=base_url or BASE_URL,
            max_retries=0,
            timeout=times,
            http_client=anthropic.DefaultAsyncHttpxClient(limits=limits, timeout=times),
            open_telemetry=False,
        )

    async def close(self) -> None:
        """Let go of the connections."""
        await self._sdk.close()

    async def generate(self, request: ModelRequest) -> ModelReply:
        """The model's whole answer.

        A text answer cut at ``max_tokens`` is continued up to :data:`MAX_CONTINUATIONS` times, a
        structured one is asked for once more with twice the tokens.

        :raises TransientError: timeouts, overload, rate limits, an answer that is no message.
        :raises PermanentError: refused calls, refusals by the model, answers still too long.
            Either error's ``usage`` is what the parts before the failure have cost.
        """
        model, paid = self._model_of(request), list[Usage]()
        try:
            if request.output_schema is None:
                return await self._text(request, model, paid)
            return await self._structured(request, model, request.output_schema, paid)
        except ServiceError as error:
            error.usage = sum(paid, Usage())
            raise

    def _model_of(self, request: ModelRequest) -> str:
        model = self._fallback if request.fallback else request.model or self._default
        if model not in self._prices:
            raise Misconfigured(SERVICE, f"SOTA_MODEL_PRICES lacks {model}: add its prices")
        return model

    async def _text(self, request: ModelRequest, model: str, paid: list[Usage]) -> ModelReply:
        part = await self._whole_part(request, model, paid)
        if part.cut and not part.text.strip():
            raise _too_long(request, 2)
        text, more = part.text, 0
        while part.cut and more < MAX_CONTINUATIONS:
            more += 1
            said, space = back_to_space(text)
            turns = [user(request.prompt), assistant(said), user(CONTINUE)]
            key = f"{request.idempotency_key}:c{more}"
            part = await self._ask(request, model, paid, turns, key, request.max_tokens)
            text = joined(said, space, part.text)
        if part.cut:
            raise _too_long(request, 1 + more)
        return _reply(model, paid, text=text)

    async def _structured(
        self, request: ModelRequest, model: str, schema: dict[str, Any], paid: list[Usage]
    ) -> ModelReply:
        part = await self._whole_part(
            request, model, paid, schema, enough=lambda part: not part.cut
        )
        if part.cut:
            raise _too_long(request, 2)
        data = object_in(part.text)
        if data is None:
            raise TransientError(SERVICE, "the structured answer is not a JSON object")
        return _reply(model, paid, data=data)

    async def _whole_part(
        self,
        request: ModelRequest,
        model: str,
        paid: list[Usage],
        schema: dict[str, Any] | None = None,
        *,
        enough: Callable[[Part], bool] = lambda part: not part.cut or bool(part.text.strip()),
    ) -> Part:
        """The first answer or, when that is not *enough*, one of twice the length.

        A model that always thinks may have spent all its tokens before the first word.
        """
        turns, key = [user(request.prompt)], request.idempotency_key
        part = await self._ask(request, model, paid, turns, key, request.max_tokens, schema)
        if enough(part):
            return part
        most = min(2 * request.max_tokens, MAX_TOKENS)
        return await self._ask(request, model, paid, turns, f"{key}:x2", most, schema)

    async def _ask(
        self,
        request: ModelRequest,
        model: str,
        paid: list[Usage],
        turns: Turns,
        key: str,
        max_tokens: int,
        schema: dict[str, Any] | None = None,
    ) -> Part:
        """One call; what it used is put down in *paid* before its answer is judged."""
        asked = parameters(request, model, turns, key, max_tokens, schema)
        started = self._timer()
        message, sandbox = await self._message(asked, (self._key, request.system, *texts(turns)))
        paid.append(self._usage(message, model, self._timer() - started, sandbox))
        _check_stop(message)
        text = "".join(block.text for block in message.content if block.type == "text")
        return Part(text, message.stop_reason or "")

    async def _message(self, asked: dict[str, Any], private: Iterable[str]) -> tuple[Message, bool]:
        """The API's message and whether a sandbox wrote it; foreign errors mapped."""
        try:
            raw = await self._sdk.messages.with_raw_response.create(**asked)
            message = await raw.parse()
        except anthropic.APIStatusError as error:
            raise self._refused(error, private) from None
        except anthropic.APITimeoutError:
            raise TransientError(SERVICE, "no answer in time") from None
        except (anthropic.APIError, httpx2.HTTPError, ValueError) as error:
            kind = type(error.__cause__ or error).__name__
            raise TransientError(SERVICE, f"the call failed ({kind})") from None
        if not isinstance(message, Message) or not isinstance(message.content, list):
            raise TransientError(SERVICE, "the answer is not a message")
        return message, raw.headers.get(SANDBOX_HEADER) == "1"

    def _refused(self, error: anthropic.APIStatusError, private: Iterable[str]) -> Exception:
        private = tuple(private)
        told = (error.type, error.api_message, error.request_id)
        named = ", ".join(filter(None, (quotable(str(part or ""), private) for part in told)))
        return error_for(
            SERVICE,
            error.status_code,
            error.response.headers,
            now=self._clock(),
            setting="ANTHROPIC_API_KEY",
            detail=named,
        )

    def _usage(self, message: Message, model: str, seconds: float, sandbox: bool) -> Usage:
        used = message.usage
        tokens = {
            "input_tokens": used.input_tokens,
            "output_tokens": used.output_tokens,
            "cache_read_tokens": used.cache_read_input_tokens or 0,
            "cache_write_tokens": used.cache_creation_input_tokens or 0,
        }
        return Usage(
            **tokens,
            cost_usd=cost_usd(self._prices[model], **tokens),
            calls=1,
            seconds=seconds,
            sandbox_calls=int(sandbox),
        )


def _check_stop(message: Message) -> None:
    if message.stop_reason == "refusal":
        category = getattr(message.stop_details, "category", None)
        reason = f" ({category})" if category else ""
        raise PermanentError(SERVICE, f"the model refused to answer{reason}: change the request")
    if message.stop_reason == "model_context_window_exceeded":
        raise PermanentError(SERVICE, "the prompt leaves no room for an answer: send less")


def _too_long(request: ModelRequest, calls: int) -> PermanentError:
    return PermanentError(
        SERVICE,
        f"the answer is still cut off after {calls} calls of up to {request.max_tokens} tokens: "
        "raise max_tokens or ask for less",
    )


def _reply(
    model: str, paid: list[Usage], *, text: str = "", data: dict[str, Any] | None = None
) -> ModelReply:
    usage = sum(paid, Usage())
    sandbox = usage.sandbox_calls > 0
    return ModelReply(text=text, data=data, model=model, usage=usage, sandbox=sandbox)
