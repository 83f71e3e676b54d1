"""A service that has nothing in common with any other on this machine."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from orchestrator.cli.demo import demo_settings
from orchestrator.cli.stack import Plan
from orchestrator.cli.up import adjusted
from orchestrator.config import Settings

_SHARED = frozenset({"SOTA_DATABASE_URL", "SOTA_RAY_ADDRESS", "SOTA_RAY_TEMP_DIR"})
"""Settings that would let the service share something with another one."""


def isolated(
    settings: Settings, home: Path, environ: Mapping[str, str], *, sandbox: bool, command: str
) -> Plan:
    """What to start: like ``sota demo``, but with a database, a Ray and ports of its own.

    :param home: an empty directory, with a short path: Ray keeps its sockets in it.
    :raises CliError: no port is free.
    """
    own = demo_settings(adjusted(settings, home=home, database_url="", ray_address=""))
    kept = {name: value for name, value in environ.items() if name not in _SHARED}
    kept["SOTA_RAY_TEMP_DIR"] = str(home / "ray")
    return Plan(own, sandbox=sandbox, command=command, environ=kept)
