"""``sota up``: the service on this machine, in the foreground."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping
from enum import StrEnum
from typing import Annotated, Any

import typer

from orchestrator.cli.environment import wants_sandbox
from orchestrator.cli.ports import is_free, wanted
from orchestrator.cli.problems import (
    CliError,
    settings_from_environment,
    signing_secrets_from_environment,
)
from orchestrator.cli.record import running
from orchestrator.cli.stack import Interrupted, Plan, stack
from orchestrator.config import Settings
from orchestrator.security.policy import OPEN_NOTICE, asks_for_keys


class Profile(StrEnum):
    """How long the sandbox takes; see `orchestrator.sandbox.latency`."""

    LIVE = "live"
    SEED = "seed"
    ZERO = "zero"


PortOption = Annotated[int | None, typer.Option(min=1, max=65535, help="The port to listen on.")]
ProfileOption = Annotated[
    Profile | None, typer.Option(help="How long the sandbox takes to answer.")
]
TimeScaleOption = Annotated[
    float | None, typer.Option(min=0.0, max=10.0, help="Multiplies the sandbox's times.")
]
SandboxOption = Annotated[
    bool | None,
    typer.Option(
        "--sandbox/--no-sandbox",
        help="Stand-ins instead of the real services. Default: when no Anthropic key is set.",
    ),
]


def up(
    host: Annotated[str | None, typer.Option(help="The address to listen on.")] = None,
    port: PortOption = None,
    profile: ProfileOption = None,
    time_scale: TimeScaleOption = None,
    sandbox: SandboxOption = None,
) -> None:
    """Run the service here until Ctrl-C. Stopping it loses nothing: jobs go on next time."""
    settings = adjusted(
        settings_from_environment(),
        http_host=host,
        http_port=port,
        sandbox_profile=profile and profile.value,
        sandbox_time_scale=time_scale,
    )
    if not asks_for_keys(settings, configured=signing_secrets_from_environment().configured):
        typer.secho(OPEN_NOTICE, fg=typer.colors.YELLOW, bold=True, err=True)
    use_sandbox = wants_sandbox(settings, os.environ, sandbox)
    if not running(settings.home):  # else claiming the home says so better
        require_ports(settings, sandbox=use_sandbox)
    asyncio.run(serve(Plan(settings, use_sandbox)))


async def serve(plan: Plan) -> None:
    """Start what *plan* says and stay until told to stop.

    :raises CliError: it did not come up, or a part of it died.
    """
    try:
        async with stack(plan, typer.echo) as running_stack:
            urls = await running_stack.start()
            for line in greeting(urls):
                typer.echo(line)
            await running_stack.during(asyncio.Event().wait())
    except Interrupted:
        typer.echo("stopped")


def adjusted(settings: Settings, **changes: Any) -> Settings:
    """The settings with those *changes* that are not None."""
    return settings.model_copy(update={k: v for k, v in changes.items() if v is not None})


def require_ports(settings: Settings, *, sandbox: bool) -> None:
    """:raises CliError: naming the first port that is taken."""
    for port in wanted(settings, sandbox=sandbox):
        if not is_free(port.number, port.hosts):
            raise CliError(
                f"{port.name} {port.number} is taken", f"end what uses it, or set {port.variable}"
            )


def greeting(urls: Mapping[str, str]) -> list[str]:
    """Where everything is, and a first request to try."""
    url = urls["url"]
    names = {"url": "service", "dashboard": "Ray dashboard", "sandbox": "sandbox"}
    return [
        "",
        *(f"{label:>15}  {urls[name]}" for name, label in names.items() if name in urls),
        "",
        "try it:",
        f"  curl -sS {url}/orchestrator/ultra-sota -H 'Content-Type: application/json' \\",
        '       -d \'{"keyword": "AI in SEO"}\'',
        f"  curl -sS {url}/orchestrator/job/JOB_ID",
        'or: sota submit "AI in SEO" --watch',
        "",
        "Ctrl-C stops it; jobs that run go on when it is started again.",
    ]
