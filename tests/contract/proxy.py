"""A TCP proxy before PostgreSQL that hangs up just before, or just after, a COMMIT."""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import AsyncIterator, Iterable
from typing import Literal

from sqlalchemy import URL

Cut = Literal["before", "after"]
_COMMIT = b"COMMIT;\0"  # asyncpg ends its transactions by a simple query of these words
_READER = b"default_transaction_read_only"  # in the first message of connections that only read


class Proxy:
    """Passes bytes on, except that it hangs up at COMMITs of writers as it is told.

    ``before``: the server never hears of it, and rolls back. ``after``: the server has answered
    that it is committed, and the client never hears of it.
    """

    def __init__(self, host: str, port: int) -> None:
        self._target = host, port
        self._cuts: deque[Cut | None] = deque()
        self.cut = 0
        self.port = 0
        self._tasks: set[asyncio.Task[None]] = set()

    def at_commits(self, cuts: Iterable[Cut | None]) -> None:
        """What to do at the next COMMITs, one each; None lets it pass."""
        self._cuts.extend(cuts)

    async def serve(self, client: asyncio.StreamReader, to_client: asyncio.StreamWriter) -> None:
        """Handle one connection to its end."""
        server, to_server = await asyncio.open_connection(*self._target)
        replies = asyncio.ensure_future(_pass_on(server, to_client))
        self._tasks.add(replies)
        try:
            await self._requests(client, to_server, server, replies)
        except ConnectionError:
            pass
        finally:
            replies.cancel()
            self._tasks.discard(replies)
            for writer in (to_server, to_client):
                writer.close()

    async def _requests(
        self,
        client: asyncio.StreamReader,
        to_server: asyncio.StreamWriter,
        server: asyncio.StreamReader,
        replies: asyncio.Task[None],
    ) -> None:
        reads = False
        while data := await client.read(65_536):
            reads = reads or _READER in data
            cut = self._cuts.popleft() if _COMMIT in data and not reads and self._cuts else None
            if cut == "before":
                self.cut += 1
                return
            if cut == "after":
                replies.cancel()
                await asyncio.wait({replies})  # from here on the client hears nothing
            to_server.write(data)
            await to_server.drain()
            if cut == "after":
                answer = await server.read(65_536)
                assert b"COMMIT\0" in answer, answer
                self.cut += 1
                return


async def _pass_on(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
    with contextlib.suppress(ConnectionError):
        while data := await source.read(65_536):
            target.write(data)
            await target.drain()
    target.close()


@contextlib.asynccontextmanager
async def proxied(url: URL) -> AsyncIterator[tuple[Proxy, URL]]:
    """A proxy on a free local port before the server of *url*, and the URL that goes through."""
    proxy = Proxy(url.host or "127.0.0.1", url.port or 5432)
    listener = await asyncio.start_server(proxy.serve, "127.0.0.1", 0)
    proxy.port = listener.sockets[0].getsockname()[1]
    async with listener:
        yield proxy, url.set(host="127.0.0.1", port=proxy.port)
