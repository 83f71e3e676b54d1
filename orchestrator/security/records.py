"""Keys of clients and entries of the audit log, as the journal keeps them. No secret is in them.

Times are epoch milliseconds (int).
"""

from __future__ import annotations

import enum
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

LIVE_KEYS = 2
"""Keys of one kind a client may have at a time: the old one and the one that takes its place."""


OPERATOR = "(operator)"
"""Who did what was done on the machine or in the cluster itself; no client is called this."""


class KeyKind(enum.StrEnum):
    """What a key is for. The values are stored."""

    SIGNING = "signing"  #: signs requests (HMAC-SHA256) and is never sent
    BEARER = "bearer"  #: is sent: ``Authorization: Bearer …``


class Action(enum.StrEnum):
    """What the audit log records. The values are stored."""

    SUBMIT = "submit"
    CANCEL = "cancel"
    PAUSE = "pause"
    RESUME = "resume"
    RETRY = "retry"
    ERASE = "erase"
    KEY_CREATED = "key.created"
    KEY_REVOKED = "key.revoked"


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True)


class KeyRecord(_Record):
    """A client's key.

    :param digest: of a bearer key's text; a signing key is derived anew, nothing of it is kept.
    :param master: fingerprint of the signing secret it belongs to.
    """

    id: str
    client_id: str
    kind: KeyKind
    admin: bool = False
    digest: str | None = None
    master: str
    note: str = ""
    created_at: int
    revoked_at: int | None = None


class SignatureUse(_Record):
    """One presentation of a signature that was found to be right.

    :param signature: its 32 bytes in hex.
    :param token: of this presentation: the same one sent to the journal again is no replay.
    :param expires_at: when nobody would accept it any more; None: as long as its key lives.
    """

    key_id: str
    signature: str
    token: str
    expires_at: int | None


class Principal(_Record):
    """Who asks for a change, for the audit log.

    :param entry: id of the entry: a change sent twice is one entry.
    :param at: when it was asked for.
    """

    client_id: str
    key_id: str = ""
    request_id: str = ""
    entry: str
    at: int


class AuditEntry(_Record):
    """One line of the audit log: who did what to which job or key, and when."""

    at: int
    client_id: str
    key_id: str = ""
    action: Action
    job_id: str | None = None
    request_id: str = ""
    detail: dict[str, Any] = Field(default_factory=dict)
