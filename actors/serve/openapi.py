"""The document as it is kept: ``python -m actors.serve.openapi > docs/openapi.json``."""

from __future__ import annotations

import sys
from collections.abc import Mapping

from fastapi import FastAPI

from actors.serve.contract import as_text, document
from actors.serve.pages import PREFIX, SUBMIT_PREFIX
from actors.serve.status import app as status_app
from actors.serve.submit import app as submit_app

APPS: Mapping[str, FastAPI] = {SUBMIT_PREFIX: submit_app, PREFIX: status_app}
"""Both applications by the prefixes of ``serve_config.yaml``."""


if __name__ == "__main__":
    sys.stdout.write(as_text(document(APPS)))
