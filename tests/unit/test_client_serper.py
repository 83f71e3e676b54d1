"""The Serper client, and what every JSON API has in common."""

import asyncio
import email.utils
import gzip
import json
from contextlib import asynccontextmanager

import pytest
from aiohttp import web

from orchestrator.clients.http import open_session
from orchestrator.clients.serper import SerperClient, reply_from
from orchestrator.errors import Misconfigured, PermanentError, TransientError
from orchestrator.services import SearchRequest
from tests.unit.clients_helpers import NOW, SECRET, Stub, started, told

RESULTS = {
    "searchParameters": {"q": "ai in seo"},
    "organic": [
        {
            "title": "A",
            "link": "https://a.example/1",
            "snippet": "s",
            "position": 1,
            "sitelinks": [],
        },
        {"title": "No link", "position": 2},
        {"title": None, "link": "https://b.example/", "position": 3, "date": "3 days ago"},
        "not an entry",
    ],
    "peopleAlsoAsk": [{"question": "Why?", "snippet": "x", "link": "y"}, {"title": "none"}],
    "relatedSearches": [{"query": "ai seo tools"}, {"query": " "}],
    "credits": 1,
}
ASK = SearchRequest(query="ai in seo", country="gb", num=20, idempotency_key="job_1:gap:serp")


@asynccontextmanager
async def serper(*answers, handler=None, timeout=5.0, path=""):
    stub = Stub(answers=list(answers), handler=handler)
    async with started(stub), open_session(limit=8, limit_per_host=8) as session:
        yield (
            SerperClient(session, stub.url + path, SECRET, timeout=timeout, clock=lambda: NOW),
            stub,
        )


async def test_a_search_sends_what_serper_expects_and_reads_its_answer():
    async with serper((200, RESULTS), path="/serper/") as (client, stub):
        reply = await client.search(ASK)
    sent = stub.seen[0]
    assert (sent.method, sent.path) == ("POST", "/serper/search")
    assert sent.body == {"q": "ai in seo", "gl": "gb", "hl": "en", "num": 20}
    assert sent.headers["X-API-KEY"] == SECRET
    assert sent.headers["Idempotency-Key"] == "job_1:gap:serp"
    assert [result.link for result in reply.organic] == [
        "https://a.example/1",
        "https://b.example/",
    ]
    assert reply.organic[1].date == "3 days ago"
    assert reply.people_also_ask == ["Why?"]
    assert reply.related_searches == ["ai seo tools"]


def test_an_empty_answer_is_an_empty_page():
    reply = reply_from({"organic": None, "peopleAlsoAsk": {}})
    assert (reply.organic, reply.people_also_ask, reply.related_searches) == ([], [], [])


async def test_a_compressed_answer_is_read():
    packed = gzip.compress(json.dumps(RESULTS).encode())
    headers = {"Content-Encoding": "gzip", "Content-Type": "application/json"}
    async with serper(web.Response(body=packed, headers=headers)) as (client, _):
        assert len((await client.search(ASK)).organic) == 2


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, PermanentError),
        (401, Misconfigured),
        (403, Misconfigured),
        (404, PermanentError),
        (408, TransientError),
        (429, TransientError),
        (500, TransientError),
        (503, TransientError),
        (529, TransientError),
    ],
)
async def test_statuses_become_our_errors(status, kind):
    body = {"message": "Something is wrong", "statusCode": status}
    async with serper((status, body)) as (client, stub):
        with pytest.raises(kind) as caught:
            await client.search(ASK)
    assert type(caught.value) is kind
    assert (caught.value.service, caught.value.status) == ("serper", status)
    assert len(stub.seen) == 1


async def test_a_refused_key_names_the_setting():
    async with serper((403, {"message": "Unauthorized."})) as (client, _):
        with pytest.raises(Misconfigured, match=r"SERPER_API_KEY is refused \(403\)"):
            await client.search(ASK)


async def test_an_account_without_credits_is_a_matter_of_settings():
    async with serper((400, {"message": "Not enough credits"})) as (client, _):
        with pytest.raises(Misconfigured, match="no credits left"):
            await client.search(ASK)


@pytest.mark.parametrize(
    ("given", "seconds"),
    [
        ({"Retry-After": "12"}, 12.0),
        ({"Retry-After": email.utils.formatdate(NOW + 30, usegmt=True)}, 30.0),
        ({"retry-after-ms": "1500"}, 1.5),
        ({}, None),
    ],
)
async def test_the_wait_that_is_asked_for_is_passed_on(given, seconds):
    async with serper((429, {"message": "slow down"}, given)) as (client, _):
        with pytest.raises(TransientError) as caught:
            await client.search(ASK)
    assert caught.value.retry_after == seconds


@pytest.mark.parametrize("status", [400, 403, 429, 500])
async def test_no_error_tells_the_key_or_the_query(status):
    body = {"message": f"bad key {SECRET} for ai in seo"}
    async with serper((status, body)) as (client, _):
        with pytest.raises((PermanentError, TransientError)) as caught:
            await client.search(ASK)
        assert SECRET not in repr(client._api)
    assert SECRET not in told(caught.value)
    assert "ai in seo" not in told(caught.value)


async def test_a_key_never_follows_a_redirect():
    stub = Stub(answers=[(200, RESULTS)])
    async with started(stub):
        moved = (302, "", {"Location": f"{stub.url}/steal"})
        async with serper(moved) as (client, _):
            with pytest.raises(Misconfigured, match="SERPER_BASE_URL redirects to http://127"):
                await client.search(ASK)
    assert stub.seen == []


async def test_an_answer_that_is_not_json_blames_the_address():
    async with serper((200, "<html>parked</html>")) as (client, _):
        with pytest.raises(Misconfigured, match="SERPER_BASE_URL did not answer in JSON"):
            await client.search(ASK)


async def test_an_answer_that_is_no_result_page_is_worth_another_try():
    async with serper((200, [1])) as (client, _):
        with pytest.raises(TransientError, match="not a result page"):
            await client.search(ASK)


async def test_a_slow_answer_is_a_timeout():
    async def slow(_seen):
        await asyncio.sleep(1)
        return web.json_response(RESULTS)

    async with serper(handler=slow, timeout=0.05) as (client, _):
        with pytest.raises(TransientError, match="no answer in time"):
            await client.search(ASK)


async def test_a_dropped_connection_is_worth_another_try():
    def drop(seen):
        seen.request.transport.abort()
        return web.Response()

    async with serper(handler=drop) as (client, _):
        with pytest.raises(TransientError, match="the connection failed"):
            await client.search(ASK)


@pytest.mark.parametrize(
    ("base", "kind"), [("http://127.0.0.1:1", TransientError), ("nonsense", Misconfigured)]
)
async def test_an_address_where_nobody_is(base, kind):
    async with open_session(limit=1, limit_per_host=1) as session:
        with pytest.raises(kind):
            await SerperClient(session, base, SECRET).search(ASK)


async def test_a_missing_key_names_the_setting():
    async with open_session(limit=1, limit_per_host=1) as session:
        with pytest.raises(Misconfigured, match="SERPER_API_KEY is not set"):
            SerperClient(session, "http://127.0.0.1", "")
