"""The page ``docs/settings.md``, from the settings themselves.

``python -m orchestrator.settings_page > docs/settings.md`` writes it anew.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from pydantic import AliasChoices
from pydantic_settings import BaseSettings

from orchestrator.config import Settings
from orchestrator.secrets import Secrets, SigningSecrets, StorageKeys

Row = tuple[str, str, str]
"""An environment variable, its default and what it is for."""

OF_CLIENTS: tuple[Row, ...] = (
    (
        "SOTA_URL",
        "",
        "the service the command line talks to (`--url`); unset: the one that runs from "
        "`SOTA_HOME`, else that of `SOTA_HTTP_HOST` and `SOTA_HTTP_PORT`",
    ),
    ("SOTA_CLIENT_ID", "", "who is asking (`--client-id`); jobs are kept apart by it"),
    (
        "SOTA_CLIENT_KEY",
        "",
        "the client's key, as `sota keys create` printed it; the Python client reads it too",
    ),
)
"""Variables that the command line reads as options. The Python clients take both as arguments."""

_INTRODUCTION = """# Settings

Everything is set by environment variables, read once when a process starts; a wrong value is
refused by name. Lists are JSON. This page is made from `orchestrator/config.py` by
`python -m orchestrator.settings_page > docs/settings.md`.
"""

_OF_SECRETS = """Only the gateway actors read these; the other processes run without them. They
are never logged and never part of a job. `ANTHROPIC_AUTH_TOKEN` is kept from the others too.
"""


_OF_SIGNING = """Only the Serve replicas and `sota keys` read these ([security.md](security.md)).
"""

_OF_STORAGE = """These the journal's actor, the status replicas and `sota encryption` read; see
[encryption.md](encryption.md).
"""


def page() -> str:
    """The whole page, as Markdown."""
    return (
        "\n".join(
            (
                _INTRODUCTION,
                _table(_rows(Settings)),
                "## Keys\n",
                _OF_SECRETS,
                _table(_rows(Secrets)),
                _OF_SIGNING,
                _table(_rows(SigningSecrets)),
                _OF_STORAGE,
                _table(_rows(StorageKeys)),
                "## Of the command line\n",
                _table(OF_CLIENTS),
            )
        ).rstrip("\n")
        + "\n"
    )


def _rows(settings: type[BaseSettings]) -> Iterator[Row]:
    prefix = settings.model_config.get("env_prefix", "")
    for name, field in settings.model_fields.items():
        alias = field.validation_alias
        choice = alias.choices[0] if isinstance(alias, AliasChoices) else f"{prefix}{name}"
        default = field.get_default(call_default_factory=True)
        yield str(choice).upper(), _told(default), field.description or ""


def _told(default: Any) -> str:
    """The default as it would be written in the environment; nothing for an empty one."""
    if isinstance(default, tuple | dict):
        return json.dumps(default) if default else ""
    if default is None or default == Path():
        return ""
    return f"{default:g}" if isinstance(default, float) else str(default)


def _table(rows: Iterable[Row]) -> str:
    lines = [
        f"| `{name}` | {f'`{default}`' if default else ''} | {what} |"
        for name, default, what in rows
    ]
    return "\n".join(("| variable | default | what it is |", "| --- | --- | --- |", *lines, ""))


if __name__ == "__main__":
    print(page(), end="")
