"""Every example runs against the service, as a user would run it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.harness import ROOT, Service

EXAMPLES = ROOT / "examples"


def run(service: Service, name: str, *arguments: str) -> str:
    """The output of an example that ends well."""
    program = (
        [str(EXAMPLES / name)] if name.endswith(".sh") else [sys.executable, f"examples/{name}"]
    )
    done = subprocess.run(
        [*program, *arguments],
        cwd=ROOT,
        env={
            **service.environment,
            "PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")]),
            "SOTA_URL": service.url,
            "SOTA_RAY_ADDRESS": service.ray_address,
        },
        capture_output=True,
        text=True,
        timeout=90,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_submit_and_wait(service: Service) -> None:
    said = run(service, "submit_and_wait.py", "solar panels", "heat pumps")

    for keyword in ("solar panels", "heat pumps"):
        assert f"{keyword}: 100%" in said
        assert f"{keyword}: “" in said
    assert " words, score " in said


def test_script(service: Service, tmp_path: Path) -> None:
    said = run(service, "script.py", "AI in SEO", str(tmp_path / "article.html"))

    assert "100%" in said
    assert "<h1" in (tmp_path / "article.html").read_text()


def test_follow_events(service: Service) -> None:
    job_id = service.submit("follow me")
    whole = run(service, "follow_events.py", job_id).splitlines()
    rest = run(service, "follow_events.py", job_id, "5").splitlines()

    assert [int(line.split()[0]) for line in whole] == list(range(1, len(whole) + 1))
    assert whole[-1].split()[1] == "job.completed"
    assert rest == whole[5:]


def test_refresh_post(service: Service) -> None:
    said = run(service, "refresh_post.py", "composting at home", "101")

    assert "9 images, embeds and galleries were kept" in said
    assert "- length: " in said


def test_over_ray(service: Service) -> None:
    said = run(service, "over_ray.py", service.submit("over ray"))

    assert "completed" in said
    assert " cost $" in said


def test_curl(service: Service) -> None:
    said = run(service, "curl.sh", "by curl").splitlines()

    assert said[0].startswith("accepted as job_")
    assert "job.completed" in said
    assert said[-1] == "completed"


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*.[ps]*")), ids=lambda path: path.name)
def test_every_example_is_run_here_and_named_in_their_readme(path: Path) -> None:
    assert f"def test_{path.stem}(" in Path(__file__).read_text()
    assert f"`{path.name}`" in (EXAMPLES / "README.md").read_text()
