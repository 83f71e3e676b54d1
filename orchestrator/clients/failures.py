"""From an HTTP status to one of our errors: one table for every client.

No key, header or prompt text ever enters a message: what a service says about an error is
quoted only where it repeats nothing that we sent (:func:`quotable`).
"""

from __future__ import annotations

import email.utils
import math
from collections.abc import Iterable, Mapping

from orchestrator.errors import Misconfigured, PermanentError, ServiceError, TransientError

MAX_DETAIL = 200
"""Characters of a service's own words that an error quotes."""

WINDOW = 16
"""A run of this many characters in common with what we sent counts as quoting it."""


def is_transient(status: int) -> bool:
    """Whether another try may help: 408, 429 and every 5xx (529 is Anthropic's "overloaded")."""
    return status in {408, 429} or status >= 500


def retry_after(headers: Mapping[str, str], now: float) -> float | None:
    """Seconds the service asked us to wait, never negative; None when it did not ask.

    Reads ``retry-after-ms`` first (Anthropic's own, finer), then ``Retry-After`` as seconds or as
    an HTTP date (RFC 9110, section 10.2.3).

    :param headers: case-insensitive, or with lower-case names.
    :param now: epoch seconds.
    """
    milliseconds = _number(headers.get("retry-after-ms"))
    if milliseconds is not None:
        return max(0.0, milliseconds / 1000)
    given = headers.get("retry-after")
    seconds = _number(given)
    if seconds is None and given:
        date = email.utils.parsedate_tz(given)
        seconds = email.utils.mktime_tz(date) - now if date else None
    return None if seconds is None else max(0.0, seconds)


def _number(text: str | None) -> float | None:
    try:
        number = float(text or "")
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def quotable(detail: str, private: Iterable[str]) -> str:
    """*detail* on one line, shortened; empty if it repeats a part of anything *private*."""
    text = " ".join(detail.split())[:MAX_DETAIL]
    runs = {text[start : start + WINDOW] for start in range(max(0, len(text) - WINDOW + 1))}
    for secret in filter(None, (" ".join(item.split()) for item in private)):
        if secret in text or any(run in secret for run in runs):
            return ""
    return text


def error_for(
    service: str,
    status: int,
    headers: Mapping[str, str],
    *,
    now: float,
    setting: str,
    detail: str = "",
) -> ServiceError:
    """The error a refused call stands for.

    :param setting: names what to mend when the credentials are refused (401, 403).
    :param detail: what the service said about it, already fit to be quoted.
    """
    said = f": {detail}" if detail else ""
    if is_transient(status):
        wait = retry_after(headers, now)
        return TransientError(service, f"answered {status}{said}", status=status, retry_after=wait)
    if status in {401, 403}:
        reason = f" (its words: {detail})" if detail else ""
        return Misconfigured(
            service, f"{setting} is refused ({status}): set a valid key{reason}", status=status
        )
    return PermanentError(service, f"refused the call ({status}){said}", status=status)
