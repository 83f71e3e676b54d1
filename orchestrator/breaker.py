"""A circuit breaker as a pure state machine: closed, open, half-open.

*Closed* admits every call and opens when ``threshold`` failures fall within ``window`` seconds
and the service fails either *all* calls of late (that many in a row) or *most* of them (half of the
latest): many jobs share a breaker, and of a thousand calls to a healthy service three always fail.
What fails does so sooner than what succeeds, so neither counts before as many calls have ended as
are under way. *Open* refuses for ``cooldown`` seconds. *Half-open* admits
one call at a time, the probe: its success closes the breaker, its failure opens it again. A probe
is a lease that runs out after ``probe_lease`` seconds: a prober that dies cannot jam the breaker.

Each change of state starts a new *generation*. A report that belongs to an older generation
says nothing about the present and is ignored. The clock is an argument everywhere.
"""

from __future__ import annotations

import enum
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import takewhile
from typing import Any

PROBE_POLL_SECONDS = 1.0
"""What a caller refused because a probe is in flight is told to wait."""

LATEST_CALLS = 20
"""Calls of which failures must be a good share. Where a twentieth of all calls fails, ten of twenty
do so once in a hundred million times."""

FAILURE_RATE = 0.5
"""That share, of 1: the default of Resilience4j's CircuitBreaker (``failureRateThreshold``)."""

MOST_CALLS = 100
"""Calls, and failures, that a breaker remembers: more than any threshold. They are saved with each
failure."""


class BreakerState(enum.StrEnum):
    """The three states; the values are wire data."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half-open"


class Outcome(enum.StrEnum):
    """What became of an admitted call.

    A client error (4xx other than 408 and 429) is a *success*: the service answered.
    """

    SUCCESS = "success"
    FAILURE = "failure"
    ABANDONED = "abandoned"


@dataclass(frozen=True, slots=True)
class BreakerPolicy:
    """When a breaker opens and when it tries again; all times in seconds."""

    threshold: int
    window: float
    cooldown: float
    probe_lease: float = 30.0


POLICIES: Mapping[str, BreakerPolicy] = {
    "serper": BreakerPolicy(threshold=5, window=60.0, cooldown=10.0),
    "ai": BreakerPolicy(threshold=3, window=120.0, cooldown=30.0, probe_lease=120.0),
    "ai-fallback": BreakerPolicy(threshold=3, window=120.0, cooldown=30.0, probe_lease=120.0),
    "wordpress": BreakerPolicy(threshold=2, window=60.0, cooldown=5.0),
    # Pages are many hosts: only failures of our own way out (no route, no DNS) count.
    "web": BreakerPolicy(threshold=20, window=60.0, cooldown=10.0),
}
"""The specification's numbers, one breaker a service; the lower-cost model has its own."""


@dataclass(frozen=True, slots=True)
class Permit:
    """Leave to make one call; hand it back with :meth:`Breaker.report`."""

    number: int
    generation: int


@dataclass(frozen=True, slots=True)
class Refusal:
    """No leave; ask again in *retry_after* seconds.

    :param probing: another call is finding out whether the service is back.
    """

    retry_after: float
    probing: bool = False


@dataclass(slots=True)
class Breaker:
    """One service's breaker. Not thread-safe: its actor is the lock."""

    policy: BreakerPolicy
    state: BreakerState = BreakerState.CLOSED
    generation: int = 0
    opened_at: float | None = None
    opened_count: int = 0
    _failures: deque[float] = field(default_factory=lambda: deque(maxlen=MOST_CALLS))
    _latest: deque[tuple[float, bool]] = field(  # when, and whether it failed
        default_factory=lambda: deque(maxlen=MOST_CALLS)
    )
    _under_way: dict[Permit, float] = field(default_factory=dict)  # and when it was admitted
    _probe: tuple[int, float] | None = None  # (permit number, lease ends)
    _permits: int = 0

    def admit(self, now: float) -> Permit | Refusal:
        """Leave for one call at time *now*, or a refusal."""
        if self.state is BreakerState.OPEN:
            remaining = self._reopens_at() - now
            if remaining > 0:
                return Refusal(remaining)
            self._become(BreakerState.HALF_OPEN)
        if self.state is BreakerState.HALF_OPEN:
            return self._admit_probe(now)
        return self._permit(now)

    def report(self, permit: Permit, outcome: Outcome, now: float) -> bool:
        """Take in what became of a call; True when the state changed."""
        self._under_way.pop(permit, None)
        if permit.generation != self.generation:
            return False
        if self.state is BreakerState.HALF_OPEN:
            return self._report_probe(permit, outcome, now)
        if outcome is Outcome.ABANDONED:
            return False
        failed = outcome is Outcome.FAILURE
        self._latest.append((now, failed))
        if failed:
            self._failures.append(now)
            self._forget_old(now)
            if len(self._failures) >= self.policy.threshold and self._is_down(now):
                self._open(now)
                return True
        return False

    def retry_after(self, now: float) -> float | None:
        """Seconds until a call may be admitted; None when calls are admitted now."""
        if self.state is BreakerState.OPEN:
            return max(0.0, self._reopens_at() - now)
        if self.state is BreakerState.HALF_OPEN and self._probe and now < self._probe[1]:
            return PROBE_POLL_SECONDS
        return None

    def failures(self, now: float) -> int:
        """How many failures count against the threshold at time *now*; :data:`MOST_CALLS` is
        the most it says."""
        self._forget_old(now)
        return len(self._failures)

    def failure_rate(self, now: float) -> float | None:
        """Which part of the latest calls in the window failed, 0 to 1; None: there were none."""
        latest = self._in_window(now)[-LATEST_CALLS:]
        return sum(latest) / len(latest) if latest else None

    def snapshot(self) -> dict[str, Any]:
        """The state as JSON; see :meth:`restore`."""
        return {
            "state": self.state.value,
            "generation": self.generation,
            "openedAt": self.opened_at,
            "openedCount": self.opened_count,
            "failures": list(self._failures),
            "latest": list(self._latest),
        }

    @classmethod
    def restore(cls, policy: BreakerPolicy, saved: Mapping[str, Any]) -> Breaker:
        """The breaker as it was, in a new generation; a probe that was out is let go."""
        return cls(
            policy=policy,
            state=BreakerState(saved["state"]),
            generation=int(saved["generation"]) + 1,
            opened_at=saved["openedAt"],
            opened_count=int(saved["openedCount"]),
            _failures=deque(saved["failures"], maxlen=MOST_CALLS),
            _latest=deque(
                ((at, failed) for at, failed in saved.get("latest", ())), maxlen=MOST_CALLS
            ),
        )

    def _admit_probe(self, now: float) -> Permit | Refusal:
        if self._probe and now < self._probe[1]:
            return Refusal(PROBE_POLL_SECONDS, probing=True)
        permit = self._permit(now)
        self._probe = (permit.number, now + self.policy.probe_lease)
        return permit

    def _report_probe(self, permit: Permit, outcome: Outcome, now: float) -> bool:
        if outcome is Outcome.ABANDONED:
            if self._probe and self._probe[0] == permit.number:
                self._probe = None
            return False
        if outcome is Outcome.FAILURE:
            self._open(now)
        else:
            self._failures.clear()
            self._latest.clear()
            self.opened_at = None
            self._become(BreakerState.CLOSED)
        return True

    def _permit(self, now: float) -> Permit:
        self._forget_old(now)
        self._permits += 1
        permit = Permit(self._permits, self.generation)
        self._under_way[permit] = now
        return permit

    def _open(self, now: float) -> None:
        self.opened_at = now
        self.opened_count += 1
        self._become(BreakerState.OPEN)

    def _become(self, state: BreakerState) -> None:
        self.state = state
        self.generation += 1
        self._probe = None

    def _reopens_at(self) -> float:
        return (self.opened_at or 0.0) + self.policy.cooldown

    def _is_down(self, now: float) -> bool:
        """Whether the service fails all calls or most, as far as can be told by now."""
        ended = self._in_window(now)
        in_a_row = next((n for n, failed in enumerate(reversed(ended)) if not failed), len(ended))
        under_way = min(len(self._under_way), MOST_CALLS)
        if in_a_row >= max(self.policy.threshold, under_way):
            return True
        return len(ended) >= under_way and (self.failure_rate(now) or 0.0) >= FAILURE_RATE

    def _in_window(self, now: float) -> list[bool]:
        """Of the calls that ended in the window, oldest first: whether each failed."""
        since = now - self.policy.window
        return [failed for at, failed in self._latest if at > since]

    def _forget_old(self, now: float) -> None:
        """Forget what was before the window, calls under way too: who made them may have died."""
        since = now - self.policy.window
        while self._failures and self._failures[0] <= since:
            self._failures.popleft()
        for permit in list(takewhile(lambda p: self._under_way[p] <= since, self._under_way)):
            del self._under_way[permit]
