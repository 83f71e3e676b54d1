"""Reading a response's body within a limit, compressed or not."""

from __future__ import annotations

import zlib
from collections.abc import AsyncIterator

ENCODINGS = "gzip, deflate"
"""What to ask for: the codings :func:`read_decoded` knows."""

CHUNK = 16 * 1024


class UnreadableBody(Exception):
    """The body is compressed in a way we did not ask for, or wrongly."""


async def read_decoded(
    chunks: AsyncIterator[bytes], encoding: str, limit: int
) -> tuple[bytes, bool]:
    """The first *limit* bytes of the decoded body, and whether there was more.

    Decoding never makes more than *limit* bytes, whatever a small compressed body unfolds to.

    :param chunks: the body as it comes over the wire.
    :param encoding: the ``Content-Encoding`` header.
    :raises UnreadableBody: an unknown coding, or broken data.
    """
    decoder = _Decoder(encoding)
    body = bytearray()
    async for chunk in chunks:
        body += decoder.decode(chunk, limit + 1 - len(body))
        if len(body) > limit:
            return bytes(body[:limit]), True
    return bytes(body), False


class _Decoder:
    def __init__(self, encoding: str) -> None:
        name = encoding.strip().lower()
        self._deflate = name == "deflate"
        if name in {"", "identity"}:
            self._zlib = None
        elif name in {"gzip", "x-gzip", "deflate"}:
            self._zlib = zlib.decompressobj(wbits=zlib.MAX_WBITS | 32)  # gzip or zlib header
        else:
            raise UnreadableBody("unknown content coding")

    def decode(self, chunk: bytes, room: int) -> bytes:
        """At most *room* decoded bytes of *chunk*; what does not fit is lost."""
        if self._zlib is None:
            return chunk[:room]
        try:
            return self._zlib.decompress(chunk, room)
        except zlib.error:
            return self._raw(chunk, room)

    def _raw(self, chunk: bytes, room: int) -> bytes:
        """``deflate`` without the zlib header, as some servers send it."""
        if not self._deflate:
            raise UnreadableBody("broken compressed data") from None
        self._deflate = False
        self._zlib = zlib.decompressobj(wbits=-zlib.MAX_WBITS)
        return self.decode(chunk, room)
