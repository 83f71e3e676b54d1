"""``make eval``: each promise breaks when its condition does, and the scan sees what it must."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from bench.evaluate import scan, verdicts
from bench.evaluate.__main__ import arguments
from bench.evaluate.liveness import Answer, fetch_all
from bench.evaluate.outcome import Outcome, outcome, to_fetch
from bench.evaluate.service import allowed_hosts, private_plan
from bench.evaluate.tables import check_rows
from bench.evaluate.topics import TOPICS, Topic, chosen, load
from bench.evaluate.verdicts import every_verdict
from orchestrator.cli.problems import CliError
from orchestrator.client.request import wire_body
from orchestrator.models import SubmitRequest
from orchestrator.sandbox.environment import WEB_HOSTS
from orchestrator.sandbox.server import serve

PAGE, SOURCE = "https://client.example/a", "https://source.example/report"
OLD_LINK = "https://old.example/kept"
OLD = (
    f'<h2 id="tools">Tools</h2><p>See <a href="{OLD_LINK}" onclick="track()">this</a>.</p>'
    '<!-- wp:html --><iframe src="https://maps.example/x" width="9"></iframe><!-- /wp:html -->'
    '<script type="text/javascript">go()</script>'
)
CONTENT = (
    f'<h1>A</h1><p>Read <a href="{PAGE}" rel="noopener">our page</a>.</p>'
    '<p><a href="#top">up</a></p><section class="references"><h2>References</h2><ol>'
    f'<li><a class="citation" href="{SOURCE}" rel="noopener">A &amp; B</a></li></ol></section>'
)
LIVE = {SOURCE: Answer(200, "text/html")}


def topic(number: int = 1, **more: Any) -> Topic:
    pages = [{"title": "Our Page on Heat", "slug": "a", "url": PAGE}]
    body = {"keyword": "heat pumps", "existingPages": pages, **more}
    return Topic(number, SubmitRequest.model_validate(body))


REFRESH = topic(mode="refresh", existingContent=OLD)


def check(name: str = "Word Count", score: float = 1.0, value: Any = 2800) -> dict[str, Any]:
    return {"name": name, "weight": 3, "score": score, "passed": score == 1.0, "value": value}


def view(content: str = CONTENT, **more: Any) -> dict[str, Any]:
    """A completed job as the service shows it."""
    return {
        "status": "completed",
        "cost": 0.2,
        "startedAt": 1_000,
        "completedAt": 3_500,
        "result": {
            "content": content,
            "references": [{"title": "A", "url": SOURCE, "status": "valid"}],
            "qualityReport": {"score": 96.5, "checks": [check()]},
            "metadata": {"wordCount": 2800, "degraded": ["References"], "title": "T"},
        },
        **more,
    }


def judged(
    content: str = CONTENT, of: Topic | None = None, answers: Any = LIVE, **more: Any
) -> Outcome:
    return outcome(of or topic(), view(content, **more), answers)


def broken(*outcomes: Outcome, floor: float = 85, minimum: float = 75) -> list[str]:
    return [v.promise for v in every_verdict(outcomes, floor, minimum) if not v.kept]


# -- verdicts ----------------------------------------------------------------------------


def test_a_good_job_keeps_every_promise() -> None:
    one = judged()

    assert broken(one) == []
    assert (one.score, one.words, one.references, one.internal_links) == (96.5, 2800, 1, 1)
    assert (one.cost, one.seconds, one.degraded) == (0.2, 2.5, ("References",))


def test_no_job_at_all_is_no_success() -> None:
    assert {"every job completed", "mean score at least 85", "every reference live"} <= set(
        broken()
    )


@pytest.mark.parametrize(
    ("words", "kept"),
    [
        ("our page", True),
        ("<em>heated</em> pages", True),
        ("heat", False),
        ("a fair price for heating", False),
        ("", False),
    ],
)
def test_a_link_stands_on_words_of_its_page_s_title(words: str, kept: bool) -> None:
    one = judged(CONTENT.replace("our page", words))

    assert verdicts.no_stray_link([one]).kept is kept
    assert (broken(one) == []) is kept


def test_a_link_to_a_page_that_the_old_post_had_may_stand_on_any_words() -> None:
    old = topic(mode="refresh", existingContent=f'<p>See <a href="{PAGE}">this</a>.</p>')
    html = CONTENT.replace("our page", "this")

    assert judged(html, of=old).stray == ()
    assert judged(html).stray != ()


@pytest.mark.parametrize("status", ["failed", "cancelled", "processing", "refused"])
def test_a_job_without_a_result_breaks_the_promise(status: str) -> None:
    one = outcome(topic(), {"status": status, "error": "no model"}, {})

    verdict = verdicts.all_completed([judged(), one])

    assert not verdict.kept
    assert verdict.faults == (f"1 heat pumps: {status} no model",)
    assert verdicts.all_completed([judged()]).kept


@pytest.mark.parametrize(("scores", "kept"), [((70, 100), True), ((70, 99.9), False)])
def test_the_mean_score_has_a_floor(scores: tuple[float, float], kept: bool) -> None:
    outcomes = [replace(judged(), score=score) for score in scores]

    assert verdicts.mean_score(outcomes, 85).kept is kept


@pytest.mark.parametrize(("low", "kept"), [(75.0, True), (74.9, False)])
def test_no_score_may_be_under_the_minimum(low: float, kept: bool) -> None:
    outcomes = [replace(judged(), score=100.0), replace(judged(), score=low)]

    assert verdicts.least_score(outcomes, 75).kept is kept


@pytest.mark.parametrize(
    "answer",
    [
        Answer(404, "text/html"),
        Answer(403, "text/html"),
        Answer(204, "text/html"),
        Answer(200, "image/png"),
        Answer(problem="no answer within 20 s"),
    ],
)
def test_a_reference_that_does_not_answer_breaks_the_promise(answer: Answer) -> None:
    one = judged(answers={SOURCE: answer})

    assert broken(one) == ["every reference live"]
    assert one.dead == (f"{SOURCE}: {answer}",)


def test_a_reference_that_was_not_asked_counts_as_dead() -> None:
    assert broken(judged(answers={})) == ["every reference live"]


def test_what_the_result_says_of_its_references_does_not_count() -> None:
    """A report full of "valid" saves no dead reference."""
    assert "every reference live" in broken(judged(answers={SOURCE: Answer(500, "text/html")}))


def test_a_pdf_is_live() -> None:
    assert broken(judged(answers={SOURCE: Answer(200, "application/pdf")})) == []


@pytest.mark.parametrize(
    "href",
    [
        "https://client.example/A",
        "https://client.example/a/b",
        "https://elsewhere.example/",
        "http://client.example/a",
        "/a",
        "#",
        "mailto:me@client.example",
    ],
)
def test_a_link_nobody_gave_breaks_the_promise(href: str) -> None:
    content = f'{CONTENT}<p><a href="{href}" rel="noopener">x</a></p>'
    answers = {**LIVE, href: Answer(200, "text/html")}

    one = judged(content, answers=answers)

    assert broken(one) == ["no link outside the input"]
    assert one.foreign == (href,)


@pytest.mark.parametrize(
    "bad",
    [
        "<script>x</script>",
        "<style>p{}</style>",
        '<iframe src="https://x.example"></iframe>',
        "<svg><path/></svg>",
        "<blink>x</blink>",
        '<p onclick="x()">x</p>',
        '<p style="color:red">x</p>',
        '<p class="evil">x</p>',
        '<p id="x">x</p>',
        '<img src="https://x.example/a.png" alt="">',
        "<!-- a remark -->",
        "<?php x ?>",
    ],
)
def test_what_the_sanitiser_should_have_stopped_breaks_the_promise(bad: str) -> None:
    assert broken(judged(CONTENT + bad)) == ["no unsanitised tag"]


@pytest.mark.parametrize(
    "href", ["javascript:x()", "JaVa&#10;Script:x()", " data:text/html,x", "vbscript:x"]
)
def test_an_address_that_runs_something_is_unsanitised_even_if_the_old_post_had_it(
    href: str,
) -> None:
    bad = f'<p><a href="{href}">x</a></p>'

    assert "no unsanitised tag" in broken(judged(CONTENT + bad))
    old = topic(mode="refresh", existingContent=bad)
    assert "no unsanitised tag" in broken(judged(CONTENT + bad, of=old))


def test_a_marker_that_the_old_post_has_as_a_word_may_stand_as_often_as_there() -> None:
    old = topic(mode="refresh", existingContent="<p>Write <code>[[claim:3]]</code>.</p>")
    once, twice = (CONTENT + "<code>[[claim:3]]</code>" * times for times in (1, 2))

    assert judged(once, of=old).markers == ()
    assert len(judged(twice, of=old).markers) == 1


@pytest.mark.parametrize("marker", ["[[claim:3]]", "[[island:1]]", "[[ Claim : 3]]"])
def test_a_marker_left_anywhere_breaks_the_promise(marker: str) -> None:
    assert broken(judged(f"{CONTENT}<p>So {marker}.</p>")) == ["no marker left"]
    titled = view()
    titled["result"]["metadata"]["jsonLd"] = {"faq": [{"text": f"So {marker}."}]}
    assert broken(outcome(topic(), titled, LIVE)) == ["no marker left"]


# -- refresh mode ------------------------------------------------------------------------


def test_pieces_of_the_old_post_may_stand_as_they_stood() -> None:
    kept = OLD.replace('<h2 id="tools">', '<h2><span id="tools"></span>')

    assert broken(judged(CONTENT + kept, of=REFRESH)) == []
    assert judged(CONTENT + kept, of=REFRESH).kept_links == 1
    assert "no unsanitised tag" in broken(judged(CONTENT + kept))
    assert "no link outside the input" in broken(judged(CONTENT + kept))


@pytest.mark.parametrize(
    "changed",
    [
        '<iframe src="https://evil.example" width="9"></iframe>',
        '<iframe src="https://maps.example/x" width="9"></iframe>' * 2,
        '<script type="text/javascript">go()</script>' * 2,
        '<span id="another"></span>',
        '<span id="tools" onclick="x()"></span>',
    ],
)
def test_a_piece_that_was_changed_or_multiplied_is_unsanitised(changed: str) -> None:
    assert broken(judged(CONTENT + changed, of=REFRESH)) == ["no unsanitised tag"]


def test_old_links_are_asked_on_the_open_web_only_and_are_the_client_s_own_when_dead() -> None:
    shown = view(CONTENT + OLD)

    assert OLD_LINK not in to_fetch(REFRESH, shown, old_links=False)
    assert OLD_LINK in to_fetch(REFRESH, shown, old_links=True)
    one = outcome(REFRESH, shown, {**LIVE, OLD_LINK: Answer(404, "text/html")})
    assert one.kept_dead == (f"{OLD_LINK}: 404 text/html",)
    assert one.dead == ()


def test_links_are_read_as_a_browser_reads_them() -> None:
    html = '<A HREF = "https://x.example/?a=1&amp;b=2">x</A><p>no <a>link</a> &lt;a href="y"></p>'

    assert scan.read(html).links == ["https://x.example/?a=1&b=2"]


# -- the table ---------------------------------------------------------------------------


def test_a_check_s_row_counts_only_the_articles_it_applies_to() -> None:
    names = ("Image Alt Text", "Word Count")
    checks = [(check(names[0], 1.0, "not applicable"), check(names[1], 0.5, 1400)),
              (check(names[0], 0.0, "0 of 1"), check(names[1]))]  # fmt: skip
    outcomes = [replace(judged(), number=n, checks=c) for n, c in enumerate(checks, start=1)]

    rows = {row.name: row for row in check_rows(outcomes)}

    assert (rows[names[0]].applies, rows[names[0]].passed, rows[names[0]].score) == (1, 0, 0.0)
    assert (rows[names[1]].applies, rows[names[1]].passed, rows[names[1]].score) == (2, 1, 0.75)
    assert (rows[names[1]].worst, rows[names[1]].value) == (1, "1400")


# -- the topics --------------------------------------------------------------------------


def test_the_topics_are_twenty_valid_submissions_of_every_kind() -> None:
    topics = load()

    bodies = [wire_body(one.request.keyword, "evaluate", one.fields) for one in topics]
    assert len(bodies) == len({body["keyword"] for body in bodies}) == 20
    assert {len(one.pages) for one in topics} == {0, 5, 15, 40}
    assert sum(bool(one.old_post) for one in topics) >= 3
    assert sum(one.request.use_god_mode for one in topics) >= 3
    assert sum(body["mode"] == "refresh" for body in bodies) == sum(
        bool(one.old_post) for one in topics
    )
    assert {len(body["keyword"].split()) for body in bodies} >= {1, 8}
    assert any(not body["keyword"].isascii() for body in bodies)
    assert any("&" in body["keyword"] for body in bodies)


def test_a_topic_that_is_no_submission_is_named_with_its_field(tmp_path: Path) -> None:
    path = tmp_path / "topics.json"
    path.write_text(json.dumps([{"keyword": "fine"}, {"keyword": "fine", "mode": "rewrite"}]))

    with pytest.raises(CliError, match="topic 2, mode"):
        load(path)


@pytest.mark.parametrize("text", ["", "[]", "{}", "[3]", '[{"existingContentFile": "no.html"}]'])
def test_a_file_without_topics_is_refused(text: str, tmp_path: Path) -> None:
    path = tmp_path / "topics.json"
    path.write_text(text)

    with pytest.raises(CliError):
        load(path)


def test_topics_are_chosen_by_number() -> None:
    topics = load(TOPICS)

    assert [one.number for one in chosen(topics, "8, 1,8")] == [8, 1]
    assert chosen(topics, "") == topics
    with pytest.raises(CliError, match="21"):
        chosen(topics, "21")


# -- the service and the fetcher ---------------------------------------------------------


def test_drafts_with_flaws_are_asked_of_the_sandbox_and_of_no_real_model(tmp_path: Path) -> None:
    plan = private_plan(tmp_path, {}, flaws=arguments(["--flaws", "0.5"]).flaws)

    assert plan.settings.sandbox_flaws == 0.5
    assert private_plan(tmp_path, {}).settings.sandbox_flaws is None
    with pytest.raises(CliError, match="--flaws"):
        private_plan(tmp_path, {"ANTHROPIC_API_KEY": "a key"}, flaws=0.5)
    with pytest.raises(SystemExit):
        arguments(["--flaws", "1.5"])


def test_the_service_shares_nothing_with_another_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SOTA_DATABASE_URL", "postgresql+asyncpg://db/production")
    monkeypatch.setenv("SOTA_RAY_ADDRESS", "10.0.0.1:6379")
    environ = {"SOTA_DATABASE_URL": "x", "SOTA_RAY_ADDRESS": "y", "PATH": "/bin"}

    plan = private_plan(tmp_path, environ)

    assert plan.settings.database == f"sqlite+aiosqlite:///{tmp_path}/journal.db"
    assert plan.environ == {"PATH": "/bin", "SOTA_RAY_TEMP_DIR": f"{tmp_path}/ray"}
    assert (plan.settings.home, plan.settings.ray_address) == (tmp_path, "")


def test_keys_choose_the_real_services_and_their_web_only(tmp_path: Path) -> None:
    with_key = private_plan(tmp_path, {"ANTHROPIC_API_KEY": "key"})
    without = private_plan(tmp_path, {})

    assert not with_key.sandbox
    assert allowed_hosts(with_key) == []
    assert without.sandbox
    assert without.settings.sandbox_profile == "zero"
    assert f"{WEB_HOSTS[0]}:{without.settings.sandbox_port}" in allowed_hosts(without)


@pytest.fixture
async def web() -> AsyncIterator[str]:
    async with serve(profile="zero") as port:
        yield f"{WEB_HOSTS[0]}:{port}"


async def test_addresses_are_asked_and_told_apart(web: str) -> None:
    slugs = ("heat-pumps-guide", "moved-heat-pumps-guide", "dead-page", "forbidden-page")
    urls = [f"http://{web}/web/field-notes/{slug}" for slug in slugs]

    answers = await fetch_all([*urls, *urls], [web])

    assert [answers[url].live for url in urls] == [True, True, False, False]
    assert [answers[url].status for url in urls] == [200, 200, 404, 403]


async def test_private_addresses_that_are_not_the_sandbox_s_are_not_asked(web: str) -> None:
    url = f"http://{web}/web/field-notes/heat-pumps-guide"

    assert (await fetch_all([url]))[url].problem.startswith("refused")
