"""What the steps take: as the specification has it one after another, and side by side in fact."""

from __future__ import annotations

from typing import Any

import pytest

from tests.harness import Service
from tests.unit.test_sandbox_latency import STEP_SECONDS


@pytest.fixture(scope="module")
def seeded(shared_service: Service) -> tuple[dict[str, float], dict[str, Any]]:
    """What the sandbox charged each step of a job in profile ``seed``, and the job's timings."""
    shared_service.heal()
    shared_service.pace("seed", 0.02)
    before = shared_service.stats()["seconds"]
    job = shared_service.ended(shared_service.submit("growing herbs on a balcony"))
    after = shared_service.stats()["seconds"]
    shared_service.pace("zero")
    charged = {step: spent - before.get(step, 0.0) for step, spent in after.items()}
    return charged, job["result"]["metadata"]["timings"]


def test_the_calls_of_a_step_one_after_another_take_the_specified_time(
    seeded: tuple[dict[str, float], dict[str, Any]],
) -> None:
    charged, _ = seeded

    assert {step for step, spent in charged.items() if spent} == STEP_SECONDS.keys()
    assert {step: charged[step] for step in STEP_SECONDS} == pytest.approx(STEP_SECONDS, rel=0.1)


def test_the_result_tells_what_overlapped(
    seeded: tuple[dict[str, float], dict[str, Any]],
) -> None:
    _, timings = seeded
    steps = {step["name"]: step for step in timings["steps"]}
    writing = steps["Generating Article"]

    assert len(steps) == 8
    assert steps["Gap Analysis"]["start"] < steps["Semantic Keywords"]["end"]
    assert steps["References"]["start"] < writing["end"]
    assert steps["Auto-fix"]["start"] < writing["end"]
    assert steps["Internal Links"]["sequentialSeconds"] == 0.0
    assert timings["elapsedSeconds"] < timings["sequentialSeconds"]
    own = sum(step["sequentialSeconds"] for step in steps.values())
    assert 0 <= timings["sequentialSeconds"] - own < 0.1 * timings["sequentialSeconds"]
    assert timings["criticalPath"][-2:] == ["Internal Links", "Running Quality Validation"]
