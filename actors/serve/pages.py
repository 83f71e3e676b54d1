"""The contract as the service shows it: the OpenAPI document, a page of it, and every problem.

The pages need nothing but themselves: no script, no style sheet and no font from elsewhere.
"""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, HTTPException, Request
from fastapi.responses import HTMLResponse, JSONResponse

from actors.serve.contract import document
from actors.serve.html import problem_page, reference_page
from actors.serve.submit import app as submit_app
from orchestrator.problems import KINDS

PREFIX = "/orchestrator"
SUBMIT_PREFIX = f"{PREFIX}/ultra-sota"
"""Where Serve routes the two applications (``serve_config.yaml``)."""

_SAFE = {
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'",
    "X-Content-Type-Options": "nosniff",
}

router = APIRouter()
_made: dict[str, Any] = {}


def _document(request: Request) -> dict[str, Any]:
    """The document of both applications, made once in a process."""
    if not _made:
        _made.update(document({SUBMIT_PREFIX: submit_app, PREFIX: request.app}))
    return _made


@router.get("/openapi.json")
async def openapi(request: Request) -> JSONResponse:
    """The OpenAPI document of the whole service."""
    return JSONResponse(_document(request))


@router.get("/docs")
async def docs(request: Request) -> HTMLResponse:
    """The OpenAPI document as a page for people."""
    return HTMLResponse(reference_page(_document(request)), headers=_SAFE)


@router.get("/problems/{kind}")
async def problem_kind(kind: str) -> HTMLResponse:
    """What a problem document's `type` means, and what to do about it."""
    if kind not in KINDS:
        raise HTTPException(404, "no such problem")
    return HTMLResponse(problem_page(KINDS[kind]), headers=_SAFE)
