"""What a signature is over, and the headers that carry it. Client and service share this.

A request is signed with HMAC-SHA256 under the client's signing key, over
``timestamp.METHOD.target.body``: the ``X-Timestamp`` as sent, the method in capitals, path and
query exactly as sent, the exact body.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import threading
import time
from collections.abc import Callable, Mapping

WINDOW_MS = 5 * 60 * 1000
"""How far a timestamp may be from now, either way: five minutes (DESIGN, section 4)."""

SECONDS_BELOW = 10**11
"""A timestamp below this is in seconds (until the year 5138), one above in milliseconds."""

SIGNING_KEY = re.compile(r"sotasign_([0-9a-f]{16})_[A-Za-z0-9_-]{43}")
BEARER_KEY = re.compile(r"sota_([0-9a-f]{16})_[A-Za-z0-9_-]{43}")
CLIENT_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.:@-]{0,199}")
"""What a client that has keys may be called."""

_TIMESTAMP = re.compile(r"[0-9]{1,15}")


def signature(key: str, timestamp: str, method: str, target: str, body: bytes) -> bytes:
    """The signature of a request.

    :param target: path and query, exactly as sent.
    """
    signed = f"{timestamp}.{method}.{target}.".encode("latin-1") + body
    return hmac.digest(key.encode(), signed, hashlib.sha256)


def signature_of_body(key: str, body: bytes) -> bytes:
    """The signature over the body alone, as clients of the specification make it."""
    return hmac.digest(key.encode(), body, hashlib.sha256)


def moment(timestamp: str) -> int | None:
    """A timestamp in epoch milliseconds; None if it is none. Seconds are accepted."""
    if not _TIMESTAMP.fullmatch(timestamp):
        return None
    number = int(timestamp)
    return number * 1000 if number < SECONDS_BELOW else number


class RequestSigner:
    """Makes the headers that sign a request.

    :param clock: epoch seconds.
    """

    def __init__(self, client_id: str, key: str, clock: Callable[[], float] = time.time) -> None:
        self._client_id, self._key, self._clock = client_id, key, clock
        self._last = 0
        self._lock = threading.Lock()

    def __call__(self, method: str, target: str, body: bytes) -> Mapping[str, str]:
        """``X-Client-Id``, ``X-Timestamp`` and ``X-Signature``."""
        timestamp = str(self._next_moment())
        signed = signature(self._key, timestamp, method, target, body)
        return {
            "X-Client-Id": self._client_id,
            "X-Timestamp": timestamp,
            "X-Signature": signed.hex(),
        }

    def _next_moment(self) -> int:
        """Now, but later than the last: two equal requests must not have one signature."""
        with self._lock:
            self._last = max(int(self._clock() * 1000), self._last + 1)
            return self._last
