"""What is published of a completed job: its article as a WordPress post."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from orchestrator.journal.records import Parcel
from orchestrator.outbox.message import iso
from orchestrator.services import PublishRequest

_FIRST_HEADING = re.compile(r"\s*<h1\b[^<>]*>.*?</h1>\s*", re.DOTALL | re.IGNORECASE)
"""What the pipeline's own HTML begins with (PIPELINE section 0)."""


def publish_request(parcel: Parcel) -> PublishRequest:
    """The post to write.

    Themes show a post's title as its ``h1``, so the article's own goes. An updated post keeps its
    slug, and with it its address; it is left alone if it was changed since it was read, or, where
    the client sent its text, since the job was submitted.
    """
    result = parcel.result or {}
    about: Mapping[str, Any] = result.get("metadata") or {}
    json_ld = about.get("jsonLd")
    updated = parcel.post_id
    return PublishRequest(
        title=str(about.get("title") or ""),
        slug="" if updated else str(about.get("slug") or ""),
        content=_FIRST_HEADING.sub("", str(result.get("content") or ""), count=1),
        excerpt=str(about.get("metaDescription") or ""),
        status=parcel.publish or "draft",
        post_id=updated,
        unchanged_since=(parcel.post_modified or iso(parcel.submitted_at)[:19]) if updated else "",
        json_ld=json.dumps(json_ld, ensure_ascii=False) if json_ld else "",
        idempotency_key=f"{parcel.job_id}:publish",
    )
