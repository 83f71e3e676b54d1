"""What sealing the journal costs: ``python -m bench.encryption [--steps N] [--json FILE]``.

Records steps of 60 kB, an article's size, in a SQLite journal of its own: one after another, in
clear and sealed in turn, and then sixteen jobs at once. Prints the median time of a write, the
writes a second, the size of the files and the ratios.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from pydantic import SecretStr

from orchestrator.journal.base import Journal
from orchestrator.journal.opening import NO_KEYS, open_journal
from orchestrator.journal.records import NewJob
from orchestrator.journal.sealing import new_master_key
from orchestrator.sandbox.sample_post import SAMPLE_CONTENT

OUTPUT_CHARS = 60_000
TOGETHER = 16


@dataclass(frozen=True, slots=True)
class Measured:
    """Of one journal: milliseconds a write, writes a second of many jobs, bytes a step on disk."""

    median_ms: float
    p95_ms: float
    writes_per_second: float
    bytes_per_step: int


def main(argv: Sequence[str] | None = None) -> int:
    """Measure and print; the exit status."""
    parser = argparse.ArgumentParser(prog="python -m bench.encryption", description=__doc__)
    parser.add_argument("--steps", type=int, default=200, help="steps recorded of each kind")
    parser.add_argument("--json", type=Path, help="write the numbers to this file")
    options = parser.parse_args(argv)
    with tempfile.TemporaryDirectory(prefix="sota-bench-") as folder:
        found = asyncio.run(measure(Path(folder), options.steps))
    for name, measured in found.items():
        told = (f"{field.replace('_', ' ')} {value:,.1f}" for field, value in measured.items())
        print(f"{name:8}", "  ".join(told))
    if options.json:
        options.json.write_text(json.dumps(found, indent=2) + "\n", "utf-8")
    return 0


async def measure(folder: Path, steps: int) -> dict[str, dict[str, float]]:
    """Both kinds, and sealed by clear."""
    kinds = {"clear": NO_KEYS, "sealed": SecretStr(new_master_key())}
    journals = {
        name: await open_journal(f"sqlite+aiosqlite:///{folder}/{name}.db", keys=keys)
        for name, keys in kinds.items()
    }
    alone: dict[str, list[float]] = {name: [] for name in kinds}
    slugs = tuple((f"s{number}", f"S{number}") for number in range(steps))
    for journal in journals.values():
        await begun(journal, "job_1", slugs)
    for slug, _ in slugs:  # in turn, so that both meet the same machine
        for name, journal in journals.items():
            alone[name].append(await record(journal, "job_1", slug))
    rates = {name: await together(journal, slugs) for name, journal in journals.items()}
    found = {}
    for name, journal in journals.items():
        await journal.close()
        size = (folder / f"{name}.db").stat().st_size
        percentiles = statistics.quantiles(alone[name], n=20)
        written = len(slugs) + TOGETHER * (len(slugs) // TOGETHER)
        median = statistics.median(alone[name])
        found[name] = asdict(Measured(median, percentiles[-1], rates[name], size // written))
    ratios = {field: found["sealed"][field] / found["clear"][field] for field in found["clear"]}
    return {**found, "ratio": {field: round(ratio, 2) for field, ratio in ratios.items()}}


async def together(journal: Journal, slugs: Sequence[tuple[str, str]]) -> float:
    """Writes a second while many jobs record at once and share commits."""
    each = slugs[: len(slugs) // TOGETHER]
    jobs = [f"job_{number}" for number in range(2, 2 + TOGETHER)]
    for job_id in jobs:
        await begun(journal, job_id, each)

    async def run(job_id: str) -> None:
        for slug, _ in each:
            await record(journal, job_id, slug)

    start = time.perf_counter()
    await asyncio.gather(*(run(job_id) for job_id in jobs))
    return len(each) * TOGETHER / (time.perf_counter() - start)


async def begun(journal: Journal, job_id: str, slugs: Sequence[tuple[str, str]]) -> None:
    """A running job with these steps."""
    await journal.submit(
        NewJob(
            id=job_id,
            client_id="bench",
            request_id=job_id,
            body_hash="",
            request={},
            keyword="bench",
            mode="generate",
            created_at=1,
            steps=tuple(slugs),
        )
    )
    await journal.claim(job_id, "bench", 2, 5)


async def record(journal: Journal, job_id: str, slug: str) -> float:
    """Record one step; milliseconds."""
    text = (SAMPLE_CONTENT * (OUTPUT_CHARS // len(SAMPLE_CONTENT) + 1))[:OUTPUT_CHARS]
    start = time.perf_counter()
    await journal.record_step(job_id, 1, slug, {"html": text}, now=3)
    return (time.perf_counter() - start) * 1000


if __name__ == "__main__":
    raise SystemExit(main())
