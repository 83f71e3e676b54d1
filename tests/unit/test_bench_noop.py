"""What the bench of jobs without work computes; its pipeline is the real one without work."""

from __future__ import annotations

from typing import Any

import pytest

from bench.noop.figures import Figures, Latency, as_json, compared, ratios, table
from bench.noop.pipeline import without_work
from orchestrator.models import SubmitRequest
from steps import PIPELINE


def figures(system: str = "orchestrator", database: str = "sqlite", **changes: Any) -> Figures:
    fields: dict[str, Any] = {
        "system": system, "database": database, "jobs": 10, "jobs_per_second": 20.0,
        "cpu_seconds": 0.1, "wall_ms": 500.0, "submit": Latency(10, 10, 20, 30),
        "status": Latency(10, 5, 6, 7), "at_rest": 0.2, "others": None, "counted": "by process",
        "note": "",
    }  # fmt: skip
    return Figures(**{**fields, **changes})


def test_latencies_are_milliseconds() -> None:
    found = Latency.of([n / 1000 for n in range(1, 101)])

    assert (found.count, found.p50, found.p95, found.p99) == (100, 50, 95, 99)


def test_a_ratio_above_one_is_better_whichever_way_the_figure_counts() -> None:
    other = figures("naive Ray", jobs_per_second=5.0, cpu_seconds=0.4, wall_ms=250.0)

    found = ratios(figures(), other)

    assert found["jobs_per_second"] == pytest.approx(4)
    assert found["cpu_ms"] == pytest.approx(4)
    assert found["wall_ms"] == pytest.approx(0.5)
    assert "at_rest" not in found


def test_each_database_is_compared_with_itself() -> None:
    found = [
        figures(), figures("DBOS", cpu_seconds=0.05),
        figures(database="postgres"), figures("DBOS", "postgres", cpu_seconds=0.2),
    ]  # fmt: skip

    against = compared(found)

    assert against["sqlite"]["DBOS"]["cpu_ms"] == pytest.approx(0.5)
    assert against["postgres"]["DBOS"]["cpu_ms"] == pytest.approx(2)
    assert "0.50x" in table(found, "sqlite")
    assert len(as_json({"machine": "m"}, found)["figures"]) == 4


async def test_the_pipeline_is_the_real_one_without_its_work() -> None:
    found = without_work(PIPELINE)

    assert [step.slug for step in found.steps] == [step.slug for step in PIPELINE.steps]
    assert [step.needs for step in found.steps[1:]] == [(step.slug,) for step in found.steps[:-1]]
    result = found.finish(
        SubmitRequest.model_validate({"keyword": "nothing"}), {"a": 1}, {"cost": 0}
    )
    assert result["metadata"] == {"wordCount": 0, "steps": 1, "cost": 0}
