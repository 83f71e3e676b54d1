"""A measured service: a process that was started here, and all that comes of it."""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from bench.noop.cpu import Meter

ROOT = Path(__file__).resolve().parents[2]
READY_SECONDS, STOP_SECONDS = 120.0, 30.0


class NotReady(Exception):
    """A service did not come up."""


@dataclass
class Service:
    """One service.

    :param port: where it listens when it is ready.
    :param mark: stands in the command line of processes of its that have left its tree.
    :param meter: counts its CPU.
    """

    argv: list[str]
    environ: Mapping[str, str]
    log: Path
    port: int
    mark: str
    meter: Meter
    process: subprocess.Popen[str] | None = field(default=None, init=False)

    def start(self) -> None:
        """Start it and wait until it says that it is ready. :raises NotReady: it does not."""
        with self.log.open("a") as log:
            self.process = subprocess.Popen(
                self.argv, env=dict(self.environ), cwd=ROOT, stdout=subprocess.PIPE, stderr=log,
                text=True, start_new_session=True,
            )  # fmt: skip
        self.meter.add(self.process.pid)
        assert self.process.stdout is not None
        give_up = time.monotonic() + READY_SECONDS
        while select.select([self.process.stdout], [], [], max(0.0, give_up - time.monotonic()))[0]:
            line = self.process.stdout.readline()
            if not line:
                break
            if line.startswith("{") and json.loads(line).get("event") == "ready":
                return _listens(self.port, give_up)
        raise NotReady(f"{' '.join(self.argv)}\n{self.log.read_text()[-3000:]}")

    def family(self) -> dict[int, psutil.Process]:
        """The process and all that came of it, by process id."""
        assert self.process is not None
        roots = []
        for one in psutil.process_iter(["cmdline"]):
            if one.pid == self.process.pid or self.mark in " ".join(one.info["cmdline"] or ()):
                roots.append(one)
        found = {one.pid: one for one in roots if one.pid != os.getpid()}
        for root in list(found.values()):
            with contextlib.suppress(psutil.NoSuchProcess):
                found |= {child.pid: child for child in root.children(recursive=True)}
        return found

    def stop(self) -> None:
        """End it in good order, then make sure that nothing of it is left."""
        if self.process is None:
            return
        family = self.family()
        self.process.send_signal(signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(STOP_SECONDS)
        left = list((family | self.family()).values())
        for one in left:
            with contextlib.suppress(psutil.NoSuchProcess):  # it checks that the id was not reused
                one.kill()
        psutil.wait_procs(left, timeout=10)
        self.process.wait()
        if self.process.stdout is not None:
            self.process.stdout.close()


def _listens(port: int, give_up: float) -> None:
    """Wait until something listens there. :raises OSError: nothing does."""
    while True:
        try:
            return socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            if time.monotonic() > give_up:
                raise
            time.sleep(0.05)


@contextlib.contextmanager
def running(service: Service) -> Iterator[Service]:
    """The service for the length of a block."""
    try:
        service.start()
        yield service
    finally:
        service.stop()
