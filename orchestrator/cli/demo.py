"""``sota demo``: one job from beginning to end, and nothing left running."""

from __future__ import annotations

import asyncio
import json
import os
import time
from importlib import resources
from pathlib import Path
from typing import Annotated, Any

import typer

from orchestrator.cli import article
from orchestrator.cli.environment import wants_sandbox
from orchestrator.cli.jobs import show_summary
from orchestrator.cli.ports import first_free
from orchestrator.cli.problems import CliError, settings_from_environment
from orchestrator.cli.show import watcher
from orchestrator.cli.stack import Interrupted, Plan, Stack, stack
from orchestrator.cli.text import seconds
from orchestrator.cli.up import adjusted
from orchestrator.client import AsyncClient
from orchestrator.config import Settings
from orchestrator.models import JobView
from orchestrator.sandbox.environment import API_HOST, WEB_HOSTS
from orchestrator.security.policy import is_loopback

KEYWORD = "AI in SEO"
HOME = Path(".sota/demo")
TIME_SCALE = 0.12
"""The sandbox's pace in the demo: real latencies, eight times as fast, so that it all takes
less than a minute."""

INTERRUPTED = 130  # the shell's exit status for Ctrl-C


def demo(
    keyword: Annotated[str, typer.Argument(help="What the article is about.")] = KEYWORD,
    out: Annotated[Path, typer.Option(help="Where the article goes.")] = Path("out"),
) -> None:
    """Start everything, write one article, show it, stop everything.

    Uses the real services when their keys are set, else the sandbox. Listens on loopback only,
    and asks nobody for a key.
    """
    began = time.monotonic()
    settings = demo_settings(settings_from_environment())
    plan = Plan(settings, wants_sandbox(settings, os.environ, None), command="demo")
    try:
        view = asyncio.run(perform(plan, keyword))
    except Interrupted:
        typer.echo("interrupted; everything is stopped, and the job goes on next time")
        raise typer.Exit(INTERRUPTED) from None
    paths = article.write(view, out)
    typer.echo("")
    show_summary(view)
    typer.echo(
        f"{'in all':>15}  {seconds(time.monotonic() - began)}, starting and stopping included"
    )
    for path in paths:
        typer.echo(f"{'written':>15}  {path}")


async def perform(plan: Plan, keyword: str) -> JobView:
    """One job on a service that lives for it alone; the job once it has ended.

    :raises CliError: something did not come up, or died.
    :raises Interrupted: told to stop.
    """
    typer.echo(_what_serves(plan))
    async with stack(plan, typer.echo) as running:
        urls = await running.start()
        return await running.during(_one_job(running, urls["url"], keyword))


async def _one_job(running: Stack, url: str, keyword: str) -> JobView:
    async with AsyncClient(url, client_id="demo") as client:
        job = await client.submit(keyword, existing_pages=pages())
        typer.echo(f"job {job.id}: {url}/orchestrator/job/{job.id}\n")
        limit = running.plan.settings.job_timeout
        with watcher() as show:
            return await job.wait(show, timeout=limit)


def demo_settings(settings: Settings) -> Settings:
    """The settings with the demo's own home, pace and free ports, where none were set.

    :raises CliError: no port is free.
    """
    given = settings.model_fields_set
    settings = adjusted(
        settings, auth="off", http_host=None if is_loopback(settings.http_host) else API_HOST
    )
    return adjusted(
        settings,
        home=None if "home" in given else HOME,
        sandbox_time_scale=None if "sandbox_time_scale" in given else TIME_SCALE,
        http_port=_free(settings.http_port, (settings.http_host,)),
        dashboard_port=_free(settings.dashboard_port, (API_HOST,)),
        sandbox_port=_free(settings.sandbox_port, (API_HOST, *WEB_HOSTS)),
    )


def pages() -> list[dict[str, Any]]:
    """The pages of an invented site that the article may link to."""
    text = resources.files("orchestrator.cli").joinpath("demo_pages.json").read_text("utf-8")
    loaded: list[dict[str, Any]] = json.loads(text)
    return loaded


def _free(port: int, hosts: tuple[str, ...]) -> int:
    found = first_free(port, hosts)
    if found is None:
        raise CliError(f"no port from {port} on is free", "see what listens with `ss -ltn`")
    return found


def _what_serves(plan: Plan) -> str:
    if not plan.sandbox:
        return "the demo uses the real services, as their keys are set"
    pace = plan.settings.sandbox_time_scale
    return (
        "no key is set, so the sandbox stands in for the model, the search and the web "
        f"(profile {plan.settings.sandbox_profile}, times x {pace:g})"
    )
