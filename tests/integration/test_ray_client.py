"""What Ray's own users see: actors by name, the dashboard's list, and the Python client."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
import ray

from actors import client, options
from orchestrator.config import Settings
from orchestrator.errors import JobNotFound
from tests.harness import Service, http, until


@pytest.fixture(scope="module")
def driver(shared_service: Service) -> Iterator[Service]:
    """This process joins the service's cluster as a driver."""
    os.environ["RAY_AUTH_MODE"] = "disabled"
    client.connect(shared_service.ray_address)
    yield shared_service
    ray.shutdown()


def settings(service: Service) -> Settings:
    return Settings(home=service.home, ray_address=service.ray_address)


async def test_a_jobs_actor_answers_status_by_its_name(driver: Service, service: Service) -> None:
    service.pace("live", 0.2)
    job_id = service.submit("actor by name")
    service.reaches(job_id, 1)
    actor = ray.get_actor(f"job:{job_id}", namespace="orchestrator")

    view = await actor.status.remote()

    assert view.id == job_id
    assert view.step >= 1
    service.post(f"job/{job_id}/cancel")
    service.ended(job_id)


async def test_the_client_answers_while_the_actor_lives_and_after(
    driver: Service, service: Service
) -> None:
    service.pace("live", 0.05)
    job_id = service.submit("python client")
    job = client.get_job(job_id, settings(service))
    assert (await job.status()).id == job_id

    service.ended(job_id)
    until("the actor has retired", lambda: job.actor() is None)

    view = await job.status()
    assert view.status == "completed"
    assert view.result is not None


async def test_the_client_says_when_there_is_no_such_job(driver: Service, service: Service) -> None:
    with pytest.raises(JobNotFound):
        await client.get_job("job_0_none", settings(service)).status()


def test_the_dashboard_lists_each_job_with_its_keyword_and_the_step_it_began_at(
    driver: Service, service: Service
) -> None:
    service.pace("live", 0.2)
    job_id = service.submit("dashboard keyword")
    service.reaches(job_id, 1)
    name = options.job_name(job_id)

    def row() -> dict[str, str] | None:
        answer = http("GET", f"{service.dashboard}/api/v0/actors?detail=1&limit=1000")
        rows = answer.body["data"]["result"]["result"]
        return next((r for r in rows if r["name"] == name and r["repr_name"]), None)

    shown = until("the dashboard shows the job", row, 30)["repr_name"]
    service.post(f"job/{job_id}/cancel")
    service.ended(job_id)

    assert "dashboard keyword" in shown
    assert "/8" in shown
