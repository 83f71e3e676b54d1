"""All services at once, over the network, from the settings and the keys."""

from __future__ import annotations

import asyncio
from functools import cached_property

import aiohttp

from orchestrator.clients.anthropic import AnthropicClient
from orchestrator.clients.http import open_session
from orchestrator.clients.serper import SerperClient
from orchestrator.clients.web import WebFetcher
from orchestrator.clients.webhook import WebhookSender
from orchestrator.clients.wordpress import WordPressClient
from orchestrator.config import Settings
from orchestrator.errors import Misconfigured
from orchestrator.outbox.signing import masters
from orchestrator.secrets import Secrets
from orchestrator.services import (
    DeliverReply,
    DeliverRequest,
    FetchRequest,
    ModelReply,
    ModelRequest,
    Page,
    Post,
    PostRequest,
    PublishRequest,
    SearchReply,
    SearchRequest,
)

CONNECTIONS = 128  #: to Serper and WordPress together
PER_HOST = 64


class LiveServices:
    """:class:`~orchestrator.services.Services` over HTTP.

    Each client is made when it is first asked for something, so a missing key is an error of the
    calls that need it (:class:`~orchestrator.errors.Misconfigured`) and of no other.
    """

    def __init__(self, settings: Settings, secrets: Secrets) -> None:
        self._settings, self._secrets = settings, secrets

    async def generate(self, request: ModelRequest) -> ModelReply:
        """Ask a language model."""
        return await self._ai.generate(request)

    async def search(self, request: SearchRequest) -> SearchReply:
        """Search the web."""
        return await self._serper.search(request)

    async def fetch(self, request: FetchRequest) -> Page:
        """Fetch and reduce one page."""
        return await self._web.fetch(request)

    async def get_post(self, request: PostRequest) -> Post:
        """Read a WordPress post."""
        return await self._wordpress.get_post(request)

    async def publish(self, request: PublishRequest) -> Post:
        """Write a WordPress post."""
        return await self._wordpress.publish(request)

    async def deliver(self, request: DeliverRequest) -> DeliverReply:
        """Send a webhook: not a service of the jobs', but of the outbox."""
        try:
            return await self._webhooks.deliver(request)
        except Misconfigured as error:
            return DeliverReply(error=str(error))

    async def close(self) -> None:
        """Let go of every connection; what is asked for later opens new ones."""
        names = ("_ai", "_web", "_session", "_webhooks")
        opened = [self.__dict__.pop(name, None) for name in names]
        for name in ("_serper", "_wordpress"):
            self.__dict__.pop(name, None)
        await asyncio.gather(*(client.close() for client in opened if client is not None))

    @cached_property
    def _ai(self) -> AnthropicClient:
        settings = self._settings
        return AnthropicClient(
            self._secrets.anthropic_api_key.get_secret_value(),
            base_url=settings.anthropic_base_url,
            default_model=settings.default_model,
            fallback_model=settings.fallback_model,
            prices=settings.model_prices,
        )

    @cached_property
    def _session(self) -> aiohttp.ClientSession:
        return open_session(limit=CONNECTIONS, limit_per_host=PER_HOST)

    @cached_property
    def _serper(self) -> SerperClient:
        key = self._secrets.serper_api_key.get_secret_value()
        return SerperClient(self._session, self._settings.serper_base_url, key)

    @cached_property
    def _wordpress(self) -> WordPressClient:
        settings = self._settings
        password = self._secrets.wordpress_app_password.get_secret_value()
        return WordPressClient(
            self._session, settings.wordpress_base_url, settings.wordpress_user, password
        )

    @cached_property
    def _web(self) -> WebFetcher:
        return WebFetcher(
            allow_hosts=self._settings.fetch_allow_hosts,
            only_allowed=self._settings.fetch_only_allowed,
        )

    @cached_property
    def _webhooks(self) -> WebhookSender:
        settings = self._settings
        given = self._secrets.webhook_secret.get_secret_value()
        return WebhookSender(
            masters(given, settings.home), allow_hosts=settings.webhook_allow_hosts
        )
