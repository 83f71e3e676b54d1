"""The clients: they submit as fast as they are let; others ask how jobs are, at a steady rate."""

from __future__ import annotations

import asyncio
import random
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import aiohttp

SUBMITTERS = 4
"""Requests under way at once while jobs are submitted: as many as keep the API busy. More would
only wait for each other, and their wait would be counted as its time."""

LOOKS_PER_SECOND = 10.0
"""Status reads a second, of jobs picked at random among the accepted."""

REQUEST_SECONDS = 60.0
"""A request that takes longer counts as not answered."""

SUBJECTS = (
    "container gardening", "home insurance", "remote onboarding", "cargo bikes", "loft insulation",
    "meal planning", "heat pumps", "bookkeeping software", "rain barrels", "budget travel",
    "compost bins", "standing desks", "language courses", "trail running", "solar panels",
    "team retreats", "sourdough baking", "password managers", "indoor climbing", "urban beekeeping",
)  # fmt: skip
READERS = (
    "beginners", "families", "small teams", "students", "city dwellers", "pensioners",
    "freelancers", "schools", "rural areas", "night workers",
)  # fmt: skip


def keyword(number: int) -> str:
    """A keyword of its own for each job, so that no job lives on another's search."""
    subject = SUBJECTS[number % len(SUBJECTS)]
    reader = READERS[number // len(SUBJECTS) % len(READERS)]
    return f"{subject} for {reader} {number}"


@dataclass
class Traffic:
    """What the clients saw. Seconds throughout."""

    accepted: list[str] = field(default_factory=list)
    submit_seconds: list[float] = field(default_factory=list)
    status_seconds: list[float] = field(default_factory=list)
    answers: Counter[str] = field(default_factory=Counter)
    accepting_seconds: float = 0.0


class Clients:
    """Speaks to one service."""

    def __init__(self, url: str, session: aiohttp.ClientSession, pages: Sequence[Any]) -> None:
        self._url, self._session, self._pages = url, session, list(pages)
        self.seen = Traffic()
        self._chance = random.Random(1)

    async def submit_all(self, jobs: int, per_second: float = 0.0) -> None:
        """Submit *jobs* jobs; *per_second* of them, or as fast as they are taken."""
        began, numbers = time.monotonic(), iter(range(jobs))

        async def one_after_another() -> None:
            for number in numbers:
                if per_second:
                    await asyncio.sleep(max(0.0, began + number / per_second - time.monotonic()))
                await self.submit(number)

        await asyncio.gather(*(one_after_another() for _ in range(SUBMITTERS)))
        self.seen.accepting_seconds = time.monotonic() - began

    async def submit(self, number: int) -> None:
        """Submit a job until it is accepted."""
        body = {
            "keyword": keyword(number),
            "mode": "generate",
            "clientId": "load",
            "requestId": f"load-{number}",
            "existingPages": self._pages,
        }
        while True:
            began = time.monotonic()
            status, answer, pause = await self._ask("POST", "ultra-sota", body)
            self.seen.answers[f"submit {status}"] += 1
            if status == 202:
                self.seen.submit_seconds.append(time.monotonic() - began)
                self.seen.accepted.append(answer["jobId"])
                return
            await asyncio.sleep(pause)

    async def look_on(self) -> None:
        """Ask for the status of random jobs until cancelled."""
        asking = set[asyncio.Task[None]]()
        try:
            while True:
                await asyncio.sleep(1 / LOOKS_PER_SECOND)
                if self.seen.accepted:  # an answer that is late does not hold up the next request
                    task = asyncio.create_task(self.look_at_one())
                    asking.add(task)
                    task.add_done_callback(asking.discard)
        finally:
            await asyncio.gather(*asking)

    async def look_at_one(self) -> None:
        """Ask how one of the accepted jobs is, picked at random."""
        job_id = self._chance.choice(self.seen.accepted)
        began = time.monotonic()
        status, _, _ = await self._ask("GET", f"job/{job_id}")
        self.seen.answers[f"status {status}"] += 1
        if status in (200, 202):
            self.seen.status_seconds.append(time.monotonic() - began)

    async def _ask(self, method: str, path: str, body: Any = None) -> tuple[int, Any, float]:
        """Status (0 for no answer), the JSON, and the seconds to wait before another try."""
        url = f"{self._url}/orchestrator/{path}"
        limit = aiohttp.ClientTimeout(total=REQUEST_SECONDS)
        try:
            async with self._session.request(method, url, json=body, timeout=limit) as answer:
                pause = float(answer.headers.get("Retry-After", 1))
                return answer.status, await answer.json(), pause
        except (aiohttp.ClientError, TimeoutError):
            return 0, None, 1.0
