"""``python -m orchestrator.sandbox [--port N] [--profile live] [--time-scale 1.0]``."""

from __future__ import annotations

import argparse
import asyncio
import signal

from orchestrator.config import Settings
from orchestrator.sandbox.environment import API_HOST, sandbox_environment
from orchestrator.sandbox.latency import PROFILES
from orchestrator.sandbox.server import serve
from orchestrator.sandbox.writer.flaws import share


def arguments(settings: Settings, argv: list[str] | None = None) -> argparse.Namespace:
    """The command line, its defaults taken from *settings*."""
    parser = argparse.ArgumentParser(prog="python -m orchestrator.sandbox", description=__doc__)
    parser.add_argument("--port", type=int, default=settings.sandbox_port)
    parser.add_argument("--host", default=API_HOST, help="address the APIs listen on")
    parser.add_argument("--profile", choices=PROFILES, default=settings.sandbox_profile)
    parser.add_argument("--time-scale", type=float, default=settings.sandbox_time_scale)
    parser.add_argument("--seed", type=int, default=0, help="of faults that have a rate")
    parser.add_argument(
        "--flaws",
        type=share,
        default=settings.sandbox_flaws,
        help="share of flawed sections, 0 to 1 (default: by the profile)",
    )
    return parser.parse_args(argv)


async def run(options: argparse.Namespace) -> None:
    """Serve until SIGINT or SIGTERM; print the environment for clients first."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for name in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(name, stop.set)
    async with serve(
        options.port,
        options.profile,
        options.time_scale,
        host=options.host,
        seed=options.seed,
        flaws=options.flaws,
    ) as port:
        for name_, value in sandbox_environment(port).items():
            print(f"export {name_}='{value}'", flush=True)
        await stop.wait()


if __name__ == "__main__":
    asyncio.run(run(arguments(Settings())))
