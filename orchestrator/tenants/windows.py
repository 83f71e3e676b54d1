"""Windows that quotas are counted in: hour, day and calendar month, all in UTC.

They are fixed, not sliding: everyone can tell when they turn, and one number says how much is
left. The price is that an hour's jobs may all come at its end and the next hour's right after;
how many run at once is limited all the same.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Window:
    """A span of time in epoch milliseconds: from *begins* on, and before *ends*."""

    begins: int
    ends: int

    @property
    def seconds(self) -> int:
        """How long it lasts."""
        return (self.ends - self.begins) // 1000


def hour(now: int) -> Window:
    """The hour of the clock that *now* (epoch ms) is in."""
    begins = now - now % HOUR_MS
    return Window(begins, begins + HOUR_MS)


def day(now: int) -> Window:
    """The day, UTC."""
    begins = now - now % DAY_MS
    return Window(begins, begins + DAY_MS)


def month(now: int) -> Window:
    """The calendar month, UTC."""
    today = moment(now)
    first = today.replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    following = (first + timedelta(days=32)).replace(day=1)
    return Window(_ms(first), _ms(following))


def moment(ms: int) -> datetime:
    """Epoch milliseconds as a datetime in UTC."""
    return _EPOCH + timedelta(milliseconds=ms)


def told(ms: int) -> str:
    """Epoch milliseconds for people: ``2026-11-24T12:00:00Z``."""
    return moment(ms).strftime("%Y-%m-%dT%H:%M:%SZ")


def _ms(at: datetime) -> int:
    return (at - _EPOCH) // timedelta(milliseconds=1)
