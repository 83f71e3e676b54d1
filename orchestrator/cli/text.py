"""Small matters of text: what may be shown on a terminal, and how numbers read."""

from __future__ import annotations

import re

from orchestrator.errors import InvalidInput

_UNSHOWABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]+")
_JOB_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,127}")


def clean(text: str) -> str:
    """*text* without control characters: what a service sends must not drive the terminal."""
    return _UNSHOWABLE.sub(" ", text)


def seconds(value: float) -> str:
    """A span of time: ``0.8 s``, ``12 s``, ``3 m 05 s``."""
    if value < 9.95:
        return f"{value:.1f} s"
    if value < 119.5:
        return f"{value:.0f} s"
    minutes, rest = divmod(round(value), 60)
    return f"{minutes} m {rest:02d} s"


def dollars(value: float) -> str:
    """An amount: ``$0.0123``; four digits, since one call costs less than a cent."""
    return f"${value:.4f}"


def job_id(text: str) -> str:
    """*text* if it can be a job's id, and so a directory's name and part of a URL.

    :raises InvalidInput: it cannot.
    """
    if not _JOB_ID.fullmatch(text):
        raise InvalidInput("job", "not a job's id; it looks like job_1703169045000_a1b2c3d4e")
    return text
