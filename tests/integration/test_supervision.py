"""Jobs that hang, kill their process, wait for long, or must move: what supervision does."""

from __future__ import annotations

import os
import signal
import sqlite3
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from tests.harness import Service, running, until
from tests.integration.test_faults import job_processes


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    settings = {"SOTA_HIBERNATE_AFTER": "5"}
    with running(tmp_path_factory.mktemp("supervision"), settings=settings) as service:
        yield service


@pytest.fixture(autouse=True)
def healthy(service: Service) -> Iterator[None]:
    service.heal()
    service.pace("zero")
    until("the last test's processes are gone", lambda: not job_processes(service), 30)
    yield
    service.heal()
    service.pace("zero")


def test_a_job_whose_process_hangs_goes_on_in_another_and_the_first_is_fenced(
    service: Service,
) -> None:
    service.pace("live", 0.3)
    job_id = service.submit("a process that hangs")
    service.reaches(job_id, 4)
    (pid,) = job_processes(service)

    os.kill(pid, signal.SIGSTOP)
    hung = time.monotonic()
    until("another activation", lambda: service.job(job_id)["attempt"] == 2, 30)
    print(f"taken over after {time.monotonic() - hung:.1f} s")
    if psutil.pid_exists(pid):
        os.kill(pid, signal.SIGCONT)
    job = service.ended(job_id)

    assert job["status"] == "completed", job.get("error")
    assert job["attempt"] == 2
    until("the first is gone", lambda: not psutil.pid_exists(pid), 15)


def test_a_job_that_kills_its_process_again_and_again_is_failed_as_poisoned(
    service: Service,
) -> None:
    service.pace("live", 10)  # nothing is recorded in time
    job_id = service.submit("poison")
    for attempt in range(1, 8):  # the first gets as far as a look into the cache: progress
        job = until("it runs or has ended", lambda a=attempt: at_attempt(service, job_id, a))  # type: ignore[misc]
        if job["status"] != "processing":
            break
        (pid,) = until("its process", lambda: job_processes(service), 30)
        os.kill(pid, signal.SIGKILL)

    job = service.ended(job_id, 30)
    assert job["status"] == "failed"
    assert "poisoned" in job["error"]
    assert job["attempt"] in (5, 6)


def at_attempt(service: Service, job_id: str, attempt: int) -> dict[str, object] | None:
    """The job once it is at this activation, or has ended."""
    job = service.job(job_id)
    return job if job["attempt"] == attempt or job["status"] == "failed" else None


def test_a_job_that_waits_for_long_gives_up_its_process_and_is_woken(service: Service) -> None:
    service.fault(service="ai", status=529, rate=1.0)
    job_id = service.submit("wait for the models")
    until("it hibernates", lambda: "job.released" in event_types(service, job_id), 60)
    until("its process is gone", lambda: not job_processes(service), 15)

    job = service.job(job_id)
    assert job["status"] == "processing"
    assert any(step["state"] == "waiting" for step in job["steps"])
    service.heal()
    job = service.ended(job_id, 120)
    assert job["status"] == "completed", job.get("error")
    assert job["attempt"] >= 2


def test_a_job_asleep_is_cancelled_at_once(service: Service) -> None:
    service.fault(service="ai", status=529, rate=1.0)
    job_id = service.submit("cancel me in my sleep")
    until("it hibernates", lambda: "job.released" in event_types(service, job_id), 60)

    service.post(f"job/{job_id}/cancel")

    assert service.ended(job_id, 20)["status"] == "cancelled"


def event_types(service: Service, job_id: str) -> list[str]:
    """The types of a job's events so far."""
    with sqlite3.connect(service.home / "journal.db") as database:
        query = "SELECT type FROM events WHERE job_id = ? ORDER BY seq"
        return [row[0] for row in database.execute(query, (job_id,))]


def test_a_service_that_is_stopped_lets_calls_in_flight_land(tmp_path: Path) -> None:
    with running(tmp_path) as service:
        service.pace("live", 0.3)
        jobs = [service.submit(f"stop in good order {n}") for n in range(2)]
        for job_id in jobs:
            service.reaches(job_id, 4)
        assert service.host is not None
        service.host.send_signal(signal.SIGTERM)
        service.host.wait(60)
        service.host.stdout.close()  # type: ignore[union-attr]
        service.host = None
        assert service.stats()["inFlight"] == 0

        service.pace("zero")
        service.start()
        ended = [service.ended(job_id) for job_id in jobs]

        assert [job["status"] for job in ended] == ["completed"] * 2
        again = {k: n for job_id in jobs for k, n in service.keys(job_id).items() if n > 1}
        assert not again
