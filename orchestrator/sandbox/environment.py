"""Where the sandbox listens and the environment that points our clients at it."""

from __future__ import annotations

import json

API_HOST = "127.0.0.1"
WEB_HOSTS = tuple(f"127.0.0.{n}" for n in range(2, 18))
"""Loopback addresses that stand for different web sites. Names under ``.localhost`` do not
resolve everywhere, while every address of 127.0.0.0/8 answers on Linux without set-up."""

SANDBOX_KEY = "sandbox-key"
SANDBOX_USER = "sandbox-editor"
SANDBOX_PASSWORD = "sand box pass word"  # noqa: S105 - opens nothing but this stand-in
HEADER = "x-sota-sandbox"
"""On every response of the sandbox, so that nobody takes its words for a model's."""


def sandbox_environment(port: int) -> dict[str, str]:
    """Every environment variable that points our clients at a sandbox on *port*.

    :param port: the sandbox's TCP port (the same on all of its loopback addresses).
    """
    base = f"http://{API_HOST}:{port}"
    hosts = [f"{host}:{port}" for host in (API_HOST, *WEB_HOSTS)]
    return {
        "ANTHROPIC_BASE_URL": f"{base}/anthropic",
        "ANTHROPIC_API_KEY": SANDBOX_KEY,
        "SERPER_BASE_URL": f"{base}/serper",
        "SERPER_API_KEY": SANDBOX_KEY,
        "WORDPRESS_BASE_URL": f"{base}/wordpress",
        "WORDPRESS_USER": SANDBOX_USER,
        "WORDPRESS_APP_PASSWORD": SANDBOX_PASSWORD,
        "SOTA_FETCH_ALLOW_HOSTS": json.dumps(hosts),
        "SOTA_FETCH_ONLY_ALLOWED": "true",  # what the sandbox's clients link to is not asked for
    }
