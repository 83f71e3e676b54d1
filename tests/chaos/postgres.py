"""PostgreSQL for a run: a database of its own on the shared server, or a server of its own."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

from tests.chaos import rows
from tests.harness import free_port, until

SERVER = os.environ.get(
    "SOTA_TEST_POSTGRES_URL", "postgresql+asyncpg://postgres@127.0.0.1:5432/test"
)
BINARIES = Path("/usr/lib/postgresql")


@contextlib.contextmanager
def own_database() -> Iterator[str]:
    """The URL of a new, empty database; it is dropped at the end."""
    name = f"sota_chaos_{os.getpid()}"
    drop = f"DROP DATABASE IF EXISTS {name} WITH (FORCE)"
    asyncio.run(rows.execute(SERVER, drop, f"CREATE DATABASE {name}"))
    try:
        yield f"{SERVER.rpartition('/')[0]}/{name}"
    finally:
        asyncio.run(rows.execute(SERVER, drop))


class OwnServer:
    """A PostgreSQL server that may be stopped and started, in a directory of its own."""

    def __init__(self) -> None:
        found = sorted(BINARIES.glob("*/bin/pg_ctl"))
        if not found:
            raise RuntimeError(f"no pg_ctl under {BINARIES}: install the PostgreSQL server")
        self._bin, self._port = found[-1].parent, free_port()
        self._home = Path(tempfile.mkdtemp(prefix="sota-pg-", dir="/tmp"))
        self._as = ["runuser", "-u", "postgres", "--"] if os.getuid() == 0 else []
        if self._as:
            shutil.chown(self._home, "postgres")
        self._run("initdb", "-D", f"{self._home}/data", "-A", "trust", "-U", "postgres")

    @property
    def url(self) -> str:
        return f"postgresql+asyncpg://postgres@127.0.0.1:{self._port}/postgres"

    def start(self) -> None:
        options = f"-p {self._port} -h 127.0.0.1 -k {self._home}"
        log = f"{self._home}/log"
        self._run("pg_ctl", "-D", f"{self._home}/data", "-l", log, "-o", options, "-w", "start")
        until("the database answers", lambda: asyncio.run(self._answers()), 30)

    def stop(self) -> None:
        """As ``systemctl stop`` does it: connections are cut, nothing is lost."""
        self._run("pg_ctl", "-D", f"{self._home}/data", "-m", "fast", "-w", "stop")

    def remove(self) -> None:
        with contextlib.suppress(subprocess.CalledProcessError):
            self.stop()
        shutil.rmtree(self._home, ignore_errors=True)

    async def _answers(self) -> bool:
        await rows.execute(self.url, "SELECT 1")
        return True

    def _run(self, program: str, *arguments: str) -> None:
        command = [*self._as, str(self._bin / program), *arguments]
        subprocess.run(command, check=True, cwd="/tmp", stdout=subprocess.DEVNULL)


@contextlib.contextmanager
def own_server() -> Iterator[OwnServer]:
    """A running server for the length of a block."""
    server = OwnServer()
    try:
        server.start()
        yield server
    finally:
        server.remove()
