"""Chaos by hand: ``python -m tests.chaos --minutes 10 --seed 1 --database sqlite --nodes 1``.

Prints a table, the command that repeats the run (the same deeds at the same times; what they hit
depends on the machine), and every broken promise: then its exit status is 1. ``--audit FILE``
judges a run once more that was saved.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import pickle
import signal
import sys
import tempfile
import time
from pathlib import Path

from tests.chaos.auditor import audit
from tests.chaos.course import Course, run_course
from tests.chaos.monkey import CONNECTIONS, LONG_DECK, NODE, POWER_CUT, SHORT_DECK
from tests.chaos.nodes import NodesService
from tests.chaos.postgres import own_database, own_server
from tests.chaos.report import table
from tests.chaos.scenarios import SCENARIOS, Result, Stage
from tests.harness import Service

SHORT_MINUTES = 2.0


def main() -> int:
    options = _options()
    if options.audit:
        run = pickle.loads(options.audit.read_bytes())
        return _tell(options, (run, audit(run)))
    os.environ["RAY_AUTH_MODE"] = "disabled"
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # and stop what was started
    home = Path(tempfile.mkdtemp(prefix="sota-chaos-"))
    began = time.monotonic()
    with contextlib.ExitStack() as stack:
        result = _play(options, home, stack)
    saved = home / "run.pickle"
    saved.write_bytes(pickle.dumps(result[0]))
    print(f"{time.monotonic() - began:.0f} s in all; logs and {saved.name} in {home}")
    return _tell(options, result)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--database", choices=("sqlite", "postgres"), default="sqlite")
    parser.add_argument("--nodes", type=int, default=1, help="raylets")
    parser.add_argument("--jobs", type=int, default=28, help="in flight, or running at a power cut")
    parser.add_argument("--scenario", choices=list(SCENARIOS), help="one catastrophe instead")
    parser.add_argument("--audit", type=Path, help="a saved run, to be judged once more")
    return parser.parse_args()


def _play(options: argparse.Namespace, home: Path, stack: contextlib.ExitStack) -> Result:
    server = None
    if options.scenario == "dbstop":
        server = stack.enter_context(own_server())
        database = server.url
    elif options.database == "postgres":
        database = stack.enter_context(own_database())
    else:
        database = f"sqlite+aiosqlite:///{home / 'journal.db'}"
    service = _service(options, home, database)
    stack.callback(service.stop)
    service.start()
    if options.scenario:
        stage = Stage(service, database, options.jobs, options.seed, server)
        return SCENARIOS[options.scenario](stage)
    return run_course(service, database, _course(options))


def _service(options: argparse.Namespace, home: Path, database: str) -> Service:
    settings = {"SOTA_DATABASE_URL": database, "SOTA_MAX_LIVE_JOBS": str(options.jobs)}
    if options.scenario in ("gcs", "headloss", "drain") or options.nodes > 1:
        size = max(options.nodes, 3)
        return NodesService(home, settings=settings, size=size, redis=options.scenario == "gcs")
    return Service(home, settings=settings)


def _course(options: argparse.Namespace) -> Course:
    short = options.minutes <= SHORT_MINUTES
    deck = SHORT_DECK if short else LONG_DECK
    if options.nodes > 1:  # a whole cluster takes long to start, and nothing else happens meanwhile
        deck = (*[card for card in deck if card != POWER_CUT] * 2, POWER_CUT, NODE, NODE)
    deck += (CONNECTIONS,) * 2 if options.database == "postgres" else ()
    return Course(
        seconds=options.minutes * 60,
        seed=options.seed,
        deck=deck,
        flight=options.jobs,
        pause=(1.5, 3.5) if short or options.nodes > 1 else (0.6, 2.4),
        settle=60.0 if short else 240.0,
    )


def _tell(options: argparse.Namespace, result: Result) -> int:
    run, violations = result
    print(table(run, violations, "python -m tests.chaos " + " ".join(sys.argv[1:])))
    return 1 if violations else 0


if __name__ == "__main__":
    sys.exit(main())
