"""The OpenAPI document: the kept copy is the present one, and it says all there is to say."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from html import escape
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator

from actors.serve.contract import as_text, document
from actors.serve.described import ROUTES
from actors.serve.html import problem_page, reference_page
from actors.serve.http import PROBLEMS
from actors.serve.openapi import APPS
from orchestrator.problems import KINDS

ROOT = Path(__file__).resolve().parents[2]
DOCUMENT = document(APPS)


def operations() -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, item in DOCUMENT["paths"].items():
        for method, operation in item.items():
            yield method, path, operation


def contents() -> Iterator[tuple[str, dict[str, Any], str]]:
    """Each schema of a body with each of its examples, and where they stand."""
    for method, path, operation in operations():
        bodies = {f"{s} {m}": one for s, answer in operation["responses"].items()
                  for m, one in answer.get("content", {}).items()}  # fmt: skip
        bodies |= operation.get("requestBody", {}).get("content", {})
        for where, body in bodies.items():
            for example in body.get("examples", ()):
                yield f"{method} {path} {where} {example}", body["schema"], example


def problems_with(schema: Any, value: Any) -> list[str]:
    whole = {**schema, "components": DOCUMENT["components"]}
    return [error.message for error in Draft202012Validator(whole).iter_errors(value)]


def test_the_kept_copy_is_the_document() -> None:
    kept = (ROOT / "docs/openapi.json").read_text()

    assert kept == as_text(DOCUMENT), "python -m actors.serve.openapi > docs/openapi.json"


def test_every_route_is_described_and_nothing_else_is() -> None:
    assert {(method, path) for method, path, _ in operations()} == set(ROUTES)


@pytest.mark.parametrize("where", [where for where, _, _ in contents()])
def test_every_example_fits_its_schema(where: str) -> None:
    schema, example = next((s, e) for w, s, e in contents() if w == where)

    assert problems_with(schema, DOCUMENT["components"]["examples"][example]["value"]) == []


def test_an_example_that_does_not_fit_would_be_found() -> None:
    job = DOCUMENT["components"]["examples"]["queued"]["value"]

    assert problems_with({"$ref": "#/components/schemas/JobView"}, job) == []
    assert problems_with({"$ref": "#/components/schemas/JobView"}, job | {"colour": "red"})
    assert problems_with({"$ref": "#/components/schemas/JobView"}, job | {"status": "odd"})


def test_every_answer_has_the_ids_and_every_refusal_to_wait_says_how_long() -> None:
    for _, _, operation in operations():
        for status, answer in operation["responses"].items():
            assert {"X-Request-ID", "X-Correlation-ID"} <= set(answer["headers"])
            assert ("Retry-After" in answer["headers"]) == (status in {"429", "503"})


def test_every_problem_is_documented_somewhere() -> None:
    assert set(re.findall(r"problems/([\w-]+)\"", json.dumps(DOCUMENT["paths"]))) == set(KINDS)


@pytest.mark.parametrize("error", PROBLEMS, ids=lambda error: error.__name__)
def test_every_error_on_the_wire_is_a_kind_of_problem(error: type[Exception]) -> None:
    """A new one needs an entry in orchestrator/problems.py: what it means and what to do."""
    status, name, title = PROBLEMS[error]

    assert (KINDS[name].status, KINDS[name].title) == (status, title)


@pytest.mark.parametrize("name", KINDS)
def test_a_problem_has_a_page(name: str) -> None:
    page = problem_page(KINDS[name])

    assert escape(KINDS[name].title) in page
    assert "What to do" in page


def test_the_pages_need_nothing_from_elsewhere() -> None:
    page = reference_page(DOCUMENT)

    assert re.findall(r"<(?:script|link|img|iframe)|src=|@import|url\(", page) == []
    assert [path for path in DOCUMENT["paths"] if path not in page] == []
    assert [name for name in DOCUMENT["components"]["schemas"] if f"type-{name}" not in page] == []


def test_the_applications_stand_where_serve_routes_them() -> None:
    config = yaml.safe_load((ROOT / "serve_config.yaml").read_text())

    assert {one["route_prefix"]: one["name"] for one in config["applications"]} == {
        prefix: app.title for prefix, app in APPS.items()
    }
