"""Where the service may listen, what its keys are made of, and how a client uses them."""

from __future__ import annotations

import hashlib
import hmac
import json
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from pydantic import ValidationError
from starlette.requests import Request
from starlette.types import Message, Receive, Scope, Send
from typer.testing import CliRunner

from actors.limits import Bounds, Limits
from actors.serve.authentication import Gate
from actors.serve.caller import caller_of
from orchestrator.cli.app import app
from orchestrator.cli.checks import authentication
from orchestrator.cli.demo import demo_settings
from orchestrator.cli.environment import for_host, for_sandbox
from orchestrator.client import ApiError, AsyncClient
from orchestrator.client.credentials import credentials
from orchestrator.config import Settings
from orchestrator.errors import InvalidInput
from orchestrator.secrets import SECRET_NAMES, SigningSecrets
from orchestrator.security.master import Master, Masters, new_key
from orchestrator.security.policy import Unprotected, asks_for_keys, is_loopback
from orchestrator.security.records import KeyKind
from orchestrator.security.signing import RequestSigner, moment, signature
from orchestrator.security.verify import Refused
from orchestrator.telemetry import HIDDEN, Redactor

SECRET = "0123456789abcdef" * 4
SIGNING = "sotasign_0123456789abcdef_" + "A" * 43
BEARER = "sota_0123456789abcdef_" + "B" * 43

# -- where it may listen ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("host", "auth", "configured", "asks"),
    [
        ("127.0.0.1", "auto", False, False),
        ("127.0.0.1", "auto", True, True),
        ("127.0.0.1", "off", True, False),
        ("127.0.0.1", "on", True, True),
        ("::1", "auto", False, False),
        ("localhost", "off", False, False),
        ("0.0.0.0", "auto", True, True),
        ("192.168.1.5", "on", True, True),
    ],
)
def test_keys_are_asked_for_wherever_strangers_could_ask(
    host: str, auth: Any, configured: bool, asks: bool
) -> None:
    settings = Settings(http_host=host, auth=auth)

    assert asks_for_keys(settings, configured=configured) is asks


@pytest.mark.parametrize(
    ("host", "auth", "configured"),
    [
        ("0.0.0.0", "auto", False),
        ("0.0.0.0", "off", False),
        ("0.0.0.0", "off", True),
        ("::", "auto", False),
        ("10.0.0.7", "auto", False),
        ("service.example", "auto", False),
        ("", "auto", False),
        ("127.0.0.1", "on", False),
    ],
)
def test_it_does_not_start_where_it_could_not_tell_who_asks(
    host: str, auth: Any, configured: bool
) -> None:
    with pytest.raises(Unprotected, match="SOTA_SIGNING_SECRET"):
        asks_for_keys(Settings(http_host=host, auth=auth), configured=configured)


def test_the_address_that_counts_is_the_one_that_is_listened_on() -> None:
    with pytest.raises(Unprotected):
        asks_for_keys(Settings(http_host="127.0.0.1"), configured=False, host="0.0.0.0")


@pytest.mark.parametrize("host", ["127.0.0.1.evil.example", "127.1", "0", "localhost.", "::ffff:1"])
def test_what_only_looks_like_loopback_is_none(host: str) -> None:
    assert not is_loopback(host)


def test_a_short_signing_secret_is_refused_and_not_shown() -> None:
    with pytest.raises(ValidationError) as refused:
        SigningSecrets(signing_secret="hunter2-hunter2")

    assert "openssl rand" in str(refused.value)
    assert "hunter2" not in str(refused.value)


# -- keys -------------------------------------------------------------------------------------


def test_a_signing_key_is_made_anew_from_what_is_kept_and_a_bearer_key_is_only_recognised() -> None:
    signing, text = new_key(Master(SECRET), "alice", KeyKind.SIGNING, 1)
    bearer, token = new_key(Master(SECRET), "alice", KeyKind.BEARER, 1)

    assert Master(SECRET).signing_key(signing) == text
    assert Master(SECRET).bearer_digest(token, bearer) == bearer.digest
    assert signing.digest is None
    kept = signing.model_dump_json() + bearer.model_dump_json()
    for secret in (SECRET, text.split("_", 2)[2], token.split("_", 2)[2]):
        assert secret not in kept


@pytest.mark.parametrize(
    "change", [{"client_id": "bob"}, {"admin": True}, {"id": "0" * 16}], ids=str
)
def test_another_client_other_rights_or_another_id_make_another_key(
    change: Mapping[str, Any],
) -> None:
    master = Master(SECRET)
    key, text = new_key(master, "alice", KeyKind.SIGNING, 1)
    bearer, token = new_key(master, "alice", KeyKind.BEARER, 1)

    assert master.signing_key(key.model_copy(update=change)) != text
    assert master.bearer_digest(token, bearer.model_copy(update=change)) != bearer.digest


def test_keys_of_the_secret_before_go_on_and_new_ones_are_of_the_newest() -> None:
    old, _ = new_key(Master(SECRET), "alice", KeyKind.SIGNING, 1)
    masters = Masters.of(SigningSecrets(signing_secret="n" * 40, signing_secret_previous=SECRET))

    before = masters.of_key(old)
    assert before is not None
    assert before.fingerprint == old.master
    assert masters.newest.fingerprint != old.master
    only_new = Masters.of(SigningSecrets(signing_secret="n" * 40))
    assert only_new.of_key(old) is None


# -- signing ----------------------------------------------------------------------------------


def test_the_signature_is_what_the_documents_say_it_is() -> None:
    """Anyone can make it with an HMAC and a string: docs/security.md shows it in a shell."""
    signed = hmac.new(
        SIGNING.encode(), b'1703169045000.POST./orchestrator/ultra-sota.{"a":1}', hashlib.sha256
    )

    ours = signature(SIGNING, "1703169045000", "POST", "/orchestrator/ultra-sota", b'{"a":1}')

    assert ours.hex() == signed.hexdigest()


def test_equal_requests_at_one_moment_have_different_signatures() -> None:
    sign = RequestSigner("alice", SIGNING, clock=lambda: 1.8e9)

    made = {sign("GET", "/orchestrator/jobs", b"")["X-Signature"] for _ in range(5)}

    assert len(made) == 5


@pytest.mark.parametrize(
    ("text", "ms"),
    [("1703169045000", 1703169045000), ("1703169045", 1703169045000), ("0", 0), ("", None),
     ("-1", None), ("1.5", None), ("１", None), ("²", None), ("9" * 16, None), ("1\n", None)],
)  # fmt: skip
def test_moments(text: str, ms: int | None) -> None:
    assert moment(text) == ms


# -- the client -------------------------------------------------------------------------------


def test_a_client_signs_or_shows_its_key_as_the_key_is() -> None:
    signed = credentials(SIGNING, "alice", {})
    shown = credentials(None, None, {"SOTA_CLIENT_KEY": BEARER})

    assert signed is not None
    assert signed("GET", "/x", b"")["X-Client-Id"] == "alice"
    assert shown is not None
    assert shown("GET", "/x", b"") == {"Authorization": f"Bearer {BEARER}"}
    assert credentials(None, "alice", {}) is None
    assert credentials("", "alice", {"SOTA_CLIENT_KEY": BEARER}) is None


@pytest.mark.parametrize(
    ("key", "client_id", "field"),
    [("sota_wrong", "alice", "key"), (SIGNING, None, "client_id"), (SIGNING, "a b", "client_id")],
)
def test_a_key_that_cannot_be_used_is_named_and_not_shown(
    key: str, client_id: str | None, field: str
) -> None:
    with pytest.raises(InvalidInput) as refused:
        credentials(key, client_id, {})

    assert refused.value.field == field
    assert key not in str(refused.value)


async def test_the_client_signs_the_target_it_sends_and_signs_anew_when_told(
    aiohttp_server_url: Any,
) -> None:
    """Path and query come out of aiohttp as they were signed, whatever needs quoting in them."""
    seen: list[web.BaseRequest] = []

    async def answer(request: web.BaseRequest) -> web.Response:
        seen.append(request)
        target = request.raw_path
        stamp = request.headers["X-Timestamp"]
        right = signature(SIGNING, stamp, request.method, target, await request.read()).hex()
        assert request.headers["X-Signature"] == right, target
        if len(seen) == 1:
            replayed = {"type": "/orchestrator/problems/signature-replayed", "title": "before"}
            return web.json_response(replayed, status=401)
        return web.json_response({"jobs": [], "nextCursor": None})

    url = await aiohttp_server_url(answer)
    async with AsyncClient(url, client_id="alice", key=SIGNING) as client:
        await client.list(cursor="a b+c/d=é&e%2F")

    assert len(seen) == 2
    assert len({request.headers["X-Signature"] for request in seen}) == 2


async def test_a_refused_key_is_not_tried_again(aiohttp_server_url: Any) -> None:
    calls = 0

    async def answer(request: web.BaseRequest) -> web.Response:
        nonlocal calls
        calls += 1
        problem = {"type": "/orchestrator/problems/unauthenticated", "title": "no"}
        return web.json_response(problem, status=401)

    async with AsyncClient(await aiohttp_server_url(answer), key=BEARER) as client:
        with pytest.raises(ApiError):
            await client.list()

    assert calls == 1


@pytest.fixture
async def aiohttp_server_url() -> Any:
    runners: list[web.ServerRunner] = []

    async def serve(handler: Any) -> str:
        runner = web.ServerRunner(web.Server(handler))
        runners.append(runner)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        host, port = runner.addresses[0][:2]
        return f"http://{host}:{port}"

    yield serve
    for runner in runners:
        await runner.cleanup()


# -- what else must not see, or command -------------------------------------------------------


def test_children_get_no_key_that_is_not_theirs(tmp_path: Path) -> None:
    environ = dict.fromkeys([*SECRET_NAMES, "SOTA_DATABASE_URL"], "secret-of-ours")
    settings = Settings(home=tmp_path)

    assert "secret-of-ours" not in for_sandbox(settings, environ).values()
    host = for_host(settings, environ, sandbox=True)
    assert "SOTA_CLIENT_KEY" not in host
    assert host["SOTA_SIGNING_SECRET"] == "secret-of-ours"


def test_the_demo_listens_on_loopback_and_asks_for_no_key(tmp_path: Path) -> None:
    settings = demo_settings(Settings(home=tmp_path, http_host="0.0.0.0", auth="on"))

    assert (settings.http_host, settings.auth) == ("127.0.0.1", "off")


@pytest.mark.parametrize("text", [f"key {SIGNING}", f"Bearer {BEARER}", f"{BEARER}."])
def test_a_key_in_a_log_line_is_hidden(text: str) -> None:
    hidden = Redactor([])(text)

    assert HIDDEN in hidden
    assert "AAAA" not in hidden
    assert "BBBB" not in hidden


async def test_a_flood_of_refusals_is_told_in_a_few_lines(
    caplog: pytest.LogCaptureFixture,
) -> None:
    class Unasked:
        async def caller(self, *_: Any) -> None:
            raise AssertionError("there were no credentials to check")

    now = 0.0
    gate = Gate(Unasked(), clock=lambda: now)  # type: ignore[arg-type]
    scope = {"headers": [], "method": "GET", "raw_path": b"/secret-path", "query_string": b""}
    caplog.set_level(logging.DEBUG, logger="actors")
    logging.getLogger("actors").propagate = True
    for number in range(1000):
        now = number / 50
        with pytest.raises(Refused):
            await gate.caller(scope, lambda: None)  # type: ignore[arg-type,return-value]

    assert len(caplog.records) == 2
    assert "secret-path" not in caplog.text


async def test_a_client_cannot_command_the_proxy() -> None:
    seen: list[tuple[bytes, bytes]] = []

    async def inner(scope: Scope, receive: Receive, send: Send) -> None:
        seen.extend(scope["headers"])

    async def receive() -> Message:
        raise AssertionError

    async def send(message: Message) -> None:
        raise AssertionError

    commands = [
        (b"x-request-timeout-seconds", b"-1"),
        (b"X-Request-Disconnect-Disabled", b"?1"),
        (b"accept", b"*/*"),
    ]
    limits = Limits(inner, Bounds.of(Settings()))
    await limits({"type": "http", "headers": commands}, receive, send)

    assert seen == [(b"accept", b"*/*")]


def test_a_route_without_authentication_before_it_fails() -> None:
    with pytest.raises(RuntimeError):
        caller_of(Request({"type": "http"}))


# -- the command line -------------------------------------------------------------------------


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SOTA_HOME", str(tmp_path))
    monkeypatch.setenv("SOTA_SIGNING_SECRET", SECRET)
    monkeypatch.delenv("SOTA_DATABASE_URL", raising=False)
    return tmp_path


def sota(*arguments: str) -> Any:
    return CliRunner().invoke(app, list(arguments), env={"COLUMNS": "200"})


@pytest.mark.usefixtures("home")
def test_a_key_is_printed_once_listed_and_revoked() -> None:
    made = sota("keys", "create", "alice", "--kind", "bearer", "--note", "the blog")
    assert made.exit_code == 0, made.output
    text = made.stdout.strip()
    key_id = text.split("_")[1]
    assert text.count("\n") == 0
    assert text.startswith("sota_")

    listed = sota("keys", "list")
    assert key_id in listed.stdout
    assert "the blog" in listed.stdout
    assert text.split("_", 2)[2] not in listed.output

    assert sota("keys", "revoke", key_id).exit_code == 0
    assert key_id not in sota("keys", "list").stdout
    assert key_id in sota("keys", "list", "--all").stdout

    log = [json.loads(line) for line in sota("audit", "--json").stdout.splitlines()]
    assert [entry["action"] for entry in log] == ["key.revoked", "key.created"]
    assert log[0]["client_id"] == "(operator)"
    assert key_id in sota("audit").stdout


@pytest.mark.usefixtures("home")
@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("keys", "create", "a b"), "CLIENT"),
        (("keys", "create", "(operator)"), "CLIENT"),
        (("keys", "revoke", "nothing"), "no key"),
    ],
)
def test_what_cannot_be_done_is_said(arguments: tuple[str, ...], says: str) -> None:
    done = sota(*arguments)

    assert done.exit_code == 1
    assert says in done.output


@pytest.mark.usefixtures("home")
def test_without_a_signing_secret_no_key_is_made(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SOTA_SIGNING_SECRET")

    done = sota("keys", "create", "alice")

    assert done.exit_code == 1
    assert "openssl rand" in done.output


def test_the_doctor_says_who_may_ask() -> None:
    public = Settings(http_host="0.0.0.0")

    assert authentication(Settings(), configured=False).says.startswith("off")
    assert authentication(public, configured=True).state == "ok"
    assert authentication(public, configured=False).state == "blocked"


@pytest.mark.usefixtures("home")
def test_up_refuses_a_public_address_without_a_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SOTA_SIGNING_SECRET")

    done = sota("up", "--host", "0.0.0.0")

    assert done.exit_code == 1
    assert "SOTA_SIGNING_SECRET" in done.output
