"""Server-Sent Events: bytes in, messages out (WHATWG HTML, section 9.2)."""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator
from dataclasses import dataclass

# A carriage return at the very end may be half of a CRLF: it waits for the next chunk.
_LINE_END = re.compile(r"\r\n|\n|\r(?=[^\n])")


@dataclass(frozen=True, slots=True)
class Message:
    """One event of a stream, as it was sent."""

    data: str
    event: str = "message"
    id: str = ""


class SseParser:
    """Reads a stream chunk by chunk, wherever the chunks happen to be cut."""

    def __init__(self) -> None:
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._rest = ""
        self._event, self._id = "", ""
        self._data: list[str] = []
        self.retry: float | None = None  #: seconds the server asks us to wait to reconnect

    def feed(self, chunk: bytes) -> Iterator[Message]:
        """The messages that *chunk* completes."""
        *lines, self._rest = _LINE_END.split(self._rest + self._decoder.decode(chunk))
        for line in lines:
            message = self._line(line)
            if message is not None:
                yield message

    def _line(self, line: str) -> Message | None:
        if not line:
            return self._dispatch()
        name, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if name == "data":
            self._data.append(value)
        elif name == "event":
            self._event = value
        elif name == "id" and "\0" not in value:
            self._id = value
        elif name == "retry" and value.isdecimal():
            self.retry = int(value) / 1000
        return None

    def _dispatch(self) -> Message | None:
        """A blank line ends a message; one without data is dropped, as the standard says."""
        data, event = self._data, self._event
        self._data, self._event = [], ""
        if not data:
            return None
        return Message("\n".join(data), event or "message", self._id)
