"""What lies between the simulated processes: calls that arrive, get lost, are answered late.

Every await of a journal or service call is a :class:`Call` that stands here until it is moved.
"""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any

from orchestrator.errors import JobEnded, JournalUnavailable, StaleEpoch
from orchestrator.journal.base import Journal
from orchestrator.journal.records import MemoRecord
from tests.model.faults import OUTAGES, Refusal
from tests.model.ledger import JobLedger, Ledger
from tests.model.loop import VirtualLoop, owner
from tests.model.rules import Violation
from tests.model.store import InlineDatabase

METHODS = frozenset(
    name for kind in Journal.__mro__ for name in vars(kind) if not name.startswith("_")
)
FIRST_PAUSE, LONGEST_PAUSE = 0.05, 1.0  # seconds, as in actors/journal.py


class CalleeGone(Exception):
    """The callee went away under the call: perhaps it was carried out, perhaps not."""


class Process:
    """A simulated process: what it runs stops, without a word, when it dies."""

    def __init__(self, name: str, loop: VirtualLoop) -> None:
        self.name, self.alive = name, True
        self.tasks: set[asyncio.Task[Any]] = set()
        self._loop = loop

    def spawn(self, main: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Run *main* in this process."""
        context = contextvars.Context()
        context.run(owner.set, self)
        return self._loop.create_task(main, context=context)

    def die(self) -> None:
        """Stop here and now. Calls that are under way may still arrive."""
        self.alive = False
        for task in list(self.tasks):
            task.cancel()


@dataclass(eq=False)
class Call:
    """One call on its way; without ``journal`` and ``service`` it is a turn: a mere pause."""

    sender: Process
    label: str
    answer: asyncio.Future[Any] = field(repr=False)
    journal: Callable[[], Awaitable[Any]] | None = None
    service: Callable[[Refusal | None], Any] | None = None
    outcome: Outcome | None = None  #: carried out, and the answer is under way
    gone: bool = False  #: nobody waits for the answer any more

    @property
    def is_turn(self) -> bool:
        return self.journal is None and self.service is None

    def __str__(self) -> str:
        return f"{self.sender.name}.{self.label}"


@dataclass(frozen=True, slots=True)
class Outcome:
    value: Any = None
    error: Exception | None = None


class Network:
    """All calls that are under way, oldest first, and the ways to move them."""

    def __init__(self, loop: VirtualLoop, database: InlineDatabase, ledger: Ledger) -> None:
        self.calls: list[Call] = []
        self.broken: Violation | None = None
        self.ledger = ledger
        self.loop = loop
        self._database = database

    async def send(self, call: Call) -> Any:
        """Wait until the call is answered. Whoever stops waiting does not call it back."""
        if not call.sender.alive:
            raise asyncio.CancelledError
        self.calls.append(call)
        try:
            return await call.answer
        except asyncio.CancelledError:
            call.gone = True
            if call.is_turn or call.outcome is not None:
                self._forget(call)
            raise

    async def turn(self, sender: Process, label: str) -> None:
        """Pause until it is the sender's turn to do something."""
        await self.send(Call(sender, label, self.loop.create_future()))

    def report(self, check: Callable[[], None]) -> None:
        """Do a check from inside a simulated process, whose engine might swallow its error."""
        try:
            check()
        except Violation as error:
            self.broken = self.broken or error
            raise

    # -- moves ----------------------------------------------------------------------------

    def deliver(self, call: Call) -> None:
        """Carry it out if it was not, and answer."""
        if call.is_turn:
            self._reply(call, Outcome())
        else:
            self._carry_out(call, self._reply)

    def hold(self, call: Call) -> None:
        """Carry it out, and let the answer travel on."""
        self._carry_out(call, self._keep)

    def lose(self, call: Call) -> None:
        """Carry it out, and tell the caller that the callee went away."""
        self._carry_out(call, lambda call, _: self._reply(call, _GONE))

    def drop(self, call: Call) -> None:
        """Never carry it out."""
        self._reply(call, _GONE)

    def outage(self, call: Call, kind: str) -> None:
        """Carry it out while the database fails."""
        self._database.faults.extend(OUTAGES[kind])
        self._carry_out(call, self._reply)

    def refuse(self, call: Call, refusal: Refusal) -> None:
        """Let the outside service fail."""
        assert call.service is not None
        self._reply(call, _outcome_of(call.service, refusal))

    def rival(self, journal: Journal, job: JobLedger, key: tuple[str, str]) -> None:
        """The owner, or who has just released the job, records a recorded part once more, with
        another value."""
        assert job.now.job is not None
        memo = MemoRecord(step=key[0], part=key[1], value="rival", started_at=1, ended_at=2)
        record = self._try(journal.record_memo(job.job_id, job.now.job.epoch, memo))
        self.loop.create_task(record, context=contextvars.Context())

    async def _try(self, record: Awaitable[None]) -> None:
        try:
            await record
        except Violation as error:
            self.broken = self.broken or error
        except (StaleEpoch, JobEnded, JournalUnavailable):
            return  # refused, as it should be, or lost

    def _carry_out(self, call: Call, then: Callable[[Call, Outcome], None]) -> None:
        if call.outcome is not None:
            then(call, call.outcome)
        elif call.service is not None:
            then(call, _outcome_of(call.service, None))
        else:
            self.loop.create_task(self._ask_journal(call, then), context=contextvars.Context())

    async def _ask_journal(self, call: Call, then: Callable[[Call, Outcome], None]) -> None:
        assert call.journal is not None
        try:
            outcome = Outcome(value=await call.journal())
        except Violation as error:
            self.broken = self.broken or error
            return
        except Exception as error:
            outcome = Outcome(error=error)
        finally:
            self._database.faults.clear()
        then(call, outcome)

    def _keep(self, call: Call, outcome: Outcome) -> None:
        call.outcome = outcome
        if call.gone:
            self._forget(call)

    def _reply(self, call: Call, outcome: Outcome) -> None:
        self._forget(call)
        if call.answer.done():
            return
        if outcome.error is None:
            call.answer.set_result(outcome.value)
        else:
            call.answer.set_exception(outcome.error)

    def _forget(self, call: Call) -> None:
        if call in self.calls:
            self.calls.remove(call)


_GONE = Outcome(error=CalleeGone())


def _outcome_of(service: Callable[[Refusal | None], Any], refusal: Refusal | None) -> Outcome:
    try:
        return Outcome(value=service(refusal))
    except Exception as error:
        return Outcome(error=error)


class RemoteJournal:
    """The journal as a process reaches it: like ``actors/journal.py``, every call is sent again
    while the journal's actor or its database is away, for *patience* seconds."""

    def __init__(
        self, network: Network, journal: Journal, sender: Process, patience: float
    ) -> None:
        self._network, self._journal = network, journal
        self._sender, self._patience = sender, patience

    def __getattr__(self, method: str) -> Callable[..., Awaitable[Any]]:
        if method not in METHODS:
            raise AttributeError(method)

        async def call(*args: Any, **kwargs: Any) -> Any:
            return await self._call(method, args, kwargs)

        return call

    async def _call(self, method: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        loop = self._network.loop
        give_up, pause = loop.time() + self._patience, FIRST_PAUSE
        while True:
            try:
                answer = await self._send(method, args, kwargs)
            except (CalleeGone, JournalUnavailable) as error:
                if loop.time() + pause > give_up:
                    raise JournalUnavailable("the journal did not answer") from error
            else:
                self._network.report(lambda: self._check(method, args))
                return answer
            await asyncio.sleep(pause)
            pause = min(2 * pause, LONGEST_PAUSE)

    async def _send(self, method: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        call = Call(
            self._sender, _label(method, args), self._network.loop.create_future(),
            journal=lambda: getattr(self._journal, method)(*args, **kwargs),
        )  # fmt: skip
        return await self._network.send(call)

    def _check(self, method: str, args: tuple[Any, ...]) -> None:
        if method in ("record_memo", "record_step"):
            self._network.ledger[args[0]].acknowledged(method, args)


def _label(method: str, args: tuple[Any, ...]) -> str:
    words = [arg for arg in args[1:4] if isinstance(arg, int | str)]
    part = getattr(args[2], "part", None) if len(args) > 2 else None
    return f"{method}({', '.join(map(str, [*words, *([part] if part else [])]))})"
