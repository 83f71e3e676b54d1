"""Starts and stops the whole service for tests: the sandbox and ``actors.host``, as processes.

Everything is private to one :class:`Service`: ports, home, Ray's session directory. Only
processes started here are ended, by pid.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

from orchestrator.sandbox import sandbox_environment

ROOT = Path(__file__).resolve().parents[1]
READY_SECONDS = 180.0  # of a start beside another one, on two slow cores
ENDED = {"completed", "failed", "cancelled"}


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@dataclass
class Answer:
    """An HTTP answer: status, headers (lower case), JSON body where there is one."""

    status: int
    headers: dict[str, str]
    raw: bytes

    @property
    def body(self) -> Any:
        return json.loads(self.raw)


def http(method: str, url: str, body: Any = None, **headers: str) -> Answer:
    data = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data=data, method=method)
    request.add_header("Content-Type", "application/json")
    for name, value in headers.items():
        request.add_header(name.replace("_", "-"), value)
    try:
        with urllib.request.urlopen(request, timeout=60) as response:
            return Answer(response.status, _lower(response.headers), response.read())
    except urllib.error.HTTPError as error:
        with error:
            return Answer(error.code, _lower(error.headers), error.read())


def _lower(headers: Any) -> dict[str, str]:
    return {name.lower(): value for name, value in headers.items()}


def until(what: str, check: Callable[[], Any], seconds: float = 60.0) -> Any:
    """Poll *check* until it gives something true; its errors to connect count as not yet."""
    give_up = time.monotonic() + seconds
    while time.monotonic() < give_up:
        with contextlib.suppress(OSError):
            if found := check():
                return found
        time.sleep(0.1)
    raise AssertionError(f"not within {seconds:g} s: {what}")


@dataclass
class Service:
    """One running service with its sandbox."""

    home: Path
    profile: str = "zero"
    time_scale: float = 1.0
    settings: dict[str, str] = field(default_factory=dict)
    url: str = ""
    ray_address: str = ""
    dashboard: str = ""
    host: subprocess.Popen[str] | None = None
    sandbox: subprocess.Popen[bytes] | None = None

    def __post_init__(self) -> None:
        self.http_port, self.sandbox_port, self.dashboard_port = (free_port() for _ in range(3))
        self.receiver_port = free_port()  # where a test may listen for webhooks
        self.ray_dir = Path(tempfile.mkdtemp(prefix="st-", dir="/tmp"))  # short: socket paths
        self.sandbox_url = f"http://127.0.0.1:{self.sandbox_port}"

    @property
    def environment(self) -> dict[str, str]:
        return {
            **os.environ,
            **sandbox_environment(self.sandbox_port),
            "SOTA_HOME": str(self.home),
            "SOTA_HTTP_PORT": str(self.http_port),
            "SOTA_DASHBOARD_PORT": str(self.dashboard_port),
            "SOTA_RAY_TEMP_DIR": str(self.ray_dir),
            "SOTA_NUM_CPUS": "2",
            "SOTA_WEBHOOK_ALLOW_HOSTS": json.dumps([f"127.0.0.1:{self.receiver_port}"]),
            "SOTA_OUTBOX_TIME_SCALE": "0.005",
            "RAY_AUTH_MODE": "disabled",
            **self.settings,
        }

    def start(self) -> Service:
        if self.sandbox is None:
            self.start_sandbox()
        log = (self.home / "host.log").open("a")
        self.host = subprocess.Popen(
            [sys.executable, "-m", "actors.host"],
            env=self.environment, cwd=ROOT, stdout=subprocess.PIPE, stderr=log, text=True,
            start_new_session=True,
        )  # fmt: skip
        log.close()
        assert self.host.stdout is not None
        facts = self._first_words()
        assert facts.get("event") == "ready", facts or (self.home / "host.log").read_text()[-3000:]
        self.url, self.ray_address = facts["url"], facts["ray_address"]
        self.dashboard = facts["dashboard"]
        return self

    def _first_words(self) -> dict[str, Any]:
        """The host's JSON line; empty if it does not come. Ray may print lines before it."""
        assert self.host is not None
        assert self.host.stdout is not None
        while select.select([self.host.stdout], [], [], READY_SECONDS)[0]:
            line = self.host.stdout.readline()
            if not line or line.startswith("{"):
                return dict(json.loads(line or "{}"))
            with (self.home / "host.log").open("a") as log:
                log.write(f"on its standard output: {line}")
        return {}

    def start_sandbox(self) -> None:
        command = [
            sys.executable, "-m", "orchestrator.sandbox", "--port", str(self.sandbox_port),
            "--profile", self.profile, "--time-scale", str(self.time_scale),
        ]  # fmt: skip
        log = (self.home / "sandbox.log").open("ab")
        self.sandbox = subprocess.Popen(command, cwd=ROOT, stdout=log, stderr=log)
        log.close()
        until("the sandbox answers", lambda: self.stats() is not None)

    def stop(self) -> None:
        """Stop in good order, then make sure nothing is left."""
        if self.host is not None:
            family = self.family()
            self.host.send_signal(signal.SIGTERM)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.host.wait(30)
            _kill(family)
            self.host.wait()
            assert self.host.stdout is not None
            self.host.stdout.close()
            self.host = None
        if self.sandbox is not None:
            self.sandbox.terminate()
            self.sandbox.wait(10)
            self.sandbox = None
        shutil.rmtree(self.ray_dir, ignore_errors=True)

    def kill_everything(self) -> None:
        """SIGKILL the host, Ray's head and every worker: the machine loses power."""
        assert self.host is not None
        family = self.family()
        _kill(family)
        self.host.wait()
        assert self.host.stdout is not None
        self.host.stdout.close()
        self.host = None

    def roots(self) -> list[psutil.Process]:
        """The processes that everything else of the service descends from."""
        assert self.host is not None
        return [psutil.Process(self.host.pid)]

    def family(self) -> list[psutil.Process]:
        """The host and all that came of it (Ray's processes, templates, workers)."""
        mark = str(self.ray_dir)
        roots = self.roots()
        for process in psutil.process_iter(["cmdline"]):
            if mark in " ".join(process.info["cmdline"] or ()) or mark in _output(process):
                roots.append(process)
        found = dict.fromkeys(roots)
        for root in roots:
            with contextlib.suppress(psutil.NoSuchProcess):
                found |= dict.fromkeys(root.children(recursive=True))
        return list(found)

    def submit(self, keyword: str = "AI in SEO", **more: Any) -> str:
        body = {"keyword": keyword, **more}
        answer = http("POST", f"{self.url}/orchestrator/ultra-sota", body)
        assert answer.status == 202, answer.raw
        return str(answer.body["jobId"])

    def get(self, path: str, **headers: str) -> Answer:
        return http("GET", f"{self.url}/orchestrator/{path}", **headers)

    def post(self, path: str, body: Any = None) -> Answer:
        return http("POST", f"{self.url}/orchestrator/{path}", body if body is not None else b"")

    def job(self, job_id: str) -> dict[str, Any]:
        answer = self.get(f"job/{job_id}")
        assert answer.status in (200, 202), answer.raw
        return dict(answer.body)

    def ended(self, job_id: str, seconds: float = 120.0) -> dict[str, Any]:
        def look() -> dict[str, Any] | None:
            job = self.job(job_id)
            return job if job["status"] in ENDED else None

        return dict(until(f"{job_id} ends", look, seconds))

    def reaches(self, job_id: str, step: int, seconds: float = 60.0) -> dict[str, Any]:
        def look() -> dict[str, Any] | None:
            job = self.job(job_id)
            assert job["status"] not in ENDED, job
            return job if job["step"] >= step else None

        return dict(until(f"{job_id} reaches step {step}", look, seconds))

    def stats(self, keys: str = "all") -> Any:
        return http("GET", f"{self.sandbox_url}/sandbox/stats?keys={keys}").body

    def keys(self, job_id: str) -> dict[str, int]:
        """How often each idempotency key of the job was seen by the sandbox."""
        return {k: n for k, n in self.stats()["keys"].items() if k.startswith(job_id)}

    def recorded_parts(self, job_id: str, step: str) -> set[str]:
        """The parts of a step that the journal has (SQLite's file, read from outside)."""
        query = "SELECT part FROM memos WHERE job_id = ? AND step = ?"
        with contextlib.closing(self.journal()) as journal:
            return {str(part) for (part,) in journal.execute(query, (job_id, step))}

    def age_cache(self, hours: float) -> None:
        """Make everything cached for other jobs so many hours older than it is."""
        ms = int(hours * 3_600_000)
        with contextlib.closing(self.journal()) as journal, journal:
            journal.execute("UPDATE cache SET stored_at = stored_at - ?", (ms,))
            journal.execute(
                "UPDATE cache SET value = json_set(value, '$.at', json_extract(value, '$.at') - ?)"
                " WHERE kind = 'serp'",
                (hours * 3600,),
            )

    def journal(self) -> sqlite3.Connection:
        """The journal's file."""
        return sqlite3.connect(self.home / "journal.db", timeout=10)

    def fault(self, **fault: Any) -> None:
        answer = http("POST", f"{self.sandbox_url}/sandbox/faults", fault)
        assert answer.status in (200, 201), answer.raw

    def heal(self) -> None:
        http("DELETE", f"{self.sandbox_url}/sandbox/faults")

    def pace(self, profile: str, time_scale: float = 1.0) -> None:
        body = {"profile": profile, "timeScale": time_scale}
        answer = http("PUT", f"{self.sandbox_url}/sandbox/profile", body)
        assert answer.status == 200, answer.raw


def _output(process: psutil.Process) -> str:
    """The file that a process writes to. A worker outlives the template that it was forked from,
    and is nobody's child then, but its log is in Ray's directory."""
    try:
        return os.readlink(f"/proc/{process.pid}/fd/1")
    except OSError:  # it has ended, or is another user's
        return ""


def _kill(processes: list[psutil.Process]) -> None:
    for process in processes:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()
    psutil.wait_procs(processes, timeout=10)


@contextlib.contextmanager
def running(home: Path, **more: Any) -> Iterator[Service]:
    """A service for the length of a block."""
    service = Service(home, **more)
    try:
        yield service.start()
    finally:
        service.stop()
