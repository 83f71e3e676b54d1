"""What a webhook says: a small JSON document that tells where the rest is."""

from __future__ import annotations

import datetime
import json
from collections.abc import Mapping
from typing import Any

from orchestrator.journal.records import Parcel


def webhook_body(parcel: Parcel, base_url: str) -> str:
    """The document, the same each time this message is sent.

    :param base_url: where the service is reached, without a last slash.
    """
    job = f"{base_url}/orchestrator/job/{parcel.job_id}"
    document = {
        "type": parcel.event,
        "timestamp": iso(parcel.created_at),
        "data": {
            "jobId": parcel.job_id,
            "status": parcel.event.removeprefix("job."),
            "requestId": parcel.request_id,
            "clientId": parcel.client_id,
            **parcel.data,
            "links": {"job": job, "events": f"{job}/events", "deliveries": f"{job}/deliveries"},
        },
    }
    return json.dumps(document, ensure_ascii=False, separators=(",", ":"))


def summary_of(result: Any) -> dict[str, Any]:
    """What a webhook tells of a completed job's result; the article is to be fetched."""
    about = _mapping(_mapping(result).get("metadata"))
    report = _mapping(_mapping(result).get("qualityReport"))
    known = {
        "score": report.get("score", about.get("qualityScore")),
        "passed": report.get("passed"),
        "words": about.get("wordCount"),
        "degraded": about.get("degraded"),
    }
    return {name: value for name, value in known.items() if value is not None}


def iso(ms: int) -> str:
    """Epoch milliseconds as RFC 3339 in UTC: ``2026-01-02T03:04:05.678Z``."""
    at = datetime.datetime.fromtimestamp(ms / 1000, datetime.UTC)
    return at.isoformat(timespec="milliseconds").removesuffix("+00:00") + "Z"


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}
