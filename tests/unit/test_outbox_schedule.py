"""When a delivery is tried again."""

from __future__ import annotations

import itertools
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.outbox.schedule import DAY, HOUR, PUBLISH, WEBHOOK, Schedule


class Top(random.Random):
    """No jitter."""

    def uniform(self, a: float, b: float) -> float:
        return b


def at(schedule: Schedule, tries: int, *, now: int = 0, **more: object) -> int | None:
    return schedule.next_at(tries, since=0, now=now, rand=Top(), **more)  # type: ignore[arg-type]


def course(schedule: Schedule, rand: random.Random, scale: float = 1.0) -> list[int]:
    """When each attempt of a message that nobody takes is made, from 0."""
    times, tries = [0], 1
    while (
        following := schedule.next_at(tries, since=0, now=times[-1], rand=rand, scale=scale)
    ) is not None:
        times.append(following)
        tries += 1
    return times


def test_the_waits_are_the_documented_ones() -> None:
    assert list(WEBHOOK.waits()) == [
        5, 15, 45, 135, 405, 1215, 3645, 10935, 6 * HOUR, 6 * HOUR, 6 * HOUR,
    ]  # fmt: skip


@given(st.integers(0, 2**32))
def test_a_message_is_tried_for_most_of_a_day_and_never_after_it(seed: int) -> None:
    times = course(WEBHOOK, random.Random(seed))

    assert 12 <= len(times) <= 14
    assert 17 * HOUR * 1000 < times[-1] <= DAY * 1000


@given(st.integers(0, 2**32))
def test_a_publication_is_tried_every_hour_for_a_week(seed: int) -> None:
    times = course(PUBLISH, random.Random(seed))
    gaps = [b - a for a, b in itertools.pairwise(times)]

    assert max(gaps) <= HOUR * 1000
    assert 7 * DAY * 1000 - HOUR * 1000 <= times[-1] <= 7 * DAY * 1000


@given(st.integers(1, 10**6), st.integers(0, 2**32))
def test_jitter_takes_a_fifth_at_most(tries: int, seed: int) -> None:
    found = WEBHOOK.next_at(tries, since=0, now=0, rand=random.Random(seed))

    assert found is not None
    assert 0.8 * WEBHOOK.wait(tries) * 1000 - 1 <= found <= WEBHOOK.wait(tries) * 1000


def test_those_that_failed_together_do_not_come_back_together() -> None:
    rand = random.Random(1)

    assert len({WEBHOOK.next_at(3, since=0, now=0, rand=rand) for _ in range(100)}) > 90


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        (None, 5000), (0.0, 5000), (2.0, 5000), (120.0, 120_000),
        (10**9, 6 * 3600 * 1000),  # a receiver cannot end its own deliveries by asking for years
    ],
)  # fmt: skip
def test_a_longer_retry_after_wins(asked: float | None, expected: int) -> None:
    assert at(WEBHOOK, 1, asked=asked) == expected


def test_after_the_deadline_there_is_no_attempt() -> None:
    last = int(DAY * 1000) - 5000

    assert at(WEBHOOK, 1, now=last) == DAY * 1000
    assert at(WEBHOOK, 1, now=last + 1) is None


def test_the_scale_shortens_waits_and_deadline_but_not_what_was_asked() -> None:
    assert at(WEBHOOK, 1, scale=0.01) == 50
    assert at(WEBHOOK, 1, scale=0.01, asked=2.0) == 2000
    assert WEBHOOK.deadline(0, 0.01) == DAY * 10
