"""Pages on localhost and a fetcher for them; and a localhost that plays the open web."""

import ipaddress
from contextlib import asynccontextmanager

from orchestrator.clients import connecting, guard
from orchestrator.clients.web import WebFetcher
from orchestrator.services import FetchRequest
from tests.unit.clients_helpers import Stub, resolver, started

ARTICLE = "<p>" + "Bees visit flowers in the morning, and trees give them shade. " * 8 + "</p>"
PAGE = (
    "<html lang='en-GB'><head><title>On bees</title>"
    "<meta property='article:published_time' content='2025-03-14T08:00:00Z'></head>"
    f"<body><main><article><h1>On bees</h1><h2>Morning</h2>{ARTICLE}</article></main></body></html>"
)
HTML = {"Content-Type": "text/html; charset=utf-8"}


def ask(url, **changes):
    return FetchRequest(url=url, idempotency_key="job_1:references:r1", **changes)


@asynccontextmanager
async def pages(*answers, handler=None, **options):
    """A server whose host is allowed, and a fetcher."""
    stub = Stub(answers=list(answers), handler=handler)
    async with started(stub):
        fetcher = WebFetcher(allow_hosts=[stub.host], **options)
        try:
            yield fetcher, stub
        finally:
            await fetcher.close()


def let_localhost_be_the_web(monkeypatch):
    """127.0.0.1 plays the open web, on every port; the rest of loopback stays private."""
    world = ipaddress.ip_address("127.0.0.1")

    def why_refused(address, real=guard.why_refused):
        return None if address == world else real(address)

    monkeypatch.setattr(guard, "why_refused", why_refused)
    monkeypatch.setattr(guard, "OPEN_PORTS", frozenset(range(65536)))
    assert connecting.check_address is guard.check_address


@asynccontextmanager
async def world(table, *answers, handler=None, allow=(), **options):
    """A server on the open web under the names of *table*, and a fetcher."""
    stub = Stub(answers=list(answers), handler=handler)
    names = resolver(table)
    async with started(stub):
        fetcher = WebFetcher(resolve=names, allow_hosts=allow, **options)
        try:
            yield fetcher, stub, names, stub.host.split(":")[1]
        finally:
            await fetcher.close()
