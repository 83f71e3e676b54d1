"""What dies and what fails: job actors, the whole machine, the services; and what a cancel does."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from orchestrator.journal.sealing import new_master_key
from steps import PIPELINE
from tests.harness import ENDED, Service, running, until


def job_processes(service: Service) -> dict[int, str]:
    """Pids of the job actors' processes of this service."""
    found = {}
    for process in service.family():
        try:
            line = " ".join(process.cmdline())
        except psutil.NoSuchProcess:
            continue
        if line.startswith("ray::JobActor") or "job:" in line.split(" ")[0]:
            found[process.pid] = line
    return found


def attempts(job: dict[str, object]) -> dict[str, int]:
    return {s["name"]: s["attempts"] for s in job["steps"]}  # type: ignore[attr-defined]


def sections_recorded(service: Service, job_id: str) -> set[str]:
    """The sections of step 4 that the journal has."""
    parts = service.recorded_parts(job_id, "generating-article")
    return {part for part in parts if part.startswith("section:")}


def woken(pid: int, seconds: float) -> float:
    """How often the main thread of a process is woken in a second, over so many."""
    main_thread = psutil.Process(pid)
    before = main_thread.num_ctx_switches().voluntary
    time.sleep(seconds)
    return float(main_thread.num_ctx_switches().voluntary - before) / seconds


def test_a_jobs_process_is_forked_from_the_nodes_template(service: Service) -> None:
    """Else nobody would notice that every start costs ten times as much."""
    service.pace("live", 2.0)
    job_id = service.submit("look at my parents")
    service.reaches(job_id, 1)

    (pid,) = job_processes(service)
    (parent, *_) = psutil.Process(pid).parents()

    assert "actors.template.server" in parent.cmdline()
    assert woken(pid, 3.0) < 20  # Ray's main thread: 100 times a second without naps
    service.pace("zero")
    service.ended(job_id)


def test_killing_a_job_actor_in_step_4_repeats_only_the_sections_in_flight(
    service: Service,
) -> None:
    service.pace("live", 0.5)
    job_id = service.submit("kill the actor")
    service.reaches(job_id, 4)
    until("two sections are recorded", lambda: len(sections_recorded(service, job_id)) >= 2)
    (pid,) = job_processes(service)

    os.kill(pid, signal.SIGKILL)
    time.sleep(0.3)  # what was on its way arrives; a new process takes longer to start
    recorded = sections_recorded(service, job_id)
    asked = {key.split(":", 2)[2] for key in service.keys(job_id) if ":section:" in key}
    steps = [service.job(job_id)["step"]]
    while (job := service.job(job_id))["status"] not in ENDED:
        steps.append(job["step"])
        time.sleep(0.05)

    assert job["status"] == "completed", job.get("error")
    assert steps == sorted(steps)
    assert job["attempt"] == 2
    assert set(attempts(job).values()) == {1}
    counts = {
        key.split(":", 2)[2]: n for key, n in service.keys(job_id).items() if ":section:" in key
    }
    in_flight = asked - recorded
    assert len(recorded) >= 2
    assert in_flight
    assert {part for part, n in counts.items() if n > 1} == in_flight
    assert all(counts[part] == 2 for part in in_flight)
    others = {
        key: n
        for key, n in service.keys(job_id).items()
        if key.split(":")[1] in {"semantic-keywords", "gap-analysis", "article-blueprint"}
    }
    assert others
    assert set(others.values()) == {1}


def recorded_keys(service: Service, job_id: str) -> list[str]:
    """Idempotency keys of the calls whose steps are recorded."""
    done = {s["name"] for s in service.job(job_id)["steps"] if s["state"] == "completed"}
    slugs = {step.slug for step in PIPELINE.steps if step.name in done}
    return [key for key in service.keys(job_id) if key.split(":")[1] in slugs]


@pytest.mark.parametrize(
    "part", ["GatewayActor", "JournalActor", "SupervisorActor", "BreakerActor", "ServeReplica"]
)
def test_killing_any_other_part_loses_nothing(service: Service, part: str) -> None:
    service.pace("live", 0.15)
    job_id = service.submit(f"kill the {part}")
    service.reaches(job_id, 4)

    killed = 0
    for process in service.family():
        with contextlib.suppress(psutil.NoSuchProcess):
            if f"ray::{part}" in " ".join(process.cmdline()):
                process.kill()
                killed += 1

    assert killed
    until("it answers again", lambda: service.get(f"job/{job_id}").status in (200, 202), 60)
    job = until("it ends", lambda: _ended(service, job_id), 120)
    assert job["status"] == "completed", job.get("error")


def _ended(service: Service, job_id: str) -> dict[str, object] | None:
    answer = service.get(f"job/{job_id}")
    return answer.body if answer.status == 200 else None


@pytest.fixture
def own_service(tmp_path: Path) -> Iterator[Service]:
    settings = {"SOTA_MAX_LIVE_JOBS": "3", "SOTA_ENCRYPTION_KEYS": new_master_key()}
    with running(tmp_path, settings=settings) as service:
        yield service


def test_losing_the_whole_machine_loses_no_job_and_runs_none_twice(own_service: Service) -> None:
    """And while its journal is sealed, neither an article nor the key is on the disk."""
    service = own_service
    service.pace("live", 0.3)
    jobs = [service.submit(f"power cut {n}") for n in range(5)]
    until(
        "three jobs run and two are queued",
        lambda: Counter(service.job(j)["status"] for j in jobs) == {"processing": 3, "queued": 2},
    )
    for job_id in jobs[:3]:
        service.reaches(job_id, 3)
    recorded = {key for job_id in jobs[:3] for key in recorded_keys(service, job_id)}
    service.kill_everything()

    service.pace("zero")
    service.start()
    ended = [service.ended(job_id) for job_id in jobs]

    assert [job["status"] for job in ended] == ["completed"] * 5
    assert recorded
    again = {key for job_id in jobs for key, count in service.keys(job_id).items() if count > 1}
    assert not again & recorded
    written = {job["result"]["content"][at : at + 60].encode() for job in ended for at in (0, 900)}
    files = [path for path in service.home.iterdir() if path.name.startswith("journal.db")]
    files += [path for path in service.ray_dir.rglob("*.*") if path.is_file()]
    assert sum(path.read_bytes().count(b"enc1:") for path in files) >= 5
    secret = service.settings["SOTA_ENCRYPTION_KEYS"].encode()
    for text in {*written, secret, b"power cut 0</"}:
        assert [path.name for path in files if text in path.read_bytes()] == []


def test_a_cancel_in_step_4_ends_the_job_within_2_seconds(service: Service) -> None:
    service.pace("live", 1.0)
    job_id = service.submit("cancel me")
    service.pace("live", 0.1)
    service.reaches(job_id, 3)
    service.pace("live", 3.0)
    service.reaches(job_id, 4)
    time.sleep(0.5)  # calls of step 4 are in flight

    asked = time.monotonic()
    service.post(f"job/{job_id}/cancel")
    job = service.ended(job_id, 10)

    assert time.monotonic() - asked < 2.0
    assert job["status"] == "cancelled"
    until("its calls are given up", lambda: service.stats()["inFlight"] == 0, 5)
    assert service.post(f"job/{job_id}/cancel").status == 200  # asking again changes nothing


def breaker(service: Service, name: str) -> dict[str, object]:
    return next(b for b in service.get("breakers").body if b["service"] == name)


def test_serper_failures_open_its_breaker_for_all_and_one_probe_closes_it(
    service: Service,
) -> None:
    service.fault(service="serper", status=503, rate=1.0)
    first = service.submit("serper breaker one")
    until("the breaker is open", lambda: breaker(service, "serper")["state"] == "open", 60)
    asked = searches(service)
    second = service.ended(service.submit("serper breaker two"), 120)
    still_open = breaker(service, "serper")["state"] != "closed"
    service.heal()

    assert still_open
    assert searches(service) - asked <= 2  # nothing but the probes of half-open, 10 s apart
    assert any("search" in reason for step in second["steps"] for reason in step["degraded"])
    jobs = [service.ended(first, 120), second]
    assert [job["status"] for job in jobs] == ["completed", "completed"]
    until("closed again", lambda: _probed(service, "serper")["state"] == "closed", 60)


def searches(service: Service) -> int:
    """How many requests Serper's stand-in has had."""
    return int(service.stats()["requests"].get("serper", {}).get("total", 0))


def _probed(service: Service, name: str) -> dict[str, object]:
    """The breaker, after another job has had occasion to probe it."""
    if breaker(service, name)["state"] != "closed":
        service.ended(service.submit(f"probe {time.monotonic()}"), 120)
    return breaker(service, name)


def reasons(job: dict[str, Any]) -> dict[str, list[str]]:
    """Why each degraded step was degraded."""
    return {step["name"]: step["degraded"] for step in job["steps"] if step["degraded"]}


def recovered(service: Service) -> None:
    """Wait until every breaker lets a call through: closed, or due for its probe."""
    until(
        "the breakers have cooled down",
        lambda: all(not b.get("retryAfter") for b in service.get("breakers").body),
    )


def completed(service: Service, keyword: str) -> dict[str, Any]:
    job = service.ended(service.submit(keyword), 120)
    assert job["status"] == "completed", job.get("error")
    assert job["result"]["metadata"]["degraded"] == list(reasons(job))  # in the order of the steps
    return job


def test_serper_down_is_degraded_in_steps_2_and_6_and_its_return_leaves_no_trace(
    service: Service,
) -> None:
    recovered(service)
    service.fault(service="serper", status=503)
    without = completed(service, "a topic nobody searched for")

    assert list(reasons(without)) == ["Gap Analysis", "References"]
    assert "no search results: serper" in reasons(without)["Gap Analysis"][0]
    assert "search for references: serper" in reasons(without)["References"][0]
    assert "0 verified references" in " ".join(reasons(without)["References"])
    assert without["result"]["references"] == []
    assert "[[" not in without["result"]["content"]

    service.heal()
    recovered(service)
    again = completed(service, "a topic nobody searched for")

    assert reasons(again) == {}
    assert len(again["result"]["references"]) >= 5
    assert breaker(service, "serper")["state"] == "closed"


def test_serper_down_takes_the_searches_of_an_earlier_job_and_says_how_old_they_are(
    service: Service,
) -> None:
    recovered(service)
    first = completed(service, "stale searches")
    service.age_cache(hours=6 * 24 + 12)  # over a day for the SERP, not yet its seven
    service.fault(service="serper", status=503)
    second = completed(service, "stale searches")

    assert reasons(first) == {}
    (told,) = reasons(second)["Gap Analysis"]
    assert "search results 156 h old: serper circuit breaker open" in told
    assert all("search" in reason for reason in reasons(second)["References"])  # those too
    assert len(second["result"]["references"]) >= 5  # whose checks are good for a week

    service.age_cache(hours=24)
    third = completed(service, "stale searches")

    assert "no search results" in reasons(third)["Gap Analysis"][0]  # too old by now
    assert "search for references: serper" in reasons(third)["References"][0]


def test_main_model_down_the_lower_cost_one_writes_and_its_return_leaves_no_trace(
    service: Service,
) -> None:
    recovered(service)
    service.fault(service="ai", status=529, model="claude-sonnet-5")
    without = completed(service, "main model down")

    assert without["result"]["metadata"]["model"] == "claude-haiku-4-5"
    assert {"Semantic Keywords", "Gap Analysis", "Article Blueprint", "Generating Article"} <= set(
        reasons(without)
    )
    told = [reason for texts in reasons(without).values() for reason in texts]
    assert all("lower-cost model: ai circuit breaker open" in reason for reason in told)
    assert breaker(service, "ai")["state"] == "open"

    service.heal()
    recovered(service)
    again = completed(service, "main model down")

    assert again["result"]["metadata"]["model"] == "claude-sonnet-5"
    assert reasons(again) == {}
    assert [b["state"] for b in service.get("breakers").body] == ["closed"] * 5


def test_wordpress_failures_open_its_breaker_and_the_job_waits_it_out(service: Service) -> None:
    service.fault(service="wordpress", status=503, count=2)
    job = service.ended(service.submit("post to refresh", mode="refresh", postId=101), 120)

    assert job["status"] == "completed", job.get("error")
    assert breaker(service, "wordpress")["openedCount"] >= 1
    assert breaker(service, "wordpress")["state"] == "closed"
