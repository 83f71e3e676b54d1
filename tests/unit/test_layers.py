"""Imports point one way: actors -> steps -> orchestrator, Ray only under actors, no cycles."""

from __future__ import annotations

import ast
import graphlib
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
LAYERS = ("orchestrator", "steps", "actors")  # lowest first


def modules() -> dict[str, ast.Module]:
    found = {}
    for layer in LAYERS:
        for path in sorted((ROOT / layer).rglob("*.py")):
            name = ".".join(path.relative_to(ROOT).with_suffix("").parts)
            found[name.removesuffix(".__init__")] = ast.parse(path.read_text())
    return found


MODULES = modules()


def imports(module: str, tree: ast.AST) -> Iterator[tuple[str, ast.stmt]]:
    """What is imported: the submodule where a name is one, else the module it comes from."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((alias.name, node) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            for alias in node.names:
                full = f"{node.module}.{alias.name}"
                yield (full if full in MODULES else node.module), node


@pytest.mark.parametrize("module", MODULES)
def test_imports_point_downwards(module: str) -> None:
    layer = LAYERS.index(module.split(".")[0])
    above = LAYERS[layer + 1 :]

    upwards = {name for name, _ in imports(module, MODULES[module]) if name.split(".")[0] in above}

    assert not upwards


@pytest.mark.parametrize("module", [m for m in MODULES if not m.startswith("actors")])
def test_ray_is_imported_only_under_actors(module: str) -> None:
    named = {name.split(".")[0] for name, _ in imports(module, MODULES[module])}

    assert "ray" not in named


def test_no_import_cycles() -> None:
    graph = {
        module: {
            name
            for name, node in imports(module, tree)
            if name in MODULES and name != module and node in tree.body
        }
        for module, tree in MODULES.items()
    }

    graphlib.TopologicalSorter(graph).prepare()


@pytest.mark.parametrize("module", MODULES)
def test_an_import_inside_a_function_says_why(module: str) -> None:
    """Only heavy optional libraries may be imported late, and the line says so."""
    lines = (ROOT / Path(*module.split("."))).with_suffix(".py")
    if not lines.exists():
        lines = ROOT / Path(*module.split(".")) / "__init__.py"
    source = lines.read_text().splitlines()
    late = [
        node.lineno
        for function in ast.walk(MODULES[module])
        if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef)
        for node in ast.walk(function)
        if isinstance(node, ast.Import | ast.ImportFrom)
    ]

    unexplained = [number for number in late if "PLC0415" not in source[number - 1]]

    assert not unexplained


HEAVY = ("anthropic", "sqlalchemy", "fastapi", "aiohttp", "trafilatura", "bm25s", "cryptography")


def test_the_job_actor_stays_thin() -> None:
    """Importing the job actor's module brings in no API client, database or web framework."""
    code = f"import sys, actors.job; print([n for n in {HEAVY!r} if n in sys.modules])"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT
    )

    assert done.stdout.strip() == "[]"
