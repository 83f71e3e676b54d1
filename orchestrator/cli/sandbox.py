"""``sota sandbox``: the stand-ins alone, in the foreground."""

from __future__ import annotations

import os
import sys

from orchestrator.cli.environment import for_sandbox, sandbox_options
from orchestrator.cli.ports import is_free
from orchestrator.cli.problems import CliError, settings_from_environment
from orchestrator.cli.up import PortOption, ProfileOption, TimeScaleOption, adjusted
from orchestrator.config import Settings
from orchestrator.sandbox.environment import API_HOST, WEB_HOSTS


def sandbox(
    port: PortOption = None, profile: ProfileOption = None, time_scale: TimeScaleOption = None
) -> None:
    """Run the stand-ins for the model, the search, WordPress and the web.

    Prints the environment that points a service at them; evaluate it in another shell.
    """
    settings = adjusted(
        settings_from_environment(),
        sandbox_port=port,
        sandbox_profile=profile and profile.value,
        sandbox_time_scale=time_scale,
    )
    if not is_free(settings.sandbox_port, (API_HOST, *WEB_HOSTS)):
        raise CliError(f"port {settings.sandbox_port} is taken", "choose another with --port")
    argv = command_line(settings)
    os.execve(argv[0], argv, for_sandbox(settings, os.environ))  # noqa: S606 - our own module


def command_line(settings: Settings) -> list[str]:
    """How the sandbox is started with these settings."""
    return [sys.executable, "-m", "orchestrator.sandbox", *sandbox_options(settings)]
