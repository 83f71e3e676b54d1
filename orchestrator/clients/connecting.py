"""Connections that can only go where the guard allows.

The name is resolved once, when the connection is made, every address found is checked, and the
connection goes to one of them: a name that resolves differently a moment later (DNS
rebinding) changes nothing. The socket itself is checked once more, so that no other path of the
HTTP library can get round it.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult

from orchestrator.clients.guard import Pairs, Refused, check_address, literal

Resolve = Callable[[str, int], Awaitable[Sequence[str]]]
"""The addresses of a host, as text; raises OSError when the name has none."""


async def system_resolve(host: str, port: int) -> Sequence[str]:
    """The addresses the operating system knows for *host*."""
    loop = asyncio.get_running_loop()
    found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


class GuardedResolver(AbstractResolver):
    """Resolves names to addresses on the open web, and refuses all others.

    :param resolve: asked once for each connection.
    :param allowed: pairs whose addresses are not checked.
    """

    def __init__(self, resolve: Resolve, allowed: Pairs) -> None:
        self._resolve, self._allowed = resolve, allowed
        self._granted: set[tuple[str, int]] = set(allowed)

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        """Every address of *host*.

        :raises Refused: one of them is not on the open web.
        """
        name = host.lower().removesuffix(".")
        addresses = await self._resolve(host, port)
        for address in addresses:
            if (name, port) in self._allowed:
                self._granted.add((address, port))
            else:
                _check(address)
        if not addresses:
            raise OSError("the name has no address")
        return [_result(host, address, port) for address in addresses]

    def open_socket(self, info: tuple[Any, ...]) -> socket.socket:
        """A socket for the address that the connector is about to connect to.

        :raises Refused: the address is not on the open web.
        """
        family, kind, protocol, _, where = info
        address, port = str(where[0]), int(where[1])
        if (address, port) not in self._granted:
            _check(address)
        opened = socket.socket(family, kind, protocol)
        opened.setblocking(False)
        return opened

    async def close(self) -> None:
        """Nothing to let go of."""


def _check(text: str) -> None:
    address = literal(text)
    if address is None:
        raise Refused("the name resolves to something that is no address")
    check_address(address)


def _result(host: str, address: str, port: int) -> ResolveResult:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    return ResolveResult(
        hostname=host,
        host=address,
        port=port,
        family=family,
        proto=0,
        flags=socket.AI_NUMERICHOST,
    )


def guarded_session(
    resolve: Resolve, allowed: Pairs, *, per_host: int, headers: dict[str, str]
) -> aiohttp.ClientSession:
    """A session whose every connection is guarded: no cookies, no proxy, no decompression."""
    resolver = GuardedResolver(resolve, allowed)
    connector = aiohttp.TCPConnector(
        resolver=resolver,
        socket_factory=resolver.open_socket,
        use_dns_cache=False,
        limit=0,
        limit_per_host=per_host,
    )
    return aiohttp.ClientSession(
        connector=connector,
        cookie_jar=aiohttp.DummyCookieJar(),
        headers=headers,
        auto_decompress=False,
        trust_env=False,
        timeout=aiohttp.ClientTimeout(total=None),
    )
