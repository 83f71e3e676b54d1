"""The running service over a PostgreSQL database that has no room left for a while."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy.exc import DBAPIError

from orchestrator.journal.engine import parse_url
from tests.contract.journal_helpers import POSTGRES_URL, on_database
from tests.contract.trouble import mend, refuse
from tests.harness import Service, http, running, until
from tests.services import missing

pytestmark = pytest.mark.postgres
NO_ROOM = "could not extend file: No space left on device"


@pytest.fixture
def database() -> Iterator[str]:
    """The URL of a schema of this test's own."""
    schema = f"test_trouble_{os.getpid()}"
    drop = f"DROP SCHEMA IF EXISTS {schema} CASCADE"
    try:
        asyncio.run(on_database(POSTGRES_URL, drop, f"CREATE SCHEMA {schema}"))
    except (OSError, DBAPIError) as error:
        missing(f"PostgreSQL at {parse_url(POSTGRES_URL)} ({error})")
    yield f"{POSTGRES_URL}?search_path={schema}"
    asyncio.run(on_database(POSTGRES_URL, drop))


@pytest.fixture
def service(database: str, tmp_path: Path) -> Iterator[Service]:
    with running(tmp_path, settings={"SOTA_DATABASE_URL": database}) as service:
        yield service


def test_a_full_database_refuses_submissions_and_running_jobs_wait_for_room(
    service: Service, database: str
) -> None:
    service.pace("live", 0.3)
    job_id = service.submit("no room")
    service.reaches(job_id, 3)
    assert service.get("health").status == 200

    asyncio.run(refuse(database, "53100", NO_ROOM))
    refused = http("POST", f"{service.url}/orchestrator/ultra-sota", {"keyword": "one more"})
    health = until("health notices", lambda: unhealthy(service))
    during = service.get(f"job/{job_id}")
    asyncio.run(mend(database))

    assert refused.status == 503
    assert int(refused.headers["retry-after"]) > 0
    assert "No space left" in refused.body["detail"]
    assert "No space left" in health["journal"]
    assert during.body["status"] == "processing"  # reads go on
    assert service.ended(job_id, 120)["status"] == "completed"
    assert service.get("health").status == 200
    assert service.submit("one more")


def test_of_two_clusters_over_one_database_one_runs_the_jobs_and_the_other_takes_over(
    service: Service, database: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """As during a rolling upgrade of the whole cluster."""
    settings = {"SOTA_DATABASE_URL": database}
    with running(tmp_path_factory.mktemp("second"), settings=settings) as second:
        jobs = [one.submit(f"shared {n}") for n, one in enumerate((service, second) * 2)]
        ended = [second.ended(job_id) for job_id in jobs]

        assert [job["status"] for job in ended] == ["completed"] * 4
        assert [job["attempt"] for job in ended] == [1] * 4  # nobody took another's job
        assert all(second.keys(job_id) == {} for job_id in jobs)  # the first made every call

        service.kill_everything()
        last = second.ended(second.submit("after the first has gone"), 60)
        assert last["status"] == "completed"
        assert second.keys(last["id"])


def unhealthy(service: Service) -> dict[str, str] | None:
    answer = service.get("health")
    if answer.status != 503:
        return None
    assert int(answer.headers["retry-after"]) > 0
    body: dict[str, str] = answer.body
    return body
