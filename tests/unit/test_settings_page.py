"""docs/settings.md tells every setting, and is up to date."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from orchestrator.config import Settings
from orchestrator.secrets import SECRET_NAMES, Secrets, StorageKeys
from orchestrator.settings_page import page

ROOT = Path(__file__).resolve().parents[2]


def test_the_page_is_what_the_settings_say() -> None:
    written = (ROOT / "docs" / "settings.md").read_text("utf-8")

    assert written == page(), "python -m orchestrator.settings_page > docs/settings.md"


def test_the_page_does_not_depend_on_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    before = page()
    monkeypatch.setenv("SOTA_HTTP_PORT", "1")
    monkeypatch.setenv("SERPER_API_KEY", "secret")

    assert page() == before


@pytest.mark.parametrize("settings", [Settings, Secrets, StorageKeys])
def test_every_setting_says_what_it_is_for(
    settings: type[Settings | Secrets | StorageKeys],
) -> None:
    assert [name for name, field in settings.model_fields.items() if not field.description] == []


def test_every_variable_that_the_code_names_is_on_the_page() -> None:
    folders = ("orchestrator", "actors", "steps", "bench")
    files = (file for folder in folders for file in (ROOT / folder).rglob("*.py"))
    named = {name for file in files for name in re.findall(r"SOTA_[A-Z_]*[A-Z]", file.read_text())}

    told = page()
    assert [name for name in sorted(named | set(SECRET_NAMES)) if f"`{name}`" not in told] == []
