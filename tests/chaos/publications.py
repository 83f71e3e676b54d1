"""The rules of what is written outside: posts at WordPress."""

from __future__ import annotations

from collections.abc import Iterator

from tests.chaos.record import Run


def external_writes_happen_once(run: Run) -> Iterator[tuple[str, str]]:
    """At most one post for each idempotency key."""
    for key, count in run.writes.items():
        if count > 1:
            yield key.split(":")[0], f"{key} was written {count} times"


def what_is_to_be_published_is(run: Run) -> Iterator[tuple[str, str]]:
    """A completed job that was to be published is, by one write; no other job is."""
    made = {row["job_id"]: row for row in run.rows.publications}
    for job in run.rows.jobs:
        wanted = job["publish"] is not None and job["status"] == "completed"
        state = made[job["id"]]["state"] if job["id"] in made else "missing"
        if wanted and state != "done":
            error = made.get(job["id"], {}).get("error")
            yield job["id"], f"is completed, and its publication is {state}: {error}"
        written = run.writes.get(f"{job['id']}:publish", 0)
        if wanted and state == "done" and not written:
            yield job["id"], "is told to be published, and no post was written"
        if written and not wanted:
            yield job["id"], f"is {job['status']} and was published"
