"""Sealing what the journal holds of clients' content: AES-256-GCM in envelopes.

Every job has a *data key* of its own, which seals its content. The data key lies beside the job,
wrapped by a *master key* from ``SOTA_ENCRYPTION_KEYS``: changing the master key wraps data keys
anew and rewrites no content, and whoever has neither can read nothing.

Each ciphertext is bound to the place it was made for (table, column, job, step, part) as
associated data: one that was moved to another row does not open. Nonces are random, 96 bits;
NIST SP 800-38D allows 2^32 of them for one key, and a job makes some hundreds.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
import os
import re
from collections.abc import Sequence
from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from pydantic import SecretStr

from orchestrator.errors import JournalDamaged, JournalSealed
from orchestrator.journal.columns import Sealed, to_json

SETTING = "SOTA_ENCRYPTION_KEYS"

KEY_BYTES = 32
NONCE_BYTES = 12

ID_DIGITS = 12
"""Of a master key's id: the start of a SHA-256 over the key, which tells nothing about it."""

_SEPARATORS = re.compile(r"[\s,]+")


def new_master_key() -> str:
    """A fresh master key, as :data:`SETTING` takes it."""
    return base64.b64encode(os.urandom(KEY_BYTES)).decode()


def parse_keys(setting: SecretStr) -> tuple[bytes, ...]:
    """The master keys of the setting: base64, apart by commas or blanks.

    :raises JournalSealed: one is not 32 bytes; the message gives its number, never the key.
    """
    keys = []
    for number, text in enumerate(filter(None, _SEPARATORS.split(setting.get_secret_value())), 1):
        try:
            key = base64.b64decode(text, altchars=b"-_" if set("-_") & set(text) else None,
                                   validate=True)  # fmt: skip
        except (binascii.Error, ValueError):
            key = b""
        if len(key) != KEY_BYTES:
            raise JournalSealed(
                f"{SETTING}: key {number} is not {KEY_BYTES} bytes in base64; make one with "
                "`sota encryption new-key`"
            )
        keys.append(key)
    return tuple(keys)


def key_id(key: bytes) -> str:
    """What a master key is called in the database and in messages."""
    digest = hashlib.sha256(b"sota-orchestrator master key\0" + key).hexdigest()
    return digest[:ID_DIGITS]


class DataKey:
    """Seals and opens the content of one job, or of the cache.

    A place is the table, the column and the row's key: ``("steps", "output", job, slug)``.
    """

    __slots__ = ("_aead", "_key")

    def __init__(self, key: bytes) -> None:
        self._key, self._aead = key, AESGCM(key)

    def seal(self, value: Any, *place: str) -> Sealed:
        """The JSON value, for this place only.

        :raises TypeError, ValueError: the value is not JSON.
        """
        nonce = os.urandom(NONCE_BYTES)
        sealed = self._aead.encrypt(nonce, to_json(value).encode(), _bound(place))
        return Sealed(base64.b64encode(nonce + sealed).decode())

    def open(self, sealed: Sealed, *place: str) -> Any:
        """The value. :raises JournalDamaged: it was changed, or made for another place."""
        try:
            raw = base64.b64decode(sealed.text, validate=True)
            text = self._aead.decrypt(raw[:NONCE_BYTES], raw[NONCE_BYTES:], _bound(place))
        except (InvalidTag, ValueError):
            where = ".".join(place[:2])
            raise JournalDamaged(
                f"{where} of {'/'.join(place[2:])} does not open: it was changed or moved in the "
                "database; restore a backup"
            ) from None
        return json.loads(text)

    def blind(self, *words: str) -> str:
        """A name to look the words up by that does not tell them (HMAC-SHA256, hexadecimal)."""
        index = hmac.digest(self._key, b"index", "sha256")
        return hmac.new(index, _bound(words), "sha256").hexdigest()


class Vault:
    """The master keys: the first wraps, each unwraps. Without any, nothing is sealed."""

    def __init__(self, keys: Sequence[bytes] = ()) -> None:
        self.ids = tuple(key_id(key) for key in keys)
        self._masters = {key_id(key): AESGCM(key) for key in keys}

    @property
    def on(self) -> bool:
        """Whether new content is sealed."""
        return bool(self.ids)

    def new_key(self, owner: str) -> tuple[str, DataKey]:
        """A data key for *owner* (a job's id): as it is stored, and to use."""
        key = os.urandom(KEY_BYTES)
        return self._wrapped(key, owner), DataKey(key)

    def unwrap(self, wrapped: str, owner: str) -> DataKey:
        """The stored data key of *owner*.

        :raises JournalSealed: the master key that wrapped it is not here.
        :raises JournalDamaged: it was changed, or is another owner's.
        """
        return DataKey(self._unwrapped(wrapped, owner))

    def rewrap(self, wrapped: str, owner: str) -> str:
        """The same data key under the first master key."""
        return self._wrapped(self._unwrapped(wrapped, owner), owner)

    def _wrapped(self, key: bytes, owner: str) -> str:
        nonce, first = os.urandom(NONCE_BYTES), self.ids[0]
        sealed = self._masters[first].encrypt(nonce, key, _bound(("data key", owner)))
        return f"{first}:{base64.b64encode(nonce + sealed).decode()}"

    def _unwrapped(self, wrapped: str, owner: str) -> bytes:
        master, _, text = wrapped.partition(":")
        if master not in self._masters:
            raise JournalSealed(_lacks(master, self.ids))
        try:
            raw = base64.b64decode(text, validate=True)
            bound = _bound(("data key", owner))
            return self._masters[master].decrypt(raw[:NONCE_BYTES], raw[NONCE_BYTES:], bound)
        except (InvalidTag, ValueError):
            raise JournalDamaged(
                f"the data key of {owner} does not open: it was changed or moved in the database; "
                "restore a backup"
            ) from None


CLEAR = Vault()
"""No keys: nothing is sealed, and what is sealed cannot be read."""


def vault_of(setting: SecretStr) -> Vault:
    """The vault with the setting's keys. :raises JournalSealed: one of them is no key."""
    return Vault(parse_keys(setting))


def _lacks(master: str, ids: Sequence[str]) -> str:
    have = f"has {', '.join(ids)}" if ids else "is not set"
    return (
        f"the journal is sealed by the key {master} and {SETTING} {have}: add that key to it; "
        "nothing was changed"
    )


def _bound(place: Sequence[str]) -> bytes:
    """A place as associated data: JSON, in which no two places look alike."""
    return json.dumps(list(place), separators=(",", ":")).encode()
