"""What ``GET /orchestrator/usage`` and ``sota clients`` show. Times are epoch ms, costs dollars."""

from __future__ import annotations

from orchestrator.models import Wire
from orchestrator.tenants.tiers import Tier


class LimitsView(Wire):
    """What the tier allows; a limit that is missing is none."""

    jobs_per_hour: int | None = None
    jobs_at_once: int | None = None
    words_per_month: int | None = None
    requests_per_second: float | None = None
    request_burst: int | None = None


class HourView(Wire):
    """The hour of the clock (UTC)."""

    jobs: int  #: accepted, or retried last, in it
    remaining: int | None = None
    resets_at: int


class DayView(Wire):
    """The day (UTC). Nothing is limited by it."""

    jobs: int
    resets_at: int


class MonthView(Wire):
    """The calendar month (UTC)."""

    jobs: int
    words: int  #: of completed articles
    words_reserved: int  #: held by jobs that have not ended
    remaining: int | None = None
    cost: float
    resets_at: int


class UsageView(Wire):
    """A client's tier, its limits, and what it uses of them now."""

    client_id: str
    tier: Tier
    limits: LimitsView
    running: int
    queued: int
    hour: HourView
    day: DayView
    month: MonthView


class ClientView(Wire):
    """A client with a tier of its own."""

    client_id: str
    tier: Tier
    changed_at: int
