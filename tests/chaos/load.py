"""A steady load: clients that submit, poll, cancel, pause, resume and retry, as clients do."""

from __future__ import annotations

import http.client
import itertools
import json
import random
import threading
import time
import urllib.error
import urllib.request
import uuid
from collections.abc import Callable
from typing import Any

from tests.chaos.record import Accepted, Asked, BreakerSighting, Seen, Sighting, now_ms
from tests.harness import ENDED, Answer, Service

POLL_SECONDS = 0.5
REQUEST_SECONDS = 30.0  # a request that takes longer counts as not answered
SUBJECTS = (
    "container gardening", "home insurance", "remote onboarding", "cargo bikes", "loft insulation",
    "meal planning", "heat pumps", "bookkeeping software", "rain barrels", "budget travel",
)  # fmt: skip
PLANS = ("plain",) * 6 + ("twice", "twice", "cancel", "pause", "pause", "retry", "redo")
"""What becomes of a job: half are left alone."""

PUBLISHED = 0.4  #: the share of the jobs whose article is to be published


class Client:
    """Speaks to the service and notes every answer."""

    def __init__(self, service: Service, seen: Seen) -> None:
        self._service, self._seen = service, seen

    def ask(self, method: str, path: str, body: Any = None) -> Answer | None:
        """One request; None if there was no answer."""
        url = f"http://127.0.0.1:{self._service.http_port}/orchestrator/{path}"
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(url, data, {"Content-Type": "application/json"})
        request.method = method
        try:
            answer = _answer(request)
        except (OSError, http.client.HTTPException) as error:
            reason = getattr(error, "reason", error)
            self._seen.unreachable(type(reason).__name__)
            return None
        words = f"{answer.status} to {method} {path}: {answer.raw[:300]!r}"
        if answer.headers.get("retry-after"):
            words += f" retry-after {answer.headers['retry-after']}"
        self._seen.answered(answer.status, words)
        return answer

    def submit(self, body: dict[str, Any]) -> str | None:
        """The job's id once it is accepted."""
        answer = self.ask("POST", "ultra-sota", body)
        if answer is None or answer.status != 202:
            return None
        job_id = str(answer.body["jobId"])
        self._seen.add(Accepted(job_id, body["clientId"], body["requestId"], now_ms()))
        return job_id

    def look(self, job_id: str) -> dict[str, Any] | None:
        """The job as it is shown now."""
        answer = self.ask("GET", f"job/{job_id}")
        if answer is None or answer.status not in (200, 202):
            if answer is not None and answer.status not in (429, 503):
                self._seen.wrong(f"{answer.status} for the accepted {job_id}: {answer.raw[:200]!r}")
            return None
        job: dict[str, Any] = answer.body
        self._seen.add(Sighting(job_id, now_ms(), job["status"], job["step"], job["attempt"]))
        return job

    def change(self, job_id: str, what: str, query: str = "") -> bool:
        """Ask for a change; True once the service has taken it in."""
        self._seen.add(Asked(job_id, what, now_ms()))
        answer = self.ask("POST", f"job/{job_id}/{what}{query}", {})
        return answer is not None and answer.status in (200, 202)

    def breakers(self) -> None:
        """Note how the breakers stand."""
        requests = self._service.stats("none")["requests"]
        answer = self.ask("GET", "breakers")
        for one in answer.body if answer is not None and answer.status == 200 else ():
            name, refuses = one["service"], one.get("retryAfter") is not None
            calls = requests.get(name.removesuffix("-fallback"), {}).get("total", 0)
            self._seen.add(BreakerSighting(name, now_ms(), one["state"], refuses, calls))


def _answer(request: urllib.request.Request) -> Answer:
    try:
        with urllib.request.urlopen(request, timeout=REQUEST_SECONDS) as response:
            headers = {name.lower(): value for name, value in response.headers.items()}
            return Answer(response.status, headers, response.read())
    except urllib.error.HTTPError as error:
        with error:
            headers = {name.lower(): value for name, value in error.headers.items()}
            return Answer(error.code, headers, error.read())


class Load:
    """Keeps *flight* jobs going until told to stop, then waits for those it has begun.

    :param flight: most jobs at once.
    """

    def __init__(self, service: Service, seen: Seen, flight: int, seed: int) -> None:
        self._client, self._seen, self._seed = Client(service, seen), seen, seed
        self._numbers = itertools.count(1)
        self._stop = threading.Event()
        self._give_up = threading.Event()
        self._threads = [
            threading.Thread(target=self._keep_going, daemon=True) for _ in range(flight)
        ]
        self._watch = threading.Thread(target=self._watch_breakers, daemon=True)

    def start(self) -> None:
        for thread in (*self._threads, self._watch):
            thread.start()

    def stop(self, patience: float) -> None:
        """Begin nothing new, wait *patience* seconds for the jobs to end, and look at all again."""
        self._stop.set()
        give_up = time.monotonic() + patience
        for thread in self._threads:
            thread.join(max(0.0, give_up - time.monotonic()))
        self._give_up.set()
        for thread in (*self._threads, self._watch):
            thread.join()
        for job_id in sorted({accepted.job_id for accepted in self._seen.accepted}):
            self._client.look(job_id)

    def _keep_going(self) -> None:
        while not self._stop.is_set():
            number = next(self._numbers)
            try:
                self._live(number, random.Random(f"{self._seed}/{number}"))
            except Exception as error:
                self._seen.notes.append(f"client {number}: {type(error).__name__}: {error}")
                raise

    def _watch_breakers(self) -> None:
        while not self._give_up.wait(2.0):
            self._client.breakers()

    def _live(self, number: int, rand: random.Random) -> None:
        """One job from its submission to its end, by the client's plan."""
        plan = rand.choice(PLANS)
        body = {
            "keyword": f"{rand.choice(SUBJECTS)} {number % 4}",  # some live on another's search
            "clientId": f"client_{number % 7}",
            "requestId": str(uuid.UUID(int=rand.getrandbits(128))),
        }
        if publishes := rand.random() < PUBLISHED:
            body["publish"] = "draft"
        job_id = self._submitted(body)
        if job_id is None:
            return
        if plan == "twice":
            self._again(body)
        after = rand.uniform(0.5, 8.0)
        if plan in ("cancel", "retry", "redo"):
            self._change_after(job_id, after, "cancel")
        if plan == "pause":
            self._change_after(job_id, after, "pause")
            self._until(job_id, {"paused", *ENDED}, 30.0)
            self._change_after(job_id, 0.5, "resume")
        ended = self._until(job_id, ENDED)
        if ended and plan in ("retry", "redo") and ended["status"] != "completed":
            redo = "?fromStep=semantic-keywords" if plan == "redo" else ""
            self._change_after(job_id, 0.2, "retry", redo)
            ended = self._until(job_id, ENDED)
        if publishes and ended and ended["status"] == "completed":
            self._look_until(job_id, lambda job: job["publication"]["state"] != "queued")

    def _submitted(self, body: dict[str, Any]) -> str | None:
        """Submit until it is accepted, under the same request id, as clients should."""
        while not self._give_up.is_set():
            if job_id := self._client.submit(body):
                return job_id
            if self._stop.wait(0.5):
                return None
        return None

    def _again(self, body: dict[str, Any]) -> None:
        self._pause(1.0)
        self._client.submit(body)

    def _change_after(self, job_id: str, seconds: float, what: str, query: str = "") -> None:
        """Ask until it is taken in, or the job has ended."""
        self._pause(seconds)
        while not self._give_up.is_set():
            if self._client.change(job_id, what, query):
                return
            job = self._client.look(job_id)
            if job and (job["status"] in ENDED) != (what == "retry"):
                return
            self._pause(0.5)

    def _until(
        self, job_id: str, statuses: set[str], seconds: float = float("inf")
    ) -> dict[str, Any] | None:
        """Poll until the job is in one of these."""
        return self._look_until(job_id, lambda job: job["status"] in statuses, seconds)

    def _look_until(
        self, job_id: str, over: Callable[[dict[str, Any]], bool], seconds: float = float("inf")
    ) -> dict[str, Any] | None:
        """Poll until the job is as wanted; None if that is given up."""
        give_up = time.monotonic() + seconds
        while not self._give_up.is_set() and time.monotonic() < give_up:
            job = self._client.look(job_id)
            if job is not None and over(job):
                return job
            self._pause(POLL_SECONDS)
        return None

    def _pause(self, seconds: float) -> None:
        self._give_up.wait(seconds)
