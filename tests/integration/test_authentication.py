"""Authentication where it counts: through Serve's proxy, with keys made by the command line."""

from __future__ import annotations

import base64
import contextlib
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest

from orchestrator.client import ApiError, Client
from orchestrator.secrets import SECRET_NAMES
from orchestrator.security.signing import RequestSigner
from tests.harness import ROOT, Service, http, running

SECRET = "integration-signing-secret-" + "5eC7" * 8
SUBMIT = "/orchestrator/ultra-sota"

CONFIGURED = {
    "SOTA_SIGNING_SECRET": SECRET,
    **{
        name: f"integration-{number}-" + "5eC7" * 8
        for number, name in enumerate(
            (
                "ANTHROPIC_API_KEY",
                "SERPER_API_KEY",
                "WORDPRESS_APP_PASSWORD",
                "SOTA_SIGNING_SECRET_PREVIOUS",
                "SOTA_WEBHOOK_SECRET",
            )
        )
    },
    "SOTA_ENCRYPTION_KEYS": base64.b64encode(b"integration" * 2 + b"0123456789").decode(),
}
"""Every secret that can be configured, each one of a kind."""


@dataclass
class Edge:
    """A service that asks for keys, and the keys of two clients and an administrator."""

    service: Service
    alice: str
    bob: str
    admin: str

    def signed(self, method: str, target: str, body: bytes = b"") -> dict[str, str]:
        return dict(RequestSigner("alice", self.alice)(method, target, body))


@pytest.fixture(scope="module")
def edge(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Edge]:
    home = tmp_path_factory.mktemp("auth")
    with running(home, settings=CONFIGURED) as service:
        yield Edge(
            service,
            alice=key_of(service, "alice"),
            bob=key_of(service, "bob", "--kind", "bearer"),
            admin=key_of(service, "ops", "--kind", "bearer", "--admin"),
        )


def key_of(service: Service, *arguments: str) -> str:
    """A new key, made while the service runs."""
    done = subprocess.run(
        [sys.executable, "-m", "orchestrator.cli", "keys", "create", *arguments],
        env=service.environment, cwd=ROOT, capture_output=True, text=True, check=True,
    )  # fmt: skip
    return done.stdout.strip()


def raw(service: Service, request: bytes) -> bytes:
    """The first line that comes back for exactly these bytes."""
    with socket.create_connection(("127.0.0.1", service.http_port), timeout=10) as sent:
        sent.sendall(request)
        return sent.recv(4096).split(b"\r\n")[0]


def test_a_job_is_signed_for_watched_and_taken_by_its_client_only(edge: Edge) -> None:
    url = edge.service.url
    with Client(url, client_id="alice", key=edge.alice) as alice:
        job = alice.submit("AI in SEO")
        seen = [event.seq for event in job.events()]
        assert seen == list(range(1, len(seen) + 1))
        assert job.status().status == "completed"
        assert [view.id for view in alice.list().jobs] == [job.id]
        assert alice.health().jobs == {}

    with Client(url, key=edge.bob) as bob:
        assert bob.list().jobs == []
        for ask in (bob.job(job.id).status, bob.job(job.id).cancel, bob.job(job.id).erase):
            with pytest.raises(ApiError) as refused:
                ask()
            assert refused.value.status == 404
        with pytest.raises(ApiError) as refused:
            list(bob.job(job.id).events())
        assert refused.value.status == 404

    with Client(url, key=edge.admin) as admin:
        assert admin.job(job.id).status().id == job.id
        assert admin.health().jobs["completed"] == 1


def test_path_and_query_are_signed_as_they_were_sent(edge: Edge) -> None:
    service = edge.service
    for target in (
        "/orchestrator/jobs",
        "/orchestrator/jobs?limit=5&status=completed",
        "/orchestrator/%6Aobs?cursor=",
    ):
        headers = edge.signed("GET", target)
        assert http("GET", service.url + target, **headers).status in (200, 422), target
        assert http("GET", service.url + target, **headers).status == 401, f"{target} replayed"

    headers = edge.signed("GET", "/orchestrator/jobs")
    for other in ("/orchestrator/jobs?limit=1", "/orchestrator/%6aobs", "/orchestrator//jobs"):
        assert http("GET", service.url + other, **headers).status == 401, other


def test_the_routes_prefix_is_part_of_what_is_signed(edge: Edge) -> None:
    body = json.dumps({"keyword": "AI in SEO", "requestId": "prefix"}).encode()
    answer = http("POST", edge.service.url + SUBMIT, body, **edge.signed("POST", SUBMIT, body))
    assert answer.status == 202, answer.raw

    short = http("POST", edge.service.url + SUBMIT, body, **edge.signed("POST", "/", body))
    assert short.status == 401


def test_headers_cannot_be_smuggled_in(edge: Edge) -> None:
    signed = edge.signed("GET", "/orchestrator/jobs")
    lines = "".join(f"{name}: {value}\r\n" for name, value in signed.items())

    def ask(extra: str) -> bytes:
        head = f"GET /orchestrator/jobs HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{extra}\r\n"
        return raw(edge.service, head.encode("latin-1"))

    for extra in (
        lines + "X-Client-Id: bob\r\n",
        lines.replace("alice", "alice\x00"),
        lines.replace("X-Client-Id: alice", "X-Client-Id: bob\r\n alice"),
        lines.replace("X-Client-Id", "X-Client-Id "),
        lines + "X-HTTP-Method-Override: DELETE\r\nX-Signature: 00\r\n",
    ):
        assert ask(extra).split()[1] in (b"400", b"401"), extra
    assert ask(lines).split()[1] == b"200"  # the signature itself was good, and is unused


def test_a_client_cannot_shorten_the_proxys_patience(edge: Edge) -> None:
    with Client(edge.service.url, client_id="alice", key=edge.alice) as alice:
        job = alice.submit("solar panels")
    target = f"/orchestrator/job/{job.id}?wait=1"
    headers = {"X-Request-Timeout-Seconds": "0.01", **edge.signed("GET", target)}

    assert http("GET", edge.service.url + target, **headers).status in (200, 202)


def test_a_revoked_key_is_refused_at_once(edge: Edge) -> None:
    key = key_of(edge.service, "carol", "--kind", "bearer")
    authorization = {"Authorization": f"Bearer {key}"}
    assert edge.service.get("jobs", **authorization).status == 200

    key_id = key.split("_")[1]
    subprocess.run(
        [sys.executable, "-m", "orchestrator.cli", "keys", "revoke", key_id],
        env=edge.service.environment, cwd=ROOT, capture_output=True, check=True,
    )  # fmt: skip

    assert edge.service.get("jobs", **authorization).status == 401


def test_health_is_open_without_figures_and_metrics_are_an_administrators(edge: Edge) -> None:
    health = edge.service.get("health")
    assert (health.status, health.body["jobs"]) == (200, {})
    assert edge.service.get("metrics").status == 401
    assert edge.service.get("metrics", Authorization=f"Bearer {edge.bob}").status == 403
    assert edge.service.get("metrics", Authorization=f"Bearer {edge.admin}").status == 200


def test_no_secret_is_in_a_job_actor_a_log_an_answer_or_the_database(edge: Edge) -> None:
    """Scans the journal's files, the logs, what the dashboard and the service answer, and the
    environment of every job's process and of the template they come from."""
    service = edge.service
    secrets = [*CONFIGURED.values(), edge.alice, edge.bob, edge.admin]
    service.pace("live")
    with Client(service.url, client_id="alice", key=edge.alice) as alice:
        job = alice.submit("roses")
        give_up = time.monotonic() + 30
        while not (living := job_processes(service)) and time.monotonic() < give_up:
            time.sleep(0.05)
        assert living, "no job's process was seen"
        for process in (*living, *processes(service, "actors.template.server")):
            with contextlib.suppress(psutil.NoSuchProcess):
                known = process.environ()
                assert [name for name in SECRET_NAMES if known.get(name)] == []
        shown = [http("GET", f"{service.dashboard}/api/v0/{what}?detail=1&limit=1000")
                 for what in ("actors", "workers", "runtime_envs", "jobs")]  # fmt: skip
        shown += [service.get(path, Authorization=f"Bearer {edge.admin}") for path in ROUTES]
        shown.append(service.get(f"job/{job.id}", Authorization=f"Bearer {edge.admin}"))
        service.pace("zero")
        job.cancel()

    assert all(answer.status in (200, 202) for answer in shown), [a.status for a in shown]
    for answer in shown:
        assert [s for s in secrets if s.encode() in answer.raw] == []
    for path in (*service.home.glob("journal.db*"), *logs(service)):
        content = path.read_bytes()
        found = [number for number, secret in enumerate(secrets) if secret.encode() in content]
        assert found == [], path


ROUTES = ("jobs", "health", "breakers", "metrics", "usage", "openapi.json")


def job_processes(service: Service) -> list[psutil.Process]:
    """The processes of job actors, which Ray gives their actor's class for a title."""
    return processes(service, "ray::Job")


def processes(service: Service, mark: str) -> list[psutil.Process]:
    """Those of the service with this in their title or command line."""
    found = []
    for process in service.family():
        with contextlib.suppress(psutil.Error):
            line = " ".join(process.cmdline())
            if mark in line:
                found.append(process)
    return found


def logs(service: Service) -> list[Path]:
    """Whatever Ray and the host wrote."""
    return [
        *service.home.glob("*.log"),
        *(path for path in service.ray_dir.rglob("*") if path.suffix in {".log", ".out", ".err"}),
    ]


def test_the_service_refuses_to_start_in_public_without_a_secret(tmp_path: Path) -> None:
    environment = {k: v for k, v in os.environ.items() if k not in SECRET_NAMES}
    environment |= {"SOTA_HOME": str(tmp_path), "SOTA_HTTP_HOST": "0.0.0.0"}
    done = subprocess.run(
        [sys.executable, "-m", "actors.host"],
        env=environment, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip

    said = json.loads(done.stdout.splitlines()[-1])
    assert (done.returncode, said["event"]) == (1, "error")
    assert "SOTA_SIGNING_SECRET" in said["problem"]
