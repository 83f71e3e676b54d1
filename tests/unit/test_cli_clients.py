"""``sota clients`` on a journal of its own."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from orchestrator.cli.app import app


@pytest.fixture(autouse=True)
def own_home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("SOTA_DATABASE_URL", "SOTA_DEFAULT_TIER"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("SOTA_HOME", str(tmp_path))


def clients(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["clients", *arguments])


def test_tiers_are_given_and_listed(monkeypatch: pytest.MonkeyPatch) -> None:
    assert clients("list").stdout == "all clients have tier unlimited\n"
    assert (
        "5 jobs an hour, 1 at once, 10,000 words a month" in clients("set", "acme", "free").stdout
    )
    assert "no limits" in clients("set", "own", "unlimited").stdout
    assert clients("set", "acme", "enterprise").exit_code == 0

    monkeypatch.setenv("SOTA_DEFAULT_TIER", "pro")
    told = clients("list").stdout
    assert "10 at once, 1,000,000 words a month" in told
    assert "5 jobs an hour" not in told
    assert told.endswith("other clients have tier pro\n")


def test_a_tier_that_does_not_exist_is_refused_with_those_that_do() -> None:
    refused = clients("set", "acme", "platinum")

    assert refused.exit_code == 2
    assert "enterprise" in refused.stderr


def test_a_client_without_a_name_is_refused() -> None:
    refused = clients("set", "", "free")

    assert refused.exit_code == 1
    assert "CLIENT" in refused.stderr
