"""The sandbox's own API: faults, statistics and the latency profile."""

from __future__ import annotations

from typing import Any, Literal, TypeVar

from aiohttp import web
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic.alias_generators import to_camel

from orchestrator.sandbox.faults import Fault
from orchestrator.sandbox.latency import Profile
from orchestrator.sandbox.state import SANDBOX

Model = TypeVar("Model", bound=BaseModel)


class ProfileChange(BaseModel):
    """The body of ``PUT /sandbox/profile``."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, extra="forbid")

    profile: Profile | None = None
    time_scale: float | None = Field(default=None, ge=0, le=100)
    flaws: float | None = Field(default=None, ge=0, le=1)


class StatsQuery(BaseModel):
    """The query of ``GET /sandbox/stats``."""

    model_config = ConfigDict(extra="forbid")

    keys: Literal["all", "repeated", "none", "times"] = "all"
    prefix: str = ""


def _problem(error: ValidationError) -> web.Response:
    errors = [
        {"field": ".".join(map(str, item["loc"])) or "body", "problem": item["msg"]}
        for item in error.errors()
    ]
    body: dict[str, Any] = {"title": "Unprocessable Content", "status": 422, "errors": errors}
    return web.json_response(body, status=422, content_type="application/problem+json")


async def add_fault(request: web.Request) -> web.Response:
    """``POST /sandbox/faults``."""
    try:
        fault = Fault.model_validate_json(await request.read())
    except ValidationError as error:
        return _problem(error)
    request.app[SANDBOX].faults.add(fault)
    return _faults(request, status=201)


def _faults(request: web.Request, status: int = 200) -> web.Response:
    return web.json_response({"faults": request.app[SANDBOX].faults.view()}, status=status)


async def list_faults(request: web.Request) -> web.Response:
    """``GET /sandbox/faults``."""
    return _faults(request)


async def clear_faults(request: web.Request) -> web.Response:
    """``DELETE /sandbox/faults``."""
    request.app[SANDBOX].faults.clear()
    return _faults(request)


async def show_stats(request: web.Request) -> web.Response:
    """``GET /sandbox/stats?keys=all|repeated|none|times&prefix=``."""
    try:
        query = StatsQuery.model_validate(dict(request.query))
    except ValidationError as error:
        return _problem(error)
    return web.json_response(request.app[SANDBOX].stats.view(query.keys, query.prefix))


async def clear_stats(request: web.Request) -> web.Response:
    """``DELETE /sandbox/stats``."""
    stats = request.app[SANDBOX].stats
    stats.reset()
    return web.json_response(stats.view())


def _profile(request: web.Request) -> web.Response:
    sandbox = request.app[SANDBOX]
    return web.json_response(
        {
            "profile": sandbox.profile,
            "timeScale": sandbox.time_scale,
            "flaws": sandbox.flaw_share,
        }
    )


async def change_profile(request: web.Request) -> web.Response:
    """``PUT /sandbox/profile``; what is left out stays as it is."""
    try:
        change = ProfileChange.model_validate_json(await request.read())
    except ValidationError as error:
        return _problem(error)
    sandbox = request.app[SANDBOX]
    sandbox.profile = change.profile or sandbox.profile
    if change.time_scale is not None:
        sandbox.time_scale = change.time_scale
    if change.flaws is not None:
        sandbox.flaws = change.flaws
    return _profile(request)


async def show_profile(request: web.Request) -> web.Response:
    """``GET /sandbox/profile``."""
    return _profile(request)


async def health(_request: web.Request) -> web.Response:
    """``GET /sandbox/health``: 200 once the server answers."""
    return web.json_response({"status": "ok"})


def routes() -> list[web.RouteDef]:
    """The control routes."""
    return [
        web.post("/sandbox/faults", add_fault),
        web.get("/sandbox/faults", list_faults),
        web.delete("/sandbox/faults", clear_faults),
        web.get("/sandbox/stats", show_stats),
        web.delete("/sandbox/stats", clear_stats),
        web.get("/sandbox/profile", show_profile),
        web.put("/sandbox/profile", change_profile),
        web.get("/sandbox/health", health),
    ]
