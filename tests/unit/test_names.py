"""Names that are data for ever: changing one strands recorded jobs and breaks clients."""

from __future__ import annotations

import pickle

from orchestrator.breaker import BreakerState
from orchestrator.jobs import JobStatus, StepState
from orchestrator.journal import outbox_writes
from orchestrator.models import JobView, StepView
from orchestrator.tenants.quotas import Policy
from orchestrator.tenants.tiers import Tier
from steps import PIPELINE


def test_job_statuses_are_pinned() -> None:
    assert [s.value for s in JobStatus] == [
        "queued", "processing", "paused", "completed", "failed", "cancelled",
    ]  # fmt: skip


def test_step_states_are_pinned() -> None:
    assert [s.value for s in StepState] == [
        "pending", "running", "waiting", "completed", "failed",
    ]  # fmt: skip


def test_breaker_states_are_pinned() -> None:
    assert [s.value for s in BreakerState] == ["closed", "open", "half-open"]


def test_tiers_and_limits_are_pinned() -> None:
    assert [tier.value for tier in Tier] == ["free", "pro", "enterprise", "unlimited"]
    assert [policy.value for policy in Policy] == ["jobs-per-hour", "words-per-month", "requests"]


def test_step_names_are_pinned() -> None:
    assert PIPELINE.names == (
        "Semantic Keywords",
        "Gap Analysis",
        "Article Blueprint",
        "Generating Article",
        "Auto-fix",
        "References",
        "Internal Links",
        "Running Quality Validation",
    )


def test_step_slugs_are_pinned() -> None:
    assert [step.slug for step in PIPELINE.steps] == [
        "semantic-keywords", "gap-analysis", "article-blueprint", "generating-article",
        "auto-fix", "references", "internal-links", "quality-validation",
    ]  # fmt: skip


def test_step_time_limits_are_the_specifications() -> None:
    assert [step.timeout for step in PIPELINE.steps] == [30, 45, 20, 120, 30, 60, 30, 30]


def test_the_original_status_fields_are_kept() -> None:
    original = {
        "id", "status", "step", "totalSteps", "stepName", "createdAt", "startedAt",
        "completedAt", "result", "error", "requestId",
    }  # fmt: skip

    assert original <= {field.alias for field in JobView.model_fields.values()}


def test_step_fields_are_pinned() -> None:
    assert {f.alias for f in StepView.model_fields.values()} >= {
        "name", "state", "attempts", "startedAt", "endedAt", "degraded",
    }  # fmt: skip


def test_what_the_outbox_stores_and_sends_is_pinned() -> None:
    assert (outbox_writes.QUEUED, outbox_writes.DONE, outbox_writes.FAILED) == (
        "queued", "done", "failed",
    )  # fmt: skip
    assert (outbox_writes.WEBHOOK, outbox_writes.PUBLISH) == ("webhook", "publish")


def test_another_process_finds_every_step_by_name() -> None:
    """Ray sends the pipeline to its workers: what is not found by name travels whole, or fails."""
    for step in PIPELINE.steps:
        assert pickle.loads(pickle.dumps(step.run)) is step.run
