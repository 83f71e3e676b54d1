"""Lets workers that are to be forked skip Ray's own set-up process.

Python imports this module at its start when our directory is on ``PYTHONPATH``
(https://docs.python.org/3/library/site.html#module-sitecustomize). It then imports the next
module of its name, and does nothing else, in every process but the set-up of such a worker: that
would import the whole of Ray (0.3 CPU-s) to set a few variables and to run one command.
"""

from __future__ import annotations

import importlib.util
import json
import os
import sys
from importlib.machinery import PathFinder

_HERE = os.path.dirname(os.path.abspath(__file__))
_CONSUMED = ("--serialized-runtime-env-context=", "--language=")  # what the set-up keeps to itself


def _import_the_next() -> None:
    """Import the ``sitecustomize`` that ours hides, if there is one."""
    others = [entry for entry in sys.path if os.path.abspath(entry) != _HERE]
    spec = PathFinder.find_spec("sitecustomize", others)
    if spec is not None and spec.loader is not None:
        spec.loader.exec_module(importlib.util.module_from_spec(spec))


def _set_up(argv: list[str]) -> None:
    """Do what ``ray/_private/workers/setup_worker.py`` does, if this process is that of a worker
    to be forked, and is asked for nothing that we do not know. Else return, and leave it to Ray.
    """
    if len(argv) < 3 or os.path.basename(argv[1]) != "setup_worker.py":
        return
    given = dict(word.split("=", 1) for word in argv[2:] if word.startswith(_CONSUMED))
    context = json.loads(given.get("--serialized-runtime-env-context", "{}"))
    command = _words(context.get("py_executable"))
    variables = context.get("env_vars") or {}
    if (
        len(command) < 2
        or os.path.basename(command[-2]) != "handover.py"
        or given.get("--language") != "PYTHON"
        or context.get("command_prefix")
        or context.get("override_worker_entrypoint")
        or any("$" in value for value in variables.values())  # Ray would expand it
    ):
        return
    from handover import handed_over  # type: ignore[import-not-found]  # noqa: PLC0415

    worker = [word for word in argv[2:] if not word.startswith(_CONSUMED)]
    if handed_over(worker, {**os.environ, **variables}, command[-1]):
        os._exit(0)


def _words(command: object) -> list[str]:
    if not isinstance(command, str) or "handover.py" not in command:
        return []
    import shlex  # noqa: PLC0415 - as above: not in every Python process of the cluster

    return shlex.split(command)


_set_up(sys.orig_argv)
_import_the_next()
