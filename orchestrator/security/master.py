"""Clients' keys, made from the signing secret. Import it only where that secret may be.

A *signing* key is derived: HKDF-SHA256 (RFC 5869) of the secret, with the key's id, its client and
its rights as context. The service needs it in clear to verify, and so derives it anew each time;
the database holds nothing of it. A *bearer* key is random; the database holds an HMAC of it under
a key derived from the secret. So whoever reads the database learns no key, and whoever can write
to it but lacks the secret cannot make one, give one to another client, or make it an admin's.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import secrets
from collections.abc import Iterable

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from orchestrator.secrets import SigningSecrets
from orchestrator.security.records import KeyKind, KeyRecord

KEY_BYTES = 32
_SALT = b"sota-orchestrator client keys v1"


class Master:
    """One signing secret.

    :ivar fingerprint: says which secret it is, and nothing about it.
    """

    def __init__(self, secret: str) -> None:
        self._secret = secret.encode()
        self._bearer = self._derive("bearer")
        self.fingerprint = self._derive("fingerprint")[:8].hex()

    def signing_key(self, key: KeyRecord) -> str:
        """The text of a signing key, as its client has it."""
        return f"sotasign_{key.id}_{_text(self._derive('signing', *_rights(key)))}"

    def bearer_digest(self, token: str, key: KeyRecord) -> str:
        """What is kept of a bearer key's text."""
        bound = json.dumps([token, *_rights(key)]).encode()
        return hmac.digest(self._bearer, bound, hashlib.sha256).hex()

    def _derive(self, *purpose: str) -> bytes:
        info = json.dumps(purpose).encode()
        return HKDF(algorithm=SHA256(), length=KEY_BYTES, salt=_SALT, info=info).derive(
            self._secret
        )


class Masters:
    """The signing secret in use and the one before."""

    def __init__(self, known: Iterable[Master]) -> None:
        self._known = {master.fingerprint: master for master in known}

    @classmethod
    def of(cls, settings: SigningSecrets) -> Masters:
        """From the environment's secrets; the first is the one new keys are made from."""
        given = (settings.signing_secret, settings.signing_secret_previous)
        texts = [secret.get_secret_value() for secret in given]
        return cls(Master(text) for text in texts if text)

    @property
    def newest(self) -> Master:
        """The one that new keys are made from."""
        return next(iter(self._known.values()))

    def of_key(self, key: KeyRecord) -> Master | None:
        """The secret a key belongs to; None if it is not known here any more."""
        return self._known.get(key.master)


def new_key(
    master: Master, client_id: str, kind: KeyKind, now: int, *, admin: bool = False, note: str = ""
) -> tuple[KeyRecord, str]:
    """A new key: what to record of it, and its text, which only its client may have."""
    key = KeyRecord(
        id=secrets.token_hex(8),
        client_id=client_id,
        kind=kind,
        admin=admin,
        master=master.fingerprint,
        note=note,
        created_at=now,
    )
    if kind is KeyKind.SIGNING:
        return key, master.signing_key(key)
    token = f"sota_{key.id}_{_text(secrets.token_bytes(KEY_BYTES))}"
    return key.model_copy(update={"digest": master.bearer_digest(token, key)}), token


def _rights(key: KeyRecord) -> tuple[str, ...]:
    return key.id, key.client_id, "admin" if key.admin else "client"


def _text(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")
