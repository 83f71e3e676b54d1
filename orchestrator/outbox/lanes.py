"""Lanes: what goes to one receiver waits for its own kind only."""

from __future__ import annotations

import hashlib

from yarl import URL

WORDPRESS = "wordpress"
"""The lane of every publication: there is one site."""


def lane_of(url: str) -> str:
    """The lane of a receiver: the same for one host and port, and telling neither."""
    receiver = URL(url)
    return hashlib.sha256(f"{receiver.raw_host}:{receiver.port}".encode()).hexdigest()[:16]
