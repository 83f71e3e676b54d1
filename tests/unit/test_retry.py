from __future__ import annotations

import random

import pytest

from orchestrator.errors import TransientError
from orchestrator.retry import specified_policy

POLICY = specified_policy(random.Random(1))
FAILED = TransientError("ai", "overloaded", status=529)


@pytest.mark.parametrize(("attempt", "seconds"), [(1, 2), (2, 4), (3, 8), (4, 16), (5, 32)])
def test_retry_n_waits_two_to_the_n_seconds_plus_up_to_200_ms(attempt: int, seconds: int) -> None:
    delays = [POLICY.delay(attempt, FAILED) for _ in range(200)]

    assert all(d is not None and seconds <= d <= seconds + 0.2 for d in delays)
    assert len(set(delays)) > 100  # the jitter is real


def test_the_sixth_failure_is_the_last() -> None:
    assert POLICY.delay(6, FAILED) is None
    assert POLICY.is_final(6)
    assert not POLICY.is_final(5)


def test_a_longer_retry_after_wins() -> None:
    assert POLICY.delay(1, TransientError("ai", "slow down", retry_after=40)) == 40


def test_a_shorter_retry_after_does_not_shorten_the_wait() -> None:
    delay = POLICY.delay(3, TransientError("ai", "slow down", retry_after=1))

    assert delay is not None
    assert delay >= 8
