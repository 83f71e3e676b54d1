"""When to try again: a pure decision, exponential with jitter, until a deadline.

The wait after attempt *n* is ``first * factor ** (n - 1)`` seconds, at most ``longest``, times a
random number from 0.8 to 1, so that what failed together does not come back together. A longer
``Retry-After`` wins, up to ``longest``. Where the next attempt would come after the deadline
there is none.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass

HOUR = 3600.0
DAY = 24 * HOUR
LEAST = 0.8  #: of the wait, that jitter leaves


@dataclass(frozen=True, slots=True)
class Schedule:
    """Waits that grow, and an end; all in seconds.

    :param within: after this time, counted from the beginning, nothing is tried any more.
    """

    first: float
    factor: float
    longest: float
    within: float

    def next_at(
        self,
        tries: int,
        *,
        since: int,
        now: int,
        rand: random.Random,
        asked: float | None = None,
        scale: float = 1.0,
    ) -> int | None:
        """When to try again after so many failed *tries*, or None: give up.

        :param since: when it was tried, or was to be tried, first; epoch ms, as *now* is.
        :param asked: seconds by ``Retry-After``; not scaled.
        :param scale: factor on the waits and the deadline.
        """
        wait = self.wait(tries) * rand.uniform(LEAST, 1.0) * scale
        wait = max(wait, min(asked or 0.0, self.longest))
        at = now + int(wait * 1000)
        return at if at <= self.deadline(since, scale) else None

    def wait(self, tries: int) -> float:
        """Seconds after the try of this number (1-based), before jitter."""
        grown = self.first * self.factor ** min(tries - 1, 64)  # no overflow
        return min(grown, self.longest)

    def deadline(self, since: int, scale: float = 1.0) -> int:
        """The last moment to try, in epoch milliseconds."""
        return since + int(self.within * scale * 1000)

    def waits(self) -> Iterator[float]:
        """Every wait of a message that nobody takes, before jitter."""
        spent, tries = 0.0, 1
        while (spent := spent + self.wait(tries)) <= self.within:
            yield self.wait(tries)
            tries += 1


WEBHOOK = Schedule(first=5.0, factor=3.0, longest=6 * HOUR, within=DAY)
"""12 attempts: at once, after 5 s, 15 s, 45 s, 2, 7, 20 and 61 min, 3 h, and then every 6 h. The
specification of Standard Webhooks asks for exponential waits with jitter; issue 5 for a day."""

PUBLISH = Schedule(first=5.0, factor=3.0, longest=HOUR, within=7 * DAY)
"""As for webhooks, but every hour at least, and for a week: a site that is down is mended by
people, and an article that is not published is missed."""
