"""docs/webhooks.md: its snippet verifies, and its numbers are the code's."""

from __future__ import annotations

import re
import time
from pathlib import Path
from typing import Any

import pytest

from orchestrator.clients.webhook import MAX_ANSWER, TIMEOUT
from orchestrator.outbox.courier import AT_ONCE, PER_LANE
from orchestrator.outbox.schedule import WEBHOOK
from orchestrator.outbox.signing import SHORTEST, client_key, shown, signed_headers

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "webhooks.md").read_text("utf-8")
KEY = client_key("a-master-secret-of-some-length", "client_1")
BODY = b'{"type":"job.completed"}'


@pytest.fixture(name="verified")
def verified_fixture() -> Any:
    """The page's own function."""
    (snippet,) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    names: dict[str, Any] = {}
    exec(snippet, names)
    return names["verified"]


def test_the_snippet_accepts_our_webhooks(verified: Any) -> None:
    now = int(time.time())
    old = client_key("the-master-secret-of-before", "client_1")

    assert verified(shown(KEY), signed_headers([KEY], "id", now, BODY), BODY)
    assert verified(shown(old), signed_headers([KEY, old], "id", now, BODY), BODY)


def test_the_snippet_refuses_others(verified: Any) -> None:
    now = int(time.time())
    made = signed_headers([KEY], "id", now, BODY)

    assert not verified(shown(KEY), made, BODY + b" ")
    assert not verified(shown(KEY), {**made, "webhook-id": "other"}, BODY)
    assert not verified(shown(client_key("x" * 24, "client_1")), made, BODY)
    assert not verified(shown(KEY), signed_headers([KEY], "id", now - 301, BODY), BODY)


def test_the_numbers_are_the_codes() -> None:
    told = " ".join(PAGE.split())

    assert f"within {TIMEOUT:g} seconds" in told
    assert f"first {MAX_ANSWER} characters" in told
    assert f"({SHORTEST} characters or more" in told
    assert (PER_LANE, f"of all {AT_ONCE}" in told) == (4, True)
    assert [round(wait) for wait in WEBHOOK.waits()][:3] == [5, 15, 45]
    assert len(list(WEBHOOK.waits())) + 1 == 12
