"""Webhooks and publications of a running service: nothing is lost, nothing is doubled."""

from __future__ import annotations

import base64
import contextlib
import json
import os
import re
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import psutil
import pytest
from standardwebhooks import Webhook

from orchestrator.journal.outbox_writes import DIED
from orchestrator.outbox.signing import client_key, masters, shown
from orchestrator.sandbox.posts import SAMPLE_ID
from tests.harness import Service, http, until


@dataclass
class Receiver:
    """A client's receiver: verifies what it gets, and answers by *answer*."""

    secret: str
    answer: Callable[[int], int] = lambda _: 204  #: the number of the call -> a status
    calls: int = 0
    verified: list[tuple[str, dict[str, Any]]] = field(default_factory=list)

    def take(self, headers: dict[str, str], body: bytes) -> int:
        self.calls += 1
        told = Webhook(self.secret).verify(body.decode(), headers)
        status = self.answer(self.calls)
        if status < 300:
            self.verified.append((headers["webhook-id"], told))
        return status

    def told_of(self, job_id: str) -> list[dict[str, Any]]:
        return [told for _, told in self.verified if told["data"]["jobId"] == job_id]


@contextmanager
def receiving(service: Service, client: str) -> Iterator[Receiver]:
    """A receiver on the one port that the service may call."""
    secret = shown(client_key(masters("", service.home)[0], client))
    receiver = Receiver(secret)

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            headers = {name.lower(): value for name, value in self.headers.items()}
            self.send_response(receiver.take(headers, body))
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", service.receiver_port), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield receiver
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def callback(service: Service, client: str) -> dict[str, str]:
    """The fields of a submission by *client* that is to be told of."""
    url = f"http://127.0.0.1:{service.receiver_port}/hook"
    return {"clientId": client, "callbackUrl": url}


def deliveries(service: Service, job_id: str) -> list[dict[str, Any]]:
    answer = service.get(f"job/{job_id}/deliveries")
    assert answer.status == 200, answer.raw
    return list(answer.body["deliveries"])


def settled(service: Service, job_id: str, seconds: float = 30.0) -> list[dict[str, Any]]:
    """The job's deliveries once none is queued."""

    def look() -> list[dict[str, Any]] | None:
        found = deliveries(service, job_id)
        return found if found and all(one["state"] != "queued" for one in found) else None

    return list(until(f"everything of {job_id} is delivered", look, seconds))


def kill(service: Service, actor: str) -> None:
    """SIGKILL the process of an actor, known by its title."""
    for process in service.family():
        try:
            title = " ".join(process.cmdline())
        except psutil.NoSuchProcess:
            continue
        if title.startswith(f"ray::{actor}"):
            os.kill(process.pid, signal.SIGKILL)
            return
    raise AssertionError(f"no process of {actor}")


def writes(service: Service, job_id: str) -> dict[str, int]:
    """Posts the sandbox's WordPress created or changed for the job, by key."""
    return {k: n for k, n in service.stats()["writes"].items() if k.startswith(job_id)}


def test_a_receiver_that_fails_five_times_gets_one_verified_delivery(service: Service) -> None:
    with receiving(service, "client_five") as receiver:
        receiver.answer = lambda call: 500 if call <= 5 else 204
        job_id = service.submit("a receiver that fails", **callback(service, "client_five"))
        job = service.ended(job_id)
        (delivery,) = settled(service, job_id)
        time.sleep(0.5)
        calls = receiver.calls

        again = service.post(f"job/{job_id}/deliveries/{delivery['id']}/redeliver")
        until("it is delivered again", lambda: len(receiver.told_of(job_id)) == 2, 10)

    assert calls == 6
    assert [a.get("status") for a in delivery["attempts"]] == [500] * 5 + [204]
    (first_id, told), (second_id, _) = receiver.verified
    assert first_id == second_id == delivery["id"]
    assert again.status == 202
    assert told["type"] == "job.completed"
    assert told["data"]["summary"]["score"] == job["result"]["metadata"]["qualityScore"]
    assert told["data"]["summary"]["words"] == job["result"]["metadata"]["wordCount"]
    assert told["data"]["links"]["job"] == f"{service.url}/orchestrator/job/{job_id}"
    assert http("GET", told["data"]["links"]["job"]).body["result"] == job["result"]


def test_a_cancelled_job_is_told_of(service: Service) -> None:
    service.pace("live", 5)
    with receiving(service, "client_cancel") as receiver:
        job_id = service.submit("cancel and tell", **callback(service, "client_cancel"))
        service.reaches(job_id, 1)
        service.post(f"job/{job_id}/cancel")
        settled(service, job_id)

    assert [told["type"] for told in receiver.told_of(job_id)] == ["job.cancelled"]


@pytest.mark.parametrize("url", ["http://169.254.169.254/latest/meta-data/", "http://127.0.0.1/"])
def test_a_callback_inside_is_refused(service: Service, url: str) -> None:
    body = {"keyword": "AI in SEO", "callbackUrl": url}
    answer = http("POST", f"{service.url}/orchestrator/ultra-sota", body)

    assert answer.status == 422
    assert answer.body["errors"][0]["field"] == "callbackUrl"
    assert "will not be called" in answer.body["errors"][0]["problem"]


def test_unknown_deliveries_are_404(service: Service) -> None:
    job_id = service.submit("nobody is told")
    service.ended(job_id)

    assert deliveries(service, job_id) == []
    assert service.get("job/job_1_x/deliveries").status == 404
    assert service.post("job/job_1_x/deliveries/x/redeliver").status == 404
    assert service.post(f"job/{job_id}/deliveries/x/redeliver").status == 404


def test_while_wordpress_is_down_the_job_completes_and_is_published_once_later(
    service: Service,
) -> None:
    service.fault(service="wordpress", status=503)
    job_id = service.submit("publish later", publish=True)
    job = service.ended(job_id)
    waiting = until("it was tried", lambda: _tried(service, job_id), 20)
    down = writes(service, job_id)

    service.heal()
    until("it is published", lambda: _publication(service, job_id)["state"] == "published", 30)
    time.sleep(0.5)

    assert (job["status"], job["result"] is not None) == ("completed", True)
    assert (waiting["state"], down) == ("queued", {})
    assert writes(service, job_id) == {f"{job_id}:publish": 1}
    publication = _publication(service, job_id)
    post = _post(service, publication["postId"])
    assert publication["url"] == post["link"]
    assert (post["status"], post["slug"]) == ("publish", job["result"]["metadata"]["slug"])
    assert post["title"]["raw"] == job["result"]["metadata"]["title"]
    assert post["meta"]["sota_idempotency_key"] == f"{job_id}:publish"
    assert json.loads(post["meta"]["sota_json_ld"]) == job["result"]["metadata"]["jsonLd"]
    assert "<h1" not in post["content"]["raw"]
    metrics = service.get("metrics").raw.decode()
    assert re.search(r'sota_outbox\{kind="publish",state="done"\} [1-9]', metrics)
    stream = service.get(f"job/{job_id}/events").raw.decode()
    assert stream.count("event: publication.queued") == 1
    assert stream.count("event: publication.published") == 1


def _publication(service: Service, job_id: str) -> dict[str, Any]:
    return dict(service.job(job_id)["publication"])


def _tried(service: Service, job_id: str) -> dict[str, Any] | None:
    publication = _publication(service, job_id)
    return publication if publication["attempts"] and "error" in publication else None


POSTS = "wordpress/wp-json/wp/v2/posts"


def _post(service: Service, number: int) -> Any:
    url = f"{service.sandbox_url}/{POSTS}/{number}?context=edit"
    return http("GET", url, Authorization=_basic(service)).body


def _write(service: Service, where: str = "", **fields: Any) -> int:
    """Write a post as an editor does; its number."""
    url = f"{service.sandbox_url}/{POSTS}{where}"
    return int(http("POST", url, fields, Authorization=_basic(service)).body["id"])


def _basic(service: Service) -> str:
    user, word = (service.environment[f"WORDPRESS_{n}"] for n in ("USER", "APP_PASSWORD"))
    return "Basic " + base64.b64encode(f"{user}:{word}".encode()).decode()


def test_a_refreshed_post_is_updated_unless_an_editor_was_quicker(service: Service) -> None:
    old = _post(service, SAMPLE_ID)["content"]["raw"]
    mine, theirs = (
        _write(service, title=f"Post {n}", slug=f"refresh-{n}", content=old, status="publish")
        for n in (1, 2)
    )
    service.fault(service="wordpress", status=503, match=":publish")  # it can be read
    jobs = [
        service.submit("composting", mode="refresh", postId=number, publish=True)
        for number in (mine, theirs)
    ]
    for job_id in jobs:
        service.ended(job_id)
    time.sleep(1.1)  # WordPress counts in seconds
    _write(service, f"/{theirs}", content="<p>An editor's words.</p>")
    service.heal()
    for job_id in jobs:
        settled(service, job_id)

    done, refused = (_publication(service, job_id) for job_id in jobs)
    assert (done["state"], done["postId"]) == ("published", mine)
    assert _post(service, mine)["slug"] == "refresh-1"
    title = service.job(jobs[0])["result"]["metadata"]["title"]
    assert _post(service, mine)["title"]["raw"] == title
    assert refused["state"] == "failed"
    assert f"post {theirs} was changed at" in refused["error"]
    assert _post(service, theirs)["content"]["raw"] == "<p>An editor's words.</p>"
    assert writes(service, jobs[1]) == {}


def is_writing(service: Service) -> bool:
    """A publication is claimed, and its call is on its way."""
    claimed = "SELECT count(*) FROM outbox WHERE kind = 'publish' AND claimed_by IS NOT NULL"
    with contextlib.closing(service.journal()) as database:
        return bool(database.execute(claimed).fetchone()[0] and service.stats()["inFlight"])


def test_killing_the_outbox_and_the_gateway_loses_and_doubles_nothing(service: Service) -> None:
    """Each is killed while a publication and a webhook are on their way."""
    service.fault(service="wordpress", status=503)
    with receiving(service, "client_kill") as receiver:
        receiver.answer = slowly
        asked = {"publish": "draft", **callback(service, "client_kill")}
        jobs = [service.submit(f"kill and tell {n}", **asked) for n in range(2)]
        for job_id in jobs:
            service.ended(job_id)
        service.heal()
        service.pace("live", 3)
        for actor in ("Outbox", "Gateway"):
            until("a post is being written", lambda: is_writing(service), 30)
            kill(service, actor)
        service.pace("zero")
        for job_id in jobs:
            settled(service, job_id, 60)

    for job_id in jobs:
        assert writes(service, job_id) == {f"{job_id}:publish": 1}
        ids = {entry for entry, told in receiver.verified if told["data"]["jobId"] == job_id}
        assert len(ids) == 1  # a receiver can tell a repetition by its webhook-id
        found = deliveries(service, job_id)
        assert [one["state"] for one in found] == ["delivered"] * 2, found
        for one in found:
            assert sum("error" not in attempt for attempt in one["attempts"]) == 1, one
    logs = [a for job_id in jobs for one in deliveries(service, job_id) for a in one["attempts"]]
    assert DIED in {attempt.get("error") for attempt in logs}


def slowly(_: int) -> int:
    time.sleep(1.0)
    return 204
