"""How a client proves who it is: a signature a request, or a bearer key."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping

from orchestrator.errors import InvalidInput
from orchestrator.security.signing import BEARER_KEY, CLIENT_ID, SIGNING_KEY, RequestSigner

Credentials = Callable[[str, str, bytes], Mapping[str, str]]
"""Makes the headers that prove who sends a request, of its method, its path and query exactly as
sent, and its exact body."""

KEY, CLIENT = "SOTA_CLIENT_KEY", "SOTA_CLIENT_ID"


def credentials(
    key: str | None, client_id: str | None, environ: Mapping[str, str] | None = None
) -> Credentials | None:
    """What *key* proves it with; None without one.

    :param key: as ``sota keys create`` printed it; None: from ``SOTA_CLIENT_KEY``; empty: none.
    :param client_id: whose key it is; a signing key needs it (here or in ``SOTA_CLIENT_ID``).
    :raises InvalidInput: the key is none, or a signing key whose client is not said.
    """
    environ = os.environ if environ is None else environ
    key = (environ.get(KEY, "") if key is None else key).strip()
    if not key:
        return None
    if BEARER_KEY.fullmatch(key):
        return lambda method, target, body: {"Authorization": f"Bearer {key}"}
    if not SIGNING_KEY.fullmatch(key):
        raise InvalidInput("key", f"not a key as `sota keys create` prints one; mend {KEY}")
    client_id = client_id or environ.get(CLIENT, "")
    if not CLIENT_ID.fullmatch(client_id):
        raise InvalidInput(
            "client_id", f"a signing key needs its client's id: give client_id, or set {CLIENT}"
        )
    return RequestSigner(client_id, key)
