"""``python -m bench.evaluate [--topics FILE] [--only 3,8] [--json FILE]``; see ``make eval``."""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from bench.evaluate import tables
from bench.evaluate.outcome import Outcome, View
from bench.evaluate.service import evaluate, private_plan
from bench.evaluate.topics import TOPICS, chosen, load
from bench.evaluate.verdicts import FLOOR, MINIMUM, Verdict, every_verdict, mean
from orchestrator.cli.demo import INTERRUPTED
from orchestrator.cli.problems import EXPECTED, CliError, in_lines
from orchestrator.cli.show import make_console
from orchestrator.cli.stack import Interrupted
from orchestrator.sandbox.writer.flaws import share

BROKEN, UNUSABLE = 1, 2  #: exit statuses: a promise is broken; the evaluation did not take place


def arguments(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        prog="python -m bench.evaluate",
        description="Write articles on many topics with a service of its own and judge them.",
    )
    parser.add_argument("--topics", type=Path, default=TOPICS, help="a JSON list of submissions")
    parser.add_argument("--only", default="", metavar="N[,N]", help="these topics only, by number")
    parser.add_argument("--floor", type=float, default=FLOOR, help="the least mean score")
    parser.add_argument("--minimum", type=float, default=MINIMUM, help="the least score of any")
    parser.add_argument("--at-once", type=int, default=2, help="jobs under way together")
    parser.add_argument(
        "--flaws",
        type=share,
        metavar="SHARE",
        help="share of the sections that the sandbox drafts with flaws, 0 to 1",
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write everything there")
    options = parser.parse_args(argv)
    if options.at_once < 1:
        parser.error("--at-once: at least 1")
    return options


def main(argv: Sequence[str] | None = None) -> int:
    """Evaluate; 0 if every promise is kept."""
    options = arguments(argv)
    try:
        pairs = _performed(options)
        verdicts = every_verdict([one for one, _ in pairs], options.floor, options.minimum)
        tables.show(make_console(), [one for one, _ in pairs], verdicts)
        if options.json:
            _write(options.json, pairs, verdicts)
    except Interrupted:
        print("interrupted; everything is stopped", file=sys.stderr)
        return INTERRUPTED
    except EXPECTED as error:
        print(*in_lines(error), sep="\n", file=sys.stderr)
        return UNUSABLE
    return 0 if all(verdict.kept for verdict in verdicts) else BROKEN


def _performed(options: argparse.Namespace) -> list[tuple[Outcome, View]]:
    topics = chosen(load(options.topics), options.only)
    with tempfile.TemporaryDirectory(prefix="sota-eval-", ignore_cleanup_errors=True) as home:
        plan = private_plan(Path(home), os.environ, flaws=options.flaws)
        return asyncio.run(evaluate(plan, topics, options.at_once, _say))


def _say(line: str) -> None:
    print(line, flush=True)


def _write(path: Path, pairs: list[tuple[Outcome, View]], verdicts: Sequence[Verdict]) -> None:
    """:raises CliError: *path* cannot be written."""
    everything = {
        "meanScore": round(mean([one for one, _ in pairs]), 2),
        "verdicts": [
            {"promise": v.promise, "kept": v.kept, "found": v.found, "faults": list(v.faults)}
            for v in verdicts
        ],
        "topics": [{**one.as_json(), "job": view} for one, view in pairs],
    }
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(everything, indent=2, ensure_ascii=False) + "\n", "utf-8")
    except OSError as error:
        raise CliError(f"cannot write {path}: {error.strerror}", "use another --json") from None


if __name__ == "__main__":
    sys.exit(main())
