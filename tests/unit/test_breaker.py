from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.breaker import (
    FAILURE_RATE,
    LATEST_CALLS,
    MOST_CALLS,
    POLICIES,
    Breaker,
    BreakerPolicy,
    BreakerState,
    Outcome,
    Permit,
    Refusal,
)

SPECIFIED = {"serper": (5, 60, 10), "ai": (3, 120, 30), "wordpress": (2, 60, 5)}


def fail(breaker: Breaker, now: float) -> bool:
    permit = breaker.admit(now)
    assert isinstance(permit, Permit)
    return breaker.report(permit, Outcome.FAILURE, now)


def opened(policy: BreakerPolicy, now: float = 0.0) -> Breaker:
    breaker = Breaker(policy)
    for _ in range(policy.threshold):
        fail(breaker, now)
    return breaker


@pytest.mark.parametrize(("service", "numbers"), SPECIFIED.items())
def test_the_numbers_are_the_specifications(service: str, numbers: tuple[int, int, int]) -> None:
    policy = POLICIES[service]

    assert (policy.threshold, policy.window, policy.cooldown) == numbers


@pytest.mark.parametrize("service", SPECIFIED)
def test_it_opens_at_the_threshold_and_not_before(service: str) -> None:
    policy = POLICIES[service]
    breaker = Breaker(policy)

    changes = [fail(breaker, now=float(n)) for n in range(policy.threshold)]

    assert changes == [False] * (policy.threshold - 1) + [True]
    assert breaker.state is BreakerState.OPEN


@pytest.mark.parametrize("service", SPECIFIED)
def test_failures_outside_the_window_do_not_count(service: str) -> None:
    policy = POLICIES[service]
    breaker = Breaker(policy)

    for n in range(policy.threshold * 3):
        fail(breaker, now=n * policy.window)

    assert breaker.state is BreakerState.CLOSED


def succeed(breaker: Breaker, now: float) -> None:
    permit = breaker.admit(now)
    assert isinstance(permit, Permit)
    assert breaker.report(permit, Outcome.SUCCESS, now) is False


@pytest.mark.parametrize("service", SPECIFIED)
def test_failures_that_are_few_among_many_calls_do_not_open_it(service: str) -> None:
    """A thousand jobs share a breaker: one call in ten failing is for the retries."""
    breaker = Breaker(POLICIES[service])

    for n in range(300):
        now = n * 0.1
        fail(breaker, now) if n % 10 == 0 else succeed(breaker, now)

    assert breaker.state is BreakerState.CLOSED
    assert breaker.failures(now) >= POLICIES[service].threshold


@pytest.mark.parametrize("service", SPECIFIED)
def test_an_outage_opens_it_at_the_threshold_however_many_were_answered(service: str) -> None:
    """Else a lone job would have used up its retries before."""
    breaker = Breaker(POLICIES[service])
    for n in range(1000):
        succeed(breaker, n * 0.01)
    threshold = POLICIES[service].threshold

    changes = [fail(breaker, 10.0 + n) for n in range(threshold)]

    assert changes == [False] * (threshold - 1) + [True]


def test_a_service_that_fails_half_of_its_calls_opens_it() -> None:
    breaker = Breaker(POLICIES["ai"])
    for n in range(1000):
        succeed(breaker, n * 0.01)

    calls = 0
    while breaker.state is BreakerState.CLOSED:
        succeed(breaker, 10.0) if calls % 2 else fail(breaker, 10.0)
        calls += 1

    assert calls == LATEST_CALLS - 1


def test_quick_failures_do_not_open_it_while_more_calls_are_under_way() -> None:
    """Of forty calls begun at once those that fail end first, and they are all that has ended."""
    breaker = Breaker(POLICIES["ai"])
    permits = [breaker.admit(0.0) for _ in range(40)]
    assert all(isinstance(permit, Permit) for permit in permits)

    opened = [breaker.report(permit, Outcome.FAILURE, 1.0) for permit in permits]  # type: ignore[arg-type]

    assert opened.index(True) == 19  # as many have failed as are still under way


def test_calls_whose_callers_died_are_not_waited_for() -> None:
    policy = POLICIES["ai"]
    breaker = Breaker(policy)
    for _ in range(40):
        breaker.admit(0.0)

    changes = [fail(breaker, policy.window + n) for n in range(policy.threshold)]

    assert changes == [False, False, True]


def test_successes_outside_the_window_do_not_hold_it_closed() -> None:
    policy = POLICIES["ai"]
    breaker = Breaker(policy)
    for _ in range(LATEST_CALLS):
        succeed(breaker, 0.0)

    changes = [fail(breaker, policy.window + n) for n in range(policy.threshold)]

    assert changes == [False, False, True]


def test_it_tells_the_rate_by_which_it_opens() -> None:
    breaker = Breaker(POLICIES["ai"])
    assert breaker.failure_rate(0.0) is None
    for _ in range(3 * LATEST_CALLS):
        succeed(breaker, 1.0)

    rates = []
    while breaker.state is BreakerState.CLOSED:
        succeed(breaker, 2.0)
        fail(breaker, 2.0)
        rates.append(breaker.failure_rate(2.0))

    assert rates == [n / LATEST_CALLS for n in range(1, 11)]
    assert rates[-1] == FAILURE_RATE
    assert breaker.failure_rate(2.0 + POLICIES["ai"].window) is None


def test_it_remembers_no_more_than_it_needs() -> None:
    """What it remembers is saved with each failure."""
    breaker = Breaker(POLICIES["ai"])
    for n in range(3000):
        now = n * 0.01
        fail(breaker, now) if n % 10 == 0 else succeed(breaker, now)

    assert breaker.failures(now) == MOST_CALLS
    again = Breaker.restore(breaker.policy, json.loads(json.dumps(breaker.snapshot())))
    fail(again, now)
    assert again.failures(now) == MOST_CALLS > max(p.threshold for p in POLICIES.values())


def test_calls_given_up_say_nothing() -> None:
    breaker = Breaker(POLICIES["ai"])
    for _ in range(LATEST_CALLS):
        permit = breaker.admit(0.0)
        assert isinstance(permit, Permit)
        breaker.report(permit, Outcome.ABANDONED, 0.0)

    assert [fail(breaker, 1.0) for _ in range(3)] == [False, False, True]


def test_the_latest_calls_survive_json_and_a_new_process() -> None:
    policy = POLICIES["ai"]
    breaker = Breaker(policy)
    for _ in range(LATEST_CALLS):
        succeed(breaker, 0.0)

    again = Breaker.restore(policy, json.loads(json.dumps(breaker.snapshot())))

    fail(again, 1.0)
    assert again.failure_rate(1.0) == 1 / LATEST_CALLS


def test_a_state_saved_before_calls_were_counted_is_read() -> None:
    saved = Breaker(POLICIES["ai"]).snapshot()
    del saved["latest"]

    again = Breaker.restore(POLICIES["ai"], saved)

    assert [fail(again, 1.0) for _ in range(3)] == [False, False, True]


@pytest.mark.parametrize("service", SPECIFIED)
def test_it_refuses_until_the_cooldown_is_over(service: str) -> None:
    policy = POLICIES[service]
    breaker = opened(policy)

    assert breaker.admit(policy.cooldown - 1) == Refusal(1)
    assert isinstance(breaker.admit(policy.cooldown), Permit)
    assert breaker.state is BreakerState.HALF_OPEN


@pytest.mark.parametrize("service", SPECIFIED)
def test_exactly_one_probe_goes_through_in_half_open(service: str) -> None:
    policy = POLICIES[service]
    breaker = opened(policy)

    verdicts = [breaker.admit(policy.cooldown) for _ in range(50)]

    assert [type(v) for v in verdicts] == [Permit] + [Refusal] * 49


@pytest.mark.parametrize("service", SPECIFIED)
def test_a_good_probe_closes_and_a_bad_one_opens_again(service: str) -> None:
    policy = POLICIES[service]
    breaker = opened(policy)
    later = policy.cooldown

    fail(breaker, later)
    assert breaker.state is BreakerState.OPEN
    assert breaker.admit(later + policy.cooldown - 0.5) == Refusal(0.5)

    probe = breaker.admit(later + policy.cooldown)
    assert isinstance(probe, Permit)
    breaker.report(probe, Outcome.SUCCESS, later + policy.cooldown)
    assert breaker.state is BreakerState.CLOSED
    assert breaker.failures(later + policy.cooldown) == 0


@pytest.mark.parametrize("service", SPECIFIED)
def test_a_prober_that_dies_does_not_jam_it(service: str) -> None:
    policy = POLICIES[service]
    breaker = opened(policy)
    breaker.admit(policy.cooldown)  # never reports

    refusal = breaker.admit(policy.cooldown + policy.probe_lease - 1)
    assert isinstance(refusal, Refusal)
    assert refusal.probing
    assert isinstance(breaker.admit(policy.cooldown + policy.probe_lease), Permit)


def test_a_probe_given_up_lets_the_next_one_through_at_once() -> None:
    policy = POLICIES["ai"]
    breaker = opened(policy)
    probe = breaker.admit(policy.cooldown)
    assert isinstance(probe, Permit)

    breaker.report(probe, Outcome.ABANDONED, policy.cooldown)

    assert isinstance(breaker.admit(policy.cooldown), Permit)


def test_a_late_report_from_before_the_opening_is_ignored() -> None:
    breaker = Breaker(POLICIES["ai"])
    early = breaker.admit(0)
    assert isinstance(early, Permit)
    for _ in range(3):
        fail(breaker, 1)
    breaker.admit(1 + 30)

    assert breaker.report(early, Outcome.SUCCESS, 32) is False
    assert breaker.state is BreakerState.HALF_OPEN


def test_its_state_survives_json_and_a_new_process() -> None:
    policy = POLICIES["serper"]
    breaker = opened(policy, now=100.0)

    again = Breaker.restore(policy, json.loads(json.dumps(breaker.snapshot())))

    assert again.state is BreakerState.OPEN
    assert again.admit(105.0) == Refusal(5.0)
    assert again.opened_count == 1


def test_a_half_open_breaker_restored_gives_out_a_new_probe() -> None:
    policy = POLICIES["serper"]
    breaker = opened(policy)
    breaker.admit(policy.cooldown)

    again = Breaker.restore(policy, breaker.snapshot())

    assert isinstance(again.admit(policy.cooldown), Permit)


@given(
    st.lists(
        st.tuples(
            st.floats(min_value=0, max_value=40, allow_nan=False),
            st.sampled_from([*Outcome, None]),
        ),
        max_size=60,
    )
)
def test_never_two_live_probes_and_never_jammed(events: list[tuple[float, Outcome | None]]) -> None:
    """Whatever happens, half-open has at most one live lease, and a call gets in eventually."""
    policy = BreakerPolicy(threshold=2, window=30, cooldown=10, probe_lease=20)
    breaker, now = Breaker(policy), 0.0
    live: list[float] = []
    for wait, outcome in events:
        now += wait
        verdict = breaker.admit(now)
        if isinstance(verdict, Refusal):
            continue
        if breaker.state is BreakerState.HALF_OPEN:
            live = [ends for ends in live if ends > now]
            assert not live
            live = [now + policy.probe_lease]
        if outcome is not None:
            breaker.report(verdict, outcome, now)
            live = []

    assert isinstance(breaker.admit(now + policy.cooldown + policy.probe_lease), Permit)
