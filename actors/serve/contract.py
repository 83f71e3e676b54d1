"""The OpenAPI document, made of the FastAPI applications themselves.

Paths, parameters and their rules come from the routes' signatures and models; what they answer,
and the problems, from :mod:`actors.serve.described` and :mod:`orchestrator.problems`. A new route
is in the document by being there.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from actors.serve.described import HEADERS, RATE_LIMITS, ROUTES, Reply, Route, ref
from orchestrator import __version__
from orchestrator.models import (
    BreakerView,
    DeliveryList,
    EventView,
    Health,
    JobPage,
    JobView,
    Problem,
    SubmitAccepted,
    SubmitRequest,
)
from orchestrator.problems import KINDS
from orchestrator.results import JobResult
from orchestrator.tenants.views import UsageView

Json = dict[str, Any]

PROBLEM_JSON = "application/problem+json"
ALWAYS = (
    "body-too-slow", "body-too-large", "headers-too-large",
    "internal", "journal-damaged", "journal-sealed", "journal-unavailable", "starting",
    "signature-replayed", "unauthenticated",
)  # fmt: skip
"""Problems that any route may answer with."""

SENT: tuple[type[BaseModel], ...] = (
    BreakerView, DeliveryList, EventView, Health, JobPage, JobResult, JobView, Problem,
    SubmitAccepted, UsageView,
)  # fmt: skip

_DESCRIPTION = """A durable job orchestrator for long LLM content pipelines: hand in a keyword, get
**202** at once, follow the job, take its result.

Errors are problem documents (RFC 9457); the `type` of each can be opened and says what to do.
Times are epoch milliseconds. `docs/api.md` is the guide to this reference."""

_IDS = [
    {
        "name": name,
        "in": "header",
        "required": False,
        "description": f"{what} One that is not made of 1 to 128 letters, digits and `_.:-` is "
        "not used.",
        "schema": {"type": "string"},
    }
    for name, what in (
        ("X-Request-ID", "An id for this request; made when it is not sent."),
        ("X-Correlation-ID", "An id of what this request is part of."),
    )
]


def document(apps: Mapping[str, FastAPI]) -> Json:
    """The whole document.

    :param apps: each application by the prefix that Serve routes to it.
    """
    paths: dict[str, Json] = {}
    schemas: Json = {}
    for prefix, app in apps.items():
        made = get_openapi(title=app.title, version=__version__, routes=app.routes)
        schemas |= made.get("components", {}).get("schemas", {})
        for path, item in made.get("paths", {}).items():
            full = (prefix + path).rstrip("/")
            paths.setdefault(full, {}).update(
                {method: _operation(method, full, found) for method, found in item.items()}
            )
    for unused in ("HTTPValidationError", "ValidationError"):
        schemas.pop(unused, None)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "SOTA orchestrator",
            "version": __version__,
            "description": _DESCRIPTION,
        },
        "paths": dict(sorted(paths.items())),
        "components": {
            "schemas": dict(sorted({**schemas, **_schemas()}.items())),
            "parameters": {one["name"]: one for one in _IDS},
            "headers": HEADERS,
            "examples": {name: {"value": value} for name, value in EXAMPLES.items()},
        },
    }


def _operation(method: str, path: str, found: Json) -> Json:
    """One operation: as FastAPI found it, and what is said of it here."""
    route = ROUTES.get((method, path)) or _undescribed(found)
    own = found.get("parameters", [])
    kinds = {*ALWAYS, *route.kinds}
    if "{job_id}" in path:
        kinds |= {"job-not-found", "http"}
    if any(parameter["in"] == "query" for parameter in own):
        kinds.add("invalid-input")
    operation = {
        "operationId": route.id,
        "tags": [route.tag],
        "summary": route.summary,
        "description": found.get("description", ""),
        "parameters": [*own, *({"$ref": f"#/components/parameters/{p['name']}"} for p in _IDS)],
        "responses": _responses(route.replies, kinds),
    }
    if route.body:
        body = {"schema": route.body, "examples": _examples(route.body_examples)}
        content = {"application/json": body}
        operation["requestBody"] = {"required": True, "content": content}
    return operation


def _undescribed(found: Json) -> Route:
    """A route that :data:`ROUTES` does not know yet: what FastAPI says of its success."""
    replies = [
        Reply(
            int(status), reply.get("description", ""),
            next((c.get("schema") for c in reply.get("content", {}).values()), None),
            next(iter(reply.get("content", {})), None),
        )
        for status, reply in found["responses"].items()
        if status != "422"
    ]  # fmt: skip
    return Route(found["operationId"], "other", found.get("summary", ""), tuple(replies))


def _responses(replies: Iterable[Reply], kinds: Iterable[str]) -> Json:
    """Every status with its headers, and with every body it may come with."""
    found: dict[int, Json] = {}
    for reply in replies:
        found[reply.status] = {"description": reply.says, "headers": _headers(reply.headers)}
        if reply.media:
            body: Json = {"schema": reply.schema}
            if reply.examples:
                body["examples"] = _examples(reply.examples)
            found[reply.status]["content"] = {reply.media: body}
    by_status: dict[int, list[str]] = defaultdict(list)
    for name in sorted(kinds):
        by_status[KINDS[name].status].append(name)
    for status, names in by_status.items():
        problem = _problem(status, names)
        known = found.setdefault(status, problem)
        known.setdefault("content", {}).update(problem["content"])
    return {str(status): found[status] for status in sorted(found)}


def _problem(status: int, names: list[str]) -> Json:
    """A response that is a problem document of one of these kinds."""
    types = [KINDS[name].type for name in names]
    schema = {
        "allOf": [
            ref("Problem"),
            {"properties": {"type": {"enum": types}, "status": {"const": status}}},
        ]
    }
    examples = _examples(names)
    own = ("Retry-After",) if status in (429, 503) else ()
    own = ("WWW-Authenticate",) if status == 401 else own
    own = (*own, *RATE_LIMITS) if status == 429 else own
    return {
        "description": " ".join(dict.fromkeys(f"{KINDS[n].title}." for n in names)),
        "headers": _headers(own),
        "content": {PROBLEM_JSON: {"schema": schema, "examples": examples}},
    }


def _example(name: str) -> Json:
    kind = KINDS[name]
    return {
        "type": kind.type,
        "title": kind.title,
        "status": kind.status,
        "detail": kind.meaning,
        "requestId": "7b0c5e0e-3c1e-4a53-9a86-0f5f3b0f2f11",
        "errors": [{"field": "keyword", "problem": "is missing: send it"}]
        if name == "invalid-input"
        else [],
    }


def _examples(names: Iterable[str]) -> Json:
    return {name: {"$ref": f"#/components/examples/{name}"} for name in names}


EXAMPLES: Mapping[str, Any] = {
    **{name: _example(name) for name in KINDS},
    **{
        name: value
        for route in ROUTES.values()
        for named in (route.body_examples, *(reply.examples for reply in route.replies))
        for name, value in named.items()
    },
}
"""Every example by name; a name has one example wherever it stands."""


def _headers(names: Iterable[str]) -> Json:
    every = ("X-Request-ID", "X-Correlation-ID", *names)
    return {name: {"$ref": f"#/components/headers/{name}"} for name in every}


def _schemas() -> Json:
    """The models on the wire. What is sent always has its fields, except those that may be null:
    these are left out instead."""
    sent = models_json_schema(
        [(model, "serialization") for model in SENT], ref_template="#/components/schemas/{model}"
    )[1]["$defs"]
    of_results = _names_of(JobResult, sent)
    for name, schema in sent.items():
        if name in of_results:
            schema.pop("required", None)  # an older version's result may lack anything
        elif properties := schema.get("properties"):
            schema["required"] = [n for n in properties if not _may_be_null(properties[n])]
    sent["JobView"]["properties"]["result"] = {"anyOf": [ref("JobResult"), {"type": "null"}]}
    taken = models_json_schema(
        [(SubmitRequest, "validation")], ref_template="#/components/schemas/{model}"
    )[1]["$defs"]
    return {**sent, **taken}


def _may_be_null(schema: Json) -> bool:
    return {"type": "null"} in schema.get("anyOf", ()) or schema.get("default", 0) is None


def _names_of(model: type[BaseModel], schemas: Mapping[str, Json]) -> set[str]:
    """The schemas that *model*'s refers to, and its own."""
    found, todo = set[str](), {model.__name__}
    while todo:
        name = todo.pop()
        found.add(name)
        text = json.dumps(schemas[name])
        todo |= {other for other in schemas if f'/{other}"' in text} - found
    return found


def as_text(made: Json) -> str:
    """The document as it is kept in the repository."""
    return json.dumps(made, indent=1, ensure_ascii=False) + "\n"
