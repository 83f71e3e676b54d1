"""The examples of the OpenAPI document; a test checks each against its schema."""

from __future__ import annotations

from typing import Any

Sample = dict[str, Any]

JOB_ID = "job_1703169045000_a1b2c3d4e"
REQUEST_ID = "7b0c5e0e-3c1e-4a53-9a86-0f5f3b0f2f11"

_NAMES = (
    "Semantic Keywords",
    "Gap Analysis",
    "Article Blueprint",
    "Generating Article",
    "Auto-fix",
    "References",
    "Internal Links",
    "Running Quality Validation",
)
_AT = 1_703_169_045_000

SUBMISSION: Sample = {
    "keyword": "AI in SEO",
    "mode": "generate",
    "requestId": REQUEST_ID,
    "clientId": "client_abc123",
    "existingPages": [
        {
            "title": "Search intent",
            "slug": "search-intent",
            "url": "https://example.com/search-intent",
        }
    ],
}
REFRESH: Sample = {"keyword": "composting at home", "mode": "refresh", "postId": 101}
ACCEPTED: Sample = {
    "jobId": JOB_ID,
    "status": "queued",
    "requestId": REQUEST_ID,
    "warnings": [],
}
WARNED: Sample = {
    **ACCEPTED,
    "warnings": [
        "serperApiKey was dropped: keys belong in the service's environment, not in requests"
    ],
}


def _steps(done: int) -> list[Sample]:
    steps: list[Sample] = []
    for number, name in enumerate(_NAMES):
        at = _AT + 4_000 * number
        step: Sample = {
            "name": name, "state": "pending", "attempts": 0, "degraded": [], "cost": 0.0,
        }  # fmt: skip
        if number < done:
            step |= {
                "state": "completed", "attempts": 1, "startedAt": at, "endedAt": at + 3_900,
                "cost": 0.015,
            }  # fmt: skip
        elif number == done:
            step |= {
                "state": "running", "attempts": 1, "startedAt": at, "detail": "sections 3 of 8",
            }  # fmt: skip
        steps.append(step)
    return steps


def _job(status: str, steps: list[Sample], **more: Any) -> Sample:
    return {
        "id": JOB_ID,
        "status": status,
        "step": 0,
        "totalSteps": 8,
        "createdAt": _AT,
        "requestId": REQUEST_ID,
        "keyword": "AI in SEO",
        "mode": "generate",
        "steps": steps,
        "progress": 0.0,
        "activity": [],
        "cost": 0.0,
        "attempt": 0,
        "cancelRequested": False,
        **more,
    }


_PENDING: list[Sample] = [
    {"name": name, "state": "pending", "attempts": 0, "degraded": [], "cost": 0.0}
    for name in _NAMES
]
QUEUED = _job("queued", _PENDING, queuePosition=2)
PROCESSING = _job(
    "processing",
    _steps(3),
    step=4,
    stepName="Generating Article",
    startedAt=_AT + 200,
    progress=0.4219,
    activity=["Generating Article: sections 3 of 8"],
    cost=0.045,
    attempt=1,
)
CANCELLED = _job("cancelled", _PENDING, completedAt=_AT + 900, cancelRequested=True)
COMPLETED = _job(
    "completed",
    _steps(8),
    step=8,
    stepName="Running Quality Validation",
    startedAt=_AT + 200,
    completedAt=_AT + 32_000,
    progress=1.0,
    cost=0.12,
    attempt=1,
    result={
        "content": "<h1>AI in SEO</h1><p>…</p>",
        "semanticKeywords": ["AI in SEO", "AI search optimisation"],
        "gapAnalysis": {
            "gaps": [
                {
                    "type": "missing-topic",
                    "topic": "How answers are cited",
                    "opportunity": "No page in the top five explains it.",
                    "priority": "high",
                }
            ],
            "competitorKeywords": ["ai overviews"],
            "missingKeywords": ["answer engines"],
        },
        "references": [
            {
                "title": "Web Content Accessibility Guidelines",
                "url": "https://www.w3.org/TR/WCAG22/",
                "source": "W3C",
                "year": 2023,
                "relevance": "high",
                "status": "valid",
                "statusCode": 200,
                "description": "The recommendation itself.",
            }
        ],
        "qualityReport": {
            "passed": True,
            "score": 91.5,
            "checks": [
                {
                    "name": "Word Count",
                    "passed": True,
                    "value": 2947,
                    "expected": "2500-3500 words",
                    "priority": "high",
                    "category": "content",
                    "weight": 3,
                    "score": 1.0,
                    "advice": "",
                    "source": "rubric of the original service",
                }
            ],
            "summary": "Ready to publish.",
            "recommendations": [],
        },
        "metadata": {
            "title": "AI in SEO",
            "metaDescription": "What AI changes in search, and what it does not.",
            "slug": "ai-in-seo",
            "wordCount": 2947,
            "qualityScore": 91.5,
            "model": "claude-sonnet-5",
            "cost": 0.12,
            "timings": {"sequentialSeconds": 210.4, "elapsedSeconds": 31.8, "criticalPath": []},
            "degraded": [],
            "sandbox": False,
        },
    },
)
PAGE: Sample = {"jobs": [PROCESSING, QUEUED], "nextCursor": None}
MESSAGE: Sample = {
    "id": "12",
    "event": "step.progress",
    "data": '{"seq": 12, "type": "step.progress", "at": 1703169060100, "data": '
    '{"step": "Generating Article", "number": 4, "detail": "sections 3 of 8"}}',
}
BREAKERS: list[Sample] = [
    {
        "service": "serper",
        "state": "open",
        "failures": 5,
        "threshold": 5,
        "failureRate": 0.75,
        "failureRateThreshold": 0.5,
        "windowSeconds": 60.0,
        "cooldownSeconds": 10.0,
        "openedAt": _AT,
        "retryAfter": 7.5,
        "openedCount": 1,
    }
]
HEALTHY: Sample = {"status": "ok", "journal": "ok", "jobs": {"queued": 2, "completed": 41}}
UNHEALTHY: Sample = {
    "status": "unavailable",
    "journal": "the journal did not answer: its actor is not there",
    "jobs": {},
}
METRICS = '# TYPE sota_jobs gauge\nsota_jobs{status="completed"} 41.0\n'
