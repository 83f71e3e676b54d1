"""Settings from the environment."""

from __future__ import annotations

import re

import pytest
from pydantic import ValidationError

from orchestrator.cli.problems import CliError, settings_from_environment
from orchestrator.config import DAY_MS, MODEL_PRICES, Settings
from orchestrator.engine import EngineOptions


def test_a_price_can_be_changed_and_added_and_the_others_stay(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("SOTA_MODEL_PRICES", '{"claude-sonnet-5": [3, 15.5], "mine": [0, 1]}')

    prices = Settings().model_prices

    assert prices == {**MODEL_PRICES, "claude-sonnet-5": (3.0, 15.5), "mine": (0.0, 1.0)}


def test_every_model_that_may_be_asked_for_has_a_price(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOTA_MODEL_PRICES", "")
    assert set(Settings().allowed_models) <= set(Settings().model_prices)

    with pytest.raises(ValidationError, match="SOTA_MODEL_PRICES lacks"):
        Settings(allowed_models=(*MODEL_PRICES, "new"))


@pytest.mark.parametrize(
    ("given", "problem"),
    [
        ("claude-sonnet-5: 3/15", "not a table of prices"),
        ("[3, 15]", "not a table of prices"),
        ('{"claude-sonnet-5": 3}', "the price of claude-sonnet-5 is not two numbers"),
        ('{"claude-sonnet-5": [3]}', "the price of claude-sonnet-5 is not two numbers"),
        ('{"claude-sonnet-5": [3, "15"]}', "the price of claude-sonnet-5 is not two numbers"),
        ('{"claude-sonnet-5": [3, -15]}', "the price of claude-sonnet-5 is not two numbers"),
        ('{"claude-sonnet-5": [3, NaN]}', "the price of claude-sonnet-5 is not two numbers"),
        ('{"claude-sonnet-5": [3, true]}', "the price of claude-sonnet-5 is not two numbers"),
    ],
)
def test_prices_that_are_none_are_refused_by_name_with_an_example(
    given: str, problem: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SOTA_MODEL_PRICES", given)

    with pytest.raises(CliError, match=re.escape(f"SOTA_MODEL_PRICES: {problem}")) as caught:
        settings_from_environment()

    assert '{"claude-sonnet-5": [2, 10]}' in str(caught.value)


def test_the_engine_s_defaults_are_the_settings_whatever_the_environment_says(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("SOTA_HANDOVER_GRACE", "99")
    usual, engine = Settings.model_fields, EngineOptions()

    assert engine.handover_grace == usual["handover_grace"].default
    assert engine.hibernate_after == usual["hibernate_after"].default
    assert engine.job_timeout == usual["job_timeout"].default
    assert engine.budget_usd == usual["job_budget_usd"].default
    assert engine.calls_in_flight == usual["calls_per_job"].default


def test_ended_jobs_are_kept_for_the_days_that_are_set() -> None:
    assert Settings(retention_days=1.5).purge_before(2 * DAY_MS) == DAY_MS // 2


def test_no_days_at_all_means_for_ever() -> None:
    """Not "delete at once": that would be the worst reading of a mistyped number."""
    assert Settings(retention_days=0).purge_before(2 * DAY_MS) == 0


@pytest.mark.parametrize("days", [-1, float("nan"), float("inf"), 1e9, "soon"])
def test_days_that_cannot_be_meant_are_refused(days: object) -> None:
    with pytest.raises(ValidationError, match="retention_days"):
        Settings(retention_days=days)
