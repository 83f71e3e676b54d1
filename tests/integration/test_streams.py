"""Live progress while everything that carries it is killed."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import re
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import psutil

from orchestrator.client import Client
from orchestrator.models import EventView, JobView
from tests.harness import Service
from tests.harness import http as request

RECONNECTS = 20


class Reader:
    """An SSE client that hangs up after a few events and comes back with Last-Event-ID."""

    def __init__(self, service: Service, job_id: str) -> None:
        self._service, self._path = service, f"/orchestrator/job/{job_id}/events"
        self.seen: list[dict[str, Any]] = []
        self.connections = 0

    @property
    def last(self) -> int:
        return int(self.seen[-1]["seq"]) if self.seen else 0

    def over(self) -> bool:
        return bool(self.seen) and self.seen[-1]["type"] in ("job.completed", "job.failed")

    def connect(self, most: int) -> None:
        """One connection: up to *most* events, fewer if it breaks."""
        connection = http.client.HTTPConnection("127.0.0.1", self._service.http_port, timeout=5)
        with (
            contextlib.closing(connection),
            contextlib.suppress(OSError, http.client.HTTPException),
        ):
            connection.request("GET", self._path, headers={"Last-Event-ID": str(self.last)})
            response = connection.getresponse()
            if response.status != 200:
                time.sleep(0.3)
                return
            self.connections += 1
            for line in response:
                if line.startswith(b"data: "):
                    self.seen.append(json.loads(line[6:]))
                    most -= 1
                    if not most:
                        return


def kill_job(service: Service, job_id: str) -> int:
    """SIGKILL the process that has the job; its id."""
    with contextlib.closing(service.journal()) as journal:
        (owner,) = journal.execute("SELECT owner FROM jobs WHERE id = ?", (job_id,)).fetchone()
    pid = int(re.match(r".*/(\d+)@", owner)[1])  # type: ignore[index]
    os.kill(pid, signal.SIGKILL)
    return pid


def kill_status_replica(service: Service) -> None:
    """SIGKILL the process in which the status application runs; Serve makes another."""
    for process in service.family():
        with contextlib.suppress(psutil.NoSuchProcess):
            if "ServeReplica:status" in " ".join(process.cmdline()):
                process.kill()
                return
    raise AssertionError("no replica of the status application is there")


def in_thread(work: Callable[[], Any]) -> tuple[threading.Thread, list[Any]]:
    found: list[Any] = []
    thread = threading.Thread(target=lambda: found.append(work()), daemon=True)
    thread.start()
    return thread, found


def test_a_reader_who_reconnects_twenty_times_sees_each_event_once_while_actors_are_killed(
    service: Service,
) -> None:
    """The job's process is killed twice and the status replica once; the SDK's stream and its
    wait run beside the reader over the same time."""
    service.pace("live", 0.5)
    job_id = service.submit("reconnecting reader")
    reader = Reader(service, job_id)
    with Client(service.url) as client:
        events, by_sdk = in_thread(lambda: list(client.job(job_id).events()))
        progress: list[JobView] = []
        waiting, waited = in_thread(
            lambda: client.job(job_id).wait(on_progress=progress.append, timeout=80)
        )
        deaths: Iterator[Callable[[], object]] = iter(
            (
                lambda: kill_job(service, job_id),
                lambda: kill_status_replica(service),
                lambda: kill_job(service, job_id),
            )
        )
        killed, due = 0, [5, 10, 15]
        give_up = time.monotonic() + 80
        while not reader.over() and time.monotonic() < give_up:
            reader.connect(most=1 if reader.connections < 12 else 3)
            if killed < 3 and len(reader.seen) >= due[killed] and _is_running(service, job_id):
                next(deaths)()
                killed += 1
        while reader.connections < RECONNECTS and time.monotonic() < give_up:
            reader.connect(most=1)
        events.join(30)
        waiting.join(30)

    with contextlib.closing(service.journal()) as journal:
        rows = journal.execute(
            "SELECT seq, type FROM events WHERE job_id = ? ORDER BY seq", (job_id,)
        )
        truth = [(int(seq), str(kind)) for seq, kind in rows]
    assert killed == 3
    assert reader.connections >= RECONNECTS
    assert reader.over()
    assert [(one["seq"], one["type"]) for one in reader.seen] == truth
    assert [seq for seq, _ in truth] == list(range(1, len(truth) + 1))
    assert [kind for _, kind in truth].count("job.resumed") == 2
    sdk: list[EventView] = by_sdk[0]
    assert [(event.seq, event.type) for event in sdk] == truth
    assert waited[0].status == "completed"
    # A step that is begun again counts from its beginning: only an activation never goes back.
    shares = [(view.attempt, view.progress) for view in progress]
    assert shares == sorted(shares)
    assert shares[-1][1] == 1.0
    counted = re.compile(r"\d+ of \d+")
    details = " ".join(str(one["data"].get("detail", "")) for one in reader.seen)
    assert re.search(r"section\w* \d+ of \d+", details)
    assert re.search(r"reference\w* \d+ of \d+", details)
    assert any(counted.search(one) for view in progress for one in view.activity)


def _is_running(service: Service, job_id: str) -> bool:
    with contextlib.closing(service.journal()) as journal:
        (status,) = journal.execute("SELECT status FROM jobs WHERE id = ?", (job_id,)).fetchone()
    return bool(status == "processing")


def test_heads_and_bodies_that_do_not_come_are_cut_off(service: Service) -> None:
    """The real proxy, by raw sockets (tests/unit/test_limits.py has every case)."""
    head = b"POST /orchestrator/ultra-sota HTTP/1.1\r\nHost: t\r\n"
    cases = {
        b"": 408,
        head + b"X-Slow: ": 408,
        head + b"Content-Length: 1000\r\n\r\n{": 408,
        head + b"X-Long: " + b"x" * 20_000: 431,
        head + b"X: y\r\n" * 200 + b"\r\n": 431,
        head + b"Content-Length: 99999999\r\n\r\n": 413,
    }
    sockets = {}
    for sent in cases:
        sockets[sent] = socket.create_connection(("127.0.0.1", service.http_port), timeout=20)
        sockets[sent].sendall(sent)
    for sent, status in cases.items():
        with sockets[sent] as wire:
            answer = wire.recv(65536)
            assert int(answer.split()[1]) == status, (sent[:60], answer[:200])
            assert b"application/problem+json" in answer


def test_the_contract_is_served(service: Service) -> None:
    document = service.get("openapi.json").body
    page = service.get("docs")
    problem = service.get("job/none")

    assert "/orchestrator/ultra-sota" in document["paths"]
    assert page.headers["content-type"].startswith("text/html")
    explained = request("GET", service.url + problem.body["type"])
    assert b"No such job" in explained.raw
