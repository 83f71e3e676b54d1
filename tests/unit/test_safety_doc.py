from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def test_every_promise_in_the_safety_page_names_a_test_that_exists() -> None:
    page = (ROOT / "docs" / "safety.md").read_text()
    named = re.findall(r"`(test_\w+\.py)::(test_\w+)`", page)
    rows = [row for row in page.splitlines() if row.startswith("| ") and "---" not in row]
    promises = [row for row in rows if not row.startswith("| promise")]

    assert all("::test_" in row for row in promises)
    for file, name in named:
        assert f"def {name}(" in (ROOT / "tests" / "unit" / file).read_text(), f"{file}::{name}"
