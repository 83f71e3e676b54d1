"""Draws what was measured: ``python -m bench.plot --load FILE --noop FILE --starts FILE``.

Reads what ``bench.load``, ``bench.noop`` and ``bench.starts`` wrote with ``--json``; writes SVG.
Needs matplotlib, which ``make bench`` puts beside the service (bench/requirements.txt).
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

LIBRARIES = Path(__file__).resolve().parent.parent / ".venv-bench"
WIDTH, HEIGHT = 7.0, 3.6  # inches


def main(argv: Sequence[str] | None = None) -> int:
    """Draw what is given; the exit status."""
    parser = argparse.ArgumentParser(prog="python -m bench.plot", description=__doc__)
    parser.add_argument("--load", type=Path, help="of bench.load, with runs of several sizes")
    parser.add_argument("--noop", type=Path, help="of bench.noop")
    parser.add_argument("--starts", type=Path, help="of bench.starts")
    parser.add_argument("--to", type=Path, default=Path("docs/pictures"), help="a directory")
    given = parser.parse_args(argv)
    if importlib.util.find_spec("matplotlib") is None:
        sys.path.insert(0, str(LIBRARIES))
    if importlib.util.find_spec("matplotlib") is None:
        print("matplotlib is not there: pip install --target .venv-bench -r bench/requirements.txt")
        return 1
    given.to.mkdir(parents=True, exist_ok=True)
    if given.load:
        runs = json.loads(given.load.read_text("utf-8"))["runs"]
        _growth(runs, given.to / "growth.svg")
        _over_time(runs[-1], given.to / "load.svg")
    if given.noop:
        _noop(json.loads(given.noop.read_text("utf-8")), given.to / "noop.svg")
    if given.starts:
        _starts(json.loads(given.starts.read_text("utf-8")), given.to / "starts.svg")
    return 0


def _axes(count: int, titles: Sequence[str]) -> tuple[Any, Any]:
    import matplotlib  # noqa: PLC0415

    matplotlib.use("svg")
    matplotlib.rcParams |= {"svg.hashsalt": "sota", "font.size": 8, "axes.grid": True,
                            "grid.alpha": 0.3}  # fmt: skip
    from matplotlib import pyplot  # noqa: PLC0415

    figure, axes = pyplot.subplots(1, count, figsize=(WIDTH, HEIGHT), constrained_layout=True)
    axes = [axes] if count == 1 else list(axes)
    for one, title in zip(axes, titles, strict=True):
        one.set_title(title)
    return figure, axes


def _save(figure: Any, path: Path) -> None:
    figure.savefig(path, format="svg", metadata={"Date": None})
    # Without spaces at line ends, so that the file can be kept with the others.
    path.write_text(
        "\n".join(line.rstrip() for line in path.read_text("utf-8").splitlines()) + "\n"
    )
    print(path)


def _growth(runs: Sequence[Mapping[str, Any]], path: Path) -> None:
    """How each figure grows with the number of jobs submitted at once."""
    figure, axes = _axes(3, ("API, p99", "job, submission to end", "memory and CPU"))
    jobs = [run["jobs"] for run in runs]
    for name in ("submit", "status"):
        axes[0].plot(jobs, [1000 * run[f"{name}Seconds"]["p99"] for run in runs], "o-", label=name)
    axes[0].axhline(250, color="grey", linestyle=":", label="bound")
    axes[0].set_ylabel("ms")
    for share in ("p50", "p95", "p99"):
        axes[1].plot(jobs, [run["jobSeconds"][share] for run in runs], "o-", label=share)
    axes[1].set_ylabel("s")
    axes[1].set_yscale("log")
    axes[2].plot(jobs, [run["peakMemoryMb"] / 1024 for run in runs], "o-", label="peak GiB")
    axes[2].plot(jobs, [run["cpuSecondsPerJob"] for run in runs], "o-", label="CPU-s a job")
    for one in axes:
        one.set_xscale("log")
        one.set_xlabel("jobs submitted at once")
        one.set_ylim(bottom=None if one is axes[1] else 0)
        one.legend()
    _save(figure, path)


def _over_time(run: Mapping[str, Any], path: Path) -> None:
    """The largest run: jobs that wait, run and have ended, and memory."""
    figure, (jobs, memory) = _axes(2, (f"{run['jobs']} jobs", "memory in use"))
    seconds, queued, live, ended, used = zip(*run["overTime"], strict=True)
    for label, values in (("queued", queued), ("live", live), ("ended", ended)):
        jobs.plot(seconds, values, label=label)
    jobs.legend()
    memory.plot(seconds, [mb / 1024 for mb in used])
    memory.set_ylabel("GiB")
    memory.set_ylim(bottom=0)
    for one in (jobs, memory):
        one.set_xlabel("s")
    _save(figure, path)


def _noop(found: Mapping[str, Any], path: Path) -> None:
    """What a job costs beside its steps, by system and database."""
    figures = found["figures"]
    databases = sorted({one["database"] for one in figures}, reverse=True)
    figure, axes = _axes(2, ("CPU-ms a job", "jobs/s"))
    for at, database in enumerate(databases):
        mine = [one for one in figures if one["database"] == database]
        places = [n + (at - 0.5) * 0.4 for n in range(len(mine))]
        for one, amounts in (
            (axes[0], [1000 * each["cpu_seconds"] for each in mine]),
            (axes[1], [each["jobs_per_second"] for each in mine]),
        ):
            bars = one.barh(places, amounts, 0.36, label=database)
            one.bar_label(bars, fmt="%.3g", padding=2)
            one.margins(x=0.15)
            if at == 0:
                one.set_yticks(range(len(mine)), [each["system"] for each in mine])
    for one in axes:
        one.legend()
    _save(figure, path)


def _starts(found: Mapping[str, Any], path: Path) -> None:
    """What a job actor's process costs, started anew and forked."""
    kinds = [cost["kind"] for cost in found["costs"]]
    names = (
        ("cpu_seconds", "CPU-s a start"),
        ("seconds", "s a start"),
        ("unique_mb", "MiB its own"),
        ("waiting_percent", "% of a core, waiting"),
    )
    figure, axes = _axes(4, [title for _, title in names])
    for one, (name, _) in zip(axes, names, strict=True):
        one.bar(kinds, [cost[name] for cost in found["costs"]], color=["C7", "C0"])
    _save(figure, path)


if __name__ == "__main__":
    sys.exit(main())
