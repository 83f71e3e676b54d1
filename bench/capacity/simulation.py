"""A small discrete-event simulation of jobs on shared parts, to see what waiting does to them.

Jobs arrive at random (Poisson). Each does a number of rounds; in a round it passes every part in
turn, each with a queue in order of arrival, and then waits for a service outside (exponential).
What a part does in a round is its demand divided by the rounds, exponentially distributed. No more
jobs live than admission lets in. The bounds of ``model.py`` say where it breaks; this says how slow
it is before that.
"""

from __future__ import annotations

import heapq
import itertools
import random
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from bench.capacity.model import Part
from bench.load.figures import percentile


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a simulated hour or so. Seconds; jobs a second."""

    offered: float
    carried: float
    p50: float
    p95: float
    live: float  #: jobs in the cluster, in the mean
    busiest: str
    utilization: float  #: of the busiest part


@dataclass(slots=True)
class _Station:
    part: Part
    waiting: deque[_Job] = field(default_factory=deque)
    busy: int = 0
    busy_seconds: float = 0.0


@dataclass(slots=True)
class _Job:
    arrived: float
    rounds_left: int
    station: int = 0


class Simulation:
    """One run.

    :param outside: seconds that a job waits for services outside, in all its rounds together.
    :param rounds: how often it does so: calls that follow one another.
    :param most_live: jobs that may live at once; others wait outside, and their wait counts.
    """

    def __init__(
        self,
        parts: Sequence[Part],
        *,
        outside: float,
        rounds: int,
        most_live: int = 1_000_000,
        seed: int = 1,
    ) -> None:
        self._stations = [_Station(part) for part in parts]
        self._outside, self._rounds = outside / rounds, rounds
        self._rand = random.Random(seed)
        self._events: list[tuple[float, int, str, Any]] = []
        self._number = itertools.count()
        self._took: list[float] = []
        self._now = self._job_seconds = 0.0
        self._live, self._most_live = 0, most_live
        self._queued: deque[_Job] = deque()

    def run(self, rate: float, seconds: float) -> Outcome:
        """Let jobs arrive at *rate* a second for so long."""
        self._at(self._rand.expovariate(rate), "arrive", None)
        while self._events:
            now, _, kind, what = heapq.heappop(self._events)
            if now > seconds:
                break
            self._job_seconds += self._live * (now - self._now)
            self._now = now
            if kind == "arrive":
                self._at(now + self._rand.expovariate(rate), "arrive", None)
                self._queued.append(_Job(now, self._rounds))
                self._admit()
            elif kind == "served":
                self._served(*what)
            else:
                self._enter(what)
        busiest = max(self._stations, key=lambda one: one.busy_seconds / one.part.servers)
        return Outcome(
            offered=rate,
            carried=len(self._took) / seconds,
            p50=percentile(self._took, 0.5),
            p95=percentile(self._took, 0.95),
            live=self._job_seconds / seconds,
            busiest=busiest.part.name,
            utilization=min(1.0, busiest.busy_seconds / (busiest.part.servers * seconds)),
        )

    def _at(self, when: float, kind: str, what: Any) -> None:
        heapq.heappush(self._events, (when, next(self._number), kind, what))

    def _admit(self) -> None:
        while self._queued and self._live < self._most_live:
            self._live += 1
            self._enter(self._queued.popleft())

    def _enter(self, job: _Job) -> None:
        station = self._stations[job.station]
        station.waiting.append(job)
        self._serve(station)

    def _serve(self, station: _Station) -> None:
        while station.waiting and station.busy < station.part.servers:
            station.busy += 1
            job = station.waiting.popleft()
            mean = station.part.demand / self._rounds
            takes = self._rand.expovariate(1 / mean) if mean else 0.0
            station.busy_seconds += takes
            self._at(self._now + takes, "served", (station, job))

    def _served(self, station: _Station, job: _Job) -> None:
        station.busy -= 1
        self._serve(station)
        job.station += 1
        if job.station < len(self._stations):
            self._enter(job)
            return
        job.station, job.rounds_left = 0, job.rounds_left - 1
        if job.rounds_left:
            self._at(self._now + self._rand.expovariate(1 / self._outside), "back", job)
        else:
            self._live -= 1
            self._took.append(self._now - job.arrived)
            self._admit()
