"""What a template makes early is all that steps make late."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from steps.warm import LATE

STEPS = Path(__file__).resolve().parents[2] / "steps"

SHOW = """
import sys
import steps
before = set(sys.modules)
from steps.warm import warm
warm()
early = set(sys.modules) - before
print(*sorted({name.partition(".")[0] for name in early}))
before = set(sys.modules)
warm()
print(*sorted(set(sys.modules) - before))
"""


def late_imports(path: Path) -> Iterator[str]:
    """Modules imported inside a function."""
    for function in ast.walk(ast.parse(path.read_text("utf-8"))):
        if not isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        for node in ast.walk(function):
            if isinstance(node, ast.Import):
                yield from (alias.name for alias in node.names)
            elif isinstance(node, ast.ImportFrom):
                yield from (f"{node.module}.{alias.name}" for alias in node.names)


def test_every_late_import_of_a_step_is_one_the_template_makes() -> None:
    found = {name for path in STEPS.rglob("*.py") for name in late_imports(path)}

    assert found == set(LATE)


def test_once_warm_there_is_nothing_left_to_import() -> None:
    shown = subprocess.run(
        [sys.executable, "-c", SHOW], capture_output=True, text=True, check=True
    ).stdout.splitlines()

    assert {name.partition(".")[0] for name in LATE} <= set(shown[0].split())
    assert shown[1] == ""
