"""Starting, hearing and ending processes, with small stand-ins for the service's own."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from orchestrator.cli import record, up
from orchestrator.cli.problems import CliError
from orchestrator.cli.processes import Child, ChildDied
from orchestrator.cli.stack import Interrupted, Plan, stack
from orchestrator.config import Settings

ROOT = Path(__file__).resolve().parents[2]
PYTHON = (sys.executable, "-I", "-S", "-u", "-c")
READY = '{"event": "ready", "url": "http://127.0.0.1:1", "dashboard": null, "pid": 1}'
SERVES = f"import time; print('noise'); print('{READY}'); time.sleep(60)"
SANDBOX = "import time; print(\"export A='1'\"); time.sleep(60)"
DEAF = f"import signal, time; signal.signal(15, signal.SIG_IGN); {SERVES}"


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(home=tmp_path / "home")


def plan(settings: Settings, host: str = SERVES, **more: Any) -> Plan:
    arguments = {"sandbox": False, "host_argv": (*PYTHON, host), "sandbox_argv": (*PYTHON, SANDBOX)}
    return Plan(settings, **(arguments | more))


def hush(_: str) -> None:
    """Show nothing."""


async def child(code: str, tmp_path: Path, **environment: str) -> Child:
    return await Child.start("it", [*PYTHON, code], environment, tmp_path / "logs" / "it.log")


def is_gone(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


# -- one child ------------------------------------------------------------------------------


async def test_a_child_is_heard_logged_and_ended(tmp_path: Path) -> None:
    it = await child(SERVES, tmp_path)

    said = await it.ready(lambda line: line if "ready" in line else None, within=20)
    await it.stop(asyncio.Event())

    assert said == READY
    assert await it.wait() == -signal.SIGTERM
    assert (tmp_path / "logs" / "it.log").read_text() == f"noise\n{READY}\n"
    assert (tmp_path / "logs" / "it.log").stat().st_mode & 0o777 == 0o600


async def test_the_log_of_the_start_before_is_kept(tmp_path: Path) -> None:
    for word in ("first", "second", "third"):
        it = await child(f"print('{word}')", tmp_path)
        await it.wait()
        await it.stop(asyncio.Event())

    logs = {path.name: path.read_text() for path in (tmp_path / "logs").iterdir()}
    assert logs == {"it.log": "third\n", "it.log.1": "second\n"}


async def test_a_child_gets_the_environment_it_is_given_and_no_other(tmp_path: Path) -> None:
    it = await child("import os; print(sorted(os.environ.keys() - {'LC_CTYPE'}))", tmp_path, A="1")

    assert await it.ready(lambda line: line, within=20) == "['A']"
    await it.stop(asyncio.Event())


async def test_a_child_leads_a_session_of_its_own(tmp_path: Path) -> None:
    it = await child("import os, time; print(os.getsid(0)); time.sleep(60)", tmp_path)

    assert await it.ready(int, within=20) == it.pid != os.getsid(0)
    await it.stop(asyncio.Event())


async def test_a_child_that_dies_first_says_its_last_words(tmp_path: Path) -> None:
    it = await child("import sys; print('on it'); sys.exit('no \\x1b[1mluck')", tmp_path)

    with pytest.raises(ChildDied, match=r"it ended with status 1") as caught:
        await it.ready(lambda line: None, within=20)
    await it.stop(asyncio.Event())

    assert "| no  [1mluck" in str(caught.value)
    assert "it.log" in caught.value.remedy


async def test_a_child_that_is_never_ready_is_not_waited_for_ever(tmp_path: Path) -> None:
    it = await child("import time; time.sleep(60)", tmp_path)

    with pytest.raises(ChildDied, match=r"not ready after 0\.01 s"):
        await it.ready(lambda line: None, within=0.01)
    await it.stop(asyncio.Event())


async def test_a_child_that_will_not_end_is_killed(tmp_path: Path) -> None:
    it = await child(DEAF, tmp_path)
    await it.ready(lambda line: line, within=20)

    await it.stop(asyncio.Event(), grace=0.01)

    assert await it.wait() == -signal.SIGKILL


async def test_in_a_hurry_a_child_is_not_given_its_grace(tmp_path: Path) -> None:
    it, hurry = await child(DEAF, tmp_path), asyncio.Event()
    await it.ready(lambda line: line, within=20)
    hurry.set()

    await asyncio.wait_for(it.stop(hurry, grace=600), 20)

    assert await it.wait() == -signal.SIGKILL


async def test_what_a_dead_child_left_in_its_group_is_ended(tmp_path: Path) -> None:
    code = f"""
import subprocess, sys
print(subprocess.Popen([sys.executable, "-I", "-S", "-c", "import time; time.sleep(60)"]).pid)
sys.stdout.flush()
{DEAF}
"""
    it = await child(code, tmp_path)
    grandchild = await it.ready(int, within=20)

    await it.stop(asyncio.Event(), grace=0.01)

    deadline = time.monotonic() + 10  # an orphan is reaped by whoever inherits it
    while not is_gone(grandchild) and time.monotonic() < deadline:
        await asyncio.sleep(0.005)
    assert is_gone(grandchild)


async def test_a_line_too_long_to_keep_does_not_stop_the_listening(tmp_path: Path) -> None:
    it = await child(f"print('x' * 3_000_000); {SERVES}", tmp_path)

    assert await it.ready(lambda line: line if "ready" in line else None, within=20) == READY
    await it.stop(asyncio.Event())


# -- all of them ----------------------------------------------------------------------------


async def test_everything_comes_up_is_written_down_and_goes(settings: Settings) -> None:
    said: list[str] = []

    async with stack(plan(settings, sandbox=True), said.append) as running:
        urls = await running.start()
        written = record.read(settings.home)
        assert written is not None
        mode = (settings.home / "up.json").stat().st_mode & 0o777

    assert urls == {"sandbox": "http://127.0.0.1:8700", "url": "http://127.0.0.1:1"}
    assert written.urls == urls
    assert written.supervisor.pid == os.getpid()
    assert [process.name for process in written.children] == ["sandbox", "host"]
    assert all(is_gone(process.pid) for process in written.children)
    assert mode == 0o600
    assert not (settings.home / "up.json").exists()
    assert said[0] == "sandbox ready at http://127.0.0.1:8700"


async def test_the_hosts_own_words_are_the_error(settings: Settings) -> None:
    error = '{"event": "error", "problem": "port 8000 is taken", "remedy": "free it"}'

    async with stack(plan(settings, f"print('{error}')"), hush) as running:
        with pytest.raises(CliError, match="port 8000 is taken") as caught:
            await running.start()

    assert caught.value.remedy == "free it"


@pytest.mark.parametrize("victim", [0, 1])
async def test_if_one_dies_the_rest_is_stopped(settings: Settings, victim: int) -> None:
    async with stack(plan(settings, sandbox=True), hush) as running:
        await running.start()
        written = record.read(settings.home)
        assert written is not None
        os.kill(written.children[victim].pid, signal.SIGKILL)
        with pytest.raises(ChildDied, match=r"was ended by signal 9"):
            await running.during(asyncio.sleep(60))

    assert all(is_gone(process.pid) for process in written.children)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
async def test_a_signal_ends_what_is_going_on(settings: Settings, number: signal.Signals) -> None:
    async def being_told() -> None:
        os.kill(os.getpid(), number)
        await asyncio.sleep(60)

    async with stack(plan(settings), hush) as running:
        await running.start()
        with pytest.raises(Interrupted):
            await running.during(being_told())

    assert signal.getsignal(number) in {signal.SIG_DFL, signal.default_int_handler}


async def test_a_signal_during_the_start_ends_it_too(settings: Settings) -> None:
    silent = plan(settings, "import time; time.sleep(60)")

    async with stack(silent, hush) as running:
        asyncio.get_running_loop().call_later(0.05, running.on_signal)
        with pytest.raises(Interrupted):
            await running.start()

    assert record.leftovers(settings.home) == []


async def test_a_second_signal_kills_what_takes_its_time(settings: Settings) -> None:
    async with stack(plan(settings, DEAF), hush) as running:
        await running.start()
        written = record.read(settings.home)
        running.on_signal()
        running.on_signal()
        before = time.monotonic()

    assert written is not None
    assert is_gone(written.children[0].pid)
    assert time.monotonic() - before < 15


# -- `sota up` as a process -----------------------------------------------------------------


@pytest.fixture
def supervisor(settings: Settings) -> Iterator[subprocess.Popen[str]]:
    """``sota up`` around the stand-ins, up and running."""
    code = f"""
import asyncio, sys
from pathlib import Path
from orchestrator.cli import up
from orchestrator.cli.stack import Plan
from orchestrator.config import Settings
asyncio.run(up.serve(Plan(Settings(home=Path({str(settings.home)!r})), False,
                          host_argv={(*PYTHON, SERVES)!r})))
"""
    process = subprocess.Popen(
        [sys.executable, "-u", "-c", code], stdout=subprocess.PIPE, text=True, cwd=ROOT
    )
    assert process.stdout is not None
    for line in process.stdout:
        if "Ctrl-C" in line:
            break
    yield process
    process.kill()
    process.wait()
    process.stdout.close()
    record.end(record.leftovers(settings.home))


def test_up_ends_cleanly_on_sigterm(settings: Settings, supervisor: subprocess.Popen[str]) -> None:
    written = record.read(settings.home)
    assert written is not None

    supervisor.send_signal(signal.SIGTERM)

    assert supervisor.wait(30) == 0
    assert is_gone(written.children[0].pid)
    assert not (settings.home / "up.json").exists()


def test_a_second_up_is_refused_while_one_runs(
    settings: Settings, supervisor: subprocess.Popen[str]
) -> None:
    with pytest.raises(CliError) as caught, record.claim(settings.home, "up"):
        pass

    assert f"pid {supervisor.pid}, http://127.0.0.1:1" in caught.value.problem
    assert record.running(settings.home)["url"] == "http://127.0.0.1:1"


def test_what_a_killed_up_left_is_ended_by_the_next(
    settings: Settings, supervisor: subprocess.Popen[str]
) -> None:
    written = record.read(settings.home)
    assert written is not None
    supervisor.kill()
    supervisor.wait()
    assert record.running(settings.home) == {}
    assert [process.pid for process in record.leftovers(settings.home)] == [written.children[0].pid]

    with record.claim(settings.home, "up"):
        assert is_gone(written.children[0].pid)


# -- the record -----------------------------------------------------------------------------


def test_a_stranger_with_a_recorded_id_is_left_alone(settings: Settings) -> None:
    me = record.Process.of("host", os.getpid())
    strangers = [
        me.model_copy(update={"created": me.created - 100}),
        me.model_copy(update={"argv": ["something", "else"]}),
        me.model_copy(update={"pid": 2**22 - 1}),
    ]
    settings.home.mkdir()
    written = record.Record(supervisor=strangers[0], children=strangers)
    record.write_private(settings.home / "up.json", written.model_dump_json())

    assert me.alive() is not None
    assert record.leftovers(settings.home) == []
    with record.claim(settings.home, "up"):
        pass


@pytest.mark.parametrize("text", ["", "{", '{"supervisor": 1}', json.dumps({"a": 1})])
def test_a_record_that_cannot_be_read_is_none(settings: Settings, text: str) -> None:
    settings.home.mkdir()
    (settings.home / "up.json").write_text(text)

    with record.claim(settings.home, "up") as home:
        home.announce({"url": "http://x"})
        assert record.running(settings.home) == {"url": "http://x"}


def test_a_home_that_cannot_be_used_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")

    with (
        pytest.raises(CliError, match="SOTA_HOME") as caught,
        record.claim(tmp_path / "file" / "home", "up"),
    ):
        pass

    assert "set SOTA_HOME" in caught.value.remedy


def test_the_greeting_says_where_everything_is_and_what_to_try() -> None:
    text = "\n".join(up.greeting({"url": "http://127.0.0.1:8000", "sandbox": "http://s"}))

    assert "curl -sS http://127.0.0.1:8000/orchestrator/ultra-sota" in text
    assert "http://s" in text
    assert "dashboard" not in text
