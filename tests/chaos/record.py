"""What a run of chaos saw from outside: the clients' sightings, the monkey's deeds, the rows."""

from __future__ import annotations

import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import Any


def now_ms() -> int:
    return int(time.time() * 1000)


@dataclass(frozen=True, slots=True)
class Accepted:
    """A submission that was answered 202."""

    job_id: str
    client_id: str
    request_id: str
    at: int


@dataclass(frozen=True, slots=True)
class Sighting:
    """One answer to ``GET /orchestrator/job/{id}``, in the order in which a client got them."""

    job_id: str
    at: int
    status: str
    step: int
    attempt: int


@dataclass(frozen=True, slots=True)
class Asked:
    """A client's request to change a job, noted before it was sent: it may have arrived."""

    job_id: str
    what: str  #: cancel, pause, resume or retry
    at: int


@dataclass(frozen=True, slots=True)
class BreakerSighting:
    """One breaker in ``GET /orchestrator/breakers``."""

    service: str
    at: int
    state: str
    refuses: bool  #: it tells callers to come again later
    calls: int  #: that had reached its service by then


@dataclass(frozen=True, slots=True)
class Deed:
    """Something the monkey did. ``jobs`` are those it hit directly."""

    kind: str
    at: int
    jobs: tuple[str, ...] = ()
    until: int = 0  #: of a hang: when the process was let go on


@dataclass
class Seen:
    """Everything seen so far; safe to add to from many threads."""

    accepted: list[Accepted] = field(default_factory=list)
    sightings: list[Sighting] = field(default_factory=list)
    asked: list[Asked] = field(default_factory=list)
    breakers: list[BreakerSighting] = field(default_factory=list)
    deeds: list[Deed] = field(default_factory=list)
    answers: Counter[str] = field(default_factory=Counter)
    wrong_answers: Counter[str] = field(default_factory=Counter)
    notes: list[str] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in vars(self).items() if name != "lock"}

    def add(self, what: Any) -> None:
        """Note *what* in the list of its kind."""
        lists: dict[type, list[Any]] = {
            Accepted: self.accepted,
            Sighting: self.sightings,
            Asked: self.asked,
            BreakerSighting: self.breakers,
            Deed: self.deeds,
        }
        with self.lock:
            lists[type(what)].append(what)

    def answered(self, status: int, words: str) -> None:
        """Count an answer; *words* describe one that may be wrong."""
        kind = f"{status} with Retry-After" if status == 503 and "retry-after" in words else status
        with self.lock:
            self.answers[str(kind)] += 1
            if status >= 500 and kind == status:
                self.wrong_answers[words[:200]] += 1

    def wrong(self, words: str) -> None:
        """Note an answer that no client can make sense of."""
        with self.lock:
            self.wrong_answers[words] += 1

    def unreachable(self, why: str) -> None:
        """Count a request that was never answered."""
        with self.lock:
            self.answers[f"no answer: {why}"] += 1


@dataclass(frozen=True)
class Rows:
    """The database's rows, as plain SQL gives them."""

    jobs: list[dict[str, Any]]
    steps: list[dict[str, Any]]
    memos: list[dict[str, Any]]
    events: list[dict[str, Any]]  #: in order; ``data`` parsed
    results: dict[str, dict[str, Any]]  #: of completed jobs
    publications: list[dict[str, Any]]  #: what is to be written to WordPress, or was


@dataclass(frozen=True)
class Run:
    """All that the auditor judges by."""

    rows: Rows
    seen: Seen
    calls: dict[str, list[int]]  #: times at which the sandbox got each idempotency key
    counts: dict[str, int]  #: how often, which may be more than the times it remembers
    writes: dict[str, int]  #: external writes by idempotency key
