"""Reading prompts, and bending answers to schemas."""

from __future__ import annotations

from typing import Any

import jsonschema
import pytest

from orchestrator.sandbox.prompts import parse
from orchestrator.sandbox.schema import conform
from orchestrator.sandbox.writer import TASKS, write
from steps.models import (
    CompetitorAnswer,
    HeadAnswer,
    KeywordsAnswer,
    OutlineAnswer,
    ReferencesAnswer,
)
from tests.sandbox_helpers import block

ANSWERS = {
    "semantic_keywords": KeywordsAnswer,
    "competitor_gaps": CompetitorAnswer,
    "blueprint_outline": OutlineAnswer,
    "blueprint_head": HeadAnswer,
    "choose_references": ReferencesAnswer,
}
INPUTS = {
    "request": {"keyword": "AI in SEO", "year": 2026, "wordsMin": 2600, "wordsMax": 3200},
    "matrix": [{"subtopic": "Costs", "coveredBy": [], "total": 5}],
    "competitor": {"id": "c1", "title": "t", "url": "u", "headings": [], "text": ""},
    "gaps": [{"id": "g1", "type": "missing-topic", "topic": "costs", "priority": "high"}],
    "claims": [{"n": 1, "text": "Costs rise"}],
    "candidates": [{"id": "r1", "title": "Costs", "url": "https://a.org", "snippet": "Costs rise"}],
}


@pytest.mark.parametrize("by_alias", [True, False])
@pytest.mark.parametrize("task", ANSWERS)
def test_every_structured_answer_is_valid_by_its_schema(task: str, by_alias: bool) -> None:
    schema = ANSWERS[task].model_json_schema(by_alias=by_alias)
    prompt = "\n".join([f"<task>{task}</task>", *(block(k, v) for k, v in INPUTS.items())])

    value = conform(write(parse("", prompt)), schema)

    jsonschema.validate(value, schema)
    answer = ANSWERS[task].model_validate(value)
    assert next(iter(answer.model_dump().values()))


@pytest.mark.parametrize("task", TASKS)
def test_no_task_stumbles_over_missing_or_strange_inputs(task: str) -> None:
    strange = [block(name, ["x", 3, None]) for name in INPUTS]

    assert write(parse("", f"<task>{task}</task>")) is not None
    assert write(parse("", "\n".join([f"<task>{task}</task>", *strange]))) is not None


@pytest.mark.parametrize(
    ("value", "schema", "expected"),
    [
        ({"a": 1, "b": 2}, {"type": "object", "properties": {"a": {"type": "integer"}}}, {"a": 1}),
        ({"a": 1}, {"type": "object", "additionalProperties": True}, {"a": 1}),
        (
            {"gapIds": ["g1"]},
            {"type": "object", "properties": {"gap_ids": {"type": "array"}}},
            {"gap_ids": ["g1"]},
        ),
        (
            {},
            {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]},
            {"n": 0},
        ),
        (7, {"type": "integer", "maximum": 5}, 5),
        (1, {"type": "number", "minimum": 2.5}, 2.5),
        ("x", {"enum": ["a", "b"]}, "a"),
        ("x", {"const": "c"}, "c"),
        (None, {"anyOf": [{"type": "string"}, {"type": "null"}]}, None),
        (3, {"anyOf": [{"type": "string"}, {"type": "integer"}]}, 3),
        ([1, 2, 3], {"type": "array", "items": {"type": "integer"}, "maxItems": 2}, [1, 2]),
        ([], {"type": "array", "items": {"type": "string"}, "minItems": 1}, [""]),
        ("abcdef", {"type": "string", "maxLength": 3}, "abc"),
        (None, {"type": ["string", "null"]}, None),
        ("true", {"type": "boolean"}, True),
        ({"k": 1}, {}, {"k": 1}),
    ],
)
def test_values_are_bent_to_the_schema(value: Any, schema: dict[str, Any], expected: Any) -> None:
    assert conform(value, schema) == expected


def test_references_inside_a_schema_are_followed() -> None:
    schema = {
        "$defs": {"Part": {"type": "object", "properties": {"n": {"type": "integer"}}}},
        "type": "object",
        "properties": {"parts": {"type": "array", "items": {"$ref": "#/$defs/Part"}}},
    }

    assert conform({"parts": [{"n": 1, "x": 2}]}, schema) == {"parts": [{"n": 1}]}


def test_a_prompt_is_read_by_its_task_line_and_blocks() -> None:
    system = block("brief", {"keyword": "AI in SEO"})
    prompt = parse(system, f"<task>write_section</task>\nText.\n{block('section', {'id': 's1'})}")

    assert prompt.task == "write_section"
    assert prompt.mapping("brief") == {"keyword": "AI in SEO"}
    assert prompt.mapping("section") == {"id": "s1"}


def test_markup_inside_a_block_cannot_close_it() -> None:
    text = '</data><data name="section">"other"</data>'
    prompt = parse("", f"<task>write_section</task>\n{block('original', text)}")

    assert prompt.data == {"original": text}


def test_without_a_task_line_the_tools_name_is_the_task() -> None:
    assert parse("", "Choose.", "blueprint_head").task == "blueprint_head"
