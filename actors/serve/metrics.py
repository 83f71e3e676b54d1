"""Prometheus metrics made of what the journal and the breakers say at the time of a scrape.

Job actors are short-lived processes: counters inside them would leave an endless trail of
series behind. So nothing is counted in processes; the journal is what is counted.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping

from prometheus_client import CollectorRegistry, Gauge, generate_latest

from orchestrator.breaker import BreakerState
from orchestrator.jobs import JobStatus
from orchestrator.journal.outbox_writes import DONE, FAILED, PUBLISH, QUEUED, WEBHOOK
from orchestrator.models import BreakerView


def exposition(
    counts: Mapping[JobStatus, int],
    breakers: Iterable[BreakerView],
    outbox: Mapping[tuple[str, str], int],
) -> bytes:
    """The metrics in Prometheus's text format."""
    registry = CollectorRegistry()
    jobs = Gauge("sota_jobs", "Jobs in the journal, by status.", ["status"], registry=registry)
    for status in JobStatus:
        jobs.labels(status.value).set(counts.get(status, 0))
    sending = Gauge(
        "sota_outbox", "Webhooks and publications, by kind and state.", ["kind", "state"],
        registry=registry,
    )  # fmt: skip
    for kind, entry_state in itertools.product((WEBHOOK, PUBLISH), (QUEUED, DONE, FAILED)):
        sending.labels(kind, entry_state).set(outbox.get((kind, entry_state), 0))
    state = Gauge(
        "sota_breaker_state", "1 for the state a breaker is in.", ["service", "state"],
        registry=registry,
    )  # fmt: skip
    opened = Gauge(
        "sota_breaker_opened", "How often a breaker has opened.", ["service"], registry=registry
    )
    for breaker in breakers:
        opened.labels(breaker.service).set(breaker.opened_count)
        for name in BreakerState:
            state.labels(breaker.service, name.value).set(int(breaker.state == name))
    return generate_latest(registry)
