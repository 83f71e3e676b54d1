"""What the journal says of a load, read beside the service."""

from __future__ import annotations

import json
import sqlite3
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.load.figures import Attempted


@dataclass(frozen=True)
class Rows:
    """Jobs as their rows, and what came of each step that was begun."""

    jobs: list[dict[str, Any]]
    steps: list[Attempted]


def read(database: Path) -> Rows:
    """All that is there."""
    with sqlite3.connect(f"file:{database}?mode=ro", uri=True) as connection:
        connection.row_factory = sqlite3.Row
        jobs = connection.execute(
            "SELECT id, status, error, created_at, started_at, completed_at FROM jobs"
        ).fetchall()
        steps = connection.execute(
            "SELECT job_id, state, attempts, degraded FROM steps WHERE attempts > 0"
        ).fetchall()
    connection.close()
    return Rows(
        [dict(row) for row in jobs],
        [
            Attempted(
                row["job_id"],
                row["state"] == "completed",
                row["attempts"],
                bool(json.loads(row["degraded"])),
            )
            for row in steps
        ],
    )


def unended(database: Path) -> int:
    """Jobs that wait or run."""
    with sqlite3.connect(f"file:{database}?mode=ro", uri=True, timeout=5) as connection:
        (count,) = connection.execute(
            "SELECT count(*) FROM jobs WHERE completed_at IS NULL"
        ).fetchone()
    connection.close()
    return int(count)
