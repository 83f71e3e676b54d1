"""Tiers, windows, quotas, request rates and turns: decisions over numbers, without a clock."""

from __future__ import annotations

import math
import pickle
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.errors import QuotaExceeded
from orchestrator.tenants import windows
from orchestrator.tenants.bucket import Buckets
from orchestrator.tenants.fair import Contender, admission_order, place
from orchestrator.tenants.headers import rate_limit_headers
from orchestrator.tenants.quotas import Counted, Policy, Quota, Standing, charge, quotas
from orchestrator.tenants.tiers import LIMITS, NO_LIMITS, RESERVED_WORDS, Limits, Tenancy, Tier

MOMENTS = st.integers(0, 4_102_444_800_000)  # 1970 to 2100, in epoch ms
NOON = 1_795_521_600_000  # 2026-11-24T12:00:00Z


def ms(year: int, month: int, day: int, hour: int = 0, minute: int = 0, second: int = 0) -> int:
    return int(datetime(year, month, day, hour, minute, second, tzinfo=UTC).timestamp()) * 1000


# -- tiers ------------------------------------------------------------------------------------


def test_the_tiers_are_the_specifications() -> None:
    told = {
        tier: (limits.jobs_per_hour, limits.jobs_at_once, limits.words_per_month)
        for tier, limits in LIMITS.items()
    }

    assert told == {
        "free": (5, 1, 10_000),
        "pro": (50, 3, 100_000),
        "enterprise": (None, 10, 1_000_000),
        "unlimited": (None, None, None),
    }


def test_a_free_clients_five_jobs_of_an_hour_fit_into_its_month() -> None:
    free = LIMITS[Tier.FREE]

    assert free.jobs_per_hour is not None
    assert free.words_per_month is not None
    assert free.jobs_per_hour * RESERVED_WORDS <= free.words_per_month


@pytest.mark.parametrize(
    ("recorded", "tier"), [("pro", Tier.PRO), (None, Tier.ENTERPRISE), ("platinum", Tier.FREE)]
)
def test_an_unknown_client_has_the_default_and_an_unknown_tier_is_the_smallest(
    recorded: str | None, tier: Tier
) -> None:
    assert Tenancy(Tier.ENTERPRISE).tier(recorded) is tier


def test_nobody_is_limited_by_default() -> None:
    assert NO_LIMITS.limits(None) == Limits()


# -- windows ----------------------------------------------------------------------------------


@given(MOMENTS)
def test_a_moment_is_in_its_windows_and_they_nest(now: int) -> None:
    hour, day, month = windows.hour(now), windows.day(now), windows.month(now)

    assert month.begins <= day.begins <= hour.begins <= now < hour.ends <= day.ends <= month.ends
    assert (hour.seconds, day.seconds) == (3600, 86_400)
    assert 28 * 86_400 <= month.seconds <= 31 * 86_400


@given(MOMENTS)
def test_windows_follow_each_other_without_a_gap(now: int) -> None:
    for window in (windows.hour, windows.day, windows.month):
        this = window(now)
        assert window(this.begins) == window(this.ends - 1) == this
        assert window(this.ends).begins == this.ends


@given(MOMENTS)
def test_windows_begin_where_the_calendar_says(now: int) -> None:
    at = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=now)
    month = windows.moment(windows.month(now).begins)

    assert (month.year, month.month) == (at.year, at.month)
    assert (month.day, month.hour, month.minute, month.second, month.microsecond) == (1, 0, 0, 0, 0)
    assert windows.moment(windows.day(now).begins).date() == at.date()


@pytest.mark.parametrize(
    ("now", "begins", "ends"),
    [
        (ms(2026, 11, 30, 23, 59, 59) + 999, ms(2026, 11, 1), ms(2026, 12, 1)),
        (ms(2026, 12, 1), ms(2026, 12, 1), ms(2027, 1, 1)),
        (ms(2028, 2, 29, 12), ms(2028, 2, 1), ms(2028, 3, 1)),
        (ms(2026, 12, 31, 23), ms(2026, 12, 1), ms(2027, 1, 1)),
    ],
)
def test_a_month_turns_at_utc(now: int, begins: int, ends: int) -> None:
    assert windows.month(now) == windows.Window(begins, ends)


# -- quotas -----------------------------------------------------------------------------------


def free(jobs: int = 0, words: int = 0, held: int = 0) -> Standing:
    return Standing(Tier.FREE, quotas(LIMITS[Tier.FREE], Counted(jobs, words, held), NOON))


def another(before: Standing, words: int) -> Standing:
    return charge(before, NOON, jobs=1, words=words)


def test_the_last_job_of_an_hour_is_accepted_and_the_next_is_not() -> None:
    after = another(free(jobs=4), 100)
    assert [quota.remaining for quota in after.quotas] == [0, 9_900]

    with pytest.raises(QuotaExceeded, match=r"all 5 jobs of this hour .* 2026-11-24T13:00:00Z"):
        another(after, 100)


def test_words_that_do_not_fit_are_refused_until_the_month_turns() -> None:
    with pytest.raises(QuotaExceeded, match=r"9,000 of this month's 10,000 words .*2026-12-01T00"):
        another(free(words=9_000), 1_001)

    assert another(free(words=9_000), 1_000).quotas[1].remaining == 0


def test_of_two_limits_that_are_used_up_the_one_that_lasts_is_told() -> None:
    with pytest.raises(QuotaExceeded) as raised:
        another(free(jobs=5, words=10_000), 1)

    assert raised.value.quota.policy is Policy.WORDS
    assert raised.value.retry_at == ms(2026, 12, 1)


def test_words_that_are_only_held_are_told_last_and_may_come_back_soon() -> None:
    with pytest.raises(QuotaExceeded) as hour:
        another(free(jobs=5, words=10_000, held=10_000), 2_000)
    with pytest.raises(QuotaExceeded, match="10,000 of them held by jobs in progress") as month:
        another(free(jobs=4, words=10_000, held=10_000), 2_000)

    assert (hour.value.quota.policy, hour.value.retry_at) == (Policy.JOBS, NOON + windows.HOUR_MS)
    assert (month.value.quota.policy, month.value.retry_at) == (Policy.WORDS, NOON + 60_000)
    assert month.value.quota.resets_at == ms(2026, 12, 1)


def test_a_refusal_crosses_processes_whole() -> None:
    with pytest.raises(QuotaExceeded) as raised:
        another(free(jobs=5), 1)

    copy = pickle.loads(pickle.dumps(raised.value))
    assert (str(copy), copy.quota, copy.standing) == (
        str(raised.value),
        raised.value.quota,
        raised.value.standing,
    )


@given(st.lists(st.integers(0, 3 * windows.HOUR_MS), max_size=60))
def test_in_no_hour_of_the_clock_more_are_accepted_than_allowed(times: list[int]) -> None:
    accepted: list[int] = []
    for now in sorted(times):
        begins = windows.hour(now).begins
        used = sum(at >= begins for at in accepted)
        standing = Standing(Tier.FREE, quotas(LIMITS[Tier.FREE], Counted(used, 0), now))
        try:
            charge(standing, now, jobs=1, words=0)
        except QuotaExceeded:
            continue
        accepted.append(now)

    for hour in range(4):
        wanted = sum(at // windows.HOUR_MS == hour for at in times)
        assert sum(at // windows.HOUR_MS == hour for at in accepted) == min(5, wanted)


# -- headers ----------------------------------------------------------------------------------


def test_the_headers_tell_every_limit_and_in_the_triple_the_nearest() -> None:
    headers = rate_limit_headers(free(jobs=4, words=2_000).quotas, NOON + 1)

    assert headers == {
        "RateLimit-Limit": "5",
        "RateLimit-Remaining": "1",
        "RateLimit-Reset": "3600",
        "RateLimit-Policy": '"jobs-per-hour";q=5;w=3600, "words-per-month";q=10000;w=2592000',
        "RateLimit": '"jobs-per-hour";r=1;t=3600, "words-per-month";r=8000;t=561600',
    }


def test_a_client_without_limits_is_told_of_none() -> None:
    assert rate_limit_headers((), NOON) == {}


def test_a_reset_is_never_told_as_now() -> None:
    quota = Quota(Policy.JOBS, 5, 5, 3600, NOON)

    assert rate_limit_headers((quota,), NOON + 10_000)["RateLimit-Reset"] == "1"


# -- request rate -----------------------------------------------------------------------------


def refused_after(buckets: Buckets, client: str, now: float, most: int = 10_000) -> int:
    for number in range(most):
        try:
            buckets.take(client, Tier.FREE, now)
        except QuotaExceeded:
            return number
    raise AssertionError("never refused")


def test_a_burst_passes_and_then_requests_at_the_rate() -> None:
    buckets = Buckets()

    assert refused_after(buckets, "a", 100.0) == LIMITS[Tier.FREE].burst
    assert refused_after(buckets, "a", 101.0) == 2  # free: two a second
    assert refused_after(buckets, "b", 101.0) == LIMITS[Tier.FREE].burst


def test_a_refused_request_says_when_to_come_again() -> None:
    buckets = Buckets()
    refused_after(buckets, "a", 100.0)

    with pytest.raises(QuotaExceeded, match="2 requests a second") as raised:
        buckets.take("a", Tier.FREE, 100.0)

    assert raised.value.quota.policy is Policy.REQUESTS
    assert raised.value.quota.remaining == 0
    assert buckets.take("a", Tier.FREE, raised.value.retry_at / 1000) is not None


def test_a_clock_set_back_refills_nothing() -> None:
    buckets = Buckets()
    refused_after(buckets, "a", 100.0)

    assert refused_after(buckets, "a", 50.0) == 0


def test_the_unlimited_have_no_bucket_and_few_are_kept() -> None:
    buckets = Buckets(most=2)
    assert buckets.take("a", Tier.UNLIMITED, 1.0) is None

    refused_after(buckets, "a", 1.0)
    buckets.take("b", Tier.FREE, 1.0)
    buckets.take("c", Tier.FREE, 1.0)  # the third: a, asked for longest ago, is forgotten
    assert refused_after(buckets, "a", 1.0) == LIMITS[Tier.FREE].burst


@given(st.lists(st.floats(0, 30), min_size=1, max_size=200))
def test_never_more_requests_pass_than_burst_and_rate_allow(times: list[float]) -> None:
    buckets, passed = Buckets(), []
    for now in sorted(times):
        try:
            buckets.take("a", Tier.FREE, now)
        except QuotaExceeded:
            continue
        passed.append(now)

    for begin in passed:
        within = [at for at in passed if begin <= at]
        for count, at in enumerate(within, 1):
            assert count <= 20 + math.floor((at - begin) * 2.0 + 1e-6)


# -- fairness ---------------------------------------------------------------------------------

CONTENDERS = st.lists(
    st.builds(
        Contender,
        client_id=st.sampled_from("abcdefgh"),
        queued=st.integers(1, 6),
        running=st.integers(0, 4),
        at_once=st.one_of(st.none(), st.integers(1, 5)),
        last_admitted=st.integers(0, 3),
    ),
    min_size=1,
    max_size=6,
    unique_by=lambda one: one.client_id,
)


def test_equals_take_turns_and_who_waited_longest_begins() -> None:
    three = [Contender(name, 3, last_admitted=at) for name, at in (("a", 30), ("b", 10), ("c", 20))]

    assert "".join(admission_order(three, 7)) == "bcabcab"


def test_who_runs_least_is_first() -> None:
    two = [Contender("a", 9, running=2), Contender("b", 9)]

    assert "".join(admission_order(two, 6)) == "bbabab"


def test_nobody_gets_more_at_once_than_it_may() -> None:
    order = admission_order([Contender("a", 9, at_once=1), Contender("b", 2, 1, at_once=3)], 100)

    assert sorted(order) == ["a", "b", "b"]


@given(CONTENDERS, st.integers(0, 30))
def test_all_room_is_given_out_and_no_more(contenders: list[Contender], limit: int) -> None:
    order = admission_order(contenders, limit)

    assert len(order) == min(limit, sum(one.room for one in contenders))
    assert all(order.count(one.client_id) <= one.room for one in contenders)


@given(CONTENDERS)
def test_nobody_is_ahead_by_more_than_one_of_who_could_go(contenders: list[Contender]) -> None:
    running = {one.client_id: one.running for one in contenders}
    room = {one.client_id: one.room for one in contenders}
    for client in admission_order(contenders, 100):
        could_go = [name for name, left in room.items() if left]
        assert running[client] == min(running[name] for name in could_go)
        running[client] += 1
        room[client] -= 1


@given(CONTENDERS)
def test_a_place_in_the_queue_is_that_of_the_admission(contenders: list[Contender]) -> None:
    """Exact while every client has room: nobody is limited here."""
    free_to_go = [
        Contender(one.client_id, one.queued, one.running, None, one.last_admitted)
        for one in contenders
    ]
    seen: dict[str, int] = {}

    for number, client in enumerate(admission_order(free_to_go, 1000), 1):
        assert place(free_to_go, client, seen.get(client, 0)) == number
        seen[client] = seen.get(client, 0) + 1
