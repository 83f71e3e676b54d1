"""Child processes: started in a session of their own, heard, and always ended."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Callable, Coroutine, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar

from orchestrator.cli.problems import CliError
from orchestrator.cli.record import GRACE_SECONDS
from orchestrator.cli.text import clean

T = TypeVar("T")
LINE_LIMIT = 1024 * 1024  # bytes; a longer line is cut
TAIL_LINES = 8  # of its log are shown when a child dies


class ChildDied(CliError):
    """A child ended that should have gone on."""


class Child:
    """A running child. Its output goes to its log; :meth:`ready` hears the lines too.

    It has a session of its own, so Ctrl-C reaches us alone and we end it in order.
    """

    def __init__(self, name: str, process: asyncio.subprocess.Process, log: Path) -> None:
        self.name = name
        self.log = log
        self._process = process
        self._lines: asyncio.Queue[str | None] = asyncio.Queue()
        self._heard = False
        self._pump = asyncio.create_task(self._listen())

    @classmethod
    async def start(
        cls, name: str, argv: Sequence[str], environment: Mapping[str, str], log: Path
    ) -> Child:
        """Start *argv* with exactly this *environment*; its log is begun anew, and the one before
        is kept as ``….log.1``."""
        descriptor = _begun_anew(log)
        try:
            process = await asyncio.create_subprocess_exec(
                *argv,
                env=dict(environment),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE,
                stderr=descriptor,
                start_new_session=True,
                limit=LINE_LIMIT,
            )
        finally:
            os.close(descriptor)
        return cls(name, process, log)

    @property
    def pid(self) -> int:
        """Its process id, which is also its group's."""
        return self._process.pid

    async def ready(self, read: Callable[[str], T | None], within: float) -> T:
        """What *read* makes of the first line it can use.

        :param within: seconds.
        :raises ChildDied: it ended, or said nothing of use in time.
        """
        try:
            async with asyncio.timeout(within):
                while (line := await self._lines.get()) is not None:
                    found = read(line)
                    if found is not None:
                        self._heard = True
                        return found
        except TimeoutError:
            raise ChildDied(
                f"{self.name} was not ready after {within:g} s{self._tail()}", self._remedy()
            ) from None
        await self._process.wait()
        raise self.death()

    async def wait(self) -> int:
        """Its exit status, once it has ended (negative: the signal that ended it)."""
        return await self._process.wait()

    def death(self) -> ChildDied:
        """How it ended, as an error."""
        code = self._process.returncode or 0
        how = f"was ended by signal {-code}" if code < 0 else f"ended with status {code}"
        return ChildDied(f"{self.name} {how}{self._tail()}", self._remedy())

    async def stop(self, hurry: asyncio.Event, grace: float = GRACE_SECONDS) -> None:
        """End it: SIGTERM, then SIGKILL for its whole group after *grace* seconds or *hurry*."""
        if self._process.returncode is None:
            with suppress(ProcessLookupError):
                self._process.terminate()
            await _first(self._process.wait(), hurry.wait(), within=grace)
        with suppress(ProcessLookupError):  # whatever it left in its group, itself included
            os.killpg(self.pid, signal.SIGKILL)
        await self._process.wait()
        await self._pump

    async def _listen(self) -> None:
        """Copy its output to the log until it is closed; tell the lines on while waited for."""
        assert self._process.stdout is not None
        with self.log.open("ab", buffering=0) as log:
            while True:
                try:
                    line = await self._process.stdout.readline()
                except ValueError:  # over LINE_LIMIT: asyncio has dropped it
                    continue
                if not line:
                    break
                log.write(line)
                if not self._heard:
                    self._lines.put_nowait(line.decode("utf-8", "replace").rstrip("\n"))
        self._lines.put_nowait(None)

    def _tail(self) -> str:
        try:
            lines = self.log.read_text("utf-8", "replace").splitlines()[-TAIL_LINES:]
        except OSError:
            return ""
        return "".join(f"\n  | {clean(line)[:300]}" for line in lines)

    def _remedy(self) -> str:
        return f"see {self.log}, then run `sota doctor`"


def _begun_anew(log: Path) -> int:
    """A descriptor of the empty log; the log there was is moved aside."""
    log.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    with suppress(FileNotFoundError):
        log.replace(log.with_name(f"{log.name}.1"))
    return os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND, 0o600)


async def _first(*works: Coroutine[Any, Any, Any], within: float) -> None:
    """Wait until one of *works* is done, or *within* seconds have passed."""
    tasks = [asyncio.ensure_future(work) for work in works]
    await asyncio.wait(tasks, timeout=within, return_when=asyncio.FIRST_COMPLETED)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
