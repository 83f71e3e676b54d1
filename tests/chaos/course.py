"""One run of chaos: start, load, monkey, settle, audit."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

from tests.chaos import rows
from tests.chaos.auditor import Violation, audit
from tests.chaos.load import Load
from tests.chaos.monkey import Monkey
from tests.chaos.record import Run, Seen
from tests.harness import Service


@dataclass(frozen=True)
class Course:
    """How a run goes.

    :param seconds: of load and monkey; then the jobs have *settle* seconds to end.
    :param flight: jobs in flight.
    :param pause: seconds between two deeds of the monkey, least and most.
    :param time_scale: of the sandbox's ``live`` latencies.
    """

    seconds: float
    seed: int
    deck: Sequence[str]
    flight: int = 6
    pause: tuple[float, float] = (1.5, 3.5)
    time_scale: float = 0.15
    settle: float = 60.0


def run_course(service: Service, database: str, course: Course) -> tuple[Run, list[Violation]]:
    """Chaos on a running service; everything seen, and the broken promises."""
    seen = Seen()
    service.pace("live", course.time_scale)
    load = Load(service, seen, course.flight, course.seed)
    monkey = Monkey(service, database, seen, course.deck, course.seed, course.pause)
    load.start()
    monkey.start()
    give_up = time.monotonic() + course.seconds
    while time.monotonic() < give_up and monkey.error is None:
        time.sleep(0.2)
    try:
        monkey.stop()
    finally:
        load.stop(course.settle)
    run = collected(service, database, seen)
    return run, audit(run)


def collected(service: Service, database: str, seen: Seen) -> Run:
    """The rows and the sandbox's statistics beside what was seen."""
    stats = service.stats("times")
    return Run(rows.read(database), seen, stats["times"], stats["keys"], stats["writes"])
