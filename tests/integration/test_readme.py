"""The README's commands and programs, run as they stand there.

Each block says in a comment before it whether it is run (and by which test here) or why not. Only
what differs from reader to reader is put in: the service's address and a job's id.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from tests.harness import ROOT, Service, free_port

README = (ROOT / "README.md").read_text()
BLOCK = re.compile(r"(?:<!-- (?P<mark>[^>]*?) -->\n)?```(?P<language>\w*)\n(?P<text>.*?)```", re.S)
JOB_ID = "job_1703169045000_a1b2c3d4e"
DRAWINGS = ("",)  # blocks without a language are pictures

BEFORE = {". .venv/bin/activate", "sota up"}
"""Commands whose effect is there already: these tests run in the environment, on the service."""


def blocks() -> list[tuple[str, str, str]]:
    """Mark, language and text of every block that is no drawing."""
    found = [(m["mark"] or "", m["language"], m["text"]) for m in BLOCK.finditer(README)]
    return [block for block in found if block[1] not in DRAWINGS]


def block(name: str) -> str:
    return next(text for mark, _, text in blocks() if mark == f"run: {name}")


def commands(text: str) -> list[tuple[str, str]]:
    """Each command of a console block with the output that is shown for it."""
    found: list[tuple[str, str]] = []
    for line in text.splitlines():
        if line.startswith("$ "):
            found.append((line[2:], ""))
        elif found and _is_open(found[-1][0]):
            found[-1] = (found[-1][0] + "\n" + line, "")
        elif found:
            found[-1] = (found[-1][0], found[-1][1] + line + "\n")
    return found


def _is_open(command: str) -> bool:
    try:
        shlex.split(command, comments=True)
    except ValueError:
        return True
    return False


def put_in(text: str, service: Service, job_id: str = "") -> str:
    text = text.replace("http://127.0.0.1:8000", service.url)
    return text.replace(JOB_ID, job_id) if job_id else text


def run(command: list[str], service: Service, **more: str) -> str:
    scripts = str(Path(sys.executable).parent)
    environment = {
        **service.environment,
        "SOTA_URL": service.url,
        "RAY_ADDRESS": service.ray_address,
        "PATH": os.pathsep.join([scripts, os.environ["PATH"]]),
        "PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")]),
        **more,
    }
    done = subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=90
    )
    assert done.returncode == 0, f"{command}: {done.stdout[-2000:]} {done.stderr[-2000:]}"
    return done.stdout


def test_every_block_is_run_or_says_why_not() -> None:
    here = Path(__file__).read_text()
    for mark, _, text in blocks():
        what, _, rest = mark.partition(": ")
        assert what in ("run", "not run"), f"no mark before: {text[:80]}"
        assert rest
        if what == "run":
            assert f'block("{rest}")' in here, f"no test runs the block {rest}"


def test_the_curl_commands(service: Service) -> None:
    job_id = ""
    for command, shown in commands(block("curl")):
        said = run(["bash", "-c", put_in(command, service, job_id)], service)
        if shown.strip():
            assert said.split("\n")[0] == shown.split("\n")[0]  # HTTP/1.1 202 Accepted
            answer, promised = json.loads(said.splitlines()[-1]), json.loads(shown.split("\n")[1])
            assert answer.keys() == promised.keys()
            assert answer | {"jobId": ""} == promised | {"jobId": ""}
            job_id = answer["jobId"]
        assert "problems/" not in said
        assert said.startswith(("{", "[", "HTTP", "id: 1"))
    service.ended(job_id)


def test_the_commands_of_the_command_line(service: Service, tmp_path: Path) -> None:
    """`sota doctor` looks at a place where nothing runs yet, as it does for its reader."""
    fresh = {
        "SOTA_HOME": str(tmp_path),
        "SOTA_HTTP_PORT": str(free_port()),
        "SOTA_DASHBOARD_PORT": str(free_port()),
    }
    written = [c.partition("#")[0].strip() for c, _ in commands(block("cli"))]
    doctor, submit = (command for command in written if command not in BEFORE)

    assert "Python" in run(["bash", "-c", doctor], service, **fresh)
    assert "completed" in run(["bash", "-c", submit], service)


def test_the_program_over_http(service: Service) -> None:
    said = run([sys.executable, "-c", put_in(block("http"), service)], service).splitlines()

    words, score = said[-1].split()
    assert said[-2].startswith("100%")
    assert int(words) > 1000
    assert float(score) >= 75


def test_the_program_over_ray(service: Service) -> None:
    job_id = service.submit("the readme over ray")
    said = run([sys.executable, "-c", put_in(block("ray"), service, job_id)], service)

    assert re.search(r"^1 job\.queued$", said, re.M)
    assert "job.completed" in said
    assert job_id in said.splitlines()[-1]


@pytest.mark.parametrize(
    ("text", "parsed"),
    [
        ("$ a # note\n$ b '{\n 1}'\nout\n", [("a # note", ""), ("b '{\n 1}'", "out\n")]),
        ("$ a\none\ntwo\n\n$ b\n", [("a", "one\ntwo\n\n"), ("b", "")]),
    ],
)
def test_commands_are_told_from_their_output(text: str, parsed: list[tuple[str, str]]) -> None:
    assert commands(text) == parsed
