"""Who sent a request: its credentials, checked against the clients' keys.

A refusal says nothing about which part was wrong, and costs a read of the database at most: what
is written (the used signature) is written after the signature was found right.
"""

from __future__ import annotations

import enum
import hmac
import json
import re
import secrets
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass

from orchestrator.errors import OrchestratorError
from orchestrator.journal.access import AccessJournal
from orchestrator.security.caller import Caller
from orchestrator.security.master import Masters
from orchestrator.security.records import LIVE_KEYS, KeyKind, KeyRecord, SignatureUse
from orchestrator.security.signing import (
    BEARER_KEY,
    CLIENT_ID,
    WINDOW_MS,
    moment,
    signature,
    signature_of_body,
)

_HEX_DIGEST = re.compile(r"[0-9a-fA-F]{64}")
_OURS = (b"authorization", b"x-signature", b"x-timestamp", b"x-client-id")
_NOBODYS = secrets.token_urlsafe(32)
"""Signs in the place of a key that is not there, so that a refusal takes as long."""


class Reason(enum.StrEnum):
    """Why a request was refused."""

    MISSING = "missing"  #: no credentials at all
    MALFORMED = "malformed"  #: headers that cannot be right, whoever sent them
    AMBIGUOUS = "ambiguous"  #: what is signed could mean another request too
    EXPIRED = "expired"  #: the timestamp is out of the window
    REJECTED = "rejected"  #: no live key made this; which part is wrong is not told
    REPLAYED = "replayed"  #: right, but accepted before


class Refused(OrchestratorError):
    """The request is not authenticated."""

    def __init__(self, reason: Reason) -> None:
        super().__init__(f"not authenticated: {reason}")
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Bearer:
    """A bearer key, as sent. :param client_id: whom the request says it is from, if it does."""

    key_id: str
    token: str
    client_id: str | None


@dataclass(frozen=True, slots=True)
class Signature:
    """A signature, as sent."""

    client_id: str
    digest: bytes
    timestamp: str | None


def credentials(headers: Iterable[tuple[bytes, bytes]]) -> Bearer | Signature:
    """What the headers say about who is asking. Pure, and cheap.

    :raises Refused: nothing, or nothing that could be right.
    """
    found: dict[bytes, str] = {}
    for name, value in headers:
        if name.lower() in _OURS:
            if name.lower() in found:  # which of the two would another program believe?
                raise Refused(Reason.MALFORMED)
            found[name.lower()] = value.decode("latin-1")
    authorization, digest = found.get(b"authorization"), found.get(b"x-signature")
    client_id = found.get(b"x-client-id")
    if authorization is None and digest is None:
        raise Refused(Reason.MISSING)
    if (authorization is not None and digest is not None) or not _may_be_client(client_id):
        raise Refused(Reason.MALFORMED)
    if authorization is not None:
        return _bearer(authorization, client_id)
    return _signature(digest or "", client_id, found.get(b"x-timestamp"))


def _may_be_client(client_id: str | None) -> bool:
    return client_id is None or CLIENT_ID.fullmatch(client_id) is not None


def _bearer(authorization: str, client_id: str | None) -> Bearer:
    scheme, _, token = authorization.partition(" ")
    known = BEARER_KEY.fullmatch(token)
    if scheme.lower() != "bearer" or known is None:
        raise Refused(Reason.MALFORMED)
    return Bearer(known[1], token, client_id)


def _signature(digest: str, client_id: str | None, timestamp: str | None) -> Signature:
    if client_id is None or not _HEX_DIGEST.fullmatch(digest):
        raise Refused(Reason.MALFORMED)
    if timestamp is not None and moment(timestamp) is None:
        raise Refused(Reason.MALFORMED)
    return Signature(client_id, bytes.fromhex(digest), timestamp)


class Verifier:
    """Checks requests.

    :param keys: where live keys are read.
    :param uses: where the use of a signature is recorded, durably.
    :param clock: epoch seconds.
    :param takes_bodies: this application has the one route that takes a body; a POST there may be
        signed over its body alone.
    """

    def __init__(
        self,
        masters: Masters,
        keys: Callable[[], Awaitable[AccessJournal]],
        uses: AccessJournal,
        clock: Callable[[], float],
        *,
        takes_bodies: bool = False,
    ) -> None:
        self._masters, self._keys, self._uses = masters, keys, uses
        self._clock, self._takes_bodies = clock, takes_bodies

    async def caller(
        self, sent: Bearer | Signature, method: str, target: str,
        read_body: Callable[[], Awaitable[bytes]],
    ) -> Caller:  # fmt: skip
        """Who sent the request.

        :param target: path and query, exactly as sent.
        :raises Refused: it is not authenticated.
        """
        if isinstance(sent, Bearer):
            return await self._by_bearer(sent)
        self._check_window(sent.timestamp and moment(sent.timestamp))
        body = await read_body()
        self._check_unambiguous(target, body)
        key, undated = await self._signed_by(sent, method, target, body)
        signed_at = self._when(sent, body, in_body=undated)
        await self._use(key, sent.digest, signed_at)
        return _caller(key)

    async def _by_bearer(self, sent: Bearer) -> Caller:
        key = await (await self._keys()).key(sent.key_id)
        master = self._masters.of_key(key) if key is not None else None
        if key is None or master is None or key.digest is None:
            raise Refused(Reason.REJECTED)
        right = hmac.compare_digest(master.bearer_digest(sent.token, key), key.digest)
        if not right or sent.client_id not in (None, key.client_id):
            raise Refused(Reason.REJECTED)
        return _caller(key)

    async def _signed_by(
        self, sent: Signature, method: str, target: str, body: bytes
    ) -> tuple[KeyRecord, bool]:
        """The key that made the signature, and whether it is over the body alone.

        Every key is tried in every way, and as many as a client can have, whatever is found.
        """
        live = await (await self._keys()).live_keys(sent.client_id, KeyKind.SIGNING)
        texts = [(key, self._text(key)) for key in live]
        spare = [(None, _NOBODYS)] * (LIVE_KEYS - len(texts))
        found: tuple[KeyRecord, bool] | None = None
        for key, text in [*texts, *spare]:
            whole = signature(text, sent.timestamp or "", method, target, body)
            alone = signature_of_body(text, body)
            is_whole = hmac.compare_digest(whole, sent.digest) and sent.timestamp is not None
            is_alone = hmac.compare_digest(alone, sent.digest) and self._may_be_alone(method, body)
            if key is not None and (is_whole or is_alone):
                found = (key, is_alone)
        if found is None:
            raise Refused(Reason.REJECTED)
        return found

    def _text(self, key: KeyRecord) -> str:
        master = self._masters.of_key(key)
        return _NOBODYS if master is None else master.signing_key(key)

    def _may_be_alone(self, method: str, body: bytes) -> bool:
        return self._takes_bodies and method == "POST" and bool(body)

    def _when(self, sent: Signature, body: bytes, *, in_body: bool) -> int | None:
        """When the request was signed, as far as the signature covers it; None: it does not.

        :raises Refused: neither header nor body says when, or too long ago.
        """
        if not in_body:
            return moment(sent.timestamp or "")
        dated = _timestamp_in(body)
        if dated is None and sent.timestamp is None:
            raise Refused(Reason.EXPIRED)
        self._check_window(dated)
        return dated

    def _check_window(self, at: int | str | None) -> None:
        if isinstance(at, int) and abs(self._clock() * 1000 - at) > WINDOW_MS:
            raise Refused(Reason.EXPIRED)

    def _check_unambiguous(self, target: str, body: bytes) -> None:
        """Let one signature mean one request only: the point that parts target and body is the
        first one where a body may be, and the last one, at the end, where there is none.

        :raises Refused: a body where none may be, or a point in the target where one may.
        """
        if "." in target if self._takes_bodies else body:
            raise Refused(Reason.AMBIGUOUS)

    async def _use(self, key: KeyRecord, digest: bytes, signed_at: int | None) -> None:
        """Record that the signature was used. :raises Refused: it was before.

        One whose signature covers no time could be sent again with a newer ``X-Timestamp`` for
        ever; it is therefore remembered as long as its key lives.
        """
        use = SignatureUse(
            key_id=key.id,
            signature=digest.hex(),
            token=secrets.token_hex(16),
            expires_at=None if signed_at is None else signed_at + WINDOW_MS,
        )
        if not await self._uses.use_signature(use):
            raise Refused(Reason.REPLAYED)


def _timestamp_in(body: bytes) -> int | None:
    """The body's own ``timestamp`` in epoch milliseconds, if it is JSON and has one."""
    try:
        known = json.loads(body)
    except (ValueError, RecursionError):
        return None
    at = known.get("timestamp") if isinstance(known, dict) else None
    return moment(str(at)) if type(at) is int else None


def _caller(key: KeyRecord) -> Caller:
    return Caller(client_id=key.client_id, key_id=key.id, admin=key.admin)
