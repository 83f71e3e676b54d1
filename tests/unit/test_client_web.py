"""The guarded fetcher over real connections to localhost.

``open_web`` makes 127.0.0.1 count as an address of the open web, and 127.0.0.2 stay private.
"""

import asyncio
import gzip
import tracemalloc
import zlib

import pytest
from aiohttp import web

from orchestrator.clients import guard
from orchestrator.clients.body import UnreadableBody, read_decoded
from orchestrator.clients.web import Download, WebFetcher, page_of, title_from
from tests.unit.clients_helpers import Stub, started
from tests.unit.web_helpers import HTML, PAGE, ask, let_localhost_be_the_web, pages, world


async def test_a_page_is_fetched_and_reduced():
    async with pages((200, PAGE, HTML)) as (fetcher, stub):
        page = await fetcher.fetch(ask(f"{stub.url}/bees#part"))
    assert page.outcome == "ok"
    assert (page.status, page.content_type) == (200, "text/html")
    assert page.url == f"{stub.url}/bees#part"
    assert page.final_url == f"{stub.url}/bees"
    assert page.title == "On bees"
    assert page.headings == ["On bees", "Morning"]
    assert page.language == "en"
    assert page.published == "2025-03-14"
    assert "Bees visit flowers" in page.text
    assert page.problem is None
    sent = stub.seen[0]
    assert sent.headers["Accept-Encoding"] == "gzip, deflate"
    assert sent.headers["Idempotency-Key"] == "job_1:references:r1"  # the host is our own
    assert "Cookie" not in sent.headers


async def test_the_text_is_capped():
    async with pages((200, PAGE, HTML)) as (fetcher, stub):
        page = await fetcher.fetch(ask(stub.url + "/a", max_chars=100))
    assert 60 < len(page.text) <= 100


@pytest.mark.parametrize(
    ("status", "outcome"),
    [
        (201, "ok"),
        (304, "dead"),
        (400, "dead"),
        (401, "unverified"),
        (403, "unverified"),
        (404, "dead"),
        (405, "unverified"),
        (410, "dead"),
        (429, "unverified"),
        (451, "dead"),
        (500, "dead"),
        (503, "dead"),
    ],
)
async def test_a_status_decides_the_outcome(status, outcome):
    async with pages((status, "" if status == 304 else PAGE, HTML)) as (fetcher, stub):
        page = await fetcher.fetch(ask(stub.url + "/a"))
    assert (page.outcome, page.status) == (outcome, status)
    assert page.problem == (None if outcome == "ok" else f"status {status}")
    assert bool(page.text) == (outcome == "ok")


# -- types -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "kind",
    ["image/png", "application/json", "application/zip", "video/mp4", "text/css", "nonsense", ""],
)
async def test_only_pages_are_read(kind):
    response = web.Response(body=PAGE.encode(), headers={"Content-Type": kind})
    async with pages(handler=lambda _: response) as (fetcher, stub):
        page = await fetcher.fetch(ask(stub.url + "/a"))
    assert page.outcome == "dead"
    assert page.problem.startswith("not a page")
    assert page.text == ""


async def test_a_plain_text_is_read():
    text = "Notes on bees\n" + "They fly in the morning. " * 10
    async with pages((200, text, {"Content-Type": "text/plain"})) as (fetcher, stub):
        page = await fetcher.fetch(ask(stub.url + "/notes.txt"))
    assert (page.outcome, page.title) == ("ok", "Notes on bees")
    assert "They fly" in page.text


async def test_a_pdf_exists_but_is_not_read():
    answer = web.Response(body=b"%PDF-1.7 ..." + b"x" * 100_000, content_type="application/pdf")
    async with pages(answer) as (fetcher, stub):
        page = await fetcher.fetch(ask(stub.url + "/files/annual-report_2025.pdf?v=2"))
    assert (page.outcome, page.title, page.text) == ("ok", "Annual report 2025", "")


async def test_a_pdf_that_is_none_is_dead():
    answer = web.Response(body=b"<html>please log in</html>", content_type="application/pdf")
    async with pages(answer) as (fetcher, stub):
        page = await fetcher.fetch(ask(stub.url + "/a.pdf"))
    assert (page.outcome, page.problem) == ("dead", "not a PDF, although it says so")


@pytest.mark.parametrize(
    ("url", "title"),
    [
        ("https://a.example/x/bee%20count.pdf", "Bee count"),
        ("https://a.example/", "a.example"),
        ("https://a.example", "a.example"),
        ("https://a.example/report/", "a.example"),
    ],
)
def test_a_title_is_made_from_an_address(url, title):
    assert title_from(guard.URL(url)) == title


async def test_other_charsets_are_decoded():
    body = PAGE.replace("Bees visit", "Für Bienen: besuchen").encode("iso-8859-1")
    headers = {"Content-Type": "text/html; charset=ISO-8859-1"}
    async with pages(web.Response(body=body, headers=headers)) as (fetcher, stub):
        page = await fetcher.fetch(ask(stub.url + "/a"))
    assert "Für Bienen" in page.text


# -- limits ----------------------------------------------------------------------------


def encoded(body, coding):
    headers = {**HTML, "Content-Encoding": coding}
    return web.Response(body=body, headers=headers)


RAW_DEFLATE = zlib.compressobj(wbits=-15)


@pytest.mark.parametrize(
    ("body", "coding"),
    [
        (gzip.compress(PAGE.encode()), "gzip"),
        (zlib.compress(PAGE.encode()), "deflate"),
        (RAW_DEFLATE.compress(PAGE.encode()) + RAW_DEFLATE.flush(), "deflate"),
        (PAGE.encode(), "identity"),
    ],
)
async def test_compressed_pages_are_read(body, coding):
    async with pages(encoded(body, coding)) as (fetcher, stub):
        page = await fetcher.fetch(ask(stub.url + "/a"))
    assert (page.outcome, page.title) == ("ok", "On bees")


@pytest.mark.parametrize(
    ("coding", "problem"),
    [("br", "unknown content coding"), ("gzip", "broken compressed data")],
)
async def test_what_cannot_be_decoded_is_dead(coding, problem):
    async with pages(encoded(b"not compressed at all", coding)) as (fetcher, stub):
        page = await fetcher.fetch(ask(stub.url + "/a"))
    assert (page.outcome, page.problem) == ("dead", problem)


async def test_reading_stops_at_the_size_limit():
    sent = 0

    async def endless(seen):
        nonlocal sent
        response = web.StreamResponse(headers=HTML)
        await response.prepare(seen.request)
        await response.write(PAGE[:-14].encode())
        while sent < 64 * 1024 * 1024:
            await response.write(b" " * 65536)
            sent += 65536
        return response

    async with pages(handler=endless, max_bytes=256 * 1024) as (fetcher, stub):
        page = await fetcher.fetch(ask(stub.url + "/a"))
    assert (page.outcome, page.problem) == ("ok", "only the beginning was read")
    assert "Bees visit" in page.text
    assert sent < 32 * 1024 * 1024


async def test_a_decompression_bomb_is_cut():
    bomb = gzip.compress(PAGE[:-14].encode() + b" " * (16 * 1024 * 1024))
    assert len(bomb) < 200_000
    async with pages(encoded(bomb, "gzip"), max_bytes=100_000) as (fetcher, stub):
        page = await fetcher.fetch(ask(stub.url + "/a"))
    assert (page.outcome, page.problem) == ("ok", "only the beginning was read")


async def test_decoding_never_makes_more_than_the_limit():
    async def chunks():
        for start in range(0, len(bomb), 4096):
            yield bomb[start : start + 4096]

    bomb = gzip.compress(b"a" * 50_000_000)
    tracemalloc.start()
    assert await read_decoded(chunks(), "gzip", 1000) == (b"a" * 1000, True)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 1_000_000
    with pytest.raises(UnreadableBody):
        await read_decoded(chunks(), "zstd", 1000)


async def test_a_slow_page_is_given_up():
    async def slow(_seen):
        await asyncio.sleep(1)
        return web.Response()

    async with pages(handler=slow, timeout=0.05) as (fetcher, stub):
        page = await fetcher.fetch(ask(stub.url + "/a"))
    assert (page.outcome, page.problem) == ("dead", "no answer within 0.05 s")


async def test_a_page_that_drips_is_given_up():
    """The limit is on the whole page, not on each wait."""

    async def drip(seen):
        response = web.StreamResponse(headers=HTML)
        await response.prepare(seen.request)
        for _ in range(200):
            await response.write(b"<p>")
            await asyncio.sleep(0.005)
        return response

    async with pages(handler=drip, timeout=0.06) as (fetcher, stub):
        page = await fetcher.fetch(ask(stub.url + "/a"))
    assert page.problem == "no answer within 0.06 s"


async def test_redirects_are_followed_up_to_five():
    def hops(seen):
        left = int(seen.path.strip("/"))
        if left == 0:
            return web.Response(text=PAGE, headers=HTML)
        return web.Response(status=302, headers={"Location": f"/{left - 1}"})

    async with pages(handler=hops) as (fetcher, stub):
        five = await fetcher.fetch(ask(f"{stub.url}/5"))
        six = await fetcher.fetch(ask(f"{stub.url}/6"))
    assert (five.outcome, five.final_url) == ("ok", f"{stub.url}/0")
    assert (six.outcome, six.problem) == ("dead", "refused: more than 5 redirects")
    assert len(stub.seen) == 12


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_every_redirect_is_followed_by_get(status):
    answers = [(status, "", {"Location": "/there"}), (200, PAGE, HTML)]
    async with pages(*answers) as (fetcher, stub):
        page = await fetcher.fetch(ask(stub.url + "/here"))
    assert page.outcome == "ok"
    assert [seen.path for seen in stub.seen] == ["/here", "/there"]


async def test_a_redirect_to_nowhere_is_dead():
    async with pages((302, "")) as (fetcher, stub):
        page = await fetcher.fetch(ask(stub.url + "/here"))
    assert (page.outcome, page.problem) == ("dead", "status 302")


async def test_a_dropped_connection_is_dead():
    def drop(seen):
        seen.request.transport.abort()
        return web.Response()

    async with pages(handler=drop) as (fetcher, stub):
        page = await fetcher.fetch(ask(stub.url + "/a"))
    assert (page.outcome, page.problem) == ("dead", "the connection failed")


async def test_nonsense_instead_of_http_is_dead():
    async def nonsense(reader, writer):
        await reader.readline()
        writer.write(b"SSH-2.0-OpenSSH_9.6\r\n\r\n")
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(nonsense, "127.0.0.1", 0)
    host = f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
    fetcher = WebFetcher(allow_hosts=[host])
    page = await fetcher.fetch(ask(f"http://{host}/"))
    assert page.outcome == "dead"
    assert "broken" in page.problem
    await fetcher.close()
    server.close()
    await server.wait_closed()


# -- the open web ----------------------------------------------------------------------


@pytest.fixture
def open_web(monkeypatch):
    let_localhost_be_the_web(monkeypatch)


@pytest.mark.usefixtures("open_web")
async def test_a_name_is_resolved_once_and_its_address_is_used():
    async with world({"good.example.com": ["127.0.0.1"]}, (200, PAGE, HTML)) as made:
        fetcher, stub, names, port = made
        page = await fetcher.fetch(ask(f"http://good.example.com:{port}/bees"))
    assert page.outcome == "ok"
    assert names.asked == [("good.example.com", int(port))]
    assert stub.seen[0].headers["Host"] == f"good.example.com:{port}"
    assert "Idempotency-Key" not in stub.seen[0].headers


@pytest.mark.usefixtures("open_web")
async def test_a_name_that_changes_its_address_gains_nothing():
    """DNS rebinding: the second answer is private, but nobody asks a second time."""
    private = Stub(answers=[(200, PAGE, HTML)])
    answers = [["127.0.0.1"], ["127.0.0.2"], ["127.0.0.2"]]
    asked = []

    async def rebinding(host, port):
        asked.append(host)
        return answers[min(len(asked), len(answers)) - 1]

    stub = Stub(answers=[(200, PAGE, {**HTML, "Connection": "close"})])
    async with started(stub), started(private, "127.0.0.2"):
        fetcher = WebFetcher(resolve=rebinding)
        port = stub.host.split(":")[1]
        first = await fetcher.fetch(ask(f"http://evil.example.com:{port}/"))
        second = await fetcher.fetch(ask(f"http://evil.example.com:{port}/again"))
        await fetcher.close()
    assert first.outcome == "ok"
    assert second.outcome == "dead"
    assert second.problem == "refused: the address is not on the open web (loopback)"
    assert len(asked) == 2  # once for each connection
    assert private.seen == []


@pytest.mark.usefixtures("open_web")
@pytest.mark.parametrize("addresses", [["127.0.0.2"], ["127.0.0.1", "127.0.0.2"], ["::1"]])
async def test_a_name_with_a_private_address_is_never_connected_to(addresses):
    async with world({"evil.example.com": addresses}, (200, PAGE, HTML)) as made:
        fetcher, stub, _, port = made
        page = await fetcher.fetch(ask(f"http://evil.example.com:{port}/"))
    assert page.problem == "refused: the address is not on the open web (loopback)"
    assert stub.seen == []


@pytest.mark.usefixtures("open_web")
@pytest.mark.parametrize(
    "where",
    [
        "http://127.0.0.2:{private}/",
        "http://[::ffff:127.0.0.2]:{private}/",
        "http://inside.example.com:{private}/",
        "http://169.254.169.254/latest/meta-data/",
        "http://localhost:{private}/",
        "http://2130706434:{private}/",
        "//127.0.0.2:{private}/",
    ],
)
async def test_a_redirect_from_the_open_web_never_leads_inside(where):
    """Not even to a host that is allowed by setting."""
    private = Stub(answers=[(200, PAGE, HTML)])
    async with started(private, "127.0.0.2"):
        location = where.format(private=private.host.split(":")[1])
        names = {"good.example.com": ["127.0.0.1"], "inside.example.com": ["127.0.0.2"]}
        moved = (302, "", {"Location": location})
        async with world(names, moved, allow=[private.host]) as (fetcher, stub, _, port):
            page = await fetcher.fetch(ask(f"http://good.example.com:{port}/"))
            assert page.outcome == "dead"
            assert page.problem.startswith("refused: ")
            assert len(stub.seen) == 1
            allowed = await fetcher.fetch(ask(f"{private.url}/bees"))
            assert allowed.outcome == "ok"
    assert [seen.path for seen in private.seen] == ["/bees"]


@pytest.mark.usefixtures("open_web")
async def test_an_unknown_name_is_dead():
    async with world({}, (200, PAGE, HTML)) as (fetcher, _, _, port):
        page = await fetcher.fetch(ask(f"http://gone.example.com:{port}/"))
    assert (page.outcome, page.problem) == ("dead", "the name cannot be resolved")


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1/", "http://user@example.com/", "ftp://example.com/", "nonsense", ""]
)
async def test_a_refused_address_is_an_answer(url):
    fetcher = WebFetcher()
    page = await fetcher.fetch(ask(url))
    assert (page.outcome, page.status) == ("dead", None)
    assert page.problem.startswith("refused: ")


async def test_a_certificate_that_does_not_hold_is_dead():
    async with pages((200, PAGE, HTML)) as (fetcher, stub):
        page = await fetcher.fetch(ask(stub.url.replace("http:", "https:") + "/"))
    assert page.outcome == "dead"
    assert page.problem == "the certificate or the encryption does not hold"


# -- soft 404 --------------------------------------------------------------------------


def judged(asked_url, final_url, body=PAGE):
    download = Download(guard.URL(final_url), 200, "text/html", "utf-8", body.encode())
    return page_of(ask(asked_url), download)


def test_a_page_that_now_leads_to_the_front_page_is_dead():
    page = judged("https://a.example/2019/report", "https://a.example/")
    assert (page.outcome, page.problem) == ("dead", "soft 404: redirected to the front page")
    assert judged("https://a.example/", "https://www.a.example/").outcome == "ok"
    assert judged("https://a.example/a", "https://a.example/a/").outcome == "ok"


def test_a_page_that_says_it_is_missing_is_dead():
    body = PAGE.replace("<title>On bees", "<title>Page not found | Bees")
    page = judged("https://a.example/a", "https://a.example/a", body)
    assert (page.outcome, page.problem) == ("dead", "soft 404")
