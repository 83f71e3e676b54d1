"""The topics: submissions as clients send them, long parts in files beside the list."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from orchestrator.cli.problems import CliError
from orchestrator.client import SubmitFields
from orchestrator.models import SubmitRequest

TOPICS = Path(__file__).with_name("topics.json")

_FILES = {"existingPagesFile": "existingPages", "existingContentFile": "existingContent"}
"""Fields of a topic that name a file, and the field of the submission that its content is."""


@dataclass(frozen=True, slots=True)
class Topic:
    """One submission; ``number`` is its place in the list, from 1."""

    number: int
    request: SubmitRequest

    @property
    def pages(self) -> tuple[str, ...]:
        """The addresses that the article may link to, in the form the service was given."""
        return tuple(str(page.url) for page in self.request.existing_pages)

    @property
    def old_post(self) -> str:
        """The post to refresh; empty for a new article."""
        return (self.request.existing_content or "") if self.request.mode == "refresh" else ""

    @property
    def fields(self) -> SubmitFields:
        """The submission without its keyword, as the client library wants it."""
        apart = {"keyword", "client_id", "timestamp"}
        given: SubmitFields = self.request.model_dump(  # type: ignore[assignment]
            mode="json", exclude_unset=True, exclude=apart
        )
        return given


def load(path: Path = TOPICS) -> list[Topic]:
    """Every topic of a file: a JSON list of submissions.

    ``existingPagesFile`` (JSON) and ``existingContentFile`` (HTML) may stand for the fields of
    these names; their paths are relative to the list.

    :raises CliError: a file cannot be read, or a topic is no valid submission.
    """
    bodies = _json(path)
    if not isinstance(bodies, list) or not bodies:
        raise CliError(f"{path}: not a list of topics", "write a JSON list of submissions")
    return [_topic(number, body, path) for number, body in enumerate(bodies, start=1)]


def chosen(topics: list[Topic], only: str) -> list[Topic]:
    """The topics of these numbers; all of them when *only* is empty.

    :param only: numbers with commas between them: ``3`` or ``1,8,20``.
    :raises CliError: there is no such topic.
    """
    by_number = {str(topic.number): topic for topic in topics}
    wanted = [part.strip() for part in only.split(",") if part.strip()]
    unknown = [part for part in wanted if part not in by_number]
    if unknown:
        raise CliError(f"--only: no topic {unknown[0]!r}", f"give numbers from 1 to {len(topics)}")
    return [by_number[part] for part in dict.fromkeys(wanted)] or topics


def _topic(number: int, body: Any, path: Path) -> Topic:
    where = f"{path}, topic {number}"
    if not isinstance(body, dict):
        raise CliError(f"{where}: not an object", "write it as the body of a submission")
    read = {field: body[name] for name, field in _FILES.items() if name in body}
    merged = {name: value for name, value in body.items() if name not in _FILES}
    for field, name in read.items():
        file = path.parent / str(name)
        merged[field] = _json(file) if field == "existingPages" else _text(file)
    try:
        return Topic(number, SubmitRequest.model_validate(merged))
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        field = ".".join(map(str, first["loc"])) or "the body"
        raise CliError(f"{where}, {field}: {first['msg']}", "mend the topic") from None


def _json(path: Path) -> Any:
    try:
        return json.loads(_text(path))
    except ValueError as error:
        raise CliError(f"{path}: not JSON ({error})", "mend the file") from None


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise CliError(f"cannot read {path}: {error}", "name a readable file") from None
