"""The service on this machine: the sandbox if wanted, then the host; up, watched, and down."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, TypeVar

from orchestrator.cli.environment import for_host, for_sandbox, sandbox_options
from orchestrator.cli.problems import CliError
from orchestrator.cli.processes import Child
from orchestrator.cli.record import Home, claim
from orchestrator.config import Settings

T = TypeVar("T")
Say = Callable[[str], None]
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
SANDBOX_SECONDS, HOST_SECONDS = 30.0, 180.0  # to be ready; a cold Ray on two cores takes 20


class Interrupted(Exception):
    """Someone asked us to stop."""


@dataclass(frozen=True)
class Plan:
    """What to start.

    :param settings: with the ports that are to be used.
    :param sandbox: start the stand-ins and point the service at them.
    :param command: who starts it (``up``, ``demo``), for the record.
    :param environ: the environment to choose from for the children.
    :param host_argv: how to start the service (tests put a small script here).
    """

    settings: Settings
    sandbox: bool
    command: str = "up"
    environ: Mapping[str, str] = field(default_factory=lambda: dict(os.environ))
    host_argv: tuple[str, ...] = (sys.executable, "-m", "actors.host")
    sandbox_argv: tuple[str, ...] = (sys.executable, "-m", "orchestrator.sandbox")


class Stack:
    """What was started. Made by :func:`stack`."""

    def __init__(self, plan: Plan, home: Home, say: Say) -> None:
        self.plan = plan
        self.urls: dict[str, str] = {}
        self._home = home
        self._say = say
        self._children: list[Child] = []
        self._stop, self._hurry = asyncio.Event(), asyncio.Event()

    async def start(self) -> Mapping[str, str]:
        """Start everything and wait until it answers; where it all is.

        :raises Interrupted: a signal came first.
        :raises CliError: something did not come up; its message says what and why.
        """
        await self.during(self._start())
        return self.urls

    async def during(self, work: Coroutine[Any, Any, T]) -> T:
        """What *work* comes to, unless we are told to stop or a child dies first.

        :raises Interrupted: told to stop.
        :raises ChildDied: a child ended.
        """
        task = asyncio.ensure_future(work)
        stop = asyncio.ensure_future(self._stop.wait())
        deaths = {asyncio.ensure_future(child.wait()): child for child in self._children}
        watched: set[asyncio.Future[Any]] = {task, stop, *deaths}
        try:
            await asyncio.wait(watched, return_when=asyncio.FIRST_COMPLETED)
            if stop.done():
                raise Interrupted
            if task.done():
                return task.result()
            raise next(child for death, child in deaths.items() if death.done()).death()
        finally:
            for future in watched:
                future.cancel()
            await asyncio.gather(*watched, return_exceptions=True)

    def on_signal(self) -> None:
        """The first signal asks everything to stop; a second one ends it at once."""
        (self._hurry if self._stop.is_set() else self._stop).set()

    async def stop(self) -> None:
        """End every child, the service before the sandbox that it uses."""
        self._stop.set()
        for child in reversed(self._children):
            await child.stop(self._hurry)

    async def _start(self) -> None:
        settings, environ = self.plan.settings, self.plan.environ
        if self.plan.sandbox:
            argv = [*self.plan.sandbox_argv, *sandbox_options(settings)]
            child = await self._spawn("sandbox", argv, for_sandbox(settings, environ))
            await child.ready(_sandbox_ready, SANDBOX_SECONDS)
            self.urls["sandbox"] = settings.sandbox_url
            self._say(f"sandbox ready at {settings.sandbox_url}")
        self._say("starting Ray and the service ...")
        environment = for_host(settings, environ, sandbox=self.plan.sandbox)
        child = await self._spawn("host", list(self.plan.host_argv), environment)
        facts = await child.ready(_host_ready, HOST_SECONDS)
        self.urls |= {k: str(facts[k]) for k in ("url", "dashboard", "ray_address") if facts.get(k)}
        self._home.announce(self.urls)

    async def _spawn(self, name: str, argv: list[str], environment: Mapping[str, str]) -> Child:
        log = self._home.path / "logs" / f"{name}.log"
        child = await Child.start(name, argv, environment, log)
        self._children.append(child)
        self._home.add(name, child.pid)
        return child


@asynccontextmanager
async def stack(plan: Plan, say: Say) -> AsyncIterator[Stack]:
    """A stack to start; whatever was started is ended at the end, however that comes.

    :param say: shows a line to the user.
    :raises CliError: the home is taken or cannot be used.
    """
    loop = asyncio.get_running_loop()
    with claim(plan.settings.home, plan.command) as home:
        made = Stack(plan, home, say)
        for number in SIGNALS:
            loop.add_signal_handler(number, made.on_signal)
        try:
            yield made
        finally:
            say("stopping ...")
            await made.stop()
            for number in SIGNALS:
                loop.remove_signal_handler(number)


def _sandbox_ready(line: str) -> bool | None:
    """It prints the environment for its clients once it listens."""
    return True if line.startswith("export ") else None


def _host_ready(line: str) -> dict[str, Any] | None:
    """The facts in the host's ready line. :raises CliError: it says it cannot."""
    try:
        facts = json.loads(line)
    except ValueError:
        return None
    if not isinstance(facts, dict):
        return None
    if facts.get("event") == "error":
        raise CliError(str(facts.get("problem")), str(facts.get("remedy") or ""))
    return facts if facts.get("event") == "ready" else None
