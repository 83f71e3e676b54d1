"""Who is asked, who is looked at, who is given up."""

from __future__ import annotations

import pytest

from orchestrator.supervision import (
    BUSY_SECONDS,
    CONFIRM_SECONDS,
    LOOK_SECONDS,
    QUIET_SECONDS,
    SILENT_SECONDS,
    STARTING_SECONDS,
    Vigil,
)

JOB = "job_1"


def silent_since(asked: float = 10.0) -> Vigil:
    """A vigil over a job that was asked and has not answered."""
    vigil = Vigil()
    vigil.saw(JOB, 1, 5, 0.0)
    vigil.asked(JOB, asked)
    return vigil


def test_a_job_that_writes_events_is_not_asked() -> None:
    vigil = Vigil()
    for second in range(4):
        vigil.saw(JOB, 1, second, float(second))
        assert vigil.to_ask(float(second)) == []


def test_a_quiet_job_is_asked_once_until_it_answers() -> None:
    vigil = Vigil()
    vigil.saw(JOB, 1, 5, 0.0)

    assert vigil.to_ask(QUIET_SECONDS) == [JOB]
    vigil.asked(JOB, QUIET_SECONDS)
    assert vigil.to_ask(QUIET_SECONDS + 1) == []
    vigil.answered(JOB, 2.0)
    assert vigil.to_ask(2.1) == []
    assert vigil.to_ask(2.0 + QUIET_SECONDS) == [JOB]


def test_even_a_busy_job_is_told_now_and_then_that_it_owns_itself() -> None:
    vigil = Vigil()
    for tenth in range(int(CONFIRM_SECONDS * 10) + 1):
        vigil.saw(JOB, 1, tenth, tenth / 10)

    assert vigil.to_ask(CONFIRM_SECONDS) == [JOB]


def test_with_many_jobs_each_is_asked_less_often() -> None:
    vigil = Vigil()
    for number in range(1000):
        vigil.saw(f"job_{number}", 1, 1, 0.0)

    assert vigil.to_ask(9.0) == []
    assert len(vigil.to_ask(10.0)) == 1000


def test_a_silent_job_is_looked_at_and_looked_at_again() -> None:
    vigil = silent_since(10.0)

    assert vigil.to_look_at(10.0 + SILENT_SECONDS - 0.1) == []
    assert vigil.to_look_at(10.0 + SILENT_SECONDS) == [JOB]
    vigil.looked(JOB, 1.0, 14.0)
    assert vigil.to_look_at(14.0 + LOOK_SECONDS - 0.1) == []
    assert vigil.to_look_at(14.0 + LOOK_SECONDS) == [JOB]


def test_a_process_that_does_nothing_is_lost_at_the_second_look() -> None:
    vigil = silent_since()

    assert not vigil.looked(JOB, 1.0, 14.0)
    assert vigil.looked(JOB, 1.0, 16.0)


def test_a_process_that_cannot_be_seen_is_lost_at_once() -> None:
    assert silent_since().looked(JOB, None, 14.0)


def test_a_process_that_computes_is_given_a_minute() -> None:
    vigil = silent_since(10.0)

    for second in range(4, int(BUSY_SECONDS)):
        assert not vigil.looked(JOB, float(second), 10.0 + second)
    assert vigil.looked(JOB, 99.0, 10.0 + BUSY_SECONDS)


def test_a_late_answer_clears_the_suspicion() -> None:
    vigil = silent_since(10.0)
    vigil.looked(JOB, 1.0, 14.0)
    vigil.answered(JOB, 15.0)

    assert vigil.to_look_at(30.0) == []
    vigil.asked(JOB, 30.0)
    assert not vigil.looked(JOB, 1.0, 34.0)  # the earlier look does not count any more


def test_an_actor_that_starts_may_be_silent_until_it_has_claimed() -> None:
    vigil = Vigil()
    vigil.starts(JOB, 1, 0.0)
    vigil.saw(JOB, 1, 5, 1.0)

    assert vigil.starting(30.0) == 1
    assert vigil.to_ask(30.0) == []
    vigil.saw(JOB, 2, 6, 31.0)
    assert vigil.starting(31.0) == 0
    assert vigil.to_ask(31.0 + QUIET_SECONDS) == [JOB]


def test_an_actor_that_never_claims_is_asked_in_the_end() -> None:
    vigil = Vigil()
    vigil.starts(JOB, 1, 0.0)

    assert vigil.to_ask(STARTING_SECONDS) == [JOB]


def test_a_new_activation_is_watched_afresh() -> None:
    vigil = silent_since(10.0)
    vigil.saw(JOB, 2, 6, 13.0)

    assert vigil.to_look_at(30.0) == []


def test_ended_jobs_are_forgotten() -> None:
    vigil = silent_since(10.0)
    vigil.keep_only({"job_2"})

    assert vigil.to_look_at(100.0) == []


@pytest.mark.parametrize("looks", [1, 2])
def test_what_is_not_watched_is_never_lost(looks: int) -> None:
    vigil = Vigil()

    assert not any(vigil.looked(JOB, None, float(look)) for look in range(looks))
