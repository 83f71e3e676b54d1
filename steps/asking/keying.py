"""Keys of the cache that all jobs share."""

from __future__ import annotations

import hashlib
import json

from orchestrator.models import SubmitRequest
from steps.asking.prompts import prompt_version


def cache_key(request: SubmitRequest, task: str, *more: object) -> str:
    """Keyword, locale, model and the prompt's version, plus *more*; hashed (64 hex digits).

    Whatever changes the model's answer is in the key; nothing of the client's own is, unless
    it is among *more*.
    """
    parts = [request.keyword.casefold(), request.locale, request.model, prompt_version(task)]
    text = json.dumps([*parts, *more], ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()
