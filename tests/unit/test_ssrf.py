"""Server-side request forgery: the fetcher as strangers' addresses and servers meet it.

``test_guard.py`` has the decisions; here the whole fetcher runs, with real sockets, and no
connection to a refused place may even be tried.
"""

import asyncio
import contextlib
import gzip
import json
import tracemalloc

import pytest
from aiohttp import web

from orchestrator.clients.live import LiveServices
from orchestrator.clients.web import WebFetcher
from orchestrator.config import Settings
from orchestrator.sandbox.environment import WEB_HOSTS, sandbox_environment
from orchestrator.secrets import Secrets
from tests.unit.clients_helpers import Stub, resolver, started
from tests.unit.web_helpers import HTML, PAGE, ask, let_localhost_be_the_web, pages, world


@pytest.fixture
def open_web(monkeypatch):
    let_localhost_be_the_web(monkeypatch)


@pytest.fixture
def connected(monkeypatch):
    """Every address to which a connection was begun."""
    tried = []
    real = asyncio.SelectorEventLoop.sock_connect

    async def sock_connect(loop, sock, address):
        tried.append(address[0])
        return await real(loop, sock, address)

    monkeypatch.setattr(asyncio.SelectorEventLoop, "sock_connect", sock_connect)
    return tried


URLS = [
    # numbers that some parser takes for an address
    "http://2130706433/",
    "http://3232235777/",
    "http://0x7f000001/",
    "http://0x7f.0x0.0x0.0x1/",
    "http://0X7F.1/",
    "http://017700000001/",
    "http://0177.0.0.1/",
    "http://0300.0250.0.1/",
    "http://127.1/",
    "http://127.0.1/",
    "http://10.1/",
    "http://127.0.0.1./",
    "http://127.0.0.1../",
    "http://0/",
    "http://00000000177.0.0.1/",
    # IPv6, and IPv4 inside it
    "http://[::]/",
    "http://[::1]/",
    "http://[0000:0000:0000:0000:0000:0000:0000:0001]/",
    "http://[::ffff:169.254.169.254]/",
    "http://[::ffff:0:127.0.0.1]/",
    "http://[::127.0.0.1]/",
    "http://[64:ff9b::10.0.0.1]/",
    "http://[64:ff9b:1::10.0.0.1]/",
    "http://[2002:a00:1::]/",
    "http://[2001:0:4136:e378:8000:63bf:3fff:fdd2]/",
    "http://[fe80::1%25lo]/",
    "http://[fe80::1%lo]/",
    "http://[fd00:ec2::254]/",
    "http://[ff02::1]/",
    "http://[v1.fe80::a+en1]/",
    "http://[::1/",
    # where clouds keep their credentials
    "http://169.254.169.254/latest/meta-data/iam/security-credentials/",
    "http://169.254.170.2/v2/credentials",
    "http://100.100.100.200/latest/meta-data/",
    "http://168.63.129.16/metadata",
    "http://192.0.0.192/opc/v1/instance/",
    "http://metadata/",
    "http://metadata.google.internal/computeMetadata/v1/",
    "http://metadata.google.internal./",
    "http://instance-data.ec2.internal/",
    # names of our own network
    "http://localhost/",
    "http://LOCALHOST./",
    "http://localhost.localdomain.localhost/",
    "http://db.corp/",
    "http://router.lan/",
    # users, ports, schemes
    "http://example.com@127.0.0.1/",
    "http://127.0.0.1@example.com/",
    "http://example.com:80@127.0.0.1:80/",
    "http://example.com%40127.0.0.1/",
    "http://example.com#@127.0.0.1/",
    "http://example.com\\@127.0.0.1/",
    "http://example.com:6379/",
    "http://example.com:8265/api/jobs/",
    "http://example.com:22/",
    "gopher://127.0.0.1:6379/_FLUSHALL",
    "dict://127.0.0.1:6379/info",
    "file:///etc/passwd",
    "ftp://example.com/",
    "ldap://127.0.0.1/",
    "jar:http://127.0.0.1!/",
    "unix:///var/run/docker.sock",
    # dots and digits of other scripts
    "http://127。0。0。1/",
    "http://127．0．0．1/",
    "http://127｡0｡0｡1/",
    "http://①②⑦.⓪.⓪.①/",
    "http://１２７.0.0.1/",
    "http://ⓛⓞⓒⓐⓛⓗⓞⓢⓣ/",
    "http://localho\u017ft/",
    "http://127.0.0\u200b.1/",
]


@pytest.mark.parametrize("url", URLS)
async def test_an_address_that_leads_inside_is_refused_without_a_connection(url, connected):
    """Even a name service that leads every name inside gains nothing."""

    async def inside(host, port):
        return ["127.0.0.1"]

    fetcher = WebFetcher(resolve=inside)
    page = await fetcher.fetch(ask(url))
    await fetcher.close()

    assert (page.outcome, page.status, page.text) == ("dead", None, "")
    assert page.problem.startswith("refused: ")
    assert connected == []


def test_the_corpus_is_large():
    assert len(set(URLS)) >= 60


ANSWERS = {
    "a name that says its address": ["127.0.0.1"],
    "an alias of a private name": ["10.20.30.40"],
    "one private among many": ["93.184.216.34", "1.1.1.1", "192.168.1.1"],
    "the unspecified address": ["0.0.0.0"],
    "a metadata service": ["169.254.169.254"],
    "IPv4 within IPv6": ["::ffff:10.0.0.1"],
    "6to4": ["2002:7f00:1::"],
    "NAT64": ["64:ff9b::7f00:1"],
    "link-local with a zone": ["fe80::1%eth0"],
    "IPv6 loopback beside a public address": ["2606:4700:4700::1111", "::1"],
    "no address": [],
    "another name": ["localhost"],
}


@pytest.mark.parametrize("answer", ANSWERS.values(), ids=ANSWERS)
@pytest.mark.parametrize("host", ["evil.example.com", "127.0.0.1.nip.io", "example.com."])
async def test_a_name_that_leads_inside_is_refused_without_a_connection(host, answer, connected):
    fetcher = WebFetcher(resolve=resolver({host: answer, host.rstrip("."): answer}))
    page = await fetcher.fetch(ask(f"https://{host}/"))
    await fetcher.close()

    assert page.outcome == "dead"
    assert connected == []


@pytest.mark.usefixtures("open_web")
@pytest.mark.parametrize("hop", range(5))
async def test_every_hop_of_a_redirect_is_checked(hop, connected):
    def moved(seen):
        step = int(seen.path.strip("/"))
        inside = f"http://127.0.0.2:{port}/secret"
        return web.Response(
            status=302, headers={"Location": inside if step == hop else f"/{step + 1}"}
        )

    async with world({"good.example.com": ["127.0.0.1"]}, handler=moved) as made:
        fetcher, stub, _, port = made
        page = await fetcher.fetch(ask(f"http://good.example.com:{port}/0"))

    assert page.problem == "refused: the address is not on the open web (loopback)"
    assert len(stub.seen) == hop + 1
    assert set(connected) == {"127.0.0.1"}


@pytest.mark.usefixtures("open_web")
async def test_a_name_that_moves_inside_between_two_hops_is_refused(connected):
    """DNS rebinding within one fetch: each connection goes to the address that was checked."""
    answers = iter([["127.0.0.1"], ["127.0.0.2"], ["127.0.0.2"]])

    async def rebinding(host, port):
        return next(answers)

    moved = (302, "", {"Location": "/next", "Connection": "close"})
    stub, private = Stub(answers=[moved]), Stub(answers=[(200, PAGE, HTML)])
    async with started(stub), started(private, "127.0.0.2"):
        fetcher = WebFetcher(resolve=rebinding)
        page = await fetcher.fetch(ask(f"http://evil.example.com:{stub.host.split(':')[1]}/"))
        await fetcher.close()

    assert page.problem == "refused: the address is not on the open web (loopback)"
    assert connected == ["127.0.0.1"]
    assert private.seen == []


async def test_a_page_that_leads_to_itself_is_given_up():
    async with pages((302, "", {"Location": "/again"})) as (fetcher, stub):
        page = await fetcher.fetch(ask(f"{stub.url}/again"))

    assert page.problem == "refused: more than 5 redirects"
    assert len(stub.seen) == 6


# -- servers that waste our time and memory --------------------------------------------


async def dead_from(answer, **options):
    """What a fetcher makes of a server that says *answer* (an async function of a writer)."""

    over = asyncio.Event()

    async def serve(reader, writer):
        with contextlib.suppress(ConnectionError):
            await reader.readline()
            await answer(writer)
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()
        over.set()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    host = f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
    fetcher = WebFetcher(allow_hosts=[host], **options)
    page = await fetcher.fetch(ask(f"http://{host}/"))
    await fetcher.close()
    await over.wait()
    server.close()
    assert page.outcome == "dead"
    return page.problem


async def test_a_server_that_drips_its_headers_is_given_up():
    async def drip(writer):
        writer.write(b"HTTP/1.1 200 OK\r\n")
        for number in range(1000):
            writer.write(b"X-%d: y\r\n" % number)
            await writer.drain()
            await asyncio.sleep(0.005)

    assert await dead_from(drip, timeout=0.1) == "no answer within 0.1 s"


@pytest.mark.parametrize(
    "head",
    [
        b"HTTP/1.1 200 OK\r\nX: " + b"y" * 1_000_000 + b"\r\n\r\n",
        b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1/" + b"y" * 100_000 + b"\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 50\r\n\r\nhello",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nZZ\r\nhello\r\n",
    ],
    ids=["huge header", "huge redirect", "two lengths", "broken chunks"],
)
async def test_a_broken_answer_is_dead_and_raises_nothing(head):
    async def say(writer):
        writer.write(head)
        await writer.drain()

    assert await dead_from(say, timeout=5.0)


async def test_a_page_of_gigabytes_in_kilobytes_costs_two_mebibytes():
    """gzip at its best makes a thousand bytes of one."""
    unpacked = 64 * 1024 * 1024
    bomb = gzip.compress(PAGE[:-14].encode() + b" " * unpacked, 9)
    assert unpacked > 900 * len(bomb)
    headers = {**HTML, "Content-Encoding": "gzip"}
    async with pages(web.Response(body=bomb, headers=headers)) as (fetcher, stub):
        tracemalloc.start()
        page = await fetcher.fetch(ask(f"{stub.url}/a"))
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()

    assert (page.outcome, page.problem) == ("ok", "only the beginning was read")
    assert peak < unpacked / 2


async def test_a_bomb_within_a_bomb_is_not_opened():
    inner = gzip.compress(gzip.compress(b" " * 1_000_000))
    headers = {**HTML, "Content-Encoding": "gzip, gzip"}
    async with pages(web.Response(body=inner, headers=headers)) as (fetcher, stub):
        page = await fetcher.fetch(ask(f"{stub.url}/a"))

    assert (page.outcome, page.problem) == ("dead", "unknown content coding")


# -- the sandbox's own pages -----------------------------------------------------------


async def test_with_the_sandbox_nothing_leaves_the_machine(connected):
    environment = sandbox_environment(1)
    settings = Settings(
        fetch_allow_hosts=tuple(json.loads(environment["SOTA_FETCH_ALLOW_HOSTS"])),
        fetch_only_allowed=environment["SOTA_FETCH_ONLY_ALLOWED"] == "true",
    )
    services = LiveServices(settings, Secrets())
    page = await services.fetch(ask("https://www.epa.gov/recycle/composting-home"))
    await services.close()

    assert (page.outcome, connected) == ("dead", [])
    assert page.problem == "refused: the sandbox has no way to the open web"


@pytest.mark.parametrize("allowed", [False, True])
async def test_the_sandbox_s_pages_are_read_by_explicit_setting_only(allowed, connected):
    stub = Stub(answers=[(200, PAGE, HTML)])
    async with started(stub, WEB_HOSTS[0]):
        port = int(stub.host.split(":")[1])
        hosts = json.loads(sandbox_environment(port)["SOTA_FETCH_ALLOW_HOSTS"])
        settings = Settings(fetch_allow_hosts=tuple(hosts)) if allowed else Settings()
        services = LiveServices(settings, Secrets())
        page = await services.fetch(ask(f"{stub.url}/web/field-notes/bees"))
        await services.close()

    assert page.outcome == ("ok" if allowed else "dead")
    assert connected == ([WEB_HOSTS[0]] if allowed else [])
    assert len(stub.seen) == allowed
