"""What is decided before anything starts: ports, environment, sandbox, checks, the demo."""

from __future__ import annotations

import json
import os
import socket
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from orchestrator.cli import checks, demo, environment, ports, sandbox, up
from orchestrator.cli.app import app
from orchestrator.cli.problems import CliError
from orchestrator.cli.stack import Interrupted, Plan
from orchestrator.config import Settings
from orchestrator.journal.opening import open_journal
from orchestrator.journal.records import NewJob
from orchestrator.models import ExistingPage, JobView
from tests.client_helpers import FakeService, event, job_view, serving

WORLD = {
    "PATH": "/bin",
    "HOME": "/home/me",
    "LC_ALL": "C.UTF-8",
    "AWS_SECRET_ACCESS_KEY": "not yours",
    "ANTHROPIC_API_KEY": "sk-real",
    "ANTHROPIC_BASE_URL": "https://api.example",
    "SERPER_API_KEY": "real",
    "SOTA_JOB_BUDGET_USD": "0.4",
    "RAY_AUTH_MODE": "token",
    "NO_PROXY": "intra.example",
}


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(home=tmp_path / "home")


@pytest.fixture
def taken() -> Iterator[int]:
    """A port somebody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener.getsockname()[1]


# -- environment ----------------------------------------------------------------------------


def test_the_service_gets_its_keys_and_nobody_elses(settings: Settings) -> None:
    got = environment.for_host(settings, WORLD, sandbox=False)

    assert got["ANTHROPIC_API_KEY"] == "sk-real"
    assert got["SOTA_JOB_BUDGET_USD"] == "0.4"
    assert got["RAY_AUTH_MODE"] == "token"
    assert "AWS_SECRET_ACCESS_KEY" not in got
    assert got["SOTA_HOME"] == str(settings.home)
    assert got["NO_PROXY"].startswith("intra.example,localhost,127.0.0.1")


def test_beside_the_sandbox_no_real_key_is_passed_on(settings: Settings) -> None:
    got = environment.for_host(settings, WORLD, sandbox=True)

    assert "sk-real" not in got.values()
    assert "real" not in got.values()
    assert got["ANTHROPIC_BASE_URL"] == "http://127.0.0.1:8700/anthropic"


def test_the_sandbox_gets_no_key_at_all(settings: Settings) -> None:
    got = environment.for_sandbox(settings, WORLD)

    assert not [name for name in got if name.startswith(("ANTHROPIC", "SERPER", "RAY"))]
    assert got["PATH"] == "/bin"


@pytest.mark.parametrize(
    ("mode", "key", "said", "wanted"),
    [
        ("auto", "", None, True),
        ("auto", "  ", None, True),
        ("auto", "sk", None, False),
        ("auto", "sk", True, True),
        ("auto", "", False, False),
        ("on", "sk", None, True),
        ("off", "", None, False),
    ],
)
def test_when_the_sandbox_stands_in(mode: Any, key: str, said: bool | None, wanted: bool) -> None:
    given = Settings(sandbox=mode)

    assert environment.wants_sandbox(given, {"ANTHROPIC_API_KEY": key}, said) is wanted


# -- ports ----------------------------------------------------------------------------------


def test_a_port_is_free_or_it_is_not(taken: int) -> None:
    assert not ports.is_free(taken)
    found = ports.first_free(taken)
    assert found is not None
    assert found > taken
    assert ports.is_free(found)
    assert ports.first_free(taken, tries=1) is None


def test_an_address_this_machine_lacks_is_nobodys() -> None:
    assert ports.is_free(8700, ("192.0.2.1",))


def test_up_refuses_a_port_that_is_taken(
    taken: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SOTA_HOME", str(tmp_path))

    done = CliRunner().invoke(app, ["up", "--port", str(taken)])

    assert done.exit_code == 1
    assert f"HTTP port {taken} is taken" in done.stderr
    assert "SOTA_HTTP_PORT" in done.stderr


def test_up_starts_what_its_options_say(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plans: list[Plan] = []

    async def serve(plan: Plan) -> None:
        plans.append(plan)

    monkeypatch.setattr(up, "serve", serve)
    monkeypatch.setattr(up, "is_free", lambda *_: True)
    monkeypatch.setenv("SOTA_HOME", str(tmp_path))
    monkeypatch.delenv("ANTHROPIC_API_KEY", raising=False)
    monkeypatch.setenv("SOTA_SIGNING_SECRET", "0123456789abcdef" * 4)

    options = ["--host", "0.0.0.0", "--port", "9001", "--profile", "zero", "--no-sandbox"]
    done = CliRunner().invoke(app, ["up", *options])

    assert done.exit_code == 0
    (plan,) = plans
    assert (plan.settings.http_host, plan.settings.http_port) == ("0.0.0.0", 9001)
    assert plan.settings.sandbox_profile == "zero"
    assert plan.sandbox is False


def test_the_sandbox_command_becomes_the_sandbox(monkeypatch: pytest.MonkeyPatch) -> None:
    became: list[Any] = []
    monkeypatch.setattr(os, "execve", lambda *args: became.append(args))
    monkeypatch.setattr(sandbox, "is_free", lambda *_: True)

    done = CliRunner().invoke(app, ["sandbox", "--port", "8800", "--time-scale", "0.5"])

    assert done.exit_code == 0
    ((program, argv, given),) = became
    assert program == sys.executable
    assert argv[1:3] == ["-m", "orchestrator.sandbox"]
    assert "--port=8800" in argv
    assert "--time-scale=0.5" in argv
    assert given["SOTA_SANDBOX_PORT"] == "8800"


def test_the_sandbox_command_refuses_a_taken_port(taken: int) -> None:
    done = CliRunner().invoke(app, ["sandbox", "--port", str(taken)])

    assert done.exit_code == 1
    assert "is taken" in done.stderr


# -- doctor ---------------------------------------------------------------------------------

ENOUGH = 8 * checks.GIB


@pytest.mark.parametrize(
    ("finding", "state"),
    [
        (checks.python((3, 11)), "ok"),
        (checks.python((3, 13)), "ok"),
        (checks.python((3, 10)), "blocked"),
        (checks.python((3, 14)), "blocked"),
        (checks.ray("2.60.0", "2.60.0"), "ok"),
        (checks.ray("2.60.0", ""), "ok"),
        (checks.ray("2.9.3", "2.60.0"), "warning"),
        (checks.ray("ModuleNotFoundError: No module named 'ray'", "2.60.0"), "blocked"),
        (checks.memory(ENOUGH), "ok"),
        (checks.memory(1.5 * checks.GIB), "warning"),
        (checks.memory(0.5 * checks.GIB), "blocked"),
        (checks.services({}, sandbox=True), "ok"),
        (checks.services({}, sandbox=False), "blocked"),
        (checks.services({"ANTHROPIC_API_KEY": "sk"}, sandbox=False), "warning"),
        (
            checks.services({"ANTHROPIC_API_KEY": "sk", "SERPER_API_KEY": "k"}, sandbox=False),
            "ok",
        ),
    ],
)
def test_a_check_knows_its_state_and_its_remedy(finding: checks.Finding, state: str) -> None:
    assert finding.state == state
    assert finding.remedy or state == "ok"


@pytest.mark.parametrize(
    ("free", "total", "state"),
    [(50, 100, "ok"), (1, 100, "warning"), (0.1, 100, "blocked"), (40, 1000, "warning")],
)
def test_the_disk_needs_room(
    monkeypatch: pytest.MonkeyPatch, free: float, total: float, state: str
) -> None:
    class Usage:
        pass

    Usage.free, Usage.total = free * checks.GIB, total * checks.GIB  # type: ignore[attr-defined]
    Usage.used = Usage.total - Usage.free  # type: ignore[attr-defined]
    monkeypatch.setattr(checks.shutil, "disk_usage", lambda _: Usage)

    assert checks.disk(Path()).state == state


def test_a_home_that_cannot_be_written_blocks(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")

    assert checks.home(tmp_path / "new").state == "ok"
    assert checks.home(tmp_path / "file" / "home").state == "blocked"


def test_a_taken_port_blocks(settings: Settings, taken: int) -> None:
    mine = settings.model_copy(update={"http_port": taken})

    http, *_ = checks.ports(mine, sandbox=False)

    assert http.state == "blocked"
    assert "SOTA_HTTP_PORT" in http.remedy


def test_a_port_of_a_running_up_is_ours(
    settings: Settings, taken: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    mine = settings.model_copy(update={"http_port": taken})
    monkeypatch.setattr(checks, "running", lambda _: {"url": f"http://127.0.0.1:{taken}"})

    assert checks.ports(mine, sandbox=False)[0].state == "ok"


async def test_the_embedded_database_needs_a_place(settings: Settings) -> None:
    finding = await checks.database(settings)

    assert finding.state == "ok"
    assert finding.says == f"SQLite, {settings.home}/journal.db (to be made)"


async def test_a_database_that_does_not_answer_blocks_and_keeps_its_password() -> None:
    finding = await checks.database(
        Settings(database_url="postgresql+asyncpg://me:hunter2@127.0.0.1:9/jobs")
    )

    assert finding.state == "blocked"
    assert finding.says.startswith("postgresql at 127.0.0.1:9/jobs")
    assert "hunter2" not in finding.says


def test_doctor_says_whether_the_service_runs(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert checks.service(settings.home).says == "does not run"

    monkeypatch.setattr(checks, "running", lambda _: {"url": "http://127.0.0.1:8000"})
    assert checks.service(settings.home).says == "runs at http://127.0.0.1:8000"


async def test_doctor_counts_the_jobs_that_have_not_ended(settings: Settings) -> None:
    assert (await checks.jobs(settings)).says == "none yet"

    journal = await open_journal(settings.database)
    for n in range(3):
        await journal.submit(
            NewJob(
                id=f"job_{n}", client_id="c", request_id=str(n), body_hash="h", request={},
                keyword="k", mode="generate", created_at=1, steps=(("a", "A"),),
            )
        )  # fmt: skip
    assert (await checks.jobs(settings)).says == "3 unfinished: 3 queued"

    await journal.claim("job_0", "me", 2, 5)
    for n in range(3):
        await journal.request_cancel(f"job_{n}", 3)
    assert (await checks.jobs(settings)).says == "1 unfinished: 1 processing"
    await journal.close()


async def test_a_database_that_cannot_be_read_is_no_reason_to_stop(settings: Settings) -> None:
    settings.home.mkdir()
    (settings.home / "journal.db").write_bytes(b"")

    assert (await checks.jobs(settings)).state == "warning"


@pytest.mark.parametrize(("state", "status"), [("warning", 0), ("blocked", 1)])
def test_doctor_fails_only_when_something_blocks(
    monkeypatch: pytest.MonkeyPatch, state: str, status: int
) -> None:
    found = [checks.Finding("Ray", state, "2.9", "install another")]
    monkeypatch.setattr("orchestrator.cli.doctor.examine", lambda *_: found)

    done = CliRunner().invoke(app, ["doctor"])

    assert done.exit_code == status
    assert "install another" in done.stdout
    assert ("not ready: Ray" in done.stdout) is (status == 1)


def test_the_pinned_ray_is_the_one_of_the_project() -> None:
    pinned = checks.pinned_ray()

    assert (
        f'"ray[default,serve]=={pinned}"'
        in (Path(__file__).resolve().parents[2] / "pyproject.toml").read_text()
    )


# -- demo -----------------------------------------------------------------------------------


def test_the_demo_has_its_own_home_pace_and_free_ports(taken: int) -> None:
    got = demo.demo_settings(Settings(http_port=taken))

    assert got.home == demo.HOME
    assert got.sandbox_time_scale == demo.TIME_SCALE
    assert got.http_port > taken


def test_what_is_set_wins_over_the_demos_defaults(tmp_path: Path) -> None:
    got = demo.demo_settings(Settings(home=tmp_path, sandbox_time_scale=1.0))

    assert (got.home, got.sandbox_time_scale) == (tmp_path, 1.0)


def test_no_free_port_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(demo, "first_free", lambda *_: None)

    with pytest.raises(CliError, match="8000"):
        demo.demo_settings(Settings())


def test_the_demos_pages_are_pages() -> None:
    pages = [ExistingPage.model_validate(page) for page in demo.pages()]

    assert 8 <= len(pages) <= 15
    assert len({page.url for page in pages}) == len(pages)


async def test_the_demo_runs_one_job_on_a_service_of_its_own(
    settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    service = FakeService(
        views=[job_view("queued"), job_view("completed", done=8)],
        events=[event(1), event(2, "job.completed")],
    )
    async with serving(service) as url:
        ready = json.dumps({"event": "ready", "url": url})
        code = f"import time; print({ready!r}); time.sleep(60)"
        argv = (sys.executable, "-I", "-S", "-u", "-c", code)

        view = await demo.perform(Plan(settings, False, host_argv=argv), "drip")

    assert view.status == "completed"
    assert len(service.submissions[0]["existingPages"]) == len(demo.pages())
    out = capsys.readouterr().out
    assert "job completed" in out
    assert out.rstrip().endswith("stopping ...")


def test_the_demo_writes_and_sums_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def perform(plan: Plan, keyword: str) -> JobView:
        assert keyword == "drip"
        return JobView.model_validate(job_view("completed", done=8))

    monkeypatch.setattr(demo, "perform", perform)

    done = CliRunner().invoke(app, ["demo", "drip", "--out", str(tmp_path)])

    assert done.exit_code == 0
    assert "91.5 of 100" in done.stdout
    assert (tmp_path / "job_1" / "article.html").exists()
    assert json.loads((tmp_path / "job_1" / "result.json").read_text())["content"]


@pytest.mark.parametrize(
    ("outcome", "status", "says"),
    [
        (Interrupted(), demo.INTERRUPTED, "interrupted"),
        (CliError("host ended with status 1", "see the log"), 1, "see the log"),
        (JobView.model_validate(job_view("failed", error="why")), 1, "failed: why"),
    ],
)
def test_the_demo_fails_unless_the_job_completed(
    monkeypatch: pytest.MonkeyPatch, outcome: Any, status: int, says: str
) -> None:
    async def perform(plan: Plan, keyword: str) -> JobView:
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    monkeypatch.setattr(demo, "perform", perform)

    done = CliRunner().invoke(app, ["demo"])

    assert done.exit_code == status
    assert says in done.output
