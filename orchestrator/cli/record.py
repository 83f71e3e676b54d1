"""``SOTA_HOME/up.json``: what runs here, so that nothing is started twice or left behind.

The lock on ``up.lock`` says whether a ``sota up`` (or ``demo``) runs in this home; it is let
go by the kernel however the process ends. The record names the processes it started, each
with its start time and command line, so that a later ``up`` can end what a killed one left,
and never a stranger that got the same process id.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from orchestrator.cli.problems import CliError

RECORD, LOCK = "up.json", "up.lock"
GRACE_SECONDS = 20.0  # from SIGTERM to SIGKILL; stopping Ray takes a few


class Process(BaseModel):
    """A process, recognisable for as long as it lives.

    :param created: when it was started, in epoch seconds as the kernel tells it.
    """

    model_config = ConfigDict(frozen=True)

    name: str
    pid: int
    created: float
    argv: list[str]

    @classmethod
    def of(cls, name: str, pid: int) -> Process:
        """The process as it is now. :raises psutil.NoSuchProcess: it has gone already."""
        found = psutil.Process(pid)
        return cls(name=name, pid=pid, created=found.create_time(), argv=found.cmdline())

    def alive(self) -> psutil.Process | None:
        """The same process if it still runs; None if it ended or another has its id."""
        try:
            found = psutil.Process(self.pid)
            same = abs(found.create_time() - self.created) < 0.05 and found.cmdline() == self.argv
            return found if same and found.status() != psutil.STATUS_ZOMBIE else None
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            return None


class Record(BaseModel):
    """The content of ``up.json``."""

    supervisor: Process
    children: list[Process] = Field(default_factory=list)
    urls: dict[str, str] = Field(default_factory=dict)


class Home:
    """A claimed SOTA_HOME; made by :func:`claim`."""

    def __init__(self, path: Path, command: str) -> None:
        self.path = path
        self._record = Record(supervisor=Process.of(command, os.getpid()))

    def add(self, name: str, pid: int) -> None:
        """Write down a child, before anything else can go wrong."""
        with suppress(psutil.NoSuchProcess):  # it died at once: whoever waits for it will tell
            self._record.children.append(Process.of(name, pid))
            self._write()

    def announce(self, urls: Mapping[str, str]) -> None:
        """Write down where everything is, for ``sota status`` and the like."""
        self._record.urls = dict(urls)
        self._write()

    def _write(self) -> None:
        write_private(self.path / RECORD, self._record.model_dump_json(indent=2) + "\n")


@contextmanager
def claim(home: Path, command: str) -> Iterator[Home]:
    """Have *home* to ourselves; what a killed predecessor left running is ended first.

    :raises CliError: another one runs, or *home* cannot be used.
    """
    try:
        home.mkdir(parents=True, exist_ok=True, mode=0o700)
        lock = (home / LOCK).open("a")
    except OSError as error:
        raise CliError(
            f"cannot use SOTA_HOME {home}: {error.strerror}",
            "set SOTA_HOME to a directory of yours",
        ) from None
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise _taken(home) from None
        end(leftovers(home))
        try:
            yield Home(home, command)
        finally:
            (home / RECORD).unlink(missing_ok=True)


def read(home: Path) -> Record | None:
    """The record in *home*, or None if there is none that can be read."""
    try:
        return Record.model_validate_json((home / RECORD).read_bytes())
    except (OSError, ValidationError):
        return None


def running(home: Path) -> Mapping[str, str]:
    """The URLs of what runs in *home*; empty if nothing does."""
    record = read(home)
    return record.urls if record is not None and record.supervisor.alive() else {}


def leftovers(home: Path) -> list[psutil.Process]:
    """Recorded processes that outlived the one that started them."""
    record = read(home)
    found = [child.alive() for child in record.children] if record else []
    return [process for process in found if process is not None]


def end(processes: list[psutil.Process], grace: float = GRACE_SECONDS) -> None:
    """End processes by id: asked first, then, after *grace* seconds, killed."""
    for process in processes:
        with suppress(psutil.NoSuchProcess):
            process.terminate()
    _, stubborn = psutil.wait_procs(processes, timeout=grace)
    for process in stubborn:
        with suppress(psutil.NoSuchProcess):
            process.kill()
    psutil.wait_procs(stubborn, timeout=grace)


def write_private(path: Path, text: str) -> None:
    """Replace *path* whole, readable by its owner only."""
    part = path.with_name(f".{path.name}.{os.getpid()}")
    with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        file.write(text)
    part.replace(path)


def _taken(home: Path) -> CliError:
    record = read(home)
    who = "another `sota up`"
    if record is not None:
        where = record.urls.get("url", "starting")
        who = f"`sota {record.supervisor.name}` (pid {record.supervisor.pid}, {where})"
    return CliError(
        f"{who} runs in {home} already", "stop it with Ctrl-C there, or set another SOTA_HOME"
    )
