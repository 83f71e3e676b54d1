"""The seeded monkey: kills, hangs, cuts and faults, one after another from a shuffled deck.

Every deck holds each of its kinds, so that a run of any length meets them all in turn. Whether
there is anything to hit is decided at the moment: a job actor is hit only while its job has not
used up its activations, so that the poison rule (five without progress) is not what is tested.
"""

from __future__ import annotations

import contextlib
import random
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

import psutil

from tests.chaos import rows
from tests.chaos.record import Deed, Seen, now_ms
from tests.chaos.targets import TITLES, processes
from tests.harness import Service

MOST_IN_A_ROW = 2  #: activations without progress after which a job is left alone
HANG_SECONDS = (6.0, 14.0)
FAULT_SECONDS = (4.0, 10.0)

MAIN = "claude-sonnet-5"
FAULTS: dict[str, list[dict[str, Any]]] = {
    "models answer 503": [{"service": "ai", "status": 503, "rate": 0.3}],
    "models answer 429": [{"service": "ai", "status": 429, "retryAfter": 2, "rate": 0.3}],
    "models hang": [{"service": "ai", "timeout": 8, "rate": 0.2}],
    "main model down": [{"service": "ai", "status": 529, "model": MAIN}],
    "main model hangs": [{"service": "ai", "timeout": 8, "rate": 0.2, "model": MAIN}],
    "main model refuses": [
        {"service": "ai", "status": 429, "retryAfter": 2, "rate": 0.3, "model": MAIN}
    ],
    "serper down": [{"service": "serper", "status": 503}],
    "serper drops": [{"service": "serper", "disconnect": True, "rate": 0.5}],
    "pages hang": [{"service": "web", "timeout": 5, "rate": 0.3}],
}
ALL_MODELS_DOWN = "all models down"
POWER_CUT = "power cut"
HANG = "job actor stopped"
CONNECTIONS = "database connections cut"
NODE = "raylet"
SHORT_DECK = (
    *("job actor",) * 3, HANG, *(part for part in TITLES if part != "job actor"), POWER_CUT,
    "main model refuses", "main model hangs", "main model down", "serper down", "serper drops",
)  # fmt: skip
"""For a minute: nothing that opens the lower-cost model's breaker too, after which jobs wait for
half a minute."""

LONG_DECK = (
    *(card for card in SHORT_DECK if card not in FAULTS), *("job actor",) * 10, *(HANG,) * 2,
    *FAULTS, ALL_MODELS_DOWN,
)  # fmt: skip


class Monkey:
    """Does one thing after another until it is told to stop."""

    def __init__(
        self,
        service: Service,
        database: str,
        seen: Seen,
        deck: Sequence[str],
        seed: int,
        pause: tuple[float, float],
    ) -> None:
        self._service, self._database, self._seen = service, database, seen
        self._deck, self._pause = deck, pause
        self._rand = random.Random(f"monkey {seed}")  # what comes next, and when
        self._chance = random.Random(f"target {seed}")  # what it hits, and for how long
        self._stop = threading.Event()
        self._after: list[tuple[float, Callable[[], None]]] = []
        self._thread = threading.Thread(target=self._run, daemon=True)
        self.error: BaseException | None = None

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Do nothing more, and undo what is to be undone.

        :raises BaseException: what went wrong with the monkey itself.
        """
        self._stop.set()
        self._thread.join()
        for _, undo in self._after:
            undo()
        self._service.heal()
        if self.error is not None:
            raise self.error

    def _run(self) -> None:
        cards, later = list[str](), list[str]()
        try:
            while not self._wait(self._rand.uniform(*self._pause)):
                if not cards:
                    cards = self._rand.sample(self._deck, len(self._deck))
                card = cards.pop()
                if self._do(card):
                    cards, later = cards + later, []
                else:  # nothing to hit yet: after the next deed
                    later.append(card)
        except BaseException as error:
            self.error = error

    def _wait(self, seconds: float) -> bool:
        """Wait, and undo meanwhile what is due; True when it is time to stop."""
        until = time.monotonic() + seconds
        while (now := time.monotonic()) < until and not self._stop.is_set():
            due = [one for one in self._after if one[0] <= now]
            self._after = [one for one in self._after if one[0] > now]
            for _, undo in due:
                undo()
            self._stop.wait(0.2)
        return self._stop.is_set()

    def _do(self, card: str) -> bool:
        """Do it; False if there is nothing to do it to."""
        if card in FAULTS or card == ALL_MODELS_DOWN:
            return self._fault(card)
        if card in ("job actor", HANG):
            return self._hit_a_job(card)
        if card == POWER_CUT:
            return self._cut_the_power()
        if card == CONNECTIONS:
            return self._hang_up()
        if card == NODE:
            return self._lose_a_node()
        return self._kill(card)

    def _hang_up(self) -> bool:
        at, cut = now_ms(), rows.hang_up(self._database)
        if cut:
            self._seen.add(Deed(CONNECTIONS, at))
        return cut > 0

    def _kill(self, part: str) -> bool:
        found = processes(self._service, part)
        if found:
            self._seen.add(Deed(part, now_ms()))
            with contextlib.suppress(psutil.NoSuchProcess):
                self._chance.choice(found).kill()
        return bool(found)

    def _hit_a_job(self, card: str) -> bool:
        """Kill or stop the process of a running job that can bear it."""
        mine = {process.pid: process for process in processes(self._service, "job actor")}
        jobs = [job for job in self._running() if _pid(job) in mine]
        if not jobs:
            return False
        job = self._chance.choice(jobs)
        process, at = mine[_pid(job)], now_ms()
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill() if card == "job actor" else process.suspend()
        if card == "job actor":
            self._seen.add(Deed(card, at, (job["id"],)))
            return True

        def let_go() -> None:
            with contextlib.suppress(psutil.NoSuchProcess):  # it may have been given up meanwhile
                process.resume()
            self._seen.add(Deed(card, at, (job["id"],), until=now_ms()))

        self._after.append((time.monotonic() + self._chance.uniform(*HANG_SECONDS), let_go))
        return True

    def _running(self) -> list[dict[str, Any]]:
        """The running jobs that can bear to lose their process."""
        return [
            job
            for job in rows.running(self._database)
            if job["activations_since_progress"] <= MOST_IN_A_ROW
        ]

    def _all_can_bear_it(self) -> bool:
        return len(self._running()) == len(rows.running(self._database))

    def _cut_the_power(self) -> bool:
        if not self._all_can_bear_it():
            return False
        jobs = tuple(job["id"] for job in rows.running(self._database))
        self._seen.add(Deed(POWER_CUT, now_ms(), jobs))
        self._service.kill_everything()
        self._service.start()
        return True

    def _lose_a_node(self) -> bool:
        if not self._all_can_bear_it():
            return False
        self._seen.add(Deed(NODE, now_ms()))
        self._service.lose_a_node()  # type: ignore[attr-defined]
        return True

    def _fault(self, name: str) -> bool:
        for fault in FAULTS.get(name, [{"service": "ai", "status": 529}]):
            self._service.fault(**fault)
        self._seen.add(Deed(name, now_ms()))
        ends = time.monotonic() + self._chance.uniform(*FAULT_SECONDS)
        self._after.append((ends, self._service.heal))
        return True


def _pid(job: dict[str, Any]) -> int:
    """The process that owns a job, as it signed: ``<node>/<pid>@<time>``; 0: it was released."""
    return int(str(job["owner"]).partition("/")[2].partition("@")[0] or 0)
