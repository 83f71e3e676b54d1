"""Job actors' processes are forked from a warm template instead of started from nothing.

Ray starts a process for each actor, and most of what that costs is importing the same modules
again: about a second of CPU and 57 MB of memory of its own for a job actor. Here the node's
*template* (:mod:`.server`) imports them once and forks; the fork shares its memory until one of
the two writes to it. Ray is told of it by its own means (``runtime_env``'s ``py_executable``,
:mod:`.startup.handover`), and :mod:`.startup.sitecustomize` spares its set-up process the import
of Ray. Whatever is amiss, the worker is started as Ray would have done it; it is the same worker
either way. ``SOTA_TEMPLATE=off`` does without.
"""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import MutableMapping
from pathlib import Path
from typing import Any

from orchestrator.config import Settings

STARTUP = Path(__file__).resolve().parent / "startup"
"""The directory whose ``sitecustomize`` Python is to find at its start."""


def worker_environment(variables: dict[str, str], settings: Settings) -> dict[str, Any]:
    """The Ray runtime environment of an actor whose process is to be forked if that is possible.

    :param variables: its environment variables, beside those of the node.
    """
    environment: dict[str, Any] = {"env_vars": variables}
    if _wanted(settings):
        words = [sys.executable, "-I", "-S", str(STARTUP / "handover.py"), sys.executable]
        environment["py_executable"] = shlex.join(words)
    return environment


def prepare(environ: MutableMapping[str, str], settings: Settings) -> None:
    """Have the processes of a Ray that is started with *environ* find our ``sitecustomize``."""
    if _wanted(settings):
        path = environ.get("PYTHONPATH")
        environ["PYTHONPATH"] = os.pathsep.join([str(STARTUP), *([path] if path else [])])


def _wanted(settings: Settings) -> bool:
    """Forking needs Linux: pidfds, and descriptors sent over a Unix socket."""
    return settings.template == "on" and sys.platform == "linux"
