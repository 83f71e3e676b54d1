"""Which addresses the fetcher may reach: pure decisions.

Against server-side request forgery (OWASP's "SSRF Prevention" cheat sheet): whoever writes a
page chooses where its links and redirects lead, and must not lead us into our own network. The
lists follow the IANA special-purpose registries for IPv4 and IPv6; the standard library's
``is_global`` is not enough (in Python 3.11 it says yes to multicast, 6to4 and NAT64).
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable
from dataclasses import dataclass

from yarl import URL

from orchestrator.errors import Misconfigured

MAX_URL = 2048  #: characters
OPEN_PORTS = frozenset({80, 443})

IPv4 = ipaddress.IPv4Address
IPv6 = ipaddress.IPv6Address

REFUSED_V4 = {
    ipaddress.IPv4Network(network): reason
    for network, reason in (
        ("0.0.0.0/8", "unspecified"),
        ("10.0.0.0/8", "private"),
        ("100.64.0.0/10", "carrier-grade NAT"),
        ("127.0.0.0/8", "loopback"),
        ("168.63.129.16/32", "metadata"),  # Azure's wire server, outside every special range
        ("169.254.169.254/32", "metadata"),
        ("169.254.0.0/16", "link-local"),
        ("172.16.0.0/12", "private"),
        ("192.0.0.0/24", "reserved"),
        ("192.0.2.0/24", "documentation"),
        ("192.88.99.0/24", "reserved"),
        ("192.168.0.0/16", "private"),
        ("198.18.0.0/15", "reserved"),
        ("198.51.100.0/24", "documentation"),
        ("203.0.113.0/24", "documentation"),
        ("224.0.0.0/4", "multicast"),
        ("240.0.0.0/4", "reserved"),
    )
}
"""IPv4 networks nobody on the open web has, with what they are; the first match names it."""

GLOBAL_V6 = ipaddress.IPv6Network("2000::/3")
"""The only part of IPv6 given out for the open web."""

REFUSED_V6 = {
    ipaddress.IPv6Network(network): reason
    for network, reason in (
        ("2001::/32", "Teredo"),
        ("2001::/23", "reserved"),
        ("2001:db8::/32", "documentation"),
        ("2002::/16", "6to4"),
        ("3fff::/20", "documentation"),
    )
}
"""Networks within :data:`GLOBAL_V6` that tunnel to IPv4 addresses or lead nowhere."""

NAMED_V6 = {
    ipaddress.IPv6Network(network): reason
    for network, reason in (
        ("::/128", "unspecified"),
        ("::1/128", "loopback"),
        ("::/96", "IPv4-compatible"),
        ("64:ff9b:1::/48", "local-use NAT64"),
        ("fc00::/7", "private"),
        ("fe80::/10", "link-local"),
        ("fec0::/10", "site-local"),
        ("ff00::/8", "multicast"),
    )
}
"""Names for what lies outside :data:`GLOBAL_V6`; anything else there is "reserved"."""

NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
"""RFC 6052: how hosts with IPv6 only see public IPv4 addresses."""

LOCAL_NAMES = re.compile(r"(^|\.)(localhost|local|internal|intranet|lan|home|corp|home\.arpa)$")
"""Names that mean something in private networks only (RFC 6761, 6762, 8375; ICANN's list)."""

NUMBER = re.compile(r"(^|\.)(\d+|0x[0-9a-f]*)$")
"""A host whose last label is a number is an IPv4 address to some parser (WHATWG URL, 3.5)."""

USER = re.compile(r"[^/?#]*//[^/?#]*@")

HOST_NAME = re.compile(r"[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?(\.[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?)+")


class Refused(Exception):
    """The guard does not allow this address; the message says why, in a few words."""


@dataclass(frozen=True, slots=True)
class Target:
    """A URL that may be asked for.

    :param allowed: it is one of the hosts that are reachable by explicit setting.
    """

    url: URL
    allowed: bool


Pairs = frozenset[tuple[str, int]]


def pairs_of(hosts: Iterable[str], setting: str = "SOTA_FETCH_ALLOW_HOSTS") -> Pairs:
    """``host:port`` texts as pairs.

    :param setting: where they come from.
    :raises Misconfigured: an entry is not ``host:port``.
    """
    return frozenset(_pair(entry, setting) for entry in hosts)


def _pair(entry: str, setting: str) -> tuple[str, int]:
    try:
        url = URL(f"http://{entry}")
        host, port = url.raw_host, url.explicit_port
    except ValueError:
        host = port = None
    if not host or not port or url.user or url.path not in {"", "/"}:
        raise Misconfigured("web", f"{setting}: {entry!r} is not host:port")
    return host, port


def check_url(text: str, allowed: Pairs = frozenset()) -> Target:
    """The URL, if its spelling may be asked for; the address behind a name is checked later.

    :raises Refused: odd or ambiguous spellings, other schemes and ports, user names, private
        addresses and names.
    """
    if len(text) > MAX_URL:
        raise Refused("the URL is too long")
    if re.search(r"[\x00-\x20\x7f\\]", text):
        raise Refused("the URL has white space, control characters or backslashes")
    try:
        url = URL(text)
        host, port = url.raw_host, url.port
    except ValueError:
        raise Refused("not a URL") from None
    if url.scheme not in {"http", "https"}:
        raise Refused("only http and https are reached")
    if not host or port is None or USER.match(text):
        raise Refused("a URL needs a host and must not name a user")
    host = host.lower().removesuffix(".")
    if (host, port) in allowed:
        return Target(url.with_fragment(None), allowed=True)
    _check_host(host, port)
    return Target(url.with_fragment(None), allowed=False)


def _check_host(host: str, port: int) -> None:
    if port not in OPEN_PORTS:
        raise Refused("only ports 80 and 443 are reached")
    address = literal(host)
    if address is not None:
        check_address(address)
    elif NUMBER.search(host):
        raise Refused("an odd spelling of an address")
    elif LOCAL_NAMES.search(host) or not HOST_NAME.fullmatch(host):
        raise Refused("not a public host name")


def check_redirect(source: Target, location: str, allowed: Pairs = frozenset()) -> Target:
    """Where a redirect leads, if it may be followed.

    :raises Refused: whatever :func:`check_url` refuses, a step down from https to http, and a
        step from the open web to an explicitly allowed host.
    """
    try:
        url = source.url.join(URL(location))
    except ValueError:
        raise Refused("redirected to something that is not a URL") from None
    if "\\" in location:  # a browser reads it as a slash: another host than ours
        raise Refused("redirected to a URL with backslashes")
    target = check_url(str(url), allowed)
    if source.url.scheme == "https" and target.url.scheme == "http":
        raise Refused("redirected from https to http")
    if target.allowed and not source.allowed:
        raise Refused("redirected from the open web to a private host")
    return target


def literal(host: str) -> IPv4 | IPv6 | None:
    """The address that *host* spells in the one canonical way, or None."""
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None


def check_address(address: IPv4 | IPv6) -> None:
    """Raise :class:`Refused` unless *address* is on the open web."""
    reason = why_refused(address)
    if reason:
        raise Refused(f"the address is not on the open web ({reason})")


def why_refused(address: IPv4 | IPv6) -> str | None:
    """What keeps *address* off the open web, or None if it is on it."""
    if isinstance(address, IPv4):
        return next((reason for net, reason in REFUSED_V4.items() if address in net), None)
    if address.scope_id:
        return "link-local"
    inner = address.ipv4_mapped or _embedded(address)
    if inner is not None:
        return why_refused(inner)
    lists = REFUSED_V6 if address in GLOBAL_V6 else NAMED_V6
    reason = next((reason for net, reason in lists.items() if address in net), None)
    if reason is None and address not in GLOBAL_V6:
        return "reserved"
    return reason or _isatap(address)


def _embedded(address: IPv6) -> IPv4 | None:
    return IPv4(int(address) & 0xFFFFFFFF) if address in NAT64 else None


def _isatap(address: IPv6) -> str | None:
    """RFC 5214: ``…:[02]00:5efe:a.b.c.d`` tunnels to the IPv4 address at its end."""
    marker = (int(address) >> 32) & 0xFDFFFFFF
    return "ISATAP" if marker == 0x00005EFE else None
