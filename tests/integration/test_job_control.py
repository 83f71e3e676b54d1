"""Steering a running service's jobs over HTTP: erase, retry from a step, narrowed lists."""

from __future__ import annotations

import contextlib
import time

from tests.harness import Service, http, until

TABLES = ("bodies", "steps", "memos", "events", "timers", "cache")


def erase(service: Service, job_id: str) -> int:
    return http("DELETE", f"{service.url}/orchestrator/job/{job_id}").status


def rows_of(service: Service, job_id: str) -> int:
    with contextlib.closing(service.journal()) as journal:
        counts = [
            journal.execute(f"SELECT count(*) FROM {table} WHERE job_id = ?", (job_id,))
            for table in TABLES
        ]
        counts += [journal.execute("SELECT count(*) FROM jobs WHERE id = ?", (job_id,))]
        counts += [journal.execute("SELECT count(*) FROM cache_leases WHERE owner = ?", (job_id,))]
        return sum(count.fetchone()[0] for count in counts)


def test_a_job_is_erased_while_it_runs_and_does_not_come_back(service: Service) -> None:
    service.pace("live", 0.3)
    job_id = service.submit("erase me")
    service.reaches(job_id, 3)
    assert rows_of(service, job_id) > 20

    assert erase(service, job_id) == 204

    assert service.get(f"job/{job_id}").status == 404
    assert erase(service, job_id) == 404  # nothing of it is here
    until("its calls are given up", lambda: service.stats()["inFlight"] == 0, 10)
    time.sleep(1.0)
    assert rows_of(service, job_id) == 0
    assert service.get(f"job/{job_id}/events").status == 404


def test_a_cancelled_job_goes_on_from_the_step_that_is_named(service: Service) -> None:
    service.pace("live", 0.3)
    job_id = service.submit("retry me from the blueprint")
    service.reaches(job_id, 4)
    told = service.post(f"job/{job_id}/cancel")
    assert (told.status, told.body["status"]) == (200, "cancelled")  # it waits for what becomes
    paid = service.keys(job_id)
    service.pace("zero")

    first = service.post(f"job/{job_id}/retry?fromStep=Article%20Blueprint")
    again = service.post(f"job/{job_id}/retry?fromStep=article-blueprint")

    assert (first.status, again.status) == (202, 202)
    assert service.post(f"job/{job_id}/retry?fromStep=nonsense").status in (409, 422)
    assert service.ended(job_id)["status"] == "completed"
    seen = service.keys(job_id)
    kept = {k for k in paid if ":semantic-keywords:" in k or ":gap-analysis:" in k}
    assert kept
    assert {seen[key] for key in kept} == {1}
    assert any(count == 2 for key, count in seen.items() if ":article-blueprint:" in key)
    assert service.post(f"job/{job_id}/retry").status == 409
    assert service.post(f"job/{job_id}/cancel").body["status"] == "completed"


def test_lists_are_narrowed_by_the_query(service: Service) -> None:
    before = int(time.time() * 1000)
    job_id = service.submit("Ökologischer Gemüsebau")
    listed = service.get(
        f"jobs?keyword=%C3%B6KOLOG&mode=generate&createdAfter={before}&createdBefore={2**40 * 8}"
    ).body["jobs"]
    none = service.get(f"jobs?keyword=%C3%B6kolog&createdBefore={before}").body["jobs"]
    bad = service.get("jobs?mode=nonsense&createdAfter=soon")

    assert [job["id"] for job in listed] == [job_id]
    assert none == []
    assert bad.status == 422
    assert {error["field"] for error in bad.body["errors"]} == {"mode", "createdAfter"}
