"""A service on a Ray cluster of several raylets on this machine, any of which may be lost."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from unittest.mock import patch

import psutil

from actors.template import STARTUP
from tests.harness import ROOT, Service, _kill, free_port, until

NODE_ENVIRONMENT = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_maximum_gcs_destroyed_actor_cached_count": "1000",
    "RAY_SERVE_HTTP_PROXY_CALLBACK_IMPORT_PATH": "actors.edge.middlewares",
    "OMP_NUM_THREADS": "1",
    "RAY_worker_niceness": "0",
    # A dead node is noticed after about 4 s (15 s by default). Much less, and a machine with two
    # busy cores takes nodes for dead that are merely slow.
    "RAY_health_check_initial_delay_ms": "0",
    "RAY_health_check_period_ms": "1000",
    "RAY_health_check_timeout_ms": "2000",
    "RAY_health_check_failure_threshold": "3",
    # Raylets outlive a GCS that is away for this long (60 s by default).
    "RAY_gcs_rpc_server_reconnect_timeout_s": "120",
}

PATHS = os.pathsep.join(map(str, (STARTUP, ROOT)))
"""Where the nodes' Python looks first, as docs/operations.md has it for any cluster."""


@dataclass
class NodesService(Service):
    """``actors.host`` joined to a cluster of its own, :attr:`size` nodes strong.

    :param redis: keep the GCS's tables in a Redis of this run's own, so that a GCS that is
        killed comes back with its memory.
    """

    size: int = 3
    redis: bool = False
    cluster: Any = None
    address: str = ""
    redis_server: subprocess.Popen[bytes] | None = None
    _strays: list[psutil.Process] = field(default_factory=list)

    @property
    def environment(self) -> dict[str, str]:
        address = {"SOTA_RAY_ADDRESS": self.address} if self.address else {}
        return {**super().environment, **NODE_ENVIRONMENT, **address}

    def start(self) -> NodesService:
        if self.sandbox is None:
            self.start_sandbox()
        if self.cluster is None:
            self._start_cluster()
        super().start()
        return self

    def stop(self) -> None:
        family = self.family()  # the cluster's too, if the host never came up
        super().stop()
        _kill([process for process in (*family, *self._strays) if process.is_running()])
        self.cluster = None
        if self.redis_server is not None:
            self.redis_server.terminate()
            self.redis_server.wait(10)
            self.redis_server = None

    def roots(self) -> list[psutil.Process]:
        """The host's process and every process of the cluster's nodes."""
        found = super().roots() if self.host is not None else []
        for node in self.cluster.list_all_nodes() if self.cluster else ():
            for infos in node.all_processes.values():
                for info in infos:
                    with contextlib.suppress(psutil.NoSuchProcess):
                        found.append(psutil.Process(info.process.pid))
        return found

    def kill_everything(self) -> None:
        super().kill_everything()
        _kill([process for process in self._strays if process.is_running()])
        self.cluster, self.address = None, ""
        shutil.rmtree(self.ray_dir, ignore_errors=True)
        self.ray_dir = Path(tempfile.mkdtemp(prefix="st-", dir="/tmp"))

    def lose_a_node(self) -> None:
        """SIGKILL the oldest raylet that is not the head's; a new node takes its place."""
        node = min(self.cluster.worker_nodes, key=lambda one: one.start_time)
        (info,) = node.all_processes["raylet"]
        raylet = psutil.Process(info.process.pid)
        self._strays += raylet.children(recursive=True)
        raylet.kill()
        info.process.wait()  # a zombie would keep its workers alive
        self.cluster.remove_node(node, allow_graceful=False)
        self._add_node()

    def drain_a_node(self) -> str:
        """Tell Ray that the oldest node but the head's is about to go; its id."""
        node = min(self.cluster.worker_nodes, key=lambda one: one.start_time)
        subprocess.run(
            [
                sys.executable, "-m", "ray.scripts.scripts", "drain-node",
                "--address", self.address, "--node-id", node.node_id,
                "--reason", "DRAIN_NODE_REASON_PREEMPTION", "--reason-message", "a test",
                "--deadline-remaining-seconds", "60",
            ],
            env=self.environment, check=True, capture_output=True,
        )  # fmt: skip
        return str(node.node_id)

    def kill_gcs(self) -> None:
        self.cluster.head_node.kill_gcs_server(check_alive=False)

    def start_gcs(self) -> None:
        head = self.cluster.head_node
        head._gcs_address = head._gcs_client = None
        with _changed_environment(self.environment):
            head.start_gcs_server()

    def _start_cluster(self) -> None:
        if self.redis and self.redis_server is None:
            self._start_redis()
        with _changed_environment({**self.environment, "PYTHONPATH": PATHS}):
            from ray.cluster_utils import Cluster  # noqa: PLC0415 - heavy, for several nodes only

            self.cluster = Cluster(shutdown_at_exit=False)
            for _ in range(self.size):
                self._add_node()

    def _add_node(self) -> None:
        # Ray would note the cluster's address where every other user of the machine looks.
        unnoted = patch("ray._private.utils.write_ray_address")
        with _changed_environment({**self.environment, "PYTHONPATH": PATHS}), unnoted:
            node = self.cluster.add_node(
                num_cpus=2, include_dashboard=False, include_log_monitor=False,
                temp_dir=str(self.ray_dir),
            )  # fmt: skip
        self.address = self.cluster.address
        node.start_time = psutil.Process(node.all_processes["raylet"][0].process.pid).create_time()

    def _start_redis(self) -> None:
        port = free_port()
        command = ["redis-server", "--port", str(port), "--bind", "127.0.0.1", "--save", ""]
        log = (self.home / "redis.log").open("ab")
        self.redis_server = subprocess.Popen(command, cwd=self.home, stdout=log, stderr=log)
        log.close()
        until("redis listens", lambda: b"PONG" in _ping(port), 10)
        self.settings |= {
            "RAY_REDIS_ADDRESS": f"127.0.0.1:{port}",
            "RAY_external_storage_namespace": f"chaos-{os.getpid()}",
        }


def _ping(port: int) -> bytes:
    return subprocess.run(
        ["redis-cli", "-p", str(port), "ping"], capture_output=True, check=False
    ).stdout


@contextlib.contextmanager
def _changed_environment(changes: dict[str, str]) -> Any:
    """Nodes inherit the environment of whoever starts them."""
    before = dict(os.environ)
    os.environ.update(changes)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)
