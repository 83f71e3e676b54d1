"""The machine while a load runs: memory, CPU by role, job actors alive; sampled from outside."""

from __future__ import annotations

import asyncio
import sqlite3
import time
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from orchestrator.footprints import cpu_used

SAMPLE_SECONDS = 5.0
UNIQUE_OF = 10
"""Job actors whose unique memory is read at each sample; reading all would be a load itself."""

ROLES = (
    ("job actors", "ray::JobActor"),
    ("journal", "ray::JournalActor"),
    ("gateways", "ray::GatewayActor"),
    ("breakers", "ray::BreakerActor"),
    ("supervisor", "ray::SupervisorActor"),
    ("outbox", "ray::OutboxActor"),
    ("Serve replicas", "ray::ServeReplica"),
    ("Serve proxy", "ray::ProxyActor"),
    ("Serve proxy", "haproxy"),  # in its place, if switched on; its manager is the next
    ("Serve proxy", "ray::HAProxyManager"),
    ("Serve controller", "ray::ServeController"),
    ("GCS", "gcs_server"),
    ("raylet", "raylet/raylet"),
    ("template", "actors.template"),
    ("sandbox", "orchestrator.sandbox"),
    ("sandbox", " sandbox"),
    ("host", "actors.host"),
)  # fmt: skip
"""Roles by a piece of the command line; the first that fits."""

REST = "the rest of Ray"

NOT_YET = {REST, "template"}
"""What a worker may look like until it has its name: started anew, or just forked."""


def role_of(command: str) -> str:
    """What a process of the service does, by its command line."""
    return next((role for role, piece in ROLES if piece in command), REST)


@dataclass
class Machine:
    """What was seen. MiB and CPU-seconds."""

    peak_used_mb: float = 0.0
    peak_live: int = 0
    peak_actors: int = 0
    unique_mb: list[float] = field(default_factory=list)
    cpu_seconds: float = 0.0
    cpu_by_role: dict[str, float] = field(default_factory=lambda: defaultdict(float))
    memory_by_role: dict[str, float] = field(default_factory=lambda: defaultdict(float))
    over_time: list[tuple[float, int, int, int, float]] = field(default_factory=list)


class Watch:
    """Samples until cancelled.

    :param family: the processes of the service; the bench's own load is none of them.
    """

    def __init__(self, database: Path, family: Callable[[], list[psutil.Process]]) -> None:
        self.seen = Machine()
        self._family, self._database = family, database
        self._began, self._cpu_before = time.monotonic(), cpu_used()
        self._own_before = _own_cpu()
        self._used_before = _memory_used()
        self._roles: dict[int, str] = {}
        self._cpu_of: dict[int, float] = {}
        self._first_of: dict[int, float] = {}

    async def look_on(self) -> None:
        """Sample at intervals until cancelled."""
        try:
            while True:
                await asyncio.to_thread(self._sample)
                await asyncio.sleep(SAMPLE_SECONDS)
        finally:
            self._sample()
            own = _own_cpu() - self._own_before
            self.seen.cpu_seconds = cpu_used() - self._cpu_before - own
            self.seen.cpu_by_role["the load's own clients (not counted)"] = own

    def _sample(self) -> None:
        seen, used = self.seen, _memory_used() - self._used_before
        queued, live, ended = _counts(self._database)
        workers = self._processes()
        seen.peak_used_mb = max(seen.peak_used_mb, used)
        seen.peak_live, seen.peak_actors = (
            max(seen.peak_live, live),
            max(seen.peak_actors, len(workers)),
        )
        seen.over_time.append(
            (round(time.monotonic() - self._began, 1), queued, live, ended, round(used, 1))
        )
        for worker in workers[:: max(1, len(workers) // UNIQUE_OF)]:
            try:
                seen.unique_mb.append(worker.memory_full_info().uss / 2**20)
            except psutil.Error:
                continue

    def _processes(self) -> list[psutil.Process]:
        """Note what each process has used; the job actors among them."""
        workers, memory = list[psutil.Process](), defaultdict[str, float](float)
        for process in self._family():
            try:
                with process.oneshot():
                    role = self._roles.get(process.pid)
                    if role is None:
                        role = role_of(" ".join(process.cmdline()))
                    if role not in NOT_YET:
                        self._roles[process.pid] = role
                    times, memory_info = process.cpu_times(), process.memory_info()
            except psutil.Error:
                continue
            cpu = times.user + times.system
            first = self._first_of.setdefault(process.pid, cpu if not self.seen.over_time else 0.0)
            self.seen.cpu_by_role[role] += cpu - self._cpu_of.get(process.pid, first)
            self._cpu_of[process.pid] = cpu
            memory[role] += (memory_info.rss - memory_info.shared) / 2**20
            if role == "job actors":
                workers.append(process)
        for role, used in memory.items():
            self.seen.memory_by_role[role] = max(self.seen.memory_by_role[role], used)
        return workers


def _counts(database: Path) -> tuple[int, int, int]:
    """Jobs that wait, run and have ended."""
    with sqlite3.connect(f"file:{database}?mode=ro", uri=True, timeout=5) as connection:
        rows = dict(connection.execute("SELECT status, count(*) FROM jobs GROUP BY status"))
    connection.close()
    queued, live = rows.pop("queued", 0), rows.pop("processing", 0)
    return queued, live, sum(rows.values())


def _own_cpu() -> float:
    times = psutil.Process().cpu_times()
    return float(times.user + times.system)


def _memory_used() -> float:
    memory = psutil.virtual_memory()
    return float(memory.total - memory.available) / 2**20
