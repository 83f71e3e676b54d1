"""Standard Webhooks signatures, and the secrets they are made with.

A client's secret is derived from the service's master secret, so that none has to be stored::

    key    = HMAC-SHA256(key=master secret, message="sota-webhook:v1:" + client id), both in UTF-8
    shown  = "whsec_" + base64(key)

and a message is signed as the specification says (standardwebhooks.com, version 1.0.0)::

    webhook-signature = "v1," + base64(HMAC-SHA256(key, "{webhook-id}.{webhook-timestamp}.{body}"))
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import hmac
import os
import secrets
from collections.abc import Mapping, Sequence
from pathlib import Path

from orchestrator.errors import Misconfigured

PURPOSE = "sota-webhook:v1:"
PREFIX = "whsec_"
SHORTEST = 24  #: characters of a master secret; the specification asks for 24 bytes of a key
FILE = "webhook.secret"  #: in the service's home, where none is set


def client_key(master: str, client_id: str) -> bytes:
    """The 32 bytes that this client's webhooks are signed with."""
    message = (PURPOSE + client_id).encode("utf-8", "surrogatepass")
    return hmac.digest(master.encode(), message, hashlib.sha256)


def shown(key: bytes) -> str:
    """A key as receivers take it: ``whsec_…``."""
    return PREFIX + base64.b64encode(key).decode()


def signed_headers(
    keys: Sequence[bytes], message_id: str, timestamp: int, body: bytes
) -> Mapping[str, str]:
    """The three headers of a webhook.

    :param keys: the current key, and older ones whose receivers have not changed yet.
    :param timestamp: of this attempt, in epoch seconds.
    """
    content = f"{message_id}.{timestamp}.".encode() + body
    signatures = (base64.b64encode(hmac.digest(key, content, hashlib.sha256)) for key in keys)
    return {
        "webhook-id": message_id,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": " ".join(f"v1,{signature.decode()}" for signature in signatures),
    }


def masters(given: str, home: Path) -> tuple[str, ...]:
    """The master secrets, the current one first: as set, or the one kept in *home*.

    :param given: ``SOTA_WEBHOOK_SECRET``.
    :raises Misconfigured: one that is set is too short, or *home* cannot be written.
    """
    found = tuple(given.split())
    if any(len(secret) < SHORTEST for secret in found):
        raise Misconfigured(
            "webhook", f"SOTA_WEBHOOK_SECRET is shorter than {SHORTEST} characters: set a longer"
        )
    return found or (_kept(home / FILE),)


def _kept(path: Path) -> str:
    """The random secret in this file, which is made, its owner's alone, if it is not there.

    It gets its name only once it is whole, and the first to name it wins.
    """
    try:
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            part = path.with_name(f"{path.name}.{os.getpid()}.{secrets.token_hex(4)}")
            with os.fdopen(os.open(part, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "w") as file:
                file.write(secrets.token_urlsafe(32))
                file.flush()
                os.fsync(file.fileno())
            with contextlib.suppress(FileExistsError):
                os.link(part, path)
            part.unlink()
        return path.read_text().strip()
    except OSError as error:
        raise Misconfigured(
            "webhook",
            f"{path} cannot be kept ({error.strerror}): set SOTA_WEBHOOK_SECRET, or mend SOTA_HOME",
        ) from None
