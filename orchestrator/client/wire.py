"""Reading what the service sends, tolerant of what a newer one adds."""

from __future__ import annotations

from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from orchestrator.client.errors import ApiError

M = TypeVar("M", bound=BaseModel)


def read(kind: type[M], body: Any) -> M:
    """*body* as a wire model; fields this version does not know are left out.

    :raises ApiError: it is something else (status 502: whatever answered is not the service).
    """
    try:
        return kind.model_validate(body, extra="ignore")
    except ValidationError as error:
        where = ".".join(map(str, error.errors()[0]["loc"])) or "the body"
        raise ApiError(
            502, "Not the service we know", f"the answer is no {kind.__name__} ({where})"
        ) from None
