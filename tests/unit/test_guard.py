"""Which addresses the fetcher may reach."""

import ipaddress

import pytest

from orchestrator.clients.connecting import GuardedResolver
from orchestrator.clients.guard import (
    Refused,
    check_redirect,
    check_url,
    pairs_of,
    why_refused,
)
from orchestrator.errors import Misconfigured
from tests.unit.clients_helpers import resolver

OPEN_TEXT = """
8.8.8.8 1.1.1.1 93.184.216.34 172.32.0.1 100.128.0.1 169.253.1.1 192.0.1.1 198.20.0.1
223.255.255.254 2606:4700:4700::1111
2001:4860:4860::8888 2a00:1450:4001:82f::200e ::ffff:8.8.8.8 64:ff9b::808:808
"""

CLOSED_TEXT = """
0.0.0.0 0.1.2.3 10.0.0.1 10.255.255.255 100.64.0.1 100.100.100.200 100.127.255.255 127.0.0.1
127.1.2.3 168.63.129.16 169.254.0.1 169.254.169.254 169.254.170.2 172.16.0.1 172.31.255.255
192.0.0.1 192.0.0.192 192.0.2.1
192.88.99.1 192.168.1.1 198.18.0.1 198.19.255.255 198.51.100.1 203.0.113.9 224.0.0.1
239.255.255.255 240.0.0.1 255.255.255.255
:: ::1 ::7f00:1 ::a00:1 ::ffff:127.0.0.1 ::ffff:10.0.0.1 ::ffff:169.254.169.254 ::ffff:0:7f00:1
64:ff9b::7f00:1 64:ff9b::a9fe:a9fe 64:ff9b:1::1 100::1 2001::1 2001:0:4136:e378:8000:63bf:3fff:fdd2
2001:db8::1 2001:10::1 2002:7f00:1::1 2002:a9fe:a9fe::1 3fff::1 5f00::1 fc00::1 fd00:ec2::254
fd20:ce::254 fe80::1 fe80::1%eth0 fec0::1 ff02::1 ff0e::1 2606:4700::5efe:7f00:1
2606:4700::200:5efe:a00:1
"""


@pytest.mark.parametrize("address", OPEN_TEXT.split())
def test_addresses_of_the_open_web_pass(address):
    assert why_refused(ipaddress.ip_address(address)) is None


@pytest.mark.parametrize("address", CLOSED_TEXT.split())
def test_addresses_that_are_not_on_the_open_web_are_refused(address):
    assert why_refused(ipaddress.ip_address(address))


@pytest.mark.parametrize(
    "url",
    [
        "http://example.com",
        "https://example.com/",
        "https://www.example.co.uk/a/b?c=d&e=%20f#g",
        "http://example.com:80/",
        "https://example.com:443/",
        "http://example.com:443/",
        "https://93.184.216.34/",
        "https://[2606:4700:4700::1111]/x",
        "https://example.com./x",
        "https://bücher.example.org/",
        "https://a_b.example.com/",
        "https://3m.com/",
        "https://1.2.3.4.example.com/",
        "HTTPS://EXAMPLE.COM/Path",
    ],
)
def test_ordinary_urls_pass(url):
    assert not check_url(url).allowed


REFUSED_URLS = [
    # other schemes, no scheme, no host
    "ftp://example.com/",
    "file:///etc/passwd",
    "gopher://127.0.0.1:6379/_INFO",
    "javascript:alert(1)",
    "data:text/html,x",
    "//example.com/x",
    "example.com",
    "http:///etc",
    "http://",
    "",
    # ports
    "http://example.com:22/",
    "http://example.com:8080/",
    "http://example.com:0/",
    "http://example.com:99999/",
    "https://example.com:6379/",
    # users, and hosts that hide behind them
    "http://user@example.com/",
    "http://user:pw@example.com/",
    "http://example.com@127.0.0.1/",
    "http://example.com:80@127.0.0.1/",
    "http://@example.com/",
    "http://example.com\\@127.0.0.1/",
    "http://example.com\t/",
    "http://example.com/\r\nHost: x",
    "http://exa mple.com/",
    " http://example.com/",
    "http://127.0.0.1%00.example.com/",
    "http://example.com%2f@127.0.0.1/",
    "http://a%2eexample.com/",
    # private addresses, plainly
    "http://127.0.0.1/",
    "http://10.0.0.5/",
    "http://169.254.169.254/latest/meta-data/",
    "http://[::1]/",
    "http://[::]/",
    "http://[fd00:ec2::254]/latest",
    "http://[fe80::1%25eth0]/",
    "http://0.0.0.0/",
    # odd spellings of them
    "http://2130706433/",
    "http://0x7f000001/",
    "http://0x7f.1/",
    "http://0177.0.0.1/",
    "http://017700000001/",
    "http://127.1/",
    "http://127.0.1/",
    "http://127.0.0.01/",
    "http://127.0.0.1./",
    "http://1.2.3.4.5/",
    "http://example.com.0x7f/",
    "http://１２７.0.0.1/",
    "http://①②⑦.⓪.⓪.①/",
    "http://127。0。0。1/",
    # IPv6 forms of IPv4 addresses
    "http://[::ffff:127.0.0.1]/",
    "http://[::ffff:7f00:1]/",
    "http://[0:0:0:0:0:ffff:127.0.0.1]/",
    "http://[::127.0.0.1]/",
    "http://[64:ff9b::127.0.0.1]/",
    "http://[64:ff9b::a9fe:a9fe]/",
    "http://[2002:7f00:1::]/",
    "http://[2001:0:4136:e378:8000:63bf:3fff:fdd2]/",
    # names of private networks
    "http://localhost/",
    "http://LOCALHOST/",
    "http://localhost./",
    "http://ｌocalhost/",
    "http://foo.localhost/",
    "http://printer.local/",
    "http://metadata.google.internal/",
    "http://router.home.arpa/",
    "http://intranet/",
    "http://metadata/",
    "https://example.com/" + "a" * 3000,
]


@pytest.mark.parametrize("url", REFUSED_URLS)
def test_urls_that_lead_inside_or_are_ambiguous_are_refused(url):
    with pytest.raises(Refused):
        check_url(url)


ALLOWED = pairs_of(["127.0.0.1:8700", "pages.localhost:81", "[::1]:8700"])


def test_explicitly_allowed_hosts_pass_and_nothing_beside_them():
    assert check_url("http://127.0.0.1:8700/web/x", ALLOWED).allowed
    assert check_url("http://pages.localhost:81/", ALLOWED).allowed
    assert check_url("http://[::1]:8700/", ALLOWED).allowed
    for beside in ("http://127.0.0.1/", "http://127.0.0.1:8701/", "http://127.0.0.2:8700/"):
        with pytest.raises(Refused):
            check_url(beside, ALLOWED)


@pytest.mark.parametrize("entry", ["127.0.0.1", "http://127.0.0.1:1", "a:b", "", "h:1/x", "u@h:1"])
def test_a_wrong_entry_of_the_setting_is_named(entry):
    with pytest.raises(Misconfigured, match="SOTA_FETCH_ALLOW_HOSTS"):
        pairs_of([entry])


@pytest.mark.parametrize(
    ("source", "location", "leads_to"),
    [
        ("https://a.example.com/x/y", "/z", "https://a.example.com/z"),
        ("https://a.example.com/x/y", "z?q=1", "https://a.example.com/x/z?q=1"),
        ("https://a.example.com/", "//b.example.com/", "https://b.example.com/"),
        ("http://a.example.com/", "https://a.example.com/", "https://a.example.com/"),
        ("http://127.0.0.1:8700/a", "/b", "http://127.0.0.1:8700/b"),
        ("http://127.0.0.1:8700/a", "https://a.example.com/", "https://a.example.com/"),
        ("http://127.0.0.1:8700/a", "http://pages.localhost:81/", "http://pages.localhost:81/"),
        ("https://a.example.com/", "/x#frag", "https://a.example.com/x"),
    ],
)
def test_redirects_that_may_be_followed(source, location, leads_to):
    target = check_redirect(check_url(source, ALLOWED), location, ALLOWED)
    assert str(target.url) == leads_to


@pytest.mark.parametrize(
    ("source", "location"),
    [
        ("https://a.example.com/", "http://a.example.com/"),
        ("http://a.example.com/", "http://127.0.0.1:8700/"),
        ("http://a.example.com/", "http://pages.localhost:81/"),
        ("http://a.example.com/", "http://169.254.169.254/latest"),
        ("http://a.example.com/", "//127.0.0.1/"),
        ("http://a.example.com/", "http://2130706433/"),
        ("http://a.example.com/", "http://[::ffff:127.0.0.1]/"),
        ("http://a.example.com/", "http://user@b.example.com/"),
        ("http://a.example.com/", "file:///etc/passwd"),
        ("http://a.example.com/", "javascript:alert(1)"),
        ("http://a.example.com/", "http://b.example.com:22/"),
        ("http://a.example.com/", "/\\127.0.0.1/"),
        ("http://a.example.com/", "http://[broken"),
        ("http://127.0.0.1:8700/", "http://127.0.0.1:22/"),
        ("http://127.0.0.1:8700/", "http://10.0.0.1/"),
    ],
)
def test_redirects_that_are_refused(source, location):
    with pytest.raises(Refused):
        check_redirect(check_url(source, ALLOWED), location, ALLOWED)


async def test_a_name_with_one_private_address_among_others_is_refused():
    names = resolver({"mixed.example.com": ["93.184.216.34", "10.0.0.1"]})
    with pytest.raises(Refused, match="private"):
        await GuardedResolver(names, frozenset()).resolve("mixed.example.com", 443)


async def test_only_checked_addresses_are_handed_on():
    names = resolver({"good.example.com": ["93.184.216.34", "2606:4700:4700::1111"]})
    found = await GuardedResolver(names, frozenset()).resolve("good.example.com", 443)
    assert [entry["host"] for entry in found] == ["93.184.216.34", "2606:4700:4700::1111"]
    assert names.asked == [("good.example.com", 443)]


@pytest.mark.parametrize("found", [["not-an-address"], ["fe80::1%eth0"]])
async def test_a_name_that_resolves_to_nonsense_is_refused(found):
    names = resolver({"odd.example.com": found})
    with pytest.raises(Refused):
        await GuardedResolver(names, frozenset()).resolve("odd.example.com", 443)


async def test_the_socket_is_the_last_guard():
    guarded = GuardedResolver(resolver({"pages.localhost": ["127.0.0.9"]}), ALLOWED)
    inside = (2, 1, 6, "", ("127.0.0.9", 81))
    with pytest.raises(Refused):
        guarded.open_socket(inside)
    await guarded.resolve("pages.localhost", 81)
    guarded.open_socket(inside).close()
    guarded.open_socket((2, 1, 6, "", ("127.0.0.1", 8700))).close()
    for beside in (("127.0.0.9", 82), ("127.0.0.1", 80), ("10.0.0.1", 81)):
        with pytest.raises(Refused):
            guarded.open_socket((2, 1, 6, "", beside))
