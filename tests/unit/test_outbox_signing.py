"""Signatures and secrets, held against the specification's own library and its formula."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import stat
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from standardwebhooks import Webhook, WebhookVerificationError
from typer.testing import CliRunner

from orchestrator.cli.app import app
from orchestrator.errors import Misconfigured
from orchestrator.outbox.signing import FILE, client_key, masters, shown, signed_headers

MASTER = "a master secret of some length"
BODY = json.dumps({"type": "job.completed", "data": {"naïve": "日本"}}).encode()


def headers(*keys: bytes, now: int | None = None, body: bytes = BODY) -> dict[str, str]:
    return dict(signed_headers(keys, "webhook_job_1_7", now or int(time.time()), body))


def test_the_specifications_library_accepts_a_signature() -> None:
    key = client_key(MASTER, "client_1")

    assert Webhook(shown(key)).verify(BODY.decode(), headers(key)) == json.loads(BODY)


def test_a_signature_is_the_specifications_formula() -> None:
    key = base64.b64decode("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    content = b"msg_1.1614265330." + BODY
    expected = base64.b64encode(hmac.new(key, content, hashlib.sha256).digest()).decode()

    made = signed_headers([key], "msg_1", 1614265330, BODY)

    assert made == {
        "webhook-id": "msg_1",
        "webhook-timestamp": "1614265330",
        "webhook-signature": f"v1,{expected}",
    }


@pytest.mark.parametrize("change", ["webhook-id", "webhook-timestamp", "body", "client", "time"])
def test_what_was_changed_is_refused(change: str) -> None:
    key = client_key(MASTER, "client_1")
    made, body = headers(key), BODY.decode()
    if change == "body":
        body += " "
    elif change == "client":
        made = headers(client_key(MASTER, "client_2"))
    elif change == "time":
        made = headers(key, now=int(time.time()) - 3600)
    else:
        made[change] += "1"

    with pytest.raises(WebhookVerificationError):
        Webhook(shown(key)).verify(body, made)


@pytest.mark.parametrize("verified_with", [0, 1])
def test_while_the_master_secret_changes_both_verify(verified_with: int) -> None:
    keys = [
        client_key(master, "c")
        for master in masters(f"{MASTER.replace(' ', '-')} " + "o" * 24, Path())
    ]

    assert len(keys) == 2
    assert Webhook(shown(keys[verified_with])).verify(BODY.decode(), headers(*keys))


def test_a_derived_secret_is_the_documented_one() -> None:
    """docs/webhooks.md tells how; receivers may derive theirs, so this never changes."""
    expected = hmac.new(MASTER.encode(), b"sota-webhook:v1:client_1", hashlib.sha256).digest()

    assert client_key(MASTER, "client_1") == expected
    assert shown(expected) == "whsec_" + base64.b64encode(expected).decode()


def test_clients_have_secrets_of_their_own() -> None:
    names = ["", "a", "b", "a.b", "\ud800", "x" * 200]

    assert len({client_key(MASTER, name) for name in names}) == len(names)


def test_without_a_setting_a_random_secret_is_kept_for_its_owner_only(tmp_path: Path) -> None:
    home = tmp_path / "new" / "home"

    with ThreadPoolExecutor(8) as pool:
        found = set(pool.map(lambda _: masters("", home), range(32)))

    ((secret,),) = found
    assert len(secret) >= 32
    assert stat.S_IMODE((home / FILE).stat().st_mode) == 0o600
    assert [path.name for path in home.iterdir()] == [FILE]
    assert masters("", home) == (secret,)
    assert masters("", tmp_path) != (secret,)


def test_a_short_secret_is_refused_without_being_told() -> None:
    with pytest.raises(Misconfigured, match="SOTA_WEBHOOK_SECRET is shorter than 24") as refused:
        masters("hunter2", Path())

    assert "hunter2" not in str(refused.value)


def test_a_home_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    with pytest.raises(Misconfigured, match="set SOTA_WEBHOOK_SECRET, or mend SOTA_HOME"):
        masters("", tmp_path / "file")


def test_the_command_line_prints_a_clients_secret(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SOTA_HOME", str(tmp_path))
    monkeypatch.setenv("SOTA_WEBHOOK_SECRET", "m" * 24)

    done = CliRunner().invoke(app, ["webhooks", "secret", "--client", "client_1"])

    assert done.exit_code == 0, done.output
    assert done.output.strip() == shown(client_key("m" * 24, "client_1"))


def test_the_command_line_makes_and_keeps_the_embedded_secret(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SOTA_HOME", str(tmp_path))
    monkeypatch.delenv("SOTA_WEBHOOK_SECRET", raising=False)

    done = CliRunner().invoke(app, ["webhooks", "secret", "--client", "c"])

    assert done.output.strip() == shown(client_key((tmp_path / FILE).read_text(), "c"))
