from __future__ import annotations

import json
import random
import re
from typing import Any

import pytest

from orchestrator.intake import Intake, RejectedBody, accept, read_body

STEPS = (("semantic-keywords", "Semantic Keywords"),)
BODY = {"keyword": "AI in SEO", "requestId": "r-1", "clientId": "client_abc123"}


def take(body: dict[str, Any], **more: Any) -> Intake:
    return accept(
        body,
        steps=STEPS,
        allowed_models=("claude-sonnet-5",),
        now_ms=1703169045000,
        rand=random.Random(1),
        **more,
    )


def test_the_specifications_own_request_is_accepted() -> None:
    body = BODY | {
        "existingPages": [{"title": "T", "slug": "t", "url": "https://example.com/t"}],
        "model": "claude-sonnet-5", "mode": "generate", "useGodMode": True, "serpData": {},
        "neuronData": None, "recentNews": None, "timestamp": 1703169045000, "priority": 0,
        "callbackUrl": None, "publish": False,
    }  # fmt: skip

    intake = take(body)

    assert intake.job.keyword == "AI in SEO"
    assert (intake.job.client_id, intake.job.request_id) == ("client_abc123", "r-1")
    assert intake.warnings == ()


@pytest.mark.parametrize("name", ["serperApiKey", "aiClient"])
def test_fields_that_carry_keys_are_dropped_with_a_warning(name: str) -> None:
    intake = take(BODY | {name: "SECRET-123456"})

    assert "SECRET-123456" not in intake.job.model_dump_json()
    assert len(intake.warnings) == 1
    assert intake.warnings[0].startswith(name)


def test_nothing_is_lost_without_a_word() -> None:
    asked = {"publish": True, "callbackUrl": "https://e.com/hook", "existingPage": []}

    assert [w.split()[0] for w in take(BODY | asked).warnings] == ["existingPage"]
    warned = take(BODY | asked, publishes=False).warnings
    assert [w.split()[0] for w in warned] == ["existingPage", "publish"]
    assert take(BODY, publishes=False).warnings == ()


@pytest.mark.parametrize(
    ("asked", "status"),
    [(None, None), (False, None), (True, "publish"), ("draft", "draft")],
)
def test_a_publication_is_kept_with_the_job(asked: Any, status: str | None) -> None:
    body = BODY if asked is None else BODY | {"publish": asked}

    assert take(body).job.publish == status


def test_a_receiver_is_kept_with_the_job_and_named_by_its_host_alone() -> None:
    urls = ["https://e.com/a?token=1", "https://e.com/b", "http://e.com/", "https://f.com/"]
    lanes = [take(BODY | {"callbackUrl": url}).job.callback_lane for url in urls]

    assert lanes[0] == lanes[1]
    assert len(set(lanes)) == 3
    assert not any("e.com" in (lane or "") for lane in lanes)
    assert take(BODY).job.callback_lane is None


INSIDE = [
    "http://169.254.169.254/latest/meta-data/", "http://127.0.0.1/", "http://127.0.0.1:8000/hook",
    "http://10.0.0.5/", "http://[::1]/", "http://0x7f000001/", "http://2130706433/",
    "http://localhost/hook", "http://service.internal/", "http://e.com:22/", "http://u:p@e.com/",
]  # fmt: skip


@pytest.mark.parametrize("url", INSIDE)
def test_a_receiver_inside_is_refused_by_name(url: str) -> None:
    with pytest.raises(RejectedBody) as refused:
        take(BODY | {"callbackUrl": url})

    (error,) = refused.value.errors
    assert error["field"] == "callbackUrl"
    assert error["problem"].startswith("will not be called: ")
    assert "use a public" in error["problem"]


def test_a_receiver_on_this_machine_may_be_allowed_by_host_and_port() -> None:
    allowed = frozenset({("127.0.0.1", 9000)})

    intake = take(BODY | {"callbackUrl": "http://127.0.0.1:9000/x"}, callback_hosts=allowed)

    assert intake.warnings == ()
    with pytest.raises(RejectedBody):
        take(BODY | {"callbackUrl": "http://127.0.0.1:9001/x"}, callback_hosts=allowed)


REFUSED = [
    ({"keyword": ""}, "keyword"),
    ({"keyword": "ab"}, "keyword"),
    ({"keyword": "x" * 201}, "keyword"),
    ({"keyword": None}, "keyword"),
    ({"keyword": "!?!?"}, "keyword"),
    ({"existingPages": [{"title": "t", "url": "https://e.com/"}] * 501}, "existingPages"),
    ({"existingPages": [{"title": "t", "url": "ftp://e.com/"}]}, "existingPages.0.url"),
    ({"existingPages": [{"title": "t", "url": "not a url"}]}, "existingPages.0.url"),
    ({"mode": "destroy"}, "mode"),
    ({"mode": "refresh"}, "existingContent"),
    ({"mode": "refresh", "existingContent": " \n"}, "existingContent"),
    ({"mode": "refresh", "existingContent": "<img alt='x'>"}, "existingContent"),
    ({"mode": "refresh", "postId": "seven"}, "postId"),
    ({"publish": "later"}, "publish"),
    ({"recentNews": 7}, "recentNews"),
    ({"existingPages": [{"url": "https://e.com/"}]}, "existingPages.0.title"),
    ({"existingPages": "none"}, "existingPages"),
    ({"useGodMode": "perhaps"}, "useGodMode"),
    ({"model": "gpt-9"}, "model"),
    ({"postId": 0}, "postId"),
    ({"priority": 1000}, "priority"),
    ({"callbackUrl": "javascript:alert(1)"}, "callbackUrl"),
    ({"locale": "english"}, "locale"),
]


@pytest.mark.parametrize(("change", "field"), REFUSED)
def test_a_bad_field_is_named(change: dict[str, Any], field: str) -> None:
    with pytest.raises(RejectedBody) as refused:
        take(BODY | change)

    assert [error["field"] for error in refused.value.errors] == [field]
    problem = refused.value.errors[0]["problem"]
    assert not re.search(r"Input should|should have|String|Field required|Value error", problem)
    assert re.search(r"\buse\b|\bsend\b|needs|say", problem), "no remedy is named"


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"keyword": "ab"}, "is too short: use at least 3 characters"),
        ({"keyword": "x" * 201}, "is too long: use at most 200 characters"),
        ({"keyword": 7}, "use a text in quotation marks"),
        ({"mode": "destroy"}, "is not known: use 'generate' or 'refresh'"),
        ({"postId": 0}, "is too small: use 1 or more"),
    ],
)
def test_a_problem_is_told_in_plain_words(change: dict[str, Any], problem: str) -> None:
    with pytest.raises(RejectedBody) as refused:
        take(BODY | change)

    assert refused.value.errors[0]["problem"] == problem


def test_a_body_without_a_keyword_is_told_so() -> None:
    with pytest.raises(RejectedBody) as refused:
        take({"requestId": "r"})

    assert refused.value.errors == [{"field": "keyword", "problem": "is missing: send it"}]


OLD = "<p>Old words.</p>"


@pytest.mark.parametrize(
    ("change", "warned"),
    [
        ({"mode": "refresh", "existingContent": OLD}, []),
        ({"mode": "refresh", "postId": 7}, []),
        ({"mode": "refresh", "postId": 7, "existingContent": "  "}, []),
        ({"mode": "refresh", "postId": 7, "existingContent": OLD}, ["postId was not read"]),
        ({"postId": 7}, ["postId was ignored"]),
        ({"mode": "generate", "existingContent": OLD}, ["existingContent was ignored"]),
        (
            {"postId": 7, "existingContent": OLD},
            ["existingContent was ignored", "postId was ignored"],
        ),
        ({"postId": None, "existingContent": None}, []),
        ({"existingContent": ""}, []),
    ],
)
def test_an_old_page_that_will_not_be_worked_on_is_warned_about(
    change: dict[str, Any], warned: list[str]
) -> None:
    warnings = take(BODY | change).warnings

    assert [warning.split(":")[0] for warning in warnings] == warned


@pytest.mark.parametrize("raw", [b"", b"{", b"[1]", b'"x"', b"\xff\xfe", b"null", b"[" * 100_000])
def test_what_is_not_a_json_object_is_refused(raw: bytes) -> None:
    with pytest.raises(RejectedBody) as refused:
        read_body(raw)

    assert refused.value.errors[0]["field"] == "body"


def test_the_fingerprint_ignores_ids_and_time_but_nothing_else() -> None:
    first = take(BODY | {"timestamp": 1}).job.body_hash

    assert take(BODY | {"timestamp": 2, "requestId": "r-2"}).job.body_hash == first
    assert take(BODY | {"keyword": "AI in SEA"}).job.body_hash != first


def test_without_a_request_id_the_headers_is_taken_or_one_is_made() -> None:
    body = {"keyword": "AI in SEO"}

    assert take(body, request_id="from-header").job.request_id == "from-header"
    assert len(take(body).job.request_id) == 36


def test_the_stored_request_reads_back_as_itself() -> None:
    job = take(BODY | {"useGodMode": True}).job

    assert json.loads(json.dumps(job.request))["useGodMode"] is True
