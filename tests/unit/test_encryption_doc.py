from __future__ import annotations

import re
from pathlib import Path

from orchestrator.journal.content import CONTENT

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "encryption.md").read_text()


def test_every_promise_in_the_encryption_page_names_a_test_that_exists() -> None:
    tables = re.findall(r"\| promise \| checked by \|\n\| --- \| --- \|\n((?:\|.*\n)+)", PAGE)
    promises = [row for table in tables for row in table.splitlines()]
    named = re.findall(r"`([\w/]+\.py)::(\w+)`", PAGE)

    assert len(promises) > 10
    assert all(".py::" in row for row in promises)
    for file, name in named:
        assert f"def {name}(" in (ROOT / "tests" / file).read_text(), f"{file}::{name}"


def test_every_sealed_column_is_told() -> None:
    told = PAGE.partition("## What is sealed")[2].partition("## How")[0]

    assert [
        f"{table.name}.{name}" for table, name in CONTENT if f"`{table.name}.{name}`" not in told
    ] == []
