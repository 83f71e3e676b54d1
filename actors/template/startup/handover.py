"""Hands the start of a Ray worker over to the node's template, or starts the worker plainly.

Run by Ray in place of Python (``runtime_env={"py_executable": ...}``) with the worker's command
line. It imports a few modules of the standard library only, and nothing of ours: it must start
in milliseconds, also under ``python -I -S``.
"""

from __future__ import annotations

import fcntl
import json
import os
import socket
import struct
import sys
import time

STARTING_SECONDS = 15.0
"""How long to wait for a template that is being started; a cold one takes about 2."""

OFF_SECONDS = 60.0
"""For how long workers are started plainly after a template has failed to start."""

ANSWER_SECONDS = 5.0
"""How long a template may take for a fork; then the worker is started plainly."""

LENGTH = struct.Struct("!I")  # of the request's body, sent with the three descriptors
READY, GO = b"R", b"G"
LOCK = 3  # the template's descriptor of its lock
MAX_PATH = 107  # bytes of a Unix socket's address: unix(7)

READ_AT_LOAD = ("RAY_JOB_ID", "RAY_RAYLET_PID", "RAY_AUTH_MODE")
"""Variables that Ray's library reads once when it is loaded: a template serves those workers only
that have the same values."""


def place_of(argv: list[str], environ: dict[str, str]) -> str | None:
    """Where the template for this worker listens; None if it cannot have one.

    :param argv: the worker's command line, the script first.
    """
    raylet = next((a.partition("=")[2] for a in argv if a.startswith("--raylet-name=")), "")
    if not raylet or not environ.get("RAY_RAYLET_PID", "").isdecimal():
        return None
    name = "-".join(environ.get(name, "") or "none" for name in READ_AT_LOAD)
    path = os.path.join(os.path.dirname(raylet), f"template-{name}")
    return path if len(os.fsencode(path)) <= MAX_PATH else None


def handed_over(argv: list[str], environ: dict[str, str], python: str) -> bool:
    """Whether a template has taken the worker on. If so, this process has nothing left to do."""
    path = place_of(argv, environ)
    if path is None or _is_off(path):
        return False
    give_up = time.monotonic() + STARTING_SECONDS
    started = False
    while time.monotonic() < give_up:
        connection = _connected(path)
        if connection is not None:
            with connection:
                return _taken(connection, argv, environ)
        lock = _locked(path)
        if lock is not None:
            try:
                if started:  # and gone again
                    os.close(os.open(_off(path), os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600))
                    print(f"workers start without a template: {_last_words(path)}", file=sys.stderr)
                    return False
                _start(path, lock, environ, python)
                started = True
            finally:
                os.close(lock)
        time.sleep(0.02)
    return False


def _last_words(path: str) -> str:
    """Of the template's log."""
    try:
        with open(path + ".log", encoding="utf-8", errors="replace") as log:
            return log.read()[-500:].strip().rpartition("\n")[2]
    except OSError as error:
        return str(error)


def _off(path: str) -> str:
    return path + ".off"


def _is_off(path: str) -> bool:
    """Whether a template failed to start a short while ago."""
    try:
        return time.time() - os.stat(_off(path)).st_mtime < OFF_SECONDS
    except OSError:
        return False


def _connected(path: str) -> socket.socket | None:
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    connection.settimeout(ANSWER_SECONDS)
    try:
        connection.connect(path)
    except OSError:
        connection.close()
        return None
    return connection


def _taken(connection: socket.socket, argv: list[str], environ: dict[str, str]) -> bool:
    """Send the worker's command line, environment, directory and standard streams.

    The forked process waits for our last word, so that a worker is never started twice: it
    leaves if we have given up meanwhile.
    """
    body = json.dumps({"argv": argv, "environ": environ, "cwd": os.getcwd()}).encode()
    try:
        socket.send_fds(connection, [LENGTH.pack(len(body))], [0, 1, 2])
        connection.sendall(body)
        if connection.recv(1) != READY:
            return False
        connection.sendall(GO)
    except OSError:
        return False
    return True


def _locked(path: str) -> int | None:
    """The template's lock, if no template holds it: each does so from its start to its end."""
    lock = os.open(path + ".lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(lock)
        return None
    return lock


def _start(path: str, lock: int, environ: dict[str, str], python: str) -> None:
    """Start the template, which inherits the lock. It outlives us, and ends with its raylet."""
    log = path + ".log"
    os.posix_spawn(
        python,
        [python, "-m", "actors.template.server", path],
        # One thread, also in numpy's library: a fork takes only one along.
        {**environ, "MALLOC_ARENA_MAX": "2", "OPENBLAS_NUM_THREADS": "1"},
        file_actions=[
            (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
            (os.POSIX_SPAWN_OPEN, 1, log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600),
            (os.POSIX_SPAWN_DUP2, 1, 2),
            (os.POSIX_SPAWN_DUP2, lock, LOCK),
        ],
        setpgroup=0,  # no session of its own: Linux may share the CPU out by session first
    )


def main() -> None:
    """Hand over, or become the worker."""
    python, argv = sys.argv[1], sys.argv[2:]
    if not handed_over(argv, dict(os.environ), python):
        os.execv(python, [python, *argv])  # noqa: S606


if __name__ == "__main__":
    main()
