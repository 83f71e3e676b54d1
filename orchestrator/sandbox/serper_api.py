"""Serper: ``POST /search``. Results link to the sandbox's own pages."""

from __future__ import annotations

from typing import Any

from aiohttp import web

from orchestrator.sandbox.results import search_results
from orchestrator.sandbox.state import SANDBOX, key_of


def error_body(status: int, message: str) -> dict[str, Any]:
    """An error in Serper's shape."""
    return {"message": message, "statusCode": status}


def _refuse(status: int, message: str) -> web.Response:
    return web.json_response(error_body(status, message), status=status)


async def search(request: web.Request) -> web.Response:
    """Answer one search; 403 without a key and 400 without a query, as Serper does."""
    sandbox = request.app[SANDBOX]
    if not request.headers.get("X-API-KEY"):
        return _refuse(403, "Unauthorized.")
    try:
        body = await request.json()
    except ValueError:
        return _refuse(400, "Invalid JSON in request body")
    query = str(body.get("q") or "").strip() if isinstance(body, dict) else ""
    if not query:
        return _refuse(400, "Missing query parameter")
    await sandbox.pause("serper", key_of(request))
    number = min(100, max(1, int(body.get("num") or 10)))
    results = search_results(query, number, sandbox.web_hosts, sandbox.port, sandbox.clock())
    asked = {"q": query, "gl": body.get("gl", "us"), "hl": body.get("hl", "en"), "num": number}
    parameters = {**asked, "type": "search", "engine": "google"}
    return web.json_response({"searchParameters": parameters, **results, "credits": 1})


def routes() -> list[web.RouteDef]:
    """The stand-in's routes."""
    return [web.post("/serper/search", search)]
