"""Single catastrophes, each with what is to be seen after it."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import yaml

from tests.chaos import rows
from tests.chaos.auditor import Violation, audit
from tests.chaos.course import collected
from tests.chaos.load import Client, Load
from tests.chaos.nodes import NodesService
from tests.chaos.postgres import OwnServer
from tests.chaos.record import Deed, Run, Seen, now_ms
from tests.chaos.targets import processes
from tests.harness import ENDED, ROOT, Service, http, until

REPLICAS = ("submit replica", "status replica")

Result = tuple[Run, list[Violation]]
SETTLE = 240.0  # seconds for every job to end


@dataclass
class Stage:
    """What a scenario plays on.

    :param jobs: how many are running when it begins.
    """

    service: Service
    database: str
    jobs: int
    seed: int
    server: OwnServer | None = None


def powercut(stage: Stage) -> Result:
    """``kill -9`` of everything while all jobs run; how long until all run again."""
    seen = Seen()
    jobs = _all_running(stage, seen)
    before = {job["id"]: job["attempt"] for job in rows.running(stage.database)}
    seen.add(Deed("power cut", now_ms(), tuple(jobs)))
    stage.service.kill_everything()
    began = now_ms()
    stage.service.start()
    served = now_ms()
    until("all jobs run again", lambda: _taken_up(stage, before), SETTLE)
    _tell_when_taken_up(stage, began, served)
    return _ended(stage, seen, jobs)


def _taken_up(stage: Stage, before: dict[str, int]) -> bool:
    jobs = rows.select(stage.database, "jobs")["jobs"]
    return all(job["attempt"] > before.get(job["id"], 0) for job in jobs)


def _tell_when_taken_up(stage: Stage, began: int, served: int) -> None:
    """Print when Serve answered and when the jobs ran again, in seconds from the start."""
    events = rows.read(stage.database).events
    taken = sorted(e["at"] for e in events if e["type"] == "job.resumed" and e["at"] > began)
    first, half, last = ((taken[at] - began) / 1000 for at in (0, len(taken) // 2, -1))
    print(f"seconds from the start: Serve answers {(served - began) / 1000:.1f}; jobs run again,")
    print(f"first {first:.1f}, half {half:.1f}, all {len(taken)} {last:.1f}", end=": ")
    print(f"{max(0.0, (taken[-1] - served) / 1000):.1f} s after Serve answers")


def dbstop(stage: Stage) -> Result:
    """PostgreSQL is stopped for 20 s under load, and started again."""
    assert stage.server is not None
    return _under_load(stage, "PostgreSQL stopped", stage.server.stop, stage.server.start, 20.0)


def gcs(stage: Stage) -> Result:
    """The GCS, its tables in Redis, is killed under load and is back after 10 s."""
    service = stage.service
    assert isinstance(service, NodesService)
    return _under_load(stage, "GCS killed", service.kill_gcs, service.start_gcs, 10.0)


def headloss(stage: Stage) -> Result:
    """The cluster is lost, memory and all; a new one has nothing but the journal."""
    service = stage.service
    return _under_load(stage, "cluster lost", service.kill_everything, service.start, 1.0)


def redeploy(stage: Stage) -> Result:
    """Serve's applications are deployed anew under load: every replica is replaced."""
    return _under_load(stage, "Serve redeployed", lambda: _redeploy(stage), lambda: None, 15.0)


def _redeploy(stage: Stage) -> None:
    """As ``serve deploy`` does it; a changed environment makes it another version."""
    service = stage.service
    config = yaml.safe_load((ROOT / "serve_config.yaml").read_text())
    config["http_options"] |= {"host": "127.0.0.1", "port": service.http_port}
    for app in config["applications"]:
        app["runtime_env"] = {"env_vars": {"SOTA_DEPLOYED_AT": str(now_ms())}}
    before = {one.pid for part in REPLICAS for one in processes(service, part)}
    answer = http("PUT", f"{service.dashboard}/api/serve/applications/", config)
    assert answer.status == 200, answer.raw

    def replaced() -> bool:
        now = {one.pid for part in REPLICAS for one in processes(service, part)}
        return len(now) >= len(REPLICAS) and not now & before

    began = time.monotonic()
    until("every replica is another", replaced, 120)
    print(f"every replica is another {time.monotonic() - began:.1f} s after the deployment")


def drain(stage: Stage) -> Result:
    """A node is drained under load, and lost when its jobs have left."""
    service = stage.service
    assert isinstance(service, NodesService)

    def begin() -> None:
        node, began = service.drain_a_node(), time.monotonic()
        had = len(_owned_by(stage, node))
        until("its jobs have left", lambda: not _owned_by(stage, node), 60)
        print(f"{had} jobs left the node {time.monotonic() - began:.1f} s after the word")

    return _under_load(stage, "node drained", begin, service.lose_a_node, 3.0)


def _owned_by(stage: Stage, node: str) -> list[str]:
    return [job["id"] for job in rows.running(stage.database) if job["owner"].startswith(node)]


def _under_load(
    stage: Stage, what: str, begin: Callable[[], object], end: Callable[[], object], seconds: float
) -> Result:
    """Load for a while, *begin*, *seconds*, *end*, and load for a while longer."""
    seen = Seen()
    stage.service.pace("live", 0.3)
    load = Load(stage.service, seen, stage.jobs, stage.seed)
    load.start()
    try:
        time.sleep(15.0)
        running = tuple(job["id"] for job in rows.running(stage.database))
        seen.add(Deed(what, now_ms(), running))
        begin()
        time.sleep(seconds)
        end()
        ended = time.monotonic()
        _tell_when_news(stage, running, ended)
        time.sleep(max(0.0, ended + 20.0 - time.monotonic()))
    finally:
        load.stop(SETTLE)
    run = collected(stage.service, stage.database, seen)
    return run, audit(run)


def _tell_when_news(stage: Stage, jobs: tuple[str, ...], since: float) -> None:
    """Print the seconds until every one of *jobs* has an event that is newer than now."""
    at = now_ms()

    def all_moved() -> bool:
        found = rows.read(stage.database)
        moved = {event["job_id"] for event in found.events if event["at"] > at}
        over = {job["id"] for job in found.jobs if job["status"] in ENDED}
        return set(jobs) <= moved | over

    until("every job gets on", all_moved, 120.0)
    print(f"all {len(jobs)} jobs get on {time.monotonic() - since:.1f} s after it is over")


def _all_running(stage: Stage, seen: Seen) -> list[str]:
    """Submit the jobs and wait until each is running and has got somewhere."""
    stage.service.pace("live", 3.0)
    client = Client(stage.service, seen)
    for number in range(stage.jobs):
        body = {"keyword": f"power cut {number}", "clientId": "c", "requestId": f"r{number}"}
        until("it is accepted", lambda body=body: client.submit(body), 60)  # type: ignore[misc]

    def all_run() -> bool:
        found = rows.select(stage.database, "running", "memos")
        begun = {memo["job_id"] for memo in found["memos"]}
        return len(found["running"]) == stage.jobs and len(begun) == stage.jobs

    began = time.monotonic()
    until("all jobs run", all_run, 300)
    print(f"{stage.jobs} jobs run, {time.monotonic() - began:.1f} s after the last was accepted")
    return sorted({accepted.job_id for accepted in seen.accepted})


def _ended(stage: Stage, seen: Seen, jobs: list[str]) -> Result:
    stage.service.pace("zero")
    client = Client(stage.service, seen)
    for job_id in jobs:
        until(f"{job_id} ends", lambda job_id=job_id: _over(client, job_id), SETTLE)  # type: ignore[misc]
    run = collected(stage.service, stage.database, seen)
    return run, audit(run)


def _over(client: Client, job_id: str) -> bool:
    job = client.look(job_id)
    return job is not None and job["status"] in ENDED


SCENARIOS: dict[str, Callable[[Stage], Result]] = {
    one.__name__: one for one in (powercut, dbstop, gcs, headloss, redeploy, drain)
}
