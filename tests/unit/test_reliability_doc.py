from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "reliability.md").read_text()


def test_every_promise_in_the_reliability_page_names_a_test_that_exists() -> None:
    promised = PAGE.partition("## What is promised")[2].partition("## What is not promised")[0]
    rows = [row for row in promised.splitlines() if row.startswith("| ") and "---" not in row]
    promises = [row for row in rows if not row.startswith(("| promise", "| planted bug"))]
    named = re.findall(r"`([\w/]+\.py)::(test_\w+)`", PAGE)

    assert promises
    assert all("::test_" in row for row in promises)
    for file, name in named:
        assert f"def {name}(" in (ROOT / "tests" / file).read_text(), f"{file}::{name}"
