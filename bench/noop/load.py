"""The load, the same for every system: jobs sent over HTTP on loopback, and asked about."""

from __future__ import annotations

import contextlib
import http.client
import json
import random
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from bench.noop.cpu import Spent, between
from bench.noop.figures import Figures, Latency
from bench.noop.service import Service

ANSWER_SECONDS = 60.0
END_SECONDS = 120.0
REST_SECONDS = 3.0
TAIL_SECONDS = 1.5
"""After the last end, while CPU is still counted: processes that end have work left."""

LOOK_SECONDS = 0.02
"""Between two looks at whether a job that is alone has ended."""

ASK_SECONDS = 0.03
SUBMITTERS = 8


class Failed(Exception):
    """A job was not accepted, or did not complete."""


@dataclass(frozen=True, slots=True)
class Wire:
    """How a system is spoken to: where jobs go, what is sent, what the id is called."""

    port: int
    submit: str
    status: str
    body: dict[str, object]
    id_field: str


@dataclass(frozen=True, slots=True)
class Amount:
    """How many jobs: first, unmeasured; one after another; at once; at once, and asked about."""

    warm: int
    alone: int
    loaded: int
    asked: int


class Client:
    """One connection, kept."""

    def __init__(self, wire: Wire) -> None:
        self._wire = wire
        self._http = http.client.HTTPConnection("127.0.0.1", wire.port, timeout=ANSWER_SECONDS)

    def submit(self) -> str:
        """A new job's id. :raises Failed: it was not accepted."""
        status, body = self._ask("POST", self._wire.submit, json.dumps(self._wire.body))
        if status != 202:
            raise Failed(f"{status}: {body!r}")
        return str(json.loads(body)[self._wire.id_field])

    def ended(self, job_id: str) -> bool:
        """Whether the job has ended. :raises Failed: without being completed."""
        status, body = self._ask("GET", f"{self._wire.status}/{job_id}", None)
        view = json.loads(body) if status in (200, 202) else {}
        if view.get("status") not in ("queued", "processing", "completed"):
            raise Failed(f"{status}: {body!r}")
        return bool(view["status"] == "completed")

    def close(self) -> None:
        """End the connection."""
        self._http.close()

    def _ask(self, method: str, path: str, body: str | None) -> tuple[int, bytes]:
        headers = {"Content-Type": "application/json"}
        try:
            self._http.request(method, path, body, headers)
            answer = self._http.getresponse()
            return answer.status, answer.read()
        except OSError:
            self._http.close()
            raise


@contextlib.contextmanager
def _client(wire: Wire) -> Iterator[Client]:
    client = Client(wire)
    try:
        yield client
    finally:
        client.close()


def measured(
    system: str, database: str, service: Service, wire: Wire, amount: Amount, note: str
) -> Figures:
    """Everything about one running system. :raises Failed: a job did not complete."""
    _burst(wire, amount.warm)
    rest = _at_rest(service)
    wall = [_alone(wire) for _ in range(amount.alone)]
    before = service.meter.read()
    submits, took = _burst(wire, amount.loaded)
    time.sleep(TAIL_SECONDS)
    spent = between(before, service.meter.read())
    statuses = _asked(wire, amount.asked)
    rate = rest.cpu_seconds / rest.seconds
    cpu = max(0.0, spent.cpu_seconds - rate * spent.seconds)
    return Figures(
        system=system,
        database=database,
        jobs=amount.loaded,
        jobs_per_second=amount.loaded / took,
        cpu_seconds=cpu / amount.loaded,
        wall_ms=1000 * sorted(wall)[len(wall) // 2],
        submit=Latency.of(submits),
        status=Latency.of(statuses),
        at_rest=rate,
        others=None if spent.others is None else spent.others / spent.seconds,
        counted=service.meter.method,
        note=note,
    )


def _at_rest(service: Service) -> Spent:
    """What the service uses while nobody asks anything of it."""
    time.sleep(1.0)
    before = service.meter.read()
    time.sleep(REST_SECONDS)
    return between(before, service.meter.read())


def _alone(wire: Wire) -> float:
    """Seconds from the submission of a job to its end, as a client sees it."""
    with _client(wire) as client:
        began = time.monotonic()
        _await_end(client, client.submit(), LOOK_SECONDS)
        return time.monotonic() - began


def _burst(wire: Wire, count: int) -> tuple[list[float], float]:
    """Send so many jobs as fast as they are taken; how long each submission took, and all jobs.

    One is looked at after another, until it has ended: once a job, and now and then for the last.
    """
    began = time.monotonic()
    sent = list(_sent(wire, count))
    with _client(wire) as client:
        for job_id, _ in sent:
            _await_end(client, job_id, 0.1)
    return [seconds for _, seconds in sent], time.monotonic() - began


def _sent(
    wire: Wire, count: int, told: Callable[[str], None] = lambda _: None
) -> Sequence[tuple[str, float]]:
    """Jobs sent by some clients at once, each waiting for its answer before it sends the next."""
    at_once = min(SUBMITTERS, count)
    shares = [count // at_once + (k < count % at_once) for k in range(at_once)]

    def submitter(share: int) -> list[tuple[str, float]]:
        found = []
        with _client(wire) as client:
            for _ in range(share):
                began = time.monotonic()
                job_id = client.submit()
                found.append((job_id, time.monotonic() - began))
                told(job_id)
        return found

    with ThreadPoolExecutor(at_once) as pool:
        return [one for found in pool.map(submitter, shares) for one in found]


def _asked(wire: Wire, count: int) -> list[float]:
    """How long each question takes for how a job is, one after another, while jobs run."""
    known: list[str] = []
    over = threading.Event()
    chance = random.Random(1)

    def ask() -> list[float]:
        times = []
        with _client(wire) as client:
            while not over.wait(ASK_SECONDS):
                if known:
                    began = time.monotonic()
                    client.ended(chance.choice(known))
                    times.append(time.monotonic() - began)
        return times

    with ThreadPoolExecutor(1) as pool:
        asking = pool.submit(ask)
        try:
            _sent(wire, count, known.append)
            with _client(wire) as client:
                for job_id in list(known):
                    _await_end(client, job_id, 0.1)
        finally:
            over.set()
        return asking.result()


def _await_end(client: Client, job_id: str, pause: float) -> None:
    give_up = time.monotonic() + END_SECONDS
    while not client.ended(job_id):
        if time.monotonic() > give_up:
            raise Failed(f"{job_id} did not end within {END_SECONDS:g} s")
        time.sleep(pause)
