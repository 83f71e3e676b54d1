"""How long calls take, as a pure function."""

from __future__ import annotations

import pytest

from orchestrator.sandbox.latency import SEED, TASK_STEPS, latency, step_of

STEP_SECONDS = {
    "semantic-keywords": 30,
    "gap-analysis": 45,
    "article-blueprint": 20,
    "generating-article": 120,
    "auto-fix": 30,
    "references": 60,
    "quality-validation": 30,
}
"""The specification's step times; Internal Links makes no call, so its 30 s are nobody's."""


@pytest.mark.parametrize(("step", "seconds"), STEP_SECONDS.items())
def test_all_calls_of_a_step_one_after_another_take_its_time(step: str, seconds: int) -> None:
    total = sum(
        latency("seed", service, step, share.tokens // share.calls if share.tokens else 0)
        for service, share in SEED[step].items()
        for _ in range(share.calls)
    )

    assert total == pytest.approx(seconds, rel=0.01)


def test_the_whole_job_in_sequence_takes_365_seconds_less_the_30_without_calls() -> None:
    assert sum(share.seconds for step in SEED.values() for share in step.values()) == 365 - 30


def test_a_longer_answer_takes_longer_and_a_short_one_has_a_floor() -> None:
    none, some, many = (
        latency("seed", "ai", "generating-article", tokens) for tokens in (0, 400, 800)
    )

    assert 0 < none < some < many
    assert many - some == pytest.approx(some - none)


def test_zero_takes_no_time() -> None:
    assert latency("zero", "ai", "generating-article", 10_000) == 0.0


def test_live_jitter_is_seeded_and_bounded() -> None:
    times = {latency("live", "ai", "generating-article", 700, f"job:{n}") for n in range(50)}

    assert len(times) == 50
    assert all(10.8 <= seconds <= 11.3 for seconds in times)
    assert latency("live", "web", "x", seed="a") == latency("live", "web", "x", seed="a")


def test_the_step_is_read_from_the_key_or_guessed_from_the_task() -> None:
    assert step_of("job_1:references:check:3") == "references"
    assert step_of("", "write_section") == "generating-article"
    assert step_of("", "unknown") == ""


def test_every_task_belongs_to_a_step_of_the_table() -> None:
    assert set(TASK_STEPS.values()) <= SEED.keys()


@pytest.mark.parametrize("service", ["ai", "serper", "wordpress", "web"])
def test_calls_outside_the_table_take_time_too(service: str) -> None:
    assert latency("seed", service, "publish", 100) > 0
    assert latency("live", service, "publish", 100) > 0
