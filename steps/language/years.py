"""The year it is, as prompts and rules count it."""

from __future__ import annotations

from datetime import UTC, datetime


def current_year(now: float) -> int:
    """The calendar year (UTC) of a time in seconds since the epoch."""
    return datetime.fromtimestamp(now, UTC).year
