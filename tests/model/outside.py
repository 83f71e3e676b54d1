"""The outside world: a model that answers anew each time, and a blog that knows its keys."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from orchestrator.errors import BreakerOpen, PermanentError, ServiceError, TransientError
from orchestrator.services import ModelReply, ModelRequest, Post, PublishRequest, Usage
from tests.model.faults import Refusal
from tests.model.network import Call, Network, Process
from tests.model.rules import require

Request = ModelRequest | PublishRequest

COST_USD = 0.0001  #: of one call, times 1 to 7, so that no two sums are alike by chance


@dataclass
class Sent:
    """The last call that carried an idempotency key."""

    sender: Process
    request: Request
    generation: int
    answered: bool = False


@dataclass
class Outside:
    """What the services did: calls by key, posts by key."""

    network: Network
    calls: Counter[str] = field(default_factory=Counter)
    repeats: int = 0
    posts: dict[str, Post] = field(default_factory=dict)
    effects: Counter[str] = field(default_factory=Counter)
    _sent: dict[str, Sent] = field(default_factory=dict)
    _serial: itertools.count[int] = field(default_factory=lambda: itertools.count(1))

    def sending(self, sender: Process, request: Request, generation: int) -> Sent:
        """A call is about to be sent: a repeated one must have been lost, and must ask the same.

        One process never pays twice for what was answered; another may, for what the first
        had not recorded (``Ledger.makes`` sees to that).
        """
        key = request.idempotency_key
        last = self._sent.get(key)
        if last is not None and last.generation == generation:
            paid = last.sender is sender and last.answered
            require(not paid, f"{key} was answered, and its caller asks again")
            require(last.request == request, f"{key} asks {request}, and asked {last.request}")
            self.repeats += 1
        self.calls[key] += 1
        sent = self._sent[key] = Sent(sender, request, generation)
        return sent

    def generate(self, request: ModelRequest) -> ModelReply:
        """Another answer each time."""
        serial = next(self._serial)
        usage = Usage(output_tokens=serial, cost_usd=COST_USD * (1 + serial % 7))
        return ModelReply(text=f"answer {serial}", model="m", usage=usage)

    def publish(self, request: PublishRequest) -> Post:
        """One post for each key."""
        key = request.idempotency_key
        if key not in self.posts:
            self.effects[key] += 1
            self.posts[key] = Post(
                id=next(self._serial), title=request.title, slug=request.slug, content=""
            )
        return self.posts[key]


class ProcessServices:
    """The services as one activation reaches them, each call through the network."""

    def __init__(
        self, network: Network, outside: Outside, sender: Process, generation: Callable[[], int]
    ) -> None:
        self._network, self._outside = network, outside
        self._sender, self._generation = sender, generation

    async def generate(self, request: ModelRequest) -> ModelReply:
        return await self._call("generate", request, self._outside.generate)

    async def publish(self, request: PublishRequest) -> Post:
        return await self._call("publish", request, self._outside.publish)

    async def search(self, request: Any) -> Any:
        raise NotImplementedError

    fetch = get_post = search

    async def _call(self, label: str, request: Any, act: Callable[[Any], Any]) -> Any:
        sent: list[Sent] = []
        self._network.report(
            lambda: sent.append(self._outside.sending(self._sender, request, self._generation()))
        )

        def carry_out(refusal: Refusal | None) -> Any:
            reply = act(request) if refusal in (None, Refusal.ANSWER_LOST) else None
            if refusal is not None:
                error = _error(refusal)
                error.usage = getattr(reply, "usage", None)  # paid for, although it is lost
                raise error
            return reply

        reply = await self._network.send(
            Call(
                self._sender, f"{label}({request.idempotency_key})",
                self._network.loop.create_future(), service=carry_out,
            )
        )  # fmt: skip
        sent[0].answered = True
        return reply


def _error(refusal: Refusal) -> ServiceError:
    return {
        Refusal.TRANSIENT: TransientError("ai", "overloaded", status=529),
        Refusal.RETRY_AFTER: TransientError("ai", "too many", status=429, retry_after=40.0),
        Refusal.ANSWER_LOST: TransientError("ai", "the connection broke"),
        Refusal.BREAKER: BreakerOpen("ai", 10.0),
        Refusal.PERMANENT: PermanentError("ai", "permanent"),
    }[refusal]
