"""A submission's body, made and checked before it is sent."""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterable, Mapping
from typing import Any, Literal, TypedDict

from pydantic import ValidationError

from orchestrator.errors import InvalidInput
from orchestrator.models import ExistingPage, SubmitRequest


class SubmitFields(TypedDict, total=False):
    """Everything a submission may say beside its keyword; see DESIGN, section 3."""

    existing_pages: Iterable[ExistingPage | Mapping[str, Any]]
    model: str | None
    mode: Literal["generate", "refresh"]
    existing_content: str | None
    post_id: int | None
    use_god_mode: bool
    serp_data: dict[str, Any] | None
    neuron_data: dict[str, Any] | None
    recent_news: list[Any] | dict[str, Any] | str | None
    locale: str
    request_id: str | None  #: made when not given
    priority: int
    callback_url: str | None
    publish: bool | Literal["draft"]


def wire_body(
    keyword: str, client_id: str | None, fields: SubmitFields, *, now_ms: int | None = None
) -> dict[str, Any]:
    """The body to send: validated, in wire names, with a request id.

    :param now_ms: the time of submission in epoch milliseconds; now, when not given.
    :raises InvalidInput: naming the first offending field by its wire name.
    """
    values: dict[str, Any] = {**fields, "keyword": keyword, "client_id": client_id}
    values["existing_pages"] = list(values.get("existing_pages") or ())
    values["request_id"] = values.get("request_id") or str(uuid.uuid4())
    values["timestamp"] = int(time.time() * 1000) if now_ms is None else now_ms
    unknown = values.keys() - SubmitRequest.model_fields.keys()
    if unknown:
        raise InvalidInput(sorted(unknown)[0], "no such field of a submission")
    try:
        request = SubmitRequest.model_validate(values)
    except ValidationError as error:
        raise _invalid(error) from None
    return request.model_dump(mode="json", by_alias=True, exclude_none=True)


def _invalid(error: ValidationError) -> InvalidInput:
    first = error.errors(include_url=False, include_input=False)[0]
    name, *rest = map(str, first["loc"])
    info = SubmitRequest.model_fields.get(name)
    return InvalidInput(".".join([(info and info.alias) or name, *rest]), first["msg"])
