"""Run many interleavings: ``python -m tests.model --interleavings 10000 --seed 1``.

A failing run prints its seed and the steps that led there, first as it was found and then with
every needless fault left out; ``--interleavings 1 --seed SEED`` repeats it.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor

from tests.model.explore import Explorer, Failed, Told
from tests.model.planted import PLANTED, planted
from tests.model.shrink import shrink

CHUNK = 250  #: interleavings in one piece of work


def main() -> int:
    """The command; 1 when a promise was broken."""
    options = _options()
    began = time.monotonic()
    print(f"{options.interleavings} interleavings from seed {options.seed}", flush=True)
    told = Told()
    for part, failure in _run(options):
        told.add(part)
        if failure is not None:
            print(failure)
            return 1
    _show(told, time.monotonic() - began)
    return 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.model", description=__doc__)
    parser.add_argument("--interleavings", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=1, help="of the first; the others follow it")
    parser.add_argument("--processes", type=int, default=os.cpu_count())
    parser.add_argument("--plant", choices=list(PLANTED), help="a bug, to see it found")
    return parser.parse_args()


def _run(options: argparse.Namespace) -> Iterator[tuple[Told, str | None]]:
    last = options.seed + options.interleavings
    chunks = [(at, min(at + CHUNK, last)) for at in range(options.seed, last, CHUNK)]
    with ProcessPoolExecutor(options.processes) as pool:
        futures = [pool.submit(run_chunk, *chunk, options.plant) for chunk in chunks]
        try:
            for future in futures:
                yield future.result()
        finally:
            pool.shutdown(cancel_futures=True)


def run_chunk(first: int, last: int, plant: str | None = None) -> tuple[Told, str | None]:
    """Run the seeds from *first* to before *last*; what happened, and the first failure."""
    if plant is not None:
        with planted(plant):
            return run_chunk(first, last)
    explorer, told = Explorer(), Told()
    try:
        for seed in range(first, last):
            told.add(explorer.run(seed))
    except Failed as failed:
        return told, f"{failed}\n\nThe same, with fewer faults:\n{shrink(explorer, failed)}"
    finally:
        explorer.close()
    return told, None


def _show(told: Told, seconds: float) -> None:
    rate = told.interleavings / seconds
    print(f"{told.interleavings} interleavings held every promise ({rate:.0f} a second)")
    for what, number in sorted(told.counts.items()):
        print(f"  {what:37} {number:>9,}")


if __name__ == "__main__":
    sys.exit(main())
