"""The systems that are measured: how each is started, and how it is spoken to."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import socket
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from sqlalchemy import URL

from bench.noop.cpu import Meter, metered
from bench.noop.databases import SQLITE, address, postgres_database, write_ahead
from bench.noop.load import Amount, Wire
from bench.noop.service import ROOT, Service, running
from orchestrator.secrets import SECRET_NAMES

OURS, NAIVE, DBOS, DBOS_WAL = "orchestrator", "naive Ray", "DBOS", "DBOS (WAL)"
SYSTEMS = (OURS, NAIVE, DBOS, DBOS_WAL)
DBOS_VERSION = "3.4.0"
LIBRARIES = ROOT / ".venv-bench"
"""Where ``make bench`` puts what only the measurements need."""

STARTUP = Path(__file__).resolve().parent / "startup"
NOTES = {
    OURS: "the service as it is, template on; SQLite: WAL, synchronous=FULL",
    NAIVE: "Ray Serve, an actor and a process a job; SQLite: WAL, synchronous=FULL",
    DBOS: "one process; SQLite as DBOS sets it: rollback journal, synchronous=FULL",
    DBOS_WAL: "one process; SQLite: WAL, set beforehand, synchronous=FULL",
}
_POSTGRES_NOTE = "synchronous_commit=on"


@dataclass(frozen=True, slots=True)
class Trial:
    """One system on one database.

    :param settings: of the service, where they are not its own defaults: ``SOTA_...``.
    """

    system: str
    database: str
    settings: Mapping[str, str] = field(default_factory=dict, hash=False)

    @property
    def note(self) -> str:
        """What to know about it."""
        kind = NOTES[self.system].partition(";")[0]
        return NOTES[self.system] if self.database == SQLITE else f"{kind}; {_POSTGRES_NOTE}"


AMOUNTS = {
    OURS: Amount(warm=6, alone=7, loaded=64, asked=24),
    NAIVE: Amount(warm=2, alone=3, loaded=16, asked=6),
    DBOS: Amount(warm=8, alone=15, loaded=150, asked=40),
    DBOS_WAL: Amount(warm=8, alone=15, loaded=150, asked=40),
}
"""So many that each takes ten to thirty seconds on two cores."""


def dbos_libraries() -> Path | None:
    """The directory that DBOS is to be imported from (``.`` if it needs none), or None."""
    if importlib.util.find_spec("dbos") is not None:
        return Path()
    return LIBRARIES if (LIBRARIES / "dbos").is_dir() else None


@contextlib.contextmanager
def started(trial: Trial, home: Path, libraries: Path | None) -> Iterator[tuple[Service, Wire]]:
    """The running system, with nothing in its database.

    :param home: an empty directory with a short path.
    """
    with contextlib.ExitStack() as stack:
        url = None
        if trial.database != SQLITE:
            name = f"noop_{os.getpid()}_{SYSTEMS.index(trial.system)}"
            url = stack.enter_context(postgres_database(name))
        meter = stack.enter_context(metered("noop", url.database if url else None))
        service, wire = _service(trial.system, home, url, libraries, meter)
        service = replace(service, environ={**service.environ, **trial.settings})
        yield stack.enter_context(running(service)), wire


def _service(
    system: str, home: Path, url: URL | None, libraries: Path | None, meter: Meter
) -> tuple[Service, Wire]:
    port = free_port()
    if system == OURS:
        return _ours(home, url, port, meter)
    if system == NAIVE:
        return _naive(home, url, port, meter)
    return _dbos(home, url, port, libraries, meter, wal=system == DBOS_WAL)


def _ours(home: Path, url: URL | None, port: int, meter: Meter) -> tuple[Service, Wire]:
    environ = _environ(STARTUP, ROOT) | {
        "SOTA_HOME": str(home),
        "SOTA_HTTP_PORT": str(port),
        "SOTA_DASHBOARD_PORT": str(free_port()),
        "SOTA_RAY_TEMP_DIR": str(home / "ray"),
        "SOTA_DATABASE_URL": address(url, "postgresql+asyncpg") if url else "",
        "RAY_AUTH_MODE": "disabled",
    }
    argv = [sys.executable, "-m", "actors.host"]
    wire = Wire(
        port=port,
        submit="/orchestrator/ultra-sota",
        status="/orchestrator/job",
        body={"keyword": "nothing at all"},
        id_field="jobId",
    )
    return Service(argv, environ, home / "log", port, str(home), meter), wire


def _naive(home: Path, url: URL | None, port: int, meter: Meter) -> tuple[Service, Wire]:
    environ = _environ(ROOT) | {
        "RAY_AUTH_MODE": "disabled",
        "RAY_USAGE_STATS_ENABLED": "0",
        "OMP_NUM_THREADS": "1",
    }
    file = home / "naive.db"
    if url is None:
        write_ahead(file)
    kept = address(url, "postgresql") if url else str(file)
    argv = [sys.executable, "-m", "bench.noop.naive_service", str(port), str(home / "ray"), kept]
    return Service(argv, environ, home / "log", port, str(home), meter), _plain(port)


def _dbos(
    home: Path, url: URL | None, port: int, libraries: Path | None, meter: Meter, *, wal: bool
) -> tuple[Service, Wire]:
    file = home / "dbos.sqlite"
    if wal and url is None:
        write_ahead(file)
    kept = address(url, "postgresql+psycopg") if url else f"sqlite:///{file}"
    argv = [sys.executable, "-m", "bench.noop.dbos_service", str(port), kept]
    service = Service(
        argv, _environ(libraries or Path(), ROOT), home / "log", port, str(home), meter
    )
    return service, _plain(port)


def _plain(port: int) -> Wire:
    return Wire(port=port, submit="/jobs", status="/jobs", body={}, id_field="id")


def _environ(*path: Path) -> dict[str, str]:
    """This process's environment without settings and keys, and these places to import from."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith("SOTA_")}
    for name in SECRET_NAMES:
        kept.pop(name, None)
    return kept | {
        "PYTHONPATH": os.pathsep.join(str(one) for one in path if one != Path()),
        "PYTHONUNBUFFERED": "1",
    }


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
