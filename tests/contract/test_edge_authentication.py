"""The attack suite: whoever has no right to a request is refused, with the right status, and
without a word in the log or a row in the database that tells a secret."""

from __future__ import annotations

import asyncio
import json
import secrets
from typing import Any

import pytest
from sqlalchemy import text

from orchestrator.journal.base import Journal
from orchestrator.journal.database import Database
from orchestrator.journal.tables import metadata
from orchestrator.models import MAX_BODY_BYTES
from orchestrator.security.records import KeyKind
from orchestrator.security.signing import WINDOW_MS, signature_of_body
from tests.contract.edge_helpers import (
    NOW,
    PREFIX,
    SUBMIT,
    Edge,
    Key,
    no_actors_fixture,  # noqa: F401
    nobody,
    routes,
    scanned,
)
from tests.contract.journal_helpers import (
    database_fixture,  # noqa: F401
    journal_fixture,  # noqa: F401
    url_fixture,  # noqa: F401
)

JOBS = f"{PREFIX}/jobs"
BODY = json.dumps({"keyword": "AI in SEO", "requestId": "r1"}).encode()
MS = int(NOW * 1000)


@pytest.fixture(name="edge")
async def edge_fixture(journal: Journal, no_actors: None) -> Edge:
    return Edge(journal)


@pytest.fixture(name="alice")
async def alice_fixture(edge: Edge) -> Key:
    return await edge.key("alice")


@pytest.fixture(name="bob")
async def bob_fixture(edge: Edge) -> Key:
    return await edge.key("bob")


async def rows_of(database: Database, table: str) -> list[Any]:
    return list(await database.run(lambda conn: conn.execute(text(f"SELECT * FROM {table}")).all()))


# -- what passes ------------------------------------------------------------------------------


async def test_a_signed_submission_is_the_job_of_its_client(edge: Edge, alice: Key) -> None:
    reply = await edge.ask("POST", SUBMIT, alice.signed("POST", SUBMIT, BODY), BODY)

    assert reply.status == 202
    view = await edge.journal.view(reply.body["jobId"], "alice")
    assert view is not None


@pytest.mark.parametrize("at", [str(MS), str(MS // 1000)], ids=["milliseconds", "seconds"])
@pytest.mark.parametrize("case", [str.lower, str.upper])
async def test_either_unit_and_either_case_of_hex_is_read(
    edge: Edge, alice: Key, at: str, case: Any
) -> None:
    headers = alice.signed("GET", JOBS, at=at)

    headers["X-Signature"] = case(headers["X-Signature"])

    assert (await edge.ask("GET", JOBS, headers)).status == 200


async def test_the_order_of_headers_does_not_matter(edge: Edge, alice: Key) -> None:
    headers = dict(reversed(alice.signed("GET", JOBS).items()))

    assert (await edge.ask("GET", JOBS, headers)).status == 200


async def test_a_bearer_key_is_its_client(edge: Edge, alice: Key) -> None:
    job = await edge.submitted(alice)
    bearer = await edge.key("alice", KeyKind.BEARER)

    page = await edge.ask("GET", JOBS, bearer.bearer)

    assert [view["id"] for view in page.body["jobs"]] == [job]
    again = await edge.ask("GET", JOBS, bearer.bearer | {"X-Client-Id": "alice"})
    assert again.status == 200


async def test_two_keys_of_a_client_live_side_by_side_and_the_old_one_can_go(
    edge: Edge, alice: Key
) -> None:
    new = await edge.key("alice")
    assert (await edge.ask("GET", JOBS, alice.signed("GET", JOBS))).status == 200
    assert (await edge.ask("GET", JOBS, new.signed("GET", JOBS))).status == 200

    await edge.journal.revoke_key(alice.record.id, MS, by=nobody())

    at = str(MS + 1)
    assert (await edge.ask("GET", JOBS, alice.signed("GET", JOBS, at=at))).status == 401
    assert (await edge.ask("GET", JOBS, new.signed("GET", JOBS, at=at))).status == 200


# -- the signature over the body alone --------------------------------------------------------


def alone(key: Key, body: bytes, at: int | None = MS) -> dict[str, str]:
    """As a client of the specification signs."""
    headers = {
        "X-Client-Id": key.record.client_id,
        "X-Signature": signature_of_body(key.text, body).hex(),
    }
    return headers | ({"X-Timestamp": str(at)} if at is not None else {})


def dated(at: int) -> bytes:
    return json.dumps({"keyword": "AI in SEO", "requestId": "r2", "timestamp": at}).encode()


async def test_a_signature_over_the_body_alone_submits_once(edge: Edge, alice: Key) -> None:
    for body, at in ((BODY, MS), (dated(MS), MS), (dated(MS + 1), None)):
        assert (await edge.ask("POST", SUBMIT, alone(alice, body, at), body)).status == 202
        again = await edge.ask("POST", SUBMIT, alone(alice, body, at), body)
        assert (again.status, again.kind) == (401, "signature-replayed")


async def test_an_undated_one_is_no_more_accepted_with_a_newer_timestamp_even_much_later(
    edge: Edge, alice: Key
) -> None:
    """Its X-Timestamp is not signed: a replay store that forgets by time would let it in again."""
    assert (await edge.ask("POST", SUBMIT, alone(alice, BODY), BODY)).status == 202

    edge.now += 90 * 86_400
    later = int(edge.now * 1000)
    await edge.journal.purge_access(0, later)

    replayed = await edge.ask("POST", SUBMIT, alone(alice, BODY, later), BODY)
    assert (replayed.status, replayed.kind) == (401, "signature-replayed")


@pytest.mark.parametrize("off", [WINDOW_MS + 1, -WINDOW_MS - 1], ids=["future", "expired"])
async def test_the_bodys_own_timestamp_counts_too(edge: Edge, alice: Key, off: int) -> None:
    body = dated(MS + off)

    assert (await edge.ask("POST", SUBMIT, alone(alice, body), body)).status == 401


async def test_without_any_timestamp_it_is_refused(edge: Edge, alice: Key) -> None:
    assert (await edge.ask("POST", SUBMIT, alone(alice, BODY, None), BODY)).status == 401


async def test_it_opens_no_other_route_and_not_without_a_body(edge: Edge, alice: Key) -> None:
    job = await edge.submitted(alice)
    for method, target in (
        ("POST", f"{PREFIX}/job/{job}/cancel"),
        ("DELETE", f"{PREFIX}/job/{job}"),
        ("GET", JOBS),
        ("POST", SUBMIT),
    ):
        assert (await edge.ask(method, target, alone(alice, b""))).status == 401, target


# -- replay -----------------------------------------------------------------------------------


async def test_a_signature_is_accepted_once(edge: Edge, alice: Key) -> None:
    headers = alice.signed("GET", JOBS)
    assert (await edge.ask("GET", JOBS, headers)).status == 200

    headers["X-Signature"] = headers["X-Signature"].upper()
    replayed = await edge.ask("GET", JOBS, headers)

    assert (replayed.status, replayed.kind) == (401, "signature-replayed")


async def test_of_many_presentations_at_once_one_is_accepted(edge: Edge, alice: Key) -> None:
    headers = alice.signed("POST", SUBMIT, BODY)

    replies = await asyncio.gather(*(edge.ask("POST", SUBMIT, headers, BODY) for _ in range(25)))

    assert sorted(reply.status for reply in replies) == [202] + [401] * 24


async def test_a_used_signature_is_remembered_until_nobody_would_accept_it(
    edge: Edge, alice: Key, database: Database
) -> None:
    headers = alice.signed("GET", JOBS, at=str(MS + WINDOW_MS))  # as late as can be
    assert (await edge.ask("GET", JOBS, headers)).status == 200

    edge.now += 2 * WINDOW_MS / 1000  # the last moment at which it is in the window
    await edge.journal.purge_access(0, int(edge.now * 1000))
    assert (await edge.ask("GET", JOBS, headers)).kind == "signature-replayed"

    edge.now += 2 * 3600
    await edge.journal.purge_access(0, int(edge.now * 1000))
    assert await rows_of(database, "nonces") == []
    assert (await edge.ask("GET", JOBS, headers)).kind == "unauthenticated"


# -- what is refused --------------------------------------------------------------------------


async def refused(edge: Edge, method: str, target: str, headers: Any, body: bytes = b"") -> None:
    reply = await edge.ask(method, target, headers, body)
    assert reply.status == 401, reply.raw
    assert reply.headers["content-type"] == "application/problem+json"
    assert reply.headers["www-authenticate"].startswith("Bearer ")
    assert reply.kind == "unauthenticated"


@pytest.mark.parametrize("off", [WINDOW_MS + 1, -WINDOW_MS - 1], ids=["future", "expired"])
async def test_out_of_the_window_is_refused(edge: Edge, alice: Key, off: int) -> None:
    await refused(edge, "GET", JOBS, alice.signed("GET", JOBS, at=str(MS + off)))


@pytest.mark.parametrize(
    "timestamp",
    ["", "now", "-1", "+1800000000000", "1.8e12", "1800000000000 ", "0x1a3", "1_800_000_000_000",
     "\xb2\xb3", "1" * 40, "١٨٠٠".encode().decode("latin-1")],
)  # fmt: skip
async def test_a_timestamp_that_is_none_is_refused(edge: Edge, alice: Key, timestamp: str) -> None:
    headers = alice.signed("GET", JOBS, at=timestamp)

    await refused(edge, "GET", JOBS, headers)


@pytest.mark.parametrize(
    "change",
    [
        {"X-Signature": ""},
        {"X-Signature": "0" * 64},
        {"X-Signature": "00"},
        {"X-Signature": "g" * 64},
        {"X-Signature": "٠" .encode().decode("latin-1") * 32},
        {"X-Client-Id": "bob"},
        {"X-Client-Id": "nobody"},
        {"X-Client-Id": "ALICE"},
        {"X-Client-Id": ""},
        {"X-Client-Id": "alice\r\nX-Client-Id: bob"},
        {"X-Client-Id": "alice\x00"},
        {"X-Client-Id": "alice "},
        {"X-Timestamp": str(MS + 1)},
        {"Authorization": "Basic YWxpY2U6eA=="},
        {"Authorization": "Bearer sota_0123456789abcdef_" + "A" * 43},
    ],
    ids=str,
)  # fmt: skip
async def test_a_change_to_any_header_is_refused(
    edge: Edge, alice: Key, bob: Key, change: dict[str, str]
) -> None:
    await refused(edge, "GET", JOBS, alice.signed("GET", JOBS) | change)


@pytest.mark.parametrize("name", ["X-Client-Id", "X-Signature", "X-Timestamp"])
async def test_a_header_left_out_or_sent_twice_is_refused(
    edge: Edge, alice: Key, name: str
) -> None:
    headers = alice.signed("GET", JOBS)
    pairs = [(k.encode(), v.encode()) for k, v in headers.items()]
    twice = [*pairs, (name.lower().encode(), headers[name].encode())]

    await refused(edge, "GET", JOBS, [pair for pair in pairs if pair[0] != name.encode()])
    await refused(edge, "GET", JOBS, twice)
    await refused(edge, "GET", JOBS, list(reversed(twice)))


async def test_a_truncated_signature_or_key_is_refused(edge: Edge, alice: Key) -> None:
    headers = alice.signed("GET", JOBS)
    bearer = await edge.key("alice", KeyKind.BEARER)
    for cut in (1, 2, 32, 63):
        await refused(edge, "GET", JOBS, headers | {"X-Signature": headers["X-Signature"][:-cut]})
        await refused(edge, "GET", JOBS, {"Authorization": bearer.bearer["Authorization"][:-cut]})


@pytest.mark.parametrize(
    "body",
    [
        BODY + b" ",
        BODY[:-1],
        b"",
        json.dumps(json.loads(BODY), separators=(",", ":")).encode(),
        json.dumps(dict(reversed(json.loads(BODY).items()))).encode(),
        BODY.replace(b"SEO", b"sEO"),
    ],
    ids=["longer", "truncated", "empty", "respaced", "re-ordered", "changed"],
)
async def test_another_body_than_was_signed_is_refused(edge: Edge, alice: Key, body: bytes) -> None:
    await refused(edge, "POST", SUBMIT, alice.signed("POST", SUBMIT, BODY), body)
    await refused(edge, "POST", SUBMIT, alone(alice, BODY), body)


async def test_another_method_is_refused_and_no_header_overrides_it(edge: Edge, alice: Key) -> None:
    job = await edge.submitted(alice)
    target = f"{PREFIX}/job/{job}"
    await refused(edge, "DELETE", target, alice.signed("GET", target))

    override = {"X-HTTP-Method-Override": "DELETE", "X-Method-Override": "DELETE"}
    shown = await edge.ask("GET", target, alice.signed("GET", target) | override)

    assert shown.status == 202
    assert await edge.journal.view(job) is not None


@pytest.mark.parametrize(
    "other",
    [
        "/orchestrator/jobs?",
        "/orchestrator/jobs?status=failed",
        "/orchestrator/jobs/",
        "/orchestrator//jobs",
        "/orchestrator/%6aobs",
        "/orchestrator%2Fjobs",
        "/orchestrator/JOBS",
        "/orchestrator/./jobs",
        "/orchestrator/breakers/../jobs",
        "/orchestrator/jobs;a=b",
        "/orchestrator/jobs%3Fstatus=failed",
        "/jobs",
    ],
)
async def test_a_signature_is_for_the_target_as_it_was_sent(
    edge: Edge, alice: Key, other: str
) -> None:
    reply = await edge.ask("GET", other, alice.signed("GET", JOBS))

    # A lone question mark is the same target: neither path nor query differ.
    assert reply.status == (200 if other.endswith("?") else 401)


async def test_the_same_query_in_another_order_or_spelling_is_another_target(
    edge: Edge, alice: Key
) -> None:
    headers = alice.signed("GET", f"{JOBS}?limit=5&status=queued")
    for other in ("status=queued&limit=5", "limit=5&status=%71ueued", "limit=05&status=queued"):
        await refused(edge, "GET", f"{JOBS}?{other}", headers)


async def test_target_and_body_cannot_be_parted_in_another_place(edge: Edge, alice: Key) -> None:
    """``ts.GET./jobs?cursor=a.b.`` must not pass for ``/jobs?cursor=a`` with the body ``b.``."""
    whole = alice.signed("GET", f"{JOBS}?cursor=a.b")
    await refused(edge, "GET", f"{JOBS}?cursor=a", whole, b"b.")

    job = await edge.submitted(alice)
    retry = f"{PREFIX}/job/{job}/retry?fromStep"
    await refused(edge, "POST", f"{retry}=a", alice.signed("POST", f"{retry}=a.b"), b"b.")

    dotted = f"{SUBMIT}?v=1.5"
    await refused(edge, "POST", dotted, alice.signed("POST", dotted, BODY), BODY)


async def test_the_wrong_and_the_revoked_key_are_refused_alike(edge: Edge, alice: Key) -> None:
    stranger = Edge(edge.journal)  # another signing secret
    forged = Key(alice.record, stranger.master.signing_key(alice.record))
    Edge(edge.journal, edge.master)  # put the gates back
    gone = await edge.key("alice")
    await edge.journal.revoke_key(gone.record.id, MS, by=nobody())
    unknown = Key(alice.record.model_copy(update={"client_id": "nobody"}), alice.text)

    replies = [
        await edge.ask("GET", JOBS, key.signed("GET", JOBS)) for key in (forged, gone, unknown)
    ]

    assert {(reply.status, reply.body["detail"]) for reply in replies} == {
        (401, replies[0].body["detail"])
    }


async def test_a_key_is_bound_to_its_client_and_its_rights(
    edge: Edge, alice: Key, database: Database
) -> None:
    """Who can write to the database, but has no signing secret, gains nothing by it."""
    bearer = await edge.key("alice", KeyKind.BEARER)
    for change in ("client_id = 'bob'", "admin = TRUE"):
        await database.run(lambda c, s=change: c.execute(text(f"UPDATE client_keys SET {s}")))
        await refused(edge, "GET", JOBS, bearer.bearer)
        await refused(edge, "GET", JOBS, alice.signed("GET", JOBS) | {"X-Client-Id": "bob"})
        await refused(edge, "GET", JOBS, alice.signed("GET", JOBS))


async def test_a_signing_key_is_no_bearer_key(edge: Edge, alice: Key) -> None:
    await refused(edge, "GET", JOBS, alice.bearer)


async def test_a_bearer_key_with_another_clients_id_is_refused(edge: Edge, bob: Key) -> None:
    bearer = await edge.key("alice", KeyKind.BEARER)

    await refused(edge, "GET", JOBS, bearer.bearer | {"X-Client-Id": "bob"})


async def test_a_key_in_the_url_is_no_key(edge: Edge) -> None:
    bearer = await edge.key("alice", KeyKind.BEARER)

    for name in ("key", "token", "access_token", "Authorization"):
        await refused(edge, "GET", f"{JOBS}?{name}={bearer.text}", {})


@pytest.mark.parametrize("signed", [True, False])
async def test_an_oversized_body_is_413(edge: Edge, alice: Key, signed: bool) -> None:
    body = b"{" + b" " * MAX_BODY_BYTES + b"}"
    headers = alice.signed("POST", SUBMIT, body)
    if not signed:
        headers["X-Signature"] = "0" * 64

    reply = await edge.ask("POST", SUBMIT, headers, body)

    assert (reply.status, reply.kind) == (413, "body-too-large")


async def test_a_refusal_writes_nothing(edge: Edge, alice: Key, database: Database) -> None:
    await refused(edge, "POST", SUBMIT, alice.signed("POST", SUBMIT, BODY), BODY + b" ")
    await refused(edge, "POST", SUBMIT, {}, BODY)

    for table in ("nonces", "jobs"):
        assert await rows_of(database, table) == []


# -- every route ------------------------------------------------------------------------------

OPEN = {
    ("GET", f"{PREFIX}/{name}") for name in ("health", "docs", "openapi.json", "problems/{kind}")
}
FILLED = {"kind": "internal", "delivery_id": "webhook_1"}


def test_the_routes_are_found() -> None:
    assert {("POST", SUBMIT), ("GET", JOBS), ("DELETE", f"{PREFIX}/job/{{job}}")} <= set(routes())


@pytest.mark.parametrize(("method", "path"), sorted(routes()))
async def test_every_route_but_health_needs_credentials(
    edge: Edge, alice: Key, method: str, path: str
) -> None:
    target = path.format(job=await edge.submitted(alice), **FILLED)

    reply = await edge.ask(method, target)

    assert reply.status == (200 if (method, path) in OPEN else 401)


async def test_what_is_no_route_is_refused_too(edge: Edge) -> None:
    for target in ("/orchestrator", "/orchestrator/", f"{PREFIX}/health/", f"{PREFIX}/%68ealth"):
        await refused(edge, "GET", target, {})


async def test_wrong_credentials_are_refused_at_an_open_route_too(edge: Edge, alice: Key) -> None:
    target = f"{PREFIX}/health"

    await refused(edge, "GET", target, alice.signed("GET", target) | {"X-Signature": "0" * 64})


# -- other tenants ----------------------------------------------------------------------------

OF_A_JOB = [(method, path) for method, path in routes() if "{job}" in path]


@pytest.mark.parametrize(("method", "path"), sorted(OF_A_JOB))
async def test_another_clients_job_is_404_and_untouched(
    edge: Edge, alice: Key, bob: Key, method: str, path: str
) -> None:
    job = await edge.submitted(alice)
    before = await edge.journal.view(job)
    target, unknown = (path.format(job=one, **FILLED) for one in (job, "job_1_unknown"))

    theirs = await edge.ask(method, target, bob.signed(method, target))
    nobodys = await edge.ask(method, unknown, bob.signed(method, unknown))

    assert (theirs.status, nobodys.status) == (404, 404)
    assert theirs.raw.replace(job.encode(), b"") == nobodys.raw.replace(b"job_1_unknown", b"")
    assert await edge.journal.view(job) == before
    assert await edge.journal.audit_log(client_id="bob") == []


async def test_a_list_is_of_ones_own_jobs(edge: Edge, alice: Key, bob: Key) -> None:
    job = await edge.submitted(alice)
    await edge.submitted(bob)

    mine = await edge.ask("GET", JOBS, alice.signed("GET", JOBS))
    named = f"{JOBS}?clientId=bob"
    theirs = await edge.ask("GET", named, alice.signed("GET", named))

    assert [view["id"] for view in mine.body["jobs"]] == [job]
    assert (theirs.status, theirs.kind) == (403, "forbidden")


async def test_a_request_id_is_a_clients_own(edge: Edge, alice: Key, bob: Key) -> None:
    first = await edge.submitted(alice, requestId="same")
    second = await edge.submitted(bob, requestId="same", keyword="another")

    assert first != second


async def test_the_body_may_name_its_own_client_and_no_other(edge: Edge, alice: Key) -> None:
    await edge.submitted(alice, clientId="alice")
    body = json.dumps({"keyword": "AI in SEO", "clientId": "bob"}).encode()

    reply = await edge.ask("POST", SUBMIT, alice.signed("POST", SUBMIT, body), body)

    assert (reply.status, reply.kind) == (403, "forbidden")
    assert "clientId" in reply.body["detail"]
    assert (await edge.journal.list_jobs(client_id="bob"))[0] == []


async def test_an_administrator_sees_everything_and_may_act_for_a_client(
    edge: Edge, alice: Key
) -> None:
    admin = await edge.key("ops", KeyKind.BEARER, admin=True)
    job = await edge.submitted(alice)

    assert len((await edge.ask("GET", JOBS, admin.bearer)).body["jobs"]) == 1
    assert (await edge.ask("GET", f"{PREFIX}/health", admin.bearer)).body["jobs"]["queued"] == 1
    assert (await edge.ask("GET", f"{PREFIX}/metrics", admin.bearer)).status == 200
    body = json.dumps({"keyword": "AI in SEO", "clientId": "bob"}).encode()
    assert (await edge.ask("POST", SUBMIT, admin.bearer, body)).status == 202
    assert len((await edge.journal.list_jobs(client_id="bob"))[0]) == 1
    cancelled = await edge.ask("POST", f"{PREFIX}/job/{job}/cancel", admin.bearer)
    assert cancelled.status == 200


async def test_figures_about_everyone_are_for_administrators(edge: Edge, alice: Key) -> None:
    await edge.submitted(alice)
    health, metrics = f"{PREFIX}/health", f"{PREFIX}/metrics"

    for headers in ({}, alice.signed("GET", health)):
        shown = await edge.ask("GET", health, headers)
        assert (shown.status, shown.body) == (200, {"status": "ok", "journal": "ok", "jobs": {}})
    forbidden = await edge.ask("GET", metrics, alice.signed("GET", metrics))
    assert (forbidden.status, forbidden.kind) == (403, "forbidden")


# -- the audit log ----------------------------------------------------------------------------


async def test_the_audit_log_says_who_did_what(edge: Edge, alice: Key) -> None:
    job = await edge.submitted(alice)
    for method, verb in (("POST", "pause"), ("POST", "resume"), ("POST", "cancel"),
                         ("POST", "retry?fromStep=references"), ("POST", "cancel"),
                         ("DELETE", "")):  # fmt: skip
        target = f"{PREFIX}/job/{job}/{verb}".rstrip("/")
        edge.now += 1
        headers = alice.signed(method, target, at=str(int(edge.now * 1000)))
        assert (await edge.ask(method, target, headers)).status in (200, 202, 204), target

    log = await edge.journal.audit_log(job_id=job)

    assert sorted(entry.action for entry in log) == sorted(
        ["submit", "pause", "resume", "cancel", "retry", "cancel", "erase"]
    )
    assert {(e.client_id, e.key_id, e.job_id, e.request_id) for e in log} == {
        ("alice", alice.record.id, job, "asked-by-a-test")
    }
    (retried,) = (entry for entry in log if entry.action == "retry")
    assert retried.detail == {"fromStep": "references"}


async def test_what_was_refused_or_changed_nothing_is_not_in_it(edge: Edge, alice: Key) -> None:
    job = await edge.submitted(alice, requestId="twice")
    before = await edge.journal.audit_log()
    body = json.dumps({"keyword": "AI in SEO", "requestId": "twice"}).encode()

    at = str(MS + 7)
    again = await edge.ask("POST", SUBMIT, alice.signed("POST", SUBMIT, body, at=at), body)
    retry = f"{PREFIX}/job/{job}/retry"
    too_early = await edge.ask("POST", retry, alice.signed("POST", retry))

    assert (again.body["jobId"], too_early.status) == (job, 409)
    assert await edge.journal.audit_log() == before


# -- nothing tells a secret -------------------------------------------------------------------


@pytest.mark.usefixtures("no_actors")
async def test_no_secret_is_logged_stored_or_answered(
    journal: Journal, database: Database, caplog: pytest.LogCaptureFixture
) -> None:
    master = secrets.token_hex(32)
    edge = Edge(
        journal, __import__("orchestrator.security.master", fromlist=["Master"]).Master(master)
    )
    signing = await edge.key("alice")
    bearer = await edge.key("alice", KeyKind.BEARER)
    admin = await edge.key("ops", KeyKind.BEARER, admin=True)
    known = [master, signing.text, bearer.text, admin.text]
    known += [text.split("_", 2)[2] for text in (signing.text, bearer.text, admin.text)]
    answers: list[bytes] = []

    with scanned(caplog, *known):
        job = await edge.submitted(signing)
        for headers in (
            bearer.bearer,
            admin.bearer,
            signing.bearer,
            {"Authorization": f"Basic {bearer.text}"},
            bearer.bearer | {"X-Client-Id": bearer.text},
            signing.signed("GET", JOBS) | {"X-Signature": signing.text},
            bearer.bearer | {"X-Correlation-ID": "c"},
        ):
            for target in (JOBS, f"{PREFIX}/job/{job}", f"{PREFIX}/nothing", f"{PREFIX}/metrics"):
                answers.append((await edge.ask("GET", target, headers)).raw)
        body = json.dumps({"keyword": "AI in SEO", "apiKey": bearer.text}).encode()
        answers.append((await edge.ask("POST", SUBMIT, bearer.bearer, body)).raw)

    stored = " ".join([str(await rows_of(database, table)) for table in metadata.tables])
    everything = stored + " ".join(answer.decode() for answer in answers)
    assert [secret for secret in known if secret in everything] == []
