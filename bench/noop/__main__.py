"""What an eight-step job costs beside its steps: ``python -m bench.noop``.

Eight steps that do nothing, kept durably three ways, on SQLite and on PostgreSQL, one after another
in one run: by the orchestrator (the real service over HTTP; only its steps are replaced), by what
one writes on Ray at first (an actor and a process a job, a commit a step), and by DBOS Transact.
All are asked over HTTP on loopback by the same load generator, whose CPU is not counted.

CPU is what the service's processes and its database used meanwhile (:mod:`bench.noop.cpu`), less
what they used at rest just before.
"""

from __future__ import annotations

import argparse
import json
import platform
import signal
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import psutil
import ray

from bench.noop.databases import POSTGRES, SQLITE, flush_ms, there_is_a_server
from bench.noop.figures import Figures, as_json, table
from bench.noop.load import Failed, measured
from bench.noop.service import NotReady
from bench.noop.systems import (
    AMOUNTS,
    DBOS,
    DBOS_VERSION,
    DBOS_WAL,
    NAIVE,
    OURS,
    SYSTEMS,
    Trial,
    dbos_libraries,
    started,
)

SHORT = {"ours": (OURS,), "naive": (NAIVE,), "dbos": (DBOS, DBOS_WAL)}
HOW_TO_HAVE_DBOS = (
    f"DBOS {DBOS_VERSION} is not there, so its columns are left out. To have them: `make bench`, or"
    " pip install --target .venv-bench -r bench/requirements.txt"
)


def main(argv: Sequence[str] | None = None) -> int:
    """Measure and print; the exit status: 1 where a system did not do its jobs."""
    parser = argparse.ArgumentParser(prog="python -m bench.noop", description=__doc__)
    parser.add_argument("--only", choices=SHORT, action="append", help="these systems only")
    parser.add_argument("--database", choices=("sqlite", "postgres"), help="this one only")
    parser.add_argument("--json", type=Path, help="write the figures to this file")
    given = parser.parse_args(argv)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # whatever was started is stopped
    wanted = [name for short in given.only or SHORT for name in SHORT[short]]
    found: list[Figures] = []
    failed = False
    try:
        for trial in trials(wanted, given.database):
            print(f"{trial.system} on {trial.database}: {trial.note}", flush=True)
            try:
                found.append(_figures(trial))
            except (Failed, NotReady, OSError) as error:
                failed = True
                print(f"  failed: {error}", file=sys.stderr)
    finally:  # what was measured before an interruption is shown too
        _tell(found, given.json)
    return int(failed)


def trials(wanted: Sequence[str], database: str | None) -> list[Trial]:
    """What to measure, as far as it is there; says what is not."""
    if dbos_libraries() is None and (DBOS in wanted or DBOS_WAL in wanted):
        print(HOW_TO_HAVE_DBOS)
        wanted = [name for name in wanted if name not in (DBOS, DBOS_WAL)]
    kinds = {"sqlite": (SQLITE,), "postgres": (POSTGRES,), None: (SQLITE, POSTGRES)}[database]
    if POSTGRES in kinds and not there_is_a_server():
        print("PostgreSQL does not answer, so its columns are left out")
        kinds = (SQLITE,) if SQLITE in kinds else ()
    return [
        Trial(system, kind)
        for kind in kinds
        for system in SYSTEMS
        if system in wanted and (system, kind) != (DBOS_WAL, POSTGRES)
    ]


def _figures(trial: Trial) -> Figures:
    # Under /tmp: short, for Ray's socket paths.
    with (
        tempfile.TemporaryDirectory(prefix="sn-", dir="/tmp", ignore_cleanup_errors=True) as place,
        started(trial, Path(place), dbos_libraries()) as (service, wire),
    ):
        return measured(
            trial.system, trial.database, service, wire, AMOUNTS[trial.system], trial.note
        )


def _machine() -> dict[str, Any]:
    with tempfile.TemporaryDirectory(prefix="sn-", dir="/tmp") as place:
        flush = flush_ms(Path(place))
    return {
        "machine": f"{platform.machine()}, {psutil.cpu_count()} cores, Linux {platform.release()}",
        "python": platform.python_version(),
        "ray": ray.__version__,
        "dbos": DBOS_VERSION,
        "flushMs": round(flush, 2),
    }


def _tell(found: Sequence[Figures], file: Path | None) -> None:
    machine = _machine()
    print(f"\n{machine['machine']}, Ray {machine['ray']}, a flush {machine['flushMs']} ms")
    for method in dict.fromkeys(one.counted for one in found):
        print(f"CPU counted by: {method}")
    for database in dict.fromkeys(one.database for one in found):
        print(f"\n{table(found, database)}", flush=True)
    if file:
        file.write_text(json.dumps(as_json(machine, found), indent=2) + "\n", "utf-8")


if __name__ == "__main__":
    sys.exit(main())
