"""The commands that talk to a service, against a stand-in for it."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from orchestrator import __version__
from orchestrator.cli.app import app
from orchestrator.cli.record import Process, Record, write_private
from tests.client_helpers import RESULT, FakeService, event, job_view, serving_in_a_thread


class Cli:
    """Runs commands against one service."""

    def __init__(self, url: str, service: FakeService) -> None:
        self.url = url
        self.service = service

    def __call__(self, *arguments: str, url: str | None = None) -> Result:
        return CliRunner().invoke(app, ["--url", self.url if url is None else url, *arguments])


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("SOTA_URL", "SOTA_CLIENT_ID", "SOTA_HTTP_PORT"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("SOTA_HOME", str(tmp_path / "home"))


@pytest.fixture
def cli() -> Iterator[Cli]:
    service = FakeService()
    with serving_in_a_thread(service) as url:
        yield Cli(url, service)


def test_version() -> None:
    assert CliRunner().invoke(app, ["--version"]).output == f"sota {__version__}\n"


def test_submit_prints_the_job_alone_and_hints_apart(cli: Cli) -> None:
    done = cli("--client-id", "me", "submit", "drip irrigation", "--priority", "5", "--god-mode")

    assert done.exit_code == 0
    assert done.stdout == "job_1\n"
    assert "warning: mind the gap" in done.stderr
    (body,) = cli.service.submissions
    assert (body["keyword"], body["clientId"], body["mode"]) == (
        "drip irrigation",
        "me",
        "generate",
    )
    assert body["priority"] == 5
    assert body["useGodMode"] is True


def test_submit_for_programs(cli: Cli) -> None:
    done = cli("submit", "drip", "--json", "--request-id", "r-7")

    assert json.loads(done.stdout)["jobId"] == "job_1"
    assert json.loads(done.stdout)["requestId"] == "r-7"


def test_submit_takes_content_and_pages_from_files(cli: Cli, tmp_path: Path) -> None:
    content, pages = tmp_path / "old.html", tmp_path / "pages.json"
    content.write_text("<p>Café</p>", encoding="utf-8")
    pages.write_text('[{"title": "Home", "url": "https://a.example/"}]')

    done = cli("submit", "drip", "--content", str(content), "--pages", str(pages))

    assert done.exit_code == 0
    (body,) = cli.service.submissions
    assert (body["mode"], body["existingContent"]) == ("refresh", "<p>Café</p>")
    assert body["existingPages"][0]["url"] == "https://a.example/"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("{", "is not JSON"),
        ('{"a": 1}', "no list of pages"),
        ('[{"title": "x", "url": "nowhere"}]', "existingPages.0.url"),
        (None, "cannot read"),
    ],
)
def test_pages_that_cannot_be_used_are_named(
    cli: Cli, tmp_path: Path, text: str | None, says: str
) -> None:
    pages = tmp_path / "pages.json"
    if text is not None:
        pages.write_text(text)

    done = cli("submit", "drip", "--pages", str(pages))

    assert done.exit_code == 1
    assert says in done.stderr
    assert cli.service.submissions == []


def test_refresh_needs_something_to_refresh(cli: Cli) -> None:
    done = cli("submit", "drip", "--mode", "refresh")

    assert done.exit_code == 2
    assert "--content FILE or --post-id N" in done.stderr


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (("--mode", "generate", "--post-id", "7"), "use --mode refresh"),
        (("--content", "old.html", "--post-id", "7"), "give one of them"),
        (("--post-id", "0"), "--post-id"),
        (("--post-id", "seven"), "--post-id"),
    ],
)
def test_an_old_page_is_named_once_and_only_for_a_refresh(
    cli: Cli, options: tuple[str, ...], says: str
) -> None:
    done = cli("submit", "drip", *options)

    assert done.exit_code == 2
    assert says in " ".join(done.stderr.replace("│", " ").split())
    assert cli.service.submissions == []


def test_a_post_is_refreshed_by_its_number(cli: Cli) -> None:
    assert cli("submit", "drip", "--post-id", "101").exit_code == 0
    (body,) = cli.service.submissions
    assert (body["mode"], body["postId"]) == ("refresh", 101)


def test_submit_and_watch_to_the_end(cli: Cli) -> None:
    cli.service.views = [
        job_view("queued"),
        job_view(done=1),
        job_view("completed", done=8),
    ]
    cli.service.events = [event(1), event(2, "job.completed")]

    done = cli("submit", "drip", "--watch")

    assert done.exit_code == 0
    for line in ("job queued", "job completed", "Gap Analysis", "91.5 of 100", "2801", "$0.1234"):
        assert line in done.stdout
    assert "\x1b" not in done.stdout


def test_a_job_that_fails_is_exit_status_1(cli: Cli) -> None:
    cli.service.views = [job_view("failed", done=5, error="References: no\x1b[2Janswer")]

    done = cli("watch", "job_1")

    assert done.exit_code == 1
    assert "job failed: References: no [2Janswer" in done.stdout


def test_watch_for_programs(cli: Cli) -> None:
    assert json.loads(cli("watch", "job_1", "--json").stdout)["status"] == "completed"


def test_status_shows_every_step(cli: Cli) -> None:
    cli.service.views = [job_view(done=2, queuePosition=3)]

    done = cli("status", "job_1")

    assert done.exit_code == 0
    for text in ("drip", "processing", "Running Quality Validation", "part 2 of 5", "number 3"):
        assert text in done.stdout
    assert json.loads(cli("status", "job_1", "--json").stdout)["id"] == "job_1"


def test_list(cli: Cli) -> None:
    done = cli("list", "--status", "processing", "--limit", "1")

    assert "job_1" in done.stdout
    assert "4/8" in done.stdout
    assert "--cursor page2" in done.stderr
    assert json.loads(cli("list", "--json").stdout)["nextCursor"] == "page2"


def test_result_goes_where_it_is_told(cli: Cli, tmp_path: Path) -> None:
    assert json.loads(cli("result", "job_1").stdout) == RESULT

    assert cli("result", "job_1", "-o", str(tmp_path / "a.html")).exit_code == 0
    assert cli("result", "job_1", "-o", str(tmp_path / "b.json")).exit_code == 0
    done = cli("result", "job_1", "-o", str(tmp_path / "out"))

    assert "<h1>Drip & drop</h1>" in (tmp_path / "a.html").read_text()
    assert json.loads((tmp_path / "b.json").read_text()) == RESULT
    files = [tmp_path / "out/job_1/article.html", tmp_path / "out/job_1/result.json"]
    assert done.stdout.split() == [str(path) for path in files]
    assert json.loads(files[1].read_text()) == RESULT


@pytest.mark.parametrize(
    ("view", "says", "remedy"),
    [
        (job_view(done=1), "job_1 is processing", "sota watch job_1"),
        (job_view("failed", error="no"), "failed: no", "sota retry job_1"),
    ],
)
def test_no_result_says_why_and_what_to_do(
    cli: Cli, view: dict[str, object], says: str, remedy: str
) -> None:
    cli.service.views = [view]

    done = cli("result", "job_1")

    assert done.exit_code == 1
    assert says in done.stderr
    assert remedy in done.stderr
    assert done.stdout == ""


def test_a_result_that_cannot_be_written_says_so(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")

    done = cli("result", "job_1", "-o", str(tmp_path / "file" / "below"))

    assert done.exit_code == 1
    assert "cannot write" in done.stderr


@pytest.mark.parametrize("what", ["cancel", "pause", "retry"])
def test_steering(cli: Cli, what: str) -> None:
    assert cli(what, "job_1").stdout == "job job_1 is queued\n"
    assert cli.service.requests == [f"POST /orchestrator/job/job_1/{what}"]


def test_cancelling_a_job_that_has_ended_fails_and_says_why(cli: Cli) -> None:
    cli.service.ended = True
    done = cli("cancel", "job_1")

    assert done.exit_code == 1
    assert done.stdout == ""
    assert "job job_1 has completed already: there is nothing to cancel" in done.stderr


def test_a_refusal_is_one_line_and_its_details(cli: Cli) -> None:
    refused, ended = cli("submit", "refused"), cli("resume", "job_1")

    assert (refused.exit_code, ended.exit_code) == (1, 1)
    assert "422 The request cannot be accepted" in refused.stderr
    assert "  model: unknown model" in refused.stderr
    assert "it has ended" in ended.stderr
    assert "Traceback" not in refused.stderr + ended.stderr


def test_an_unknown_job_comes_with_a_remedy(cli: Cli) -> None:
    done = cli("status", "job_9")

    assert done.exit_code == 1
    assert "No such job" in done.stderr
    assert "sota list" in done.stderr


def test_what_cannot_be_a_job_is_never_asked_for(cli: Cli) -> None:
    done = cli("status", "../breakers")

    assert done.exit_code == 1
    assert "not a job's id" in done.stderr
    assert cli.service.requests == []


def test_breakers(cli: Cli) -> None:
    done = cli("breakers")

    assert "serper" in done.stdout
    assert "open" in done.stdout
    assert "7.5 s" in done.stdout
    assert "1, 5% of calls" in done.stdout
    assert ", 50%" in done.stdout


def test_nobody_there_is_one_line_and_a_remedy(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("orchestrator.cli.service.BRIEF", 0.0)

    done = cli("breakers", url="http://127.0.0.1:9")

    assert done.exit_code == 1
    assert done.stderr.splitlines()[0].startswith("error: no answer from http://127.0.0.1:9")
    assert "sota up" in done.stderr


def test_an_address_that_is_none_is_refused(cli: Cli) -> None:
    done = cli("list", url="localhost:8000")

    assert done.exit_code == 1
    assert "not an HTTP address" in done.stderr


def test_without_a_url_the_service_of_this_home_is_asked(cli: Cli, tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    record = Record(supervisor=Process.of("up", os.getpid()), urls={"url": cli.url})
    write_private(home / "up.json", record.model_dump_json())

    assert "job_1" in cli("list", url="").stdout


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("SOTA_HTTP_PORT", "many"),
        ("SOTA_SANDBOX", "maybe"),
        ("SOTA_DEFAULT_MODEL", "hal-9000"),
        ("SOTA_ALLOWED_MODELS", "not json"),
    ],
)
def test_a_setting_that_cannot_be_used_is_named(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(name, value)

    done = CliRunner().invoke(app, ["list"])

    assert done.exit_code == 1
    assert name.removeprefix("SOTA_").lower() in done.stderr.lower() or value in done.stderr
    assert "Traceback" not in done.stderr
