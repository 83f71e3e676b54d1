"""Logs as JSON lines with the ids that tie them together, and secrets kept out."""

from __future__ import annotations

import contextvars
import datetime
import json
import logging
import os
import re
from collections.abc import Iterable, Mapping
from typing import Any

from orchestrator.secrets import SECRET_NAMES

context: contextvars.ContextVar[Mapping[str, str]] = contextvars.ContextVar("log")
"""Ids put on every line logged in this context: ``job``, ``request_id``, ``correlation_id``."""

_SHAPES = re.compile(
    r"\b(sk-ant-[\w-]{6,}|sota(?:sign)?_[0-9a-f]{16}_[\w-]{8,}|Bearer\s+[\w.~+/-]{8,}=*|Basic\s+[A-Za-z0-9+/]{8,}=*)"
)
HIDDEN = "[hidden]"


class Redactor:
    """Replaces configured secrets, and anything shaped like one, in text."""

    def __init__(self, secrets: Iterable[str]) -> None:
        known = sorted({s for s in secrets if len(s) >= 6}, key=len, reverse=True)
        self._known = re.compile("|".join(map(re.escape, known))) if known else None

    def __call__(self, text: str) -> str:
        """The text with every secret hidden."""
        if self._known:
            text = self._known.sub(HIDDEN, text)
        return _SHAPES.sub(HIDDEN, text)


class JsonFormatter(logging.Formatter):
    """One JSON object a line: ``time``, ``level``, ``logger``, ``message``, ids, ``error``."""

    def __init__(self, redact: Redactor) -> None:
        super().__init__()
        self._redact = redact

    def format(self, record: logging.LogRecord) -> str:
        """The record as one redacted JSON line."""
        stamp = datetime.datetime.fromtimestamp(record.created, datetime.UTC)
        line: dict[str, Any] = {
            "time": stamp.isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            **context.get({}),
        }
        if record.exc_info:
            line["error"] = self.formatException(record.exc_info)
        return self._redact(json.dumps(line, ensure_ascii=False, default=str))


def configure_logging(level: str = "INFO") -> None:
    """Send the logs of this process to stderr as JSON lines, with its secrets hidden."""
    handler = logging.StreamHandler()
    secrets = (os.environ.get(name, "") for name in SECRET_NAMES)
    handler.setFormatter(JsonFormatter(Redactor(secrets)))
    for name in ("orchestrator", "steps", "actors"):
        logger = logging.getLogger(name)
        logger.handlers[:] = [handler]
        logger.setLevel(level)
        logger.propagate = False
