"""What ``sota doctor`` looks at. Each check finds one thing and knows its remedy."""

from __future__ import annotations

import asyncio
import importlib.metadata
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import psutil

from orchestrator.cli.environment import has_key, wants_sandbox
from orchestrator.cli.ports import Wanted, is_free, wanted
from orchestrator.cli.record import leftovers, running
from orchestrator.config import Settings
from orchestrator.errors import OrchestratorError
from orchestrator.jobs import JobStatus
from orchestrator.security.policy import Unprotected, asks_for_keys

OK, WARN, BLOCKED = "ok", "warning", "blocked"
PYTHONS = ((3, 11), (3, 13))  # the first and the last that pyproject.toml allows
GIB = 1024**3
LEAST_DISK, ENOUGH_DISK = 0.2 * GIB, 2 * GIB  # the journal and a session's logs
FULL_DISK = 0.95  # used; beyond it Ray refuses to spill objects
LEAST_MEMORY, ENOUGH_MEMORY = 1 * GIB, 2 * GIB  # Ray's own processes take about 1 GiB
DATABASE_SECONDS, IMPORT_SECONDS = 5.0, 60.0


@dataclass(frozen=True, slots=True)
class Finding:
    """What a check found: ``ok``, ``warning`` or ``blocked``, and what to do about it."""

    name: str
    state: str
    says: str
    remedy: str = ""


def examine(settings: Settings, environ: Mapping[str, str]) -> list[Finding]:
    """Every check, in the order in which a start would run into them."""
    sandbox = wants_sandbox(settings, environ, None)
    return [
        python(sys.version_info[:2]),
        ray(*installed_ray()),
        home(settings.home),
        *ports(settings, sandbox=sandbox),
        authentication(settings, configured=bool(environ.get("SOTA_SIGNING_SECRET", "").strip())),
        services(environ, sandbox=sandbox),
        asyncio.run(database(settings)),
        service(settings.home),
        asyncio.run(jobs(settings)),
        disk(settings.home),
        memory(psutil.virtual_memory().available),
    ]


def python(version: tuple[int, ...]) -> Finding:
    """The interpreter's version."""
    says = ".".join(map(str, version))
    if PYTHONS[0] <= version[:2] <= PYTHONS[1]:
        return Finding("Python", OK, says)
    return Finding("Python", BLOCKED, says, "use Python 3.11, 3.12 or 3.13")


def installed_ray() -> tuple[str, str]:
    """Ray's version, imported in a process of its own (or why not), and the one we pin."""
    code = "import ray; print(ray.__version__)"
    try:
        done = subprocess.run(  # noqa: S603 - our own interpreter and a fixed text
            [sys.executable, "-c", code], capture_output=True, text=True, timeout=IMPORT_SECONDS
        )
    except subprocess.TimeoutExpired:
        return f"not importable within {IMPORT_SECONDS:g} s", pinned_ray()
    last = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
    return done.stdout.strip() if done.returncode == 0 else last, pinned_ray()


def pinned_ray() -> str:
    """The version of Ray that this package is tested with; empty if it is not installed."""
    try:
        needs = importlib.metadata.requires("sota-orchestrator") or []
    except importlib.metadata.PackageNotFoundError:
        return ""
    found = (re.match(r"ray\[[^]]*\]==([\d.]+)", need) for need in needs)
    return next((match.group(1) for match in found if match), "")


def ray(found: str, pinned: str) -> Finding:
    """Ray, as :func:`installed_ray` found it."""
    if not re.match(r"\d+\.\d+", found):
        return Finding("Ray", BLOCKED, found, "install it: `make demo` sets everything up")
    if pinned and found != pinned:
        return Finding("Ray", WARN, found, f"tested with {pinned}: install that version")
    return Finding("Ray", OK, found)


def home(path: Path) -> Finding:
    """SOTA_HOME can be written, and nothing was left running in it."""
    try:
        path.mkdir(parents=True, exist_ok=True, mode=0o700)
        with tempfile.TemporaryFile(dir=path):
            pass
    except OSError as error:
        remedy = "set SOTA_HOME to a directory of yours"
        return Finding("SOTA_HOME", BLOCKED, f"{path}: {error.strerror}", remedy)
    if not running(path) and (left := leftovers(path)):
        pids = ", ".join(str(process.pid) for process in left)
        return Finding("SOTA_HOME", WARN, f"left running: {pids}", "the next `sota up` ends them")
    return Finding("SOTA_HOME", OK, str(path.resolve()))


def ports(settings: Settings, *, sandbox: bool) -> list[Finding]:
    """The ports are free, or ours."""
    ours = " ".join(running(settings.home).values())
    return [_port(port, ours) for port in wanted(settings, sandbox=sandbox)]


def _port(port: Wanted, ours: str) -> Finding:
    if is_free(port.number, port.hosts):
        return Finding(port.name, OK, f"{port.number} is free")
    if re.search(rf":{port.number}\b", ours):
        return Finding(port.name, OK, f"{port.number} is ours: `sota up` runs")
    remedy = f"end what uses it, or set {port.variable} (`sota demo` finds one by itself)"
    return Finding(port.name, BLOCKED, f"{port.number} is taken", remedy)


def authentication(settings: Settings, *, configured: bool) -> Finding:
    """Whether requests must prove whose they are, and whether they may do without here."""
    name = "authentication"
    try:
        asks = asks_for_keys(settings, configured=configured)
    except Unprotected as error:
        return Finding(name, BLOCKED, "off, where strangers could ask", str(error))
    if asks:
        return Finding(name, OK, "every request needs a key", "`sota keys create CLIENT` makes one")
    return Finding(name, OK, f"off: everyone on this machine may ask ({settings.http_host})")


def services(environ: Mapping[str, str], *, sandbox: bool) -> Finding:
    """The keys are set, or the sandbox stands in. Says which, never what they are."""
    if sandbox:
        remedy = "set ANTHROPIC_API_KEY and SERPER_API_KEY for the real services"
        return Finding("services", OK, "the sandbox stands in for all of them", remedy)
    if not has_key(environ):
        remedy = "set ANTHROPIC_API_KEY, or SOTA_SANDBOX=on"
        return Finding("services", BLOCKED, "no Anthropic key, and the sandbox is off", remedy)
    if not environ.get("SERPER_API_KEY", "").strip():
        remedy = "set SERPER_API_KEY: without it jobs go without search results"
        return Finding("services", WARN, "Anthropic key set, no Serper key", remedy)
    return Finding("services", OK, "the keys for Anthropic and Serper are set")


async def database(settings: Settings) -> Finding:
    """The journal's database answers."""
    path = sqlite_file(settings.database)
    if path is not None:
        return _sqlite(path)
    kind, _, rest = settings.database.partition("://")
    name = f"{kind.partition('+')[0]} at {rest.rpartition('@')[2]}"  # the password stays out
    try:
        async with asyncio.timeout(DATABASE_SECONDS):
            await _ask(settings.database)
    except Exception as error:  # whatever a driver raises: the name says enough, its text too much
        says = f"{name}: {type(error).__name__}"
        return Finding("database", BLOCKED, says, "start it, or mend SOTA_DATABASE_URL")
    return Finding("database", OK, name)


async def _ask(url: str) -> None:
    # Heavy: it would add 0.2 s to the start of every command, and only this check needs it.
    from sqlalchemy import text  # noqa: PLC0415
    from sqlalchemy.ext.asyncio import create_async_engine  # noqa: PLC0415

    engine = create_async_engine(url)
    try:
        async with engine.connect() as connection:
            await connection.execute(text("SELECT 1"))
    finally:
        await engine.dispose()


def service(home: Path) -> Finding:
    """Whether the service runs here, and where."""
    if urls := running(home):
        return Finding("service", OK, f"runs at {urls['url']}" if "url" in urls else "is starting")
    return Finding("service", OK, "does not run", "start it with `sota up`")


async def jobs(settings: Settings) -> Finding:
    """The jobs that have not ended; they go on whenever the service runs."""
    path = sqlite_file(settings.database)
    if path is not None and not path.exists():
        return Finding("jobs", OK, "none yet")
    try:
        async with asyncio.timeout(DATABASE_SECONDS):
            counts = await _counts(settings.database)
    except (OrchestratorError, TimeoutError):
        return Finding("jobs", WARN, "not to be counted", "see what is said of the database")
    open_ones = {status: n for status, n in counts.items() if n and not status.has_ended}
    if not open_ones:
        return Finding("jobs", OK, "none unfinished")
    told = ", ".join(f"{n} {status}" for status, n in open_ones.items())
    remedy = "" if running(settings.home) else "they go on with `sota up`"
    return Finding("jobs", OK, f"{sum(open_ones.values())} unfinished: {told}", remedy)


async def _counts(url: str) -> dict[JobStatus, int]:
    # Heavy, as in _ask.
    from orchestrator.journal.opening import open_journal  # noqa: PLC0415

    journal = await open_journal(url, read_only=True)
    try:
        return await journal.counts()
    finally:
        await journal.close()


def sqlite_file(url: str) -> Path | None:
    """The file of a SQLite database; None for another database."""
    kind, _, rest = url.partition("://")
    if not kind.startswith("sqlite"):
        return None
    return Path(rest.removeprefix("/") if rest.startswith("//") else rest[1:])


def _sqlite(path: Path) -> Finding:
    """An embedded database needs a place to write; it is made at the first start."""
    place = path if path.exists() else path.parent
    if place.exists() and not os.access(place, os.W_OK):
        return Finding("database", BLOCKED, f"cannot write {place}", "change its owner or mode")
    return Finding("database", OK, f"SQLite, {path}" + ("" if path.exists() else " (to be made)"))


def disk(path: Path) -> Finding:
    """Room for the journal and for Ray."""
    usage = shutil.disk_usage(path if path.exists() else Path())
    says = f"{usage.free / GIB:.1f} GiB free"
    if usage.free < LEAST_DISK:
        return Finding("disk", BLOCKED, says, "make room, or move SOTA_HOME")
    if usage.free < ENOUGH_DISK or usage.used / usage.total > FULL_DISK:
        return Finding("disk", WARN, says, "make room: Ray slows down on a disk over 95 % full")
    return Finding("disk", OK, says)


def memory(available: float) -> Finding:
    """Memory for Ray and for at least a few jobs.

    :param available: bytes.
    """
    says = f"{available / GIB:.1f} GiB available"
    if available < LEAST_MEMORY:
        return Finding("memory", BLOCKED, says, "end something: Ray itself takes about 1 GiB")
    if available < ENOUGH_MEMORY:
        return Finding("memory", WARN, says, "few jobs will run at once")
    return Finding("memory", OK, says)
