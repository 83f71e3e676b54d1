"""The small web: ``/web/{site}/{slug}``, pages that behave as their slugs say."""

from __future__ import annotations

import datetime as dt

from aiohttp import web

from orchestrator.sandbox import sites
from orchestrator.sandbox.pages import not_found_page, render_page
from orchestrator.sandbox.state import SANDBOX, Sandbox, key_of

SLOW = 15.0  #: seconds a slow page takes (times the time scale), past a fetcher's 10 s limit


def _html(text: str, status: int = 200) -> web.Response:
    return web.Response(text=text, status=status, content_type="text/html", charset="utf-8")


async def page(request: web.Request) -> web.Response:
    """One page; what it does follows from its slug's prefix, what it says from the rest."""
    sandbox = request.app[SANDBOX]
    site = sites.BY_SLUG.get(request.match_info["site"])
    behaviour, slug = sites.behaviour_of(request.match_info["slug"])
    await _wait(sandbox, key_of(request), slow=behaviour == "slow")
    if site is None or behaviour == "dead":
        return _html(not_found_page("This page has gone."), 404)
    if behaviour == "soft404":
        return _html(not_found_page("Sorry, we could not find that page."))
    if behaviour == "forbidden":
        return _html("<html><title>403 Forbidden</title><h1>Forbidden</h1></html>", 403)
    if behaviour == "moved":
        return web.Response(status=301, headers={"Location": f"/web/{site.slug}/{slug}"})
    year = dt.datetime.fromtimestamp(sandbox.clock(), dt.UTC).year
    return _html(render_page(site, slug, year))


async def _wait(sandbox: Sandbox, key: str, *, slow: bool) -> None:
    await sandbox.pause("web", key)
    if slow and sandbox.profile != "zero" and sandbox.time_scale > 0:
        await sandbox.sleep(SLOW * sandbox.time_scale)


def routes() -> list[web.RouteDef]:
    """The stand-in's routes."""
    return [web.get("/web/{site}/{slug}", page)]
