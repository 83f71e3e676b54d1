"""Both Serve applications without Ray: over a real journal, authentication in front of them."""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote

import pytest
from fastapi import FastAPI
from fastapi.routing import APIRoute
from starlette.types import Message, Scope

from actors import options
from actors.serve import authentication
from actors.serve.status import Status
from actors.serve.status import app as status_app
from actors.serve.submit import Submit
from actors.serve.submit import app as submit_app
from orchestrator.config import Settings
from orchestrator.journal.base import Journal
from orchestrator.security.master import Master, Masters, new_key
from orchestrator.security.records import KeyKind, KeyRecord, Principal
from orchestrator.security.signing import signature
from orchestrator.security.verify import Verifier
from tests.edge import bound, replica

PREFIX, SUBMIT = "/orchestrator", "/orchestrator/ultra-sota"
NOW = 1_800_000_000.0  #: epoch seconds of the tests' clock


@dataclass
class Reply:
    """What came back."""

    status: int
    headers: dict[str, str]
    raw: bytes

    @property
    def body(self) -> Any:
        return json.loads(self.raw)

    @property
    def kind(self) -> str:
        """The last part of a problem's type."""
        return str(self.body["type"]).rpartition("/")[2]


@dataclass
class Key:
    """A key as its client has it."""

    record: KeyRecord
    text: str

    def signed(
        self, method: str, target: str, body: bytes = b"", *, at: str | None = None
    ) -> dict[str, str]:
        """The headers that sign a request."""
        timestamp = str(int(NOW * 1000)) if at is None else at
        digest = signature(self.text, timestamp, method, target, body)
        return {
            "X-Client-Id": self.record.client_id,
            "X-Timestamp": timestamp,
            "X-Signature": digest.hex(),
        }

    @property
    def bearer(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.text}"}


@dataclass
class Edge:
    """Both applications, as one replica of each serves them."""

    journal: Journal
    master: Master = field(default_factory=lambda: Master(secrets.token_hex(32)))
    now: float = NOW

    def __post_init__(self) -> None:
        masters = Masters([self.master])
        for name in ("submit", "status"):
            verifier = Verifier(
                masters,
                self._journal,
                self.journal,
                lambda: self.now,
                takes_bodies=name == "submit",
            )
            authentication.install(name, authentication.Gate(verifier))
        self._apps = {
            SUBMIT: bound(submit_app, replica(Submit, self.journal, Settings())),
            PREFIX: bound(status_app, replica(Status, self.journal, Settings())),
        }

    async def _journal(self) -> Journal:
        return self.journal

    async def key(
        self, client_id: str, kind: KeyKind = KeyKind.SIGNING, *, admin: bool = False
    ) -> Key:
        """A new key of this client."""
        record, text = new_key(self.master, client_id, kind, 1, admin=admin)
        await self.journal.create_key(record, by=nobody())
        return Key(record, text)

    async def ask(
        self,
        method: str,
        target: str | bytes,
        headers: Mapping[str, str] | Iterable[tuple[bytes, bytes]] = (),
        body: bytes = b"",
    ) -> Reply:
        """One request, its path and query byte for byte as given."""
        target = target.encode("latin-1") if isinstance(target, str) else target
        pairs = headers.items() if isinstance(headers, Mapping) else headers
        sent = [(_bytes(name).lower(), _bytes(value)) for name, value in pairs]
        scope = scope_of(method, target, sent)
        app = SUBMIT if scope["path"] == SUBMIT else PREFIX
        messages: list[Message] = []
        given = iter([{"type": "http.request", "body": body, "more_body": False}])

        async def receive() -> Message:
            return next(given, {"type": "http.disconnect"})

        async def send(message: Message) -> None:
            messages.append(message)

        await self._apps[app]({**scope, "root_path": app}, receive, send)
        head = {name.decode(): value.decode() for name, value in messages[0]["headers"]}
        content = b"".join(message.get("body", b"") for message in messages[1:])
        return Reply(messages[0]["status"], head, content)

    async def submitted(self, key: Key, **fields: Any) -> str:
        """A job of this key's client; its id."""
        body = json.dumps({"keyword": "AI in SEO", "requestId": secrets.token_hex(8)} | fields)
        raw = body.encode()
        reply = await self.ask("POST", SUBMIT, key.signed("POST", SUBMIT, raw), raw)
        assert reply.status == 202, reply.raw
        return str(reply.body["jobId"])


def scope_of(method: str, target: bytes, headers: list[tuple[bytes, bytes]]) -> Scope:
    """The scope that uvicorn makes of a request."""
    path, _, query = target.partition(b"?")
    return {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "scheme": "http",
        "method": method,
        "path": _unquoted(path),
        "raw_path": path,
        "query_string": query,
        "headers": [*headers, (b"x-request-id", b"asked-by-a-test")],
        "client": ("127.0.0.1", 50_000),
        "server": ("127.0.0.1", 8000),
    }


def routes() -> Iterator[tuple[str, str]]:
    """Method and path of every route of both applications, a job's id as ``{job}``."""
    for prefix, app in ((SUBMIT, submit_app), (PREFIX, status_app)):
        for route in _routes_of(app):
            path = route.path.replace("{job_id}", "{job}").rstrip("/")
            yield from ((method, prefix + path) for method in sorted(route.methods))


def _routes_of(app: FastAPI) -> Iterator[APIRoute]:
    todo: list[Any] = list(app.routes)
    while todo:
        route = todo.pop()
        if isinstance(route, APIRoute):
            yield route
        else:
            router = getattr(route, "original_router", None) or getattr(route, "router", None)
            todo += list(getattr(router, "routes", ()))


@pytest.fixture(name="no_actors")
def no_actors_fixture(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing looks for an actor: Ray would start a cluster to look in."""
    monkeypatch.setattr(options, "find", lambda name: None)


def nobody() -> Principal:
    return Principal(client_id="test", entry=secrets.token_hex(8), at=1)


@contextmanager
def scanned(caplog: pytest.LogCaptureFixture, *known: str) -> Iterator[None]:
    """Everything logged in the block, whatever the level; none of *known* may be in it."""
    loggers = ["orchestrator", "actors", ""]
    for name in loggers:
        caplog.set_level("DEBUG", logger=name or None)
    yield
    logged = "\n".join(
        record.getMessage() + str(record.exc_info or "") for record in caplog.records
    )
    assert [secret for secret in known if secret in logged] == []


def _bytes(text: str | bytes) -> bytes:
    return text if isinstance(text, bytes) else text.encode("latin-1")


def _unquoted(path: bytes) -> str:
    return unquote(path.decode("latin-1"))
