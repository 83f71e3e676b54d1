"""``sota encryption``: keys made, told of and changed from the command line."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest
from pydantic import SecretStr
from typer.testing import CliRunner, Result

from orchestrator.cli.app import app
from orchestrator.jobs import JobStatus
from orchestrator.journal.opening import NO_KEYS, open_journal
from orchestrator.journal.sealing import key_id, new_master_key, parse_keys
from tests.contract.journal_helpers import JOB, ended, viewed

OLD, NEW = new_master_key(), new_master_key()
Sota = Callable[..., Result]


@pytest.fixture
def sota(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Sota:
    """The command line in a home of its own, with the keys it is given."""
    monkeypatch.setenv("SOTA_HOME", str(tmp_path))
    monkeypatch.delenv("SOTA_DATABASE_URL", raising=False)

    def run(*words: str, keys: str = "") -> Result:
        monkeypatch.setenv("SOTA_ENCRYPTION_KEYS", keys)
        return CliRunner().invoke(app, ["encryption", *words])

    return run


def an_ended_job(home: Path, keys: SecretStr = NO_KEYS) -> None:
    async def make() -> None:
        journal = await open_journal(f"sqlite+aiosqlite:///{home}/journal.db", keys=keys)
        await ended(journal, JobStatus.FAILED)
        await journal.close()

    asyncio.run(make())


def id_of(key: str) -> str:
    return key_id(parse_keys(SecretStr(key))[0])


def test_a_new_key_is_one(sota: Sota) -> None:
    made = sota("new-key").stdout

    assert len(parse_keys(SecretStr(made))) == 1
    assert made != sota("new-key").stdout


def test_a_journal_in_clear_is_said_to_be(sota: Sota, tmp_path: Path) -> None:
    an_ended_job(tmp_path)

    told = sota("status").stdout

    assert "in clear     1 jobs, 0 cache entries" in told
    assert "SOTA_ENCRYPTION_KEYS is not set" in told
    assert "next         sota encryption rotate" in sota("status", keys=OLD).stdout


def test_a_journal_is_sealed_and_its_key_is_changed(sota: Sota, tmp_path: Path) -> None:
    an_ended_job(tmp_path)
    sealed = sota("rotate", "--stopped", keys=OLD)
    changed = sota("rotate", "--stopped", keys=f"{NEW},{OLD}")
    told = sota("status", keys=NEW).stdout

    assert "sealed    1 jobs" in sealed.stdout
    assert "wrapped   2 data keys anew" in changed.stdout
    assert f"sealed       1 jobs by {id_of(NEW)}\n" in told
    assert "in clear     0 jobs" in told
    assert "next" not in told
    for key in (OLD, NEW):
        assert key not in sealed.output + changed.output + told

    async def look() -> None:
        url = f"sqlite+aiosqlite:///{tmp_path}/journal.db"
        journal = await open_journal(url, keys=SecretStr(NEW))
        assert (await viewed(journal, JOB)).status is JobStatus.FAILED
        await journal.close()

    asyncio.run(look())


def test_a_key_that_the_running_service_has_not_is_not_rotated_to(
    sota: Sota, tmp_path: Path
) -> None:
    an_ended_job(tmp_path, SecretStr(OLD))

    refused = sota("rotate", keys=f"{NEW},{OLD}")

    assert refused.exit_code == 1
    assert f"started without the key {id_of(NEW)}" in refused.output
    assert f"sealed       1 jobs by {id_of(OLD)}" in sota("status", keys=OLD).stdout
    an_other_start(tmp_path)
    assert sota("rotate", keys=f"{NEW},{OLD}").exit_code == 0


def an_other_start(home: Path) -> None:
    async def start() -> None:
        url = f"sqlite+aiosqlite:///{home}/journal.db"
        await (await open_journal(url, keys=SecretStr(f"{NEW},{OLD}"))).close()

    asyncio.run(start())


@pytest.mark.parametrize("keys", ["", "no key"])
def test_a_rotation_without_keys_is_refused(sota: Sota, tmp_path: Path, keys: str) -> None:
    an_ended_job(tmp_path)

    refused = sota("rotate", keys=keys)

    assert refused.exit_code == 1
    assert "SOTA_ENCRYPTION_KEYS" in refused.output


def test_without_a_journal_it_says_so(sota: Sota) -> None:
    assert "error: " in sota("status").output
