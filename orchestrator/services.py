"""What a step may ask of the outside world: the requests, the replies, the protocol.

A step sees only :class:`Services`. In production the implementation sends each request to
the node's gateway actor, which asks the breaker, holds the keys and makes the call; in unit
tests it is a script of replies.
"""

from __future__ import annotations

import contextvars
from collections.abc import Callable
from typing import Any, Protocol

from pydantic import BaseModel, ConfigDict, Field

time_left: contextvars.ContextVar[Callable[[], float | None]] = contextvars.ContextVar("time_left")
"""Seconds left of the attempt that makes a call, or None for no limit. Whoever carries a call out
gives up a little before, so that a service that hangs is counted as failing."""


class Message(BaseModel):
    """Base of requests and replies: frozen, strict about extras, plain data."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Usage(Message):
    """What calls used: tokens, dollars and how many calls there were."""

    input_tokens: int = 0
    output_tokens: int = 0
    cache_read_tokens: int = 0
    cache_write_tokens: int = 0
    cost_usd: float = 0.0
    calls: int = 0
    seconds: float = 0.0  #: time spent inside calls, one after another
    sandbox_calls: int = 0  #: of these calls, how many a sandbox stand-in answered
    cache_hits: int = 0  #: values that another job had made
    cache_misses: int = 0  #: values looked for in the shared cache and made here

    def __add__(self, other: Usage) -> Usage:
        """The sum of two usages, field by field."""
        mine, theirs = self.model_dump(), other.model_dump()
        return Usage(**{name: mine[name] + theirs[name] for name in mine})


class ModelRequest(Message):
    """One call of a language model.

    :param system: the stable prefix, marked for prompt caching.
    :param prompt: the user's turn; untrusted text stands in ``<data>`` blocks.
    :param output_schema: a JSON schema; when given, the reply's ``data`` conforms to it.
    :param output_name: the name of the structured output (a tool's name), ``[a-z_]+``.
    :param max_tokens: of the answer; an answer cut short is continued by the client.
    :param fallback: use the lower-cost model instead of *model*.
    :param idempotency_key: ``job:step[:part]``, sent as ``Idempotency-Key``.
    """

    system: str
    prompt: str
    model: str | None = None
    fallback: bool = False
    output_schema: dict[str, Any] | None = None
    output_name: str | None = None
    max_tokens: int = Field(default=4096, ge=1, le=64_000)
    temperature: float = Field(default=0.3, ge=0.0, le=1.0)
    idempotency_key: str


class ModelReply(Message):
    """A model's whole answer: ``text``, or ``data`` when a schema was asked for.

    :param lowered: why another model answered than the one asked for, or None. Whoever uses such
        an answer notes this as a degradation and shares it with no other job.
    """

    text: str = ""
    data: dict[str, Any] | None = None
    model: str
    usage: Usage
    sandbox: bool = False
    lowered: str | None = None


class SearchRequest(Message):
    """One Serper search."""

    query: str
    country: str = "us"
    language: str = "en"
    num: int = Field(default=10, ge=1, le=100)
    idempotency_key: str


class OrganicResult(BaseModel):
    """One organic search result; unknown fields are dropped."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    title: str = ""
    link: str
    snippet: str = ""
    position: int = 0
    date: str | None = None


class SearchReply(Message):
    """The parts of a search result page that the pipeline uses."""

    organic: list[OrganicResult] = Field(default_factory=list)
    people_also_ask: list[str] = Field(default_factory=list)
    related_searches: list[str] = Field(default_factory=list)


class FetchRequest(Message):
    """Fetch one public page through the guarded fetcher (no private addresses)."""

    url: str
    max_chars: int = Field(default=20_000, ge=1)  #: of the extracted text
    idempotency_key: str


class Page(Message):
    """What a fetch found. A page that cannot be had is an answer, not an error.

    ``outcome`` is ``ok`` (final 2xx), ``unverified`` (401, 403, 405, 429: the server will not
    show it to us) or ``dead`` (other statuses, timeouts, refused addresses, wrong type).
    ``text`` is the main text with markup and hidden text removed.
    """

    url: str
    final_url: str
    outcome: str
    status: int | None = None
    content_type: str = ""
    title: str = ""
    headings: list[str] = Field(default_factory=list)
    text: str = ""
    language: str | None = None
    published: str | None = None
    problem: str | None = None


class PostRequest(Message):
    """Read one WordPress post for editing."""

    post_id: int
    idempotency_key: str


class Post(Message):
    """A WordPress post: raw block markup and what stands around it."""

    id: int
    title: str
    slug: str
    content: str
    link: str = ""
    status: str = ""
    modified: str = ""  #: last change in UTC, ``2026-01-02T03:04:05``; empty where unknown


class PublishRequest(Message):
    """Write an article to WordPress, at most once per idempotency key.

    :param slug: empty: an updated post keeps its own.
    :param status: ``publish`` or ``draft``.
    :param post_id: the post to update, or None to create one.
    :param unchanged_since: UTC as :attr:`Post.modified` has it: a post to update that was changed
        later is left alone. Empty: not asked.
    :param json_ld: structured data about the article, as JSON; empty: none.
    """

    title: str
    slug: str
    content: str
    excerpt: str = ""
    status: str = "draft"
    post_id: int | None = None
    unchanged_since: str = ""
    json_ld: str = ""
    idempotency_key: str


class DeliverRequest(Message):
    """Send one webhook to a client's receiver, signed with that client's secret.

    :param message_id: sent as ``webhook-id``; the same each time this message is sent.
    :param body: the JSON text that is signed and sent, byte for byte.
    """

    url: str
    message_id: str
    client_id: str
    body: str


class DeliverReply(Message):
    """What became of it. A receiver that fails is an answer, not an error.

    :param status: of the receiver's answer, or None if there was none.
    :param error: why it does not count as delivered; None: delivered.
    :param final: trying again cannot help (410, an address that is refused).
    :param answer: the beginning of a failing receiver's own words.
    :param retry_after: seconds the receiver asked us to wait.
    """

    status: int | None = None
    error: str | None = None
    final: bool = False
    answer: str = ""
    retry_after: float | None = None


class Services(Protocol):
    """The outside world. Every method may raise :class:`~orchestrator.errors.ServiceError`:
    ``TransientError`` (try again), ``PermanentError`` (stop) or ``BreakerOpen`` (wait).
    """

    async def generate(self, request: ModelRequest) -> ModelReply:
        """Ask a language model."""
        ...

    async def search(self, request: SearchRequest) -> SearchReply:
        """Search the web."""
        ...

    async def fetch(self, request: FetchRequest) -> Page:
        """Fetch and reduce one page."""
        ...

    async def get_post(self, request: PostRequest) -> Post:
        """Read a WordPress post."""
        ...

    async def publish(self, request: PublishRequest) -> Post:
        """Write a WordPress post."""
        ...
