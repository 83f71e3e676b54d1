"""A step, a pipeline of steps, and what a running step can see and do."""

from __future__ import annotations

import graphlib
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeVar

from orchestrator.models import SubmitRequest
from orchestrator.services import Services

T = TypeVar("T")
Json = Any
"""A value that JSON can carry: dict, list, str, int, float, bool or None."""


Reader = Callable[[Json], object]
"""Reads a cached value: raises ValueError (pydantic's errors are some), KeyError or TypeError if it
has not the shape that is expected. What it returns is not used."""


@dataclass(frozen=True, slots=True)
class Unshared:
    """A value for the job that made it and for no other: what *make* may give
    :meth:`StepContext.cached` when its answer is degraded or was not had."""

    value: Json


class StepContext(Protocol):
    """What the engine gives a step while one attempt of it runs.

    Values that pass through :meth:`memo`, :meth:`shared` and :meth:`cached` are JSON, and are
    round-tripped through JSON on the first run too, so a replay sees exactly the same value.
    """

    job_id: str
    request: SubmitRequest
    attempt: int  #: 1 for the first try of this step
    final_attempt: bool  #: True when no retry is left: degrade now rather than fail
    services: Services

    @property
    def now(self) -> float:
        """Seconds since the epoch, from the engine's clock."""
        ...

    def key(self, part: str) -> str:
        """The idempotency key ``job:step:part`` of a call in this step.

        Another version of the step has other keys: a step that writes to the outside and gets a
        new version must look for what the older one wrote.
        """
        ...

    async def output(self, step: str) -> Json:
        """The recorded output of the step with this *slug*; waits until it is there.

        Time spent waiting does not count against this step's time limit. The other step
        must be among this step's ``needs`` or ``awaits``.
        """
        ...

    async def part(self, step: str, part: str) -> Json | None:
        """A recorded part of another step, as soon as it is there; None if that step has ended
        without it. For work that can begin while the other step still runs.

        The other step must be declared and the time does not count, as for :meth:`output`.
        """
        ...

    async def memo(self, part: str, make: Callable[[], Awaitable[Json]]) -> Json:
        """The recorded value of *part*, or run *make*, record what it returns, return it.

        A crash repeats at most the parts in flight. Parts may run concurrently; *part* must
        be unique within the step. Wrap every paid call in one. A new version of the step does
        not see the parts that an older one recorded.
        """
        ...

    async def shared(self, name: str, make: Callable[[], Awaitable[Json]]) -> Json:
        """Like :meth:`memo`, but one value for the whole job (the SERP, say), made once even
        if two steps ask at the same time."""
        ...

    async def cached(
        self,
        kind: str,
        key: str,
        ttl: float,
        make: Callable[[], Awaitable[Json]],
        *,
        read: Reader | None = None,
    ) -> Json:
        """A value shared by all jobs for *ttl* seconds, in the cache *kind* under *key*.

        When it is not there one job makes it and the others wait for that, within their own
        time limits; should its maker fail or die, one of them takes over. *make* returns
        :class:`Unshared` to keep its value out of the cache. Paid calls inside *make* stand in
        :meth:`memo`; those who waited pay nothing.

        :param read: reads a value as the caller will. One that it refuses, because another
            release stored it in another shape, counts as missing and is made anew. A value that
            keeps its shape and changes its meaning needs another *kind*.
        """
        ...

    async def stale(
        self, kind: str, key: str, max_age: float, *, read: Reader | None = None
    ) -> Json | None:
        """The cached value even if its time has passed, when younger than *max_age* seconds.

        :param read: as for :meth:`cached`.
        """
        ...

    def degrade(self, reason: str) -> None:
        """Note that this step's result is less than it should be, and why."""
        ...

    async def progress(self, done: int, total: int, what: str) -> None:
        """Show sub-step progress (``section 3 of 8``) to whoever watches."""
        ...


@dataclass(frozen=True, slots=True)
class Step:
    """One step of a pipeline.

    :param name: what clients see; data for ever.
    :param slug: the step's key in the journal and in idempotency keys; data for ever.
    :param version: raised when the meaning of the output changes; a recorded output keeps
        the version it was made by.
    :param timeout: seconds one attempt may run.
    :param run: does the work and returns a JSON object.
    :param needs: slugs of steps that must be completed before this one begins.
    :param awaits: slugs of steps whose output this one asks for while it runs.
    """

    name: str
    slug: str
    version: int
    timeout: float
    run: Callable[[StepContext], Awaitable[Mapping[str, Json]]]
    needs: tuple[str, ...] = ()
    awaits: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Pipeline:
    """Steps and their order on the wire, plus what makes the job's result of them.

    :param finish: called with the request, every step's output (by slug) and what the run
        itself came to (``cost``, ``tokens``, ``timings``, ``degraded``, ``sandbox``,
        ``cache``); returns the job's ``result``.
    """

    steps: tuple[Step, ...]
    finish: Callable[[SubmitRequest, Mapping[str, Json], Mapping[str, Json]], Mapping[str, Json]]
    _by_slug: dict[str, Step] = field(init=False, repr=False, compare=False, default_factory=dict)

    def __post_init__(self) -> None:
        self._by_slug.update({step.slug: step for step in self.steps})
        if len(self._by_slug) != len(self.steps):
            raise ValueError("two steps of the pipeline have the same slug")
        self._check_graph()

    def __getitem__(self, slug: str) -> Step:
        return self._by_slug[slug]

    def number(self, slug: str) -> int:
        """The step's 1-based number on the wire."""
        return self.steps.index(self._by_slug[slug]) + 1

    def find(self, name: str) -> Step | None:
        """The step of this slug or wire name, or None."""
        return next((step for step in self.steps if name in (step.slug, step.name)), None)

    def dependants(self, slug: str) -> frozenset[str]:
        """Slugs of the steps that use this one's output, or the output of one that does."""
        found = {slug}
        for step in self._sorted():
            if found & {*step.needs, *step.awaits}:
                found.add(step.slug)
        return frozenset(found - {slug})

    def _sorted(self) -> Iterable[Step]:
        """The steps, each after those it waits for."""
        graph = {step.slug: {*step.needs, *step.awaits} for step in self.steps}
        return (self._by_slug[slug] for slug in graphlib.TopologicalSorter(graph).static_order())

    @property
    def names(self) -> tuple[str, ...]:
        """The wire names, in order."""
        return tuple(step.name for step in self.steps)

    def _check_graph(self) -> None:
        graph = {step.slug: {*step.needs, *step.awaits} for step in self.steps}
        unknown = set().union(*graph.values(), set()) - graph.keys()
        if unknown:
            raise ValueError(f"steps need unknown steps: {sorted(unknown)}")
        graphlib.TopologicalSorter(graph).prepare()  # raises CycleError on a cycle


def critical_path(
    spans: Mapping[str, tuple[float, float]], needs: Mapping[str, Iterable[str]]
) -> list[str]:
    """The chain of steps that decided when the last one ended, in the order of time.

    Found backwards: from the step that ended last to the one it waited for that ended last.

    :param spans: begin and end by slug, on any one clock.
    :param needs: for each slug, the slugs it waited for.
    """
    path: list[str] = []
    last: Iterable[str] = spans
    while waited := [slug for slug in last if slug in spans]:
        path.append(max(waited, key=lambda slug: spans[slug][1]))
        last = needs.get(path[-1], ())
    return path[::-1]
