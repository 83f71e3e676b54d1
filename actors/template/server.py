"""The template: a process with all imports done, which forks a job actor's worker on request.

``python -m actors.template.server SOCKET`` is started by :mod:`.startup.handover`, one for each
raylet and Ray job. It has one thread, holds no secret, and ends with its raylet.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import importlib.util
import json
import logging
import os
import random
import select
import signal
import socket
import struct
import sys
import types
from importlib.abc import InspectLoader
from pathlib import Path
from types import CodeType
from typing import NamedTuple

from ray._raylet import WorkerID

from actors import naps
from actors.template.startup.handover import ANSWER_SECONDS, GO, LENGTH, LOCK, READY
from steps.warm import warm

log = logging.getLogger(__name__)

MOST_BYTES = 4 * 1024 * 1024  # of a request: Linux's limit for arguments and environment
BACKLOG = 512  # requests that may wait, while each takes some milliseconds
OOM_SCORE = 1000  # as Ray sets for workers, so that the kernel ends these first
PRELOADED = (
    "actors.breaker",
    "actors.job",
    # What Ray imports late: at its first answer, and where it is told of a library in use.
    "pydantic.v1",
    "ray._common.pydantic_compat",
    "ray._common.usage.usage_lib",
    "ray._private.arrow_serialization",
    "starlette.datastructures",
)
"""Modules that workers would import each by itself, and now share.

Not ``ray.dag.compiled_dag_node``, which a worker imports at its end: it draws on Ray's random
numbers (see :func:`forks_share_luck`).
"""

_PEER = struct.Struct("3i")  # pid, uid, gid: unix(7), SO_PEERCRED


class Request(NamedTuple):
    """A worker to be started."""

    argv: list[str]
    environ: dict[str, str]
    cwd: str
    streams: list[int]


def main(path: str) -> Request | None:
    """Serve until the raylet ends.

    :returns: in a forked process: the worker that it is to become. None in the template itself.
    """
    if (threads := len(os.listdir("/proc/self/task"))) != 1:
        sys.exit(f"{threads} threads: a fork would take one of them along only")
    raylet = os.pidfd_open(int(os.environ["RAY_RAYLET_PID"]))
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # the kernel reaps our children
    with contextlib.suppress(FileNotFoundError):
        os.unlink(path)
    os.umask(0o077)
    gc.freeze()  # or a worker's collector would touch, and so copy, every shared page
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
        listener.bind(path)
        listener.listen(BACKLOG)
        try:
            return _serve(listener, raylet)
        finally:
            os.close(raylet)


def forks_share_luck() -> bool:
    """Whether Ray's library would give two forks the same random numbers, and so the same ids.

    It seeds itself when a number is first asked for. Where an import has asked for one, it would
    be too late.
    """
    drawn = set()
    for _ in range(2):
        read, write = os.pipe()
        if os.fork() == 0:
            os.write(write, WorkerID.from_random().binary())
            os._exit(0)
        os.close(write)
        with os.fdopen(read, "rb") as said:
            drawn.add(said.read())
        os.wait()
    return len(drawn) != 2 or b"" in drawn


def _serve(listener: socket.socket, raylet: int) -> Request | None:
    poll = select.poll()
    poll.register(listener, select.POLLIN)
    poll.register(raylet, select.POLLIN)
    while True:
        if raylet in {descriptor for descriptor, _ in poll.poll()}:
            return None
        connection, _ = listener.accept()
        with connection:
            try:
                request = _received(connection)
            except (OSError, ValueError, TypeError) as error:
                log.warning("not a request: %s", error)
                continue
            if os.fork() == 0:
                _settle(connection, request.streams)
                return request
        for descriptor in request.streams:
            os.close(descriptor)


def _settle(connection: socket.socket, streams: list[int]) -> None:
    """In the forked process: leave what is the template's, and take the worker's streams.

    It ends here if the peer has given up, as the worker is then started plainly.
    """
    os.close(LOCK)
    os.setpgid(0, 0)  # as Ray does: it ends whole groups
    try:
        connection.sendall(READY)
        agreed = connection.recv(1) == GO
    except OSError:
        agreed = False
    if not agreed:
        os._exit(0)
    for number, descriptor in enumerate(streams):
        os.dup2(descriptor, number)
        os.close(descriptor)


def become(request: Request, script: CodeType) -> None:
    """Run Ray's worker in this process as if it had just been started for it."""
    gc.enable()
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    naps.allow()
    os.chdir(request.cwd)
    os.environ.clear()
    os.environ.update(request.environ)
    random.seed()
    if "numpy.random" in sys.modules:
        sys.modules["numpy.random"].seed()
    with contextlib.suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text(str(OOM_SCORE))
    sys.argv = request.argv
    sys.path[0] = os.path.dirname(request.argv[0])
    main_module = sys.modules["__main__"] = types.ModuleType("__main__")
    main_module.__file__ = request.argv[0]
    exec(script, vars(main_module))  # noqa: S102 - Ray's own script


def _received(connection: socket.socket) -> Request:
    """What the peer asks for. :raises ValueError: it is another user, or not a request."""
    connection.settimeout(ANSWER_SECONDS)
    credentials = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _PEER.size)
    if _PEER.unpack(credentials)[1] != os.getuid():
        raise ValueError("another user")
    head, streams, _, _ = socket.recv_fds(connection, LENGTH.size, 3)
    try:
        if len(streams) != 3:
            raise ValueError("not three descriptors")
        body = _exactly(connection, LENGTH.unpack(head)[0])
        return Request(**json.loads(body), streams=streams)
    except BaseException:
        for descriptor in streams:
            os.close(descriptor)
        raise


def _exactly(connection: socket.socket, size: int) -> bytes:
    if size > MOST_BYTES:
        raise ValueError(f"{size} bytes")
    body = bytearray()
    while len(body) < size:
        chunk = connection.recv(size - len(body))
        if not chunk:
            raise ValueError("cut short")
        body += chunk
    return bytes(body)


def preloaded() -> CodeType:
    """Import what workers share.

    :returns: Ray's own script for workers, compiled.
    """
    gc.disable()  # what it frees leaves holes, which workers would fill: more copied pages
    for name in PRELOADED:
        importlib.import_module(name)
    warm()
    if forks_share_luck():
        sys.exit("an import has drawn on Ray's random numbers")
    return _worker_script()


def _worker_script() -> CodeType:
    spec = importlib.util.find_spec("ray._private.workers.default_worker")
    assert spec is not None
    assert isinstance(spec.loader, InspectLoader)
    code = spec.loader.get_code(spec.name)
    assert code is not None
    return code


if __name__ == "__main__":
    script = preloaded()
    if (worker := main(sys.argv[1])) is not None:
        become(worker, script)
