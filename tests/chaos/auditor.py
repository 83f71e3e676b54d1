"""Judges a run by what anybody may see: rows, calls that arrived, what a polling client was told.

Pure functions. Nothing of ``orchestrator`` or ``actors`` is imported: what a status or an event
means is written down here a second time, so that one mistake cannot hide in both places.
"""

from __future__ import annotations

import itertools
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from tests.chaos.calls import recorded_calls_stay
from tests.chaos.publications import external_writes_happen_once, what_is_to_be_published_is
from tests.chaos.record import BreakerSighting, Run, Sighting

ENDED = frozenset({"completed", "failed", "cancelled"})
AFTERWARDS = "publication."
"""Events of what is done with an article once its job has ended begin with this."""

LEGITIMATE = (
    "(attempt ",  # a service that failed again and again
    "no result within",
    "did not end within its",
    "budget",
    "no answer within",
)
"""What the error of a job says that had reason to fail."""

LONGEST_PROBE_MS = 150_000
"""A half-open breaker that refuses everybody for longer than this, the longest lease (120 s, for
the models) and some, waits for a probe that will never report."""

GAP_MS = 20_000  # between two sightings of a breaker: beyond it nobody knows what it was


@dataclass(frozen=True, slots=True)
class Violation:
    """A promise that was broken."""

    promise: str
    job_id: str
    what: str

    def __str__(self) -> str:
        return f"{self.promise}: {self.job_id} {self.what}"


Found = Iterator[tuple[str, str]]
Rule = Callable[[Run], Iterable[tuple[str, str]]]


def audit(run: Run) -> list[Violation]:
    """Every broken promise."""
    return [
        Violation(rule.__name__.replace("_", " "), job_id, what)
        for rule in RULES
        for job_id, what in rule(run)
    ]


def no_accepted_job_is_lost(run: Run) -> Found:
    """Every 202 is a job that ended, for a reason; one request is one job."""
    jobs = {job["id"]: job for job in run.rows.jobs}
    of_request: dict[tuple[str, str], set[str]] = defaultdict(set)
    for accepted in run.seen.accepted:
        of_request[accepted.client_id, accepted.request_id].add(accepted.job_id)
        job = jobs.get(accepted.job_id)
        if job is None:
            yield accepted.job_id, "was accepted and is not in the journal"
        elif (job["client_id"], job["request_id"]) != (accepted.client_id, accepted.request_id):
            yield accepted.job_id, f"belongs to another request, {job['request_id']}"
    for (_, request_id), ids in of_request.items():
        if len(ids) > 1:
            yield min(ids), f"request {request_id} was answered with {len(ids)} jobs: {sorted(ids)}"
    for job_id in {a.job_id for a in run.seen.accepted} & jobs.keys():
        yield from _ended_for_a_reason(jobs[job_id], run)


def _ended_for_a_reason(job: dict[str, Any], run: Run) -> Found:
    if job["status"] not in ENDED:
        yield job["id"], f"is {job['status']} after everything has had time to end"
    error = str(job["error"] or "")
    if job["status"] == "failed" and not any(words in error for words in LEGITIMATE):
        yield job["id"], f"failed without a reason that counts: {error or 'none'}"
    if job["status"] == "cancelled" and not any(
        asked.what == "cancel" and asked.job_id == job["id"] for asked in run.seen.asked
    ):
        yield job["id"], "is cancelled, and nobody asked for it"


def events_are_contiguous(run: Run) -> Found:
    """Numbered from 1 without gap or double, none after the last the job knows of."""
    for job_id, events in by_job(run.rows.events).items():
        numbers = [event["seq"] for event in events]
        if numbers != list(range(1, len(numbers) + 1)):
            missing = sorted(set(range(1, max(numbers) + 1)) - set(numbers))
            yield job_id, f"events {missing or numbers} are missing or double"
    known = by_job(run.rows.events)
    for job in run.rows.jobs:
        types = [event["type"] for event in known.get(job["id"], [])]
        types = [kind for kind in types if not kind.startswith(AFTERWARDS)]
        if not types or types[0] != "job.queued":
            yield job["id"], "has no first event that says it was queued"
        elif job["status"] in ENDED and types[-1] != f"job.{job['status']}":
            yield job["id"], f"is {job['status']}, and its last event is {types[-1]}"


def recorded_steps_do_not_run_again(run: Run) -> Found:
    """No start of a step after its completion, unless a client asked for a retry from there."""
    for job_id, events in by_job(run.rows.events).items():
        completed: set[int] = set()
        redo_from = _numbers_of_retries(run, job_id)
        for event in events:
            number = event["data"].get("number", 0)
            if event["type"] == "job.queued" and event["data"].get("fromStep"):
                first = redo_from.get(event["data"]["fromStep"], 1)
                completed = {done for done in completed if done < first}
            elif event["type"] == "step.started" and number in completed:
                yield job_id, f"step {number} was started again at event {event['seq']}"
            elif event["type"] == "step.completed":
                completed.add(number)


def _numbers_of_retries(run: Run, job_id: str) -> dict[str, int]:
    """Step numbers by slug and by name."""
    mine = [step for step in run.rows.steps if step["job_id"] == job_id]
    return {step[name]: step["number"] for step in mine for name in ("slug", "name")}


LEFT = frozenset({"job.released", "job.paused", "job.completed", "job.failed", "job.cancelled"})


def one_activation_at_a_time_writes(run: Run) -> Found:
    """What is written of a step was begun by the activation that has the job.

    Two that write at once start a step twice, or tell of one that the newer has not begun.
    """
    for job_id, events in by_job(run.rows.events).items():
        owned, running = False, set[int]()
        for event in events:
            kind, number = event["type"], event["data"].get("number", 0)
            if kind in ("job.started", "job.resumed"):
                owned, running = True, set()
            elif kind in LEFT:
                owned = False
            elif not kind.startswith("step."):
                continue
            elif not owned and kind != "step.failed":
                yield job_id, f"{kind} of step {number} at event {event['seq']}, and nobody has it"
            elif (kind == "step.started") == (number in running):
                yield job_id, f"{kind} of step {number} at event {event['seq']} is of another owner"
            elif kind == "step.started":
                running.add(number)
            elif kind != "step.progress":
                running.discard(number)


def a_step_is_begun_by_the_newest_epoch(run: Run) -> Found:
    """The epoch in a step's row is that of the activation that had the job when it began.

    The epoch is counted here from the events: each activation takes the next, and so does each
    time a job is queued again.
    """
    rows = {(step["job_id"], step["number"]): step for step in run.rows.steps}
    for job_id, events in by_job(run.rows.events).items():
        epoch, began = 0, dict[int, int]()
        for event in events:
            kind, data = event["type"], event["data"]
            queued_again = kind == "job.queued" and data.get("reason") != "submitted"
            if kind in ("job.started", "job.resumed") or queued_again:
                epoch += 1
            elif kind == "step.started":
                began[data["number"]] = epoch
        for number, expected in began.items():
            found = rows[job_id, number]["epoch"] if (job_id, number) in rows else expected
            if found != expected:
                yield job_id, f"step {number} was begun by epoch {found} in the time of {expected}"


def activations_only_grow(run: Run) -> Found:
    """Each activation has the next number, in the events and to a polling client."""
    jobs = {job["id"]: job for job in run.rows.jobs}
    for job_id, events in by_job(run.rows.events).items():
        attempts = [
            event["data"]["attempt"]
            for event in events
            if event["type"] in ("job.started", "job.resumed")
        ]
        if attempts != list(range(1, len(attempts) + 1)):
            yield job_id, f"its activations are numbered {attempts}"
        if job_id in jobs and jobs[job_id]["attempt"] != len(attempts):
            yield job_id, f"counts {jobs[job_id]['attempt']} activations and tells {len(attempts)}"
        if job_id in jobs and jobs[job_id]["epoch"] < len(attempts):
            yield job_id, f"has epoch {jobs[job_id]['epoch']} after {len(attempts)} activations"
    for job_id, sightings in sighted(run).items():
        for before, after in itertools.pairwise(sightings):
            if after.attempt < before.attempt:
                yield job_id, f"activation {before.attempt} was followed by {after.attempt}"
            if after.step < before.step:
                yield job_id, f"step {before.step} was followed by {after.step}"


def a_status_never_goes_back(run: Run) -> Found:
    """To a polling client: an end is final unless a retry was asked for, a job that runs is not
    queued again unless it was paused."""
    for job_id, sightings in sighted(run).items():
        for before, after in itertools.pairwise(sightings):
            asked = {a.what for a in run.seen.asked if a.job_id == job_id and a.at <= after.at}
            if before.status == after.status:
                continue
            if before.status in ENDED and "retry" not in asked:
                yield job_id, f"was seen {before.status} and then {after.status}"
            elif after.status == "queued" and not asked & {"pause", "resume", "retry"}:
                yield job_id, f"was seen {before.status} and then queued"
            elif after.status == "paused" and "pause" not in asked:
                yield job_id, f"was seen {before.status} and then paused, which nobody asked for"
    for job_id, events in by_job(run.rows.events).items():
        end = ""
        for event in events:
            if event["type"].startswith(AFTERWARDS):
                continue
            if end and (end == "job.completed" or event["type"] != "job.queued"):
                yield job_id, f"{event['type']} follows {end}"
            end = event["type"] if event["type"] in LEFT - {"job.released", "job.paused"} else ""


def completed_jobs_have_their_result(run: Run) -> Found:
    """An article, and references unless that step says why there are none."""
    for job in run.rows.jobs:
        if job["status"] != "completed":
            continue
        result = run.rows.results.get(job["id"], {})
        if "<h1" not in str(result.get("content", "")):
            yield job["id"], "is completed without an article"
        degraded = result.get("metadata", {}).get("degraded", [])
        if not result.get("references") and "References" not in degraded:
            yield job["id"], "is completed without references, and does not say so"


def every_answer_is_one_a_client_can_use(run: Run) -> Found:
    """No 5xx but 503, which says when to come again; no 404 for a job that was accepted."""
    for words, count in run.seen.wrong_answers.items():
        yield "-", f"answered {count} times {words}"


def no_breaker_is_jammed(run: Run) -> Found:
    """A half-open breaker lets a probe through once the last one's lease is over."""
    since: dict[str, BreakerSighting] = {}
    last: dict[str, BreakerSighting] = {}
    told: set[str] = set()
    for seen in run.seen.breakers:
        begun, before = since.get(seen.service), last.get(seen.service, seen)
        if seen.state != "half-open" or not seen.refuses:
            since.pop(seen.service, None)
        elif begun is None or seen.calls != begun.calls or seen.at - before.at > GAP_MS:
            since[seen.service] = seen
        elif seen.at - begun.at > LONGEST_PROBE_MS and seen.service not in told:
            told.add(seen.service)
            yield "-", f"breaker {seen.service} let no call through for {LONGEST_PROBE_MS} ms"
        last[seen.service] = seen


RULES: tuple[Rule, ...] = (
    no_accepted_job_is_lost,
    events_are_contiguous,
    recorded_steps_do_not_run_again,
    one_activation_at_a_time_writes,
    a_step_is_begun_by_the_newest_epoch,
    activations_only_grow,
    a_status_never_goes_back,
    recorded_calls_stay,
    external_writes_happen_once,
    what_is_to_be_published_is,
    completed_jobs_have_their_result,
    every_answer_is_one_a_client_can_use,
    no_breaker_is_jammed,
)


def by_job(rows: list[dict[str, Any]]) -> dict[str, list[dict[str, Any]]]:
    """Rows of each job, in their order."""
    found: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for row in rows:
        found[row["job_id"]].append(row)
    return found


def sighted(run: Run) -> dict[str, list[Sighting]]:
    """What a client saw of each job, in the order in which it saw it."""
    found: dict[str, list[Sighting]] = defaultdict(list)
    for sighting in run.seen.sightings:
        found[sighting.job_id].append(sighting)
    return found
