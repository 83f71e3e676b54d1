"""What the sandbox was asked: the numbers tests and benchmarks check promises with."""

from __future__ import annotations

import time
from collections import Counter, OrderedDict, defaultdict, deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal

MAX_KEYS = 100_000
"""Idempotency keys remembered; beyond that the least recently seen are forgotten."""


MAX_TIMES = 8
"""Of each key the times of its newest calls are remembered, so many."""


class KeyCounter:
    """Counts per key, bounded: the least recently counted key is forgotten first.

    :param clock: epoch seconds; dates what is counted.
    """

    def __init__(self, limit: int = MAX_KEYS, clock: Callable[[], float] = time.time) -> None:
        self._limit, self._clock = limit, clock
        self._counts: OrderedDict[str, int] = OrderedDict()
        self._times: dict[str, deque[int]] = {}
        self.forgotten = 0  #: keys dropped because of the bound

    def add(self, key: str) -> None:
        """Count *key* once more."""
        self._counts[key] = self._counts.pop(key, 0) + 1
        times = self._times.setdefault(key, deque(maxlen=MAX_TIMES))
        times.append(int(self._clock() * 1000))
        if len(self._counts) > self._limit:
            oldest, _ = self._counts.popitem(last=False)
            del self._times[oldest]
            self.forgotten += 1

    def times(self, prefix: str = "") -> dict[str, list[int]]:
        """When the keys that begin with *prefix* were counted last, in epoch milliseconds."""
        return {key: list(times) for key, times in self._times.items() if key.startswith(prefix)}

    def __len__(self) -> int:
        return len(self._counts)

    def counts(self, prefix: str = "", at_least: int = 1) -> dict[str, int]:
        """Counts of the keys that begin with *prefix* and were seen *at_least* so often."""
        return {
            key: count
            for key, count in self._counts.items()
            if count >= at_least and key.startswith(prefix)
        }


@dataclass(slots=True)
class Stats:
    """Requests per service and outcome, idempotency keys, external writes, tokens, time.

    ``seconds`` is the time that calls were charged, by step, before the time scale and as if they
    had been made one after another.
    """

    limit: int = MAX_KEYS
    requests: defaultdict[str, Counter[str]] = field(init=False)
    keys: KeyCounter = field(init=False)
    writes: KeyCounter = field(init=False)
    tokens: Counter[str] = field(init=False)
    seconds: defaultdict[str, float] = field(init=False)
    in_flight: Counter[str] = field(init=False)
    peak: Counter[str] = field(init=False)

    def __post_init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Forget everything counted so far."""
        self.requests = defaultdict(Counter)
        self.keys = KeyCounter(self.limit)
        self.writes = KeyCounter(self.limit)
        self.tokens = Counter()
        self.seconds = defaultdict(float)
        self.in_flight = Counter()
        self.peak = Counter()

    def begin(self, service: str, key: str) -> None:
        """Note that a request has come in."""
        self.in_flight[service] += 1
        self.peak[service] = max(self.peak[service], self.in_flight[service])
        if key:
            self.keys.add(key)

    def end(self, service: str, outcome: str) -> None:
        """Note how it ended: its status, ``timeout``, ``disconnect`` or ``aborted``."""
        self.in_flight[service] = max(0, self.in_flight[service] - 1)
        self.requests[service][outcome] += 1

    def view(
        self,
        keys: Literal["all", "repeated", "none", "times"] = "all",
        prefix: str = "",
    ) -> dict[str, Any]:
        """Everything counted, as JSON.

        :param keys: which idempotency keys to list; ``times`` lists all, each with the times of
            its newest calls (``times``, epoch milliseconds) besides their number.
        :param prefix: only keys that begin so (a job's id, say).
        """
        wanted = {"all": 1, "times": 1, "repeated": 2}.get(keys)
        return {
            "requests": {
                service: {"total": outcomes.total(), "byStatus": dict(outcomes)}
                for service, outcomes in self.requests.items()
            },
            "keys": self.keys.counts(prefix, wanted) if wanted else {},
            **({"times": self.keys.times(prefix)} if keys == "times" else {}),
            "keysSeen": len(self.keys),
            "keysForgotten": self.keys.forgotten,
            "writes": self.writes.counts(prefix),
            "tokens": dict(self.tokens),
            "seconds": {step: round(spent, 3) for step, spent in self.seconds.items()},
            "inFlight": self.in_flight.total(),
            "peakInFlight": dict(self.peak),
        }
