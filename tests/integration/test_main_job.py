"""The main line: submit, watch, read the article; and everything the edge promises of it."""

from __future__ import annotations

import itertools
import re
import uuid
from pathlib import Path
from typing import Any

import pytest
from lxml import html

from orchestrator.sandbox.sample_post import SAMPLE_CONTENT
from steps.html.islands import extract
from tests.harness import Answer, Service, http

SECRET = "serper-secret-4711-do-not-keep"
PAGES = [
    {"title": title, "slug": slug, "url": f"https://example.com/{slug}"}
    for title, slug in (
        ("AI in SEO Explained", "ai-in-seo-explained"),
        ("How Search Engines Rank Content", "search-engines-rank-content"),
        ("Content Strategy Basics", "content-strategy"),
        ("Technical SEO Checklist", "technical-seo-checklist"),
        ("Measuring Organic Traffic", "organic-traffic"),
        ("Plain Language for the Web", "plain-language"),
        ("AI Tools for Content Teams", "ai-tools-content-teams"),
        ("Search Intent Explained", "search-intent"),
    )
]


def specified(**change: Any) -> dict[str, Any]:
    """The specification's own request, keys included."""
    return {
        "keyword": "AI in SEO", "existingPages": PAGES, "mode": "generate", "useGodMode": True,
        "serperApiKey": SECRET, "aiClient": {"apiKey": SECRET}, "serpData": {},
        "neuronData": None, "recentNews": None, "requestId": str(uuid.uuid4()),
        "clientId": "client_abc123", "timestamp": 1703169045000, "priority": 0,
        "callbackUrl": None, "publish": False, **change,
    }  # fmt: skip


def submit(service: Service, body: Any, **headers: str) -> Answer:
    return http("POST", f"{service.url}/orchestrator/ultra-sota", body, **headers)


@pytest.fixture(scope="module")
def finished(shared_service: Service) -> dict[str, Any]:
    """One finished job, for all tests that only look at one."""
    answer = submit(shared_service, specified())
    assert answer.status == 202, answer.raw
    return shared_service.ended(answer.body["jobId"])


def test_a_submission_is_accepted_with_an_id_of_the_specified_shape(service: Service) -> None:
    answer = submit(service, specified())

    assert answer.status == 202
    assert re.fullmatch(r"job_\d{13}_[a-z0-9]{7,}", answer.body["jobId"])
    assert answer.body["status"] == "queued"
    assert {w.split()[0] for w in answer.body["warnings"]} == {"serperApiKey", "aiClient"}
    service.ended(answer.body["jobId"])


def test_status_is_202_with_step_and_name_while_it_runs_and_200_at_the_end(
    service: Service,
) -> None:
    service.pace("live", 0.05)
    job_id = submit(service, specified()).body["jobId"]
    seen = []
    while (answer := service.get(f"job/{job_id}")).status == 202:
        seen.append((answer.body["step"], answer.body.get("stepName")))

    running = [entry for entry in seen if entry[0] > 0]
    assert running
    assert running == sorted(running)  # never backwards
    assert all(name for _, name in running)
    assert answer.status == 200
    assert answer.body["status"] == "completed"
    assert answer.body["result"]["content"]


def test_all_eight_steps_complete(finished: dict[str, Any]) -> None:
    assert finished["status"] == "completed", finished.get("error")
    assert [s["state"] for s in finished["steps"]] == ["completed"] * 8
    assert finished["totalSteps"] == 8
    assert finished["progress"] == 1.0


def test_the_article_is_whole(finished: dict[str, Any]) -> None:
    result = finished["result"]
    tree = html.fromstring(f"<div>{result['content']}</div>")

    assert result["metadata"]["wordCount"] >= 2000
    assert len(tree.xpath("//h1")) == 1
    levels = [int(e.tag[1]) for e in tree.iter("h1", "h2", "h3", "h4", "h5", "h6")]
    assert levels[0] == 1
    assert all(after - before <= 1 for before, after in itertools.pairwise(levels))
    assert "[[" not in result["content"]


def test_references_are_live_and_links_are_the_clients(finished: dict[str, Any]) -> None:
    result = finished["result"]
    given = {page["url"] for page in PAGES}
    tree = html.fromstring(f"<div>{result['content']}</div>")
    hrefs = [a.get("href") for a in tree.xpath("//a[@href]")]

    assert len([r for r in result["references"] if r["status"] == "valid"]) >= 5
    links = [href for href in hrefs if href in given]
    assert PAGES[0]["url"] in links  # what the text speaks of; of most of the others it does not
    assert len(links) == len(set(links)) == len(result["metadata"]["internalLinks"])
    known = given | {r["url"] for r in result["references"]}
    assert {h for h in hrefs if not h.startswith("#")} <= known


def test_the_quality_report_explains_itself(finished: dict[str, Any]) -> None:
    report = finished["result"]["qualityReport"]

    assert report["score"] >= 75
    assert report["passed"]
    assert len(report["checks"]) >= 30
    assert all(check["advice"] for check in report["checks"] if not check["passed"])


def test_the_result_says_it_is_sandbox_output_and_what_it_cost(finished: dict[str, Any]) -> None:
    metadata = finished["result"]["metadata"]

    assert metadata["sandbox"] is True
    assert 0 < metadata["cost"] < 0.50
    assert metadata["timings"]["criticalPath"]
    assert metadata["timings"]["elapsedSeconds"] > 0


def test_no_key_is_anywhere(service: Service, finished: dict[str, Any]) -> None:
    keys = [SECRET, service.environment["ANTHROPIC_API_KEY"], service.environment["SERPER_API_KEY"]]
    places = [p for root in (service.home, service.ray_dir) for p in Path(root).rglob("*")]
    texts = {
        str(p): p.read_bytes()
        for p in places
        if p.is_file() and not p.is_symlink() and p.name != "sandbox.log"  # its own, shown to users
    }
    texts["response"] = service.get(f"job/{finished['id']}").raw
    texts["events"] = service.get(f"job/{finished['id']}/events").raw

    assert any(name.endswith("journal.db") for name in texts)
    assert [n for n, text in texts.items() if any(k.encode() in text for k in keys)] == []


def test_the_same_request_twice_is_one_job(service: Service) -> None:
    body = specified()
    first, second = submit(service, body), submit(service, body)

    assert (first.status, second.status) == (202, 202)
    assert first.body["jobId"] == second.body["jobId"]
    service.ended(first.body["jobId"])


def test_another_body_under_the_same_request_id_is_a_conflict(service: Service) -> None:
    body = specified()
    first = submit(service, body)
    answer = submit(service, body | {"keyword": "something else"})

    assert answer.status == 409
    assert answer.headers["content-type"] == "application/problem+json"
    service.ended(first.body["jobId"])


BAD = [
    (specified(keyword=""), 422, "keyword"),
    (specified(existingPages=[PAGES[0]] * 501), 422, "existingPages"),
    (specified(mode="improve"), 422, "mode"),
    (b"{not json", 422, "body"),
    (specified(existingContent="x" * 3 * 2**20), 413, "body"),
]


@pytest.mark.parametrize(("body", "status", "field"), BAD, ids=[f"{b[1]}-{b[2]}" for b in BAD])
def test_a_bad_body_gets_a_problem_that_names_the_field(
    service: Service, body: Any, status: int, field: str
) -> None:
    answer = submit(service, body)

    assert answer.status == status
    assert answer.headers["content-type"] == "application/problem+json"
    problem = answer.body
    assert problem["status"] == status
    assert field in (problem["errors"][0]["field"] if problem.get("errors") else problem["detail"])


def test_an_unknown_job_is_404_everywhere(service: Service) -> None:
    paths = ["job/job_1_x", "job/job_1_x/events"]

    assert [service.get(path).status for path in paths] == [404, 404]
    assert service.post("job/job_1_x/cancel").status == 404


def test_request_ids_are_taken_and_returned(service: Service) -> None:
    answer = service.get("health", X_Request_ID="mine-1", X_Correlation_ID="theirs-2")

    assert answer.headers["x-request-id"] == "mine-1"
    assert answer.headers["x-correlation-id"] == "theirs-2"


def test_events_are_contiguous_and_can_be_taken_up_in_the_middle(
    service: Service, finished: dict[str, Any]
) -> None:
    stream = service.get(f"job/{finished['id']}/events").raw.decode()
    ids = [int(n) for n in re.findall(r"^id: (\d+)", stream, re.M)]
    rest = service.get(f"job/{finished['id']}/events", Last_Event_ID=str(ids[4])).raw.decode()

    assert ids == list(range(1, len(ids) + 1))
    assert "job.completed" in stream
    assert [int(n) for n in re.findall(r"^id: (\d+)", rest, re.M)] == ids[5:]


def test_the_list_shows_jobs_by_status_a_page_at_a_time(
    service: Service, finished: dict[str, Any]
) -> None:
    service.ended(service.submit("another keyword"))
    page = service.get("jobs?status=completed&limit=1").body
    following = service.get(f"jobs?status=completed&limit=1&cursor={page['nextCursor']}").body

    assert len(page["jobs"]) == len(following["jobs"]) == 1
    assert page["jobs"][0]["id"] != following["jobs"][0]["id"]
    bad = service.get("jobs?status=nonsense")
    assert bad.status == 422
    assert bad.headers["content-type"] == "application/problem+json"
    assert bad.body["errors"][0]["field"] == "status"


def test_health_breakers_and_metrics_answer(service: Service) -> None:
    assert service.get("health").body["status"] == "ok"
    assert {b["service"] for b in service.get("breakers").body} >= {"serper", "ai", "wordpress"}
    assert b'sota_jobs{status="completed"}' in service.get("metrics").raw


def test_a_long_poll_returns_when_the_job_ends_and_304_when_nothing_changed(
    service: Service,
) -> None:
    service.pace("live", 0.05)
    job_id = service.submit("long poll")
    answer = service.get(f"job/{job_id}?wait=60")

    assert answer.status == 200
    same = service.get(f"job/{job_id}?wait=1", If_None_Match=answer.headers["etag"])
    assert same.status == 304


def test_refresh_keeps_what_the_client_had(service: Service) -> None:
    image = '<img src="https://example.com/a.jpg" alt="A chart" width="640">'
    old = f"<h2>What is AI in SEO</h2><p>It began in 2015.</p><p>{image}</p>" + "".join(
        f"<h2>Part {n}</h2><p>{'Plain words about search. ' * 40}</p>" for n in range(3)
    )
    job = service.ended(service.submit(mode="refresh", existingContent=old))

    assert job["status"] == "completed", job.get("error")
    assert image in job["result"]["content"]
    assert job["result"]["preservedMedia"] == 1
    assert "facts of the old text kept: 1 of 1" in job["result"]["changes"]


def test_refresh_of_the_shipped_post_keeps_its_pictures_embeds_and_shortcode(
    service: Service,
) -> None:
    """1,500 words, six images, two embeds, a gallery, a table, links that work and one that does
    not; read from WordPress by its number."""
    job = service.ended(service.submit("composting at home", mode="refresh", postId=101))
    assert job["status"] == "completed", job.get("error")
    content, told = job["result"]["content"], job["result"]["changes"]

    found = [one for one in extract(SAMPLE_CONTENT)[1] if "{{web:" not in one.source]
    at = [content.find(one.source) for one in found]
    assert [one.source for one, place in zip(found, at, strict=True) if place < 0] == []
    assert at == sorted(at)
    assert [content.count(one.source) for one in found] == [1] * len(found)
    assert job["result"]["preservedMedia"] == 9
    kept = "6 images, 8 anchors, 3 links, 1 table, 2 embeds, 1 gallery"
    assert f"kept from the old page: {kept}" in told
    assert any(re.match(r"link removed.*dead-waste-fees-2019 \(status 404\)", t) for t in told)
    assert re.match(r"length: 1514 words before, [3-4]\d{3} words now", told[0])
    assert job["totalSteps"] == 8
