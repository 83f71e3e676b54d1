"""One interleaving: processes, faults, and then peace, in which the job must end."""

from __future__ import annotations

import logging
import random
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from orchestrator.jobs import ENDED
from orchestrator.models import JobView
from tests.model.chance import Chooser, Mood
from tests.model.client import Client
from tests.model.cluster import Activation, Cluster, Site, Supervisor
from tests.model.faults import OUTAGES, Move, Refusal
from tests.model.ledger import JobLedger, Ledger
from tests.model.loop import VirtualLoop
from tests.model.network import Call, Network
from tests.model.outside import Outside
from tests.model.rules import Violation, require
from tests.model.store import AuditedJournal, InlineDatabase

PEACE = 3000
"""Moves within which a job must end once the faults have stopped."""

Option = tuple[Move, list[object]]


@dataclass
class Told:
    """What happened in one interleaving, or in many."""

    interleavings: int = 0
    counts: Counter[str] = field(default_factory=Counter)

    def add(self, other: Told) -> None:
        """Count another's in."""
        self.interleavings += other.interleavings
        self.counts.update(other.counts)


class Failed(AssertionError):
    """An interleaving broke a promise.

    :param seed: repeats it.
    :param choices: repeat it too, and can be made fewer (see ``shrink``).
    """

    def __init__(self, seed: int, choices: list[int], trace: list[str], promise: str) -> None:
        words = [f"seed {seed}: {promise}", *trace[-200:], f"seed {seed}: {promise}"]
        super().__init__("\n".join(words))
        self.seed, self.choices, self.trace, self.promise = seed, choices, trace, promise


class Explorer:
    """Runs interleavings one after another on one loop and one in-memory database."""

    def __init__(self) -> None:
        logging.getLogger("orchestrator").setLevel(logging.CRITICAL)
        self.loop = VirtualLoop()
        self.database = InlineDatabase()

    def close(self) -> None:
        """Let go of the loop and the database."""
        self.loop.run_until_complete(self.database.close())
        self.loop.close()

    def run(self, seed: int, script: Sequence[int] | None = None) -> Told:
        """Run the interleaving of *seed*. :raises Failed: it broke a promise."""
        simulation = Simulation(self, seed, script)
        try:
            return simulation.run()
        except Exception as error:
            promise = f"{type(error).__name__}: {error}"
            raise Failed(seed, simulation.chooser.made, simulation.trace, promise) from error


class Simulation:
    """One interleaving."""

    def __init__(self, explorer: Explorer, seed: int, script: Sequence[int] | None) -> None:
        self.chooser = Chooser(seed, script)
        self.trace: list[str] = []
        self.told = Told(interleavings=1)
        self._loop, self._database = explorer.loop, explorer.database
        self._mood = Mood.drawn(random.Random(f"mood {seed}"))
        self._moves = 0
        self._looked = False
        self._build(seed)

    def _build(self, seed: int) -> None:
        self._database.audit = None
        self._database.clear()
        mood, database = self._mood, self._database
        self._ledger = Ledger(mood.max_activations, mood.job_timeout)
        database.audit = self._ledger
        self._network = Network(self._loop, database, self._ledger)
        self._journal = AuditedJournal(database, self._ledger)
        self._site = Site(
            self._network, self._journal, Outside(self._network), mood, random.Random(seed)
        )
        self._cluster = Cluster(self._site)

    def run(self) -> Told:
        """Run it to its end."""
        self._loop.run(self._main(), self._idle)
        self._tell()
        return self.told

    async def _main(self) -> None:
        self._over = self._loop.create_future()
        site, cluster, turns = self._site, self._cluster, self._mood.client_turns
        self._clients = [Client(f"c{n}", site, cluster, self.chooser, turns) for n in (1, 2)]
        self._supervisor = Supervisor(site, cluster)
        await self._over
        for client in self._clients:
            client.die()
        self._supervisor.die()
        await self._check_ends()

    # -- what happens next ----------------------------------------------------------------

    def _idle(self, timeout: float | None) -> None:
        """Everything waits: make one move."""
        if error := self._network.broken or self._cluster.broken:
            raise error
        self._moves += 1
        timeout = self._until_next(timeout)
        if self._is_over():
            if not self._over.done():
                self._over.set_result(None)
        elif self._moves <= self._mood.moves:
            self._chosen_move(timeout)
        else:
            self._peaceful_move(timeout)

    def _until_next(self, timeout: float | None) -> float | None:
        """Seconds until the next timer, or until a released job is to be taken up again."""
        job = self._ledger.current
        if job is None or job.now.wake is None:
            return timeout
        asleep = (job.now.wake - self._site.now_ms() + 1) / 1000
        if asleep <= 0:
            return timeout
        return asleep if timeout is None else min(timeout, asleep)

    def _is_over(self) -> bool:
        job = self._ledger.current
        ended = job is not None and (job.now.job is None or job.now.job.status in ENDED)
        idle = all(call.is_turn for call in self._network.calls)
        clients = any(client.busy for client in self._clients)
        return ended and idle and not clients and not self._cluster.living

    def _chosen_move(self, timeout: float | None) -> None:
        options = [(move, found) for move, found in self._options(timeout) if found]
        weights = self._mood.weights
        likely = [(weights[move], (move, found)) for move, found in options if weights[move] > 0]
        if not likely:
            likely = [(1.0, option) for option in options]
        move, found = self.chooser.choose(likely)
        target = self.chooser.one_of(found)
        self._note(move, target)
        self._moved(move, target, timeout)

    def _options(self, timeout: float | None) -> list[Option]:
        """Every move that is possible, with what it may be done to; the harmless ones first."""
        calls = [call for call in self._network.calls if not call.is_turn]
        lossy = [call for call in calls if not call.gone]
        fresh = [call for call in lossy if call.outcome is None]
        return [
            (Move.DELIVER, [*calls]),
            (Move.TIME, ["clock"] if timeout is not None else []),
            (Move.TURN, [call for call in self._network.calls if call.is_turn]),
            (Move.HOLD, [*fresh]),
            (Move.LOSE, [call for call in lossy if call.journal]),
            (Move.DROP, [call for call in calls if call.gone or (call.journal and call in fresh)]),
            (Move.OUTAGE, [call for call in fresh if call.journal]),
            (Move.REFUSE, [call for call in fresh if call.service]),
            (Move.CRASH, [*self._cluster.living]),
            (Move.PARTITION, [*self._cluster.holders.values()]),
            (Move.HAND_OVER, [*self._cluster.holders.values()]),
            (Move.RIVAL, self._rivals()),
        ]  # fmt: skip

    def _rivals(self) -> list[object]:
        """Recorded parts of a job that runs."""
        job = self._ledger.current
        if job is None or job.now.job is None or job.now.job.status != "processing":
            return []
        return [(job, key) for key in sorted(job.now.memos)]

    def _moved(self, move: Move, target: object, timeout: float | None) -> None:
        network = self._network
        if isinstance(target, Call):
            self._move_call(move, target)
        elif move is Move.TIME:
            assert timeout is not None
            self._loop.advance(timeout)
        elif move is Move.CRASH:
            assert isinstance(target, Activation)
            self._cluster.crash(target, restart=self.chooser.one_of([True, False]))
        elif move is Move.PARTITION:
            assert isinstance(target, Activation)
            self._cluster.partition(target)
        elif move is Move.HAND_OVER:
            assert isinstance(target, Activation)
            target.ask_to_stop("release")
        elif move is Move.RIVAL:
            network.rival(self._journal, *target)  # type: ignore[misc]

    def _move_call(self, move: Move, call: Call) -> None:
        network = self._network
        if move is Move.OUTAGE:
            network.outage(call, self.chooser.one_of(list(OUTAGES)))
        elif move is Move.REFUSE:
            network.refuse(call, self.chooser.one_of(REFUSALS))
        else:
            acts: dict[Move, Callable[[Call], None]] = {
                Move.DELIVER: network.deliver, Move.TURN: network.deliver,
                Move.HOLD: network.hold, Move.LOSE: network.lose, Move.DROP: network.drop,
            }  # fmt: skip
            acts[move](call)

    # -- peace ----------------------------------------------------------------------------

    def _peaceful_move(self, timeout: float | None) -> None:
        """No more faults: calls arrive in order, the supervisor looks, time goes on."""
        require(self._moves - self._mood.moves < PEACE, "the job does not end")
        for client in self._clients:
            client.stop_asking()
        calls = self._network.calls
        waiting = next((call for call in calls if not call.is_turn), None)
        thinking = next((c for c in calls if c.is_turn and c.sender is not self._supervisor), None)
        looking = next((call for call in calls if call.sender is self._supervisor), None)
        if call := waiting or thinking:
            self._note(Move.DELIVER, call)
            self._network.deliver(call)
            looking_on = call.sender is self._supervisor or call.label.startswith("flags")
            self._looked = self._looked and looking_on
        elif paused := self._paused():
            self._clients[0].spawn(self._clients[0].resume(paused))
        elif looking is not None and not self._looked:
            self._looked = True
            self._network.deliver(looking)
        elif timeout is not None:
            self._looked = False
            self._note(Move.TIME, "clock")
            self._loop.advance(timeout)
        else:
            raise Violation("nothing happens any more, and the job has not ended")

    def _paused(self) -> str | None:
        """The id of a job that is paused, and would stay so for ever."""
        job = self._ledger.current
        paused = job is not None and job.now.job is not None and job.now.job.status == "paused"
        return job.job_id if job is not None and paused else None

    # -- the end --------------------------------------------------------------------------

    async def _check_ends(self) -> None:
        self._database.audit = None
        await self._database.run(self._ledger.final)
        for job in self._ledger.jobs.values():
            view = await self._journal.view(job.job_id)
            if view is not None:
                self._check_view(view, job)

    def _check_view(self, view: JobView, job: JobLedger) -> None:
        require(view.cost == round(job.cost_usd, 6), f"cost {view.cost}, recorded {job.cost_usd}")
        require((view.result is not None) == (view.status == "completed"), "result without an end")
        if view.result is not None:
            row = job.now.job
            assert row is not None
            kept = round(job.cost_usd - row.dropped_cost_usd, 6)
            cost = view.result["run"]["cost"]
            require(abs(cost - kept) < 1e-6, f"the result says {cost}, recorded are {kept}")
        self.told.counts[f"ended {view.status}"] += 1
        if view.status == "completed" and view.cancel_requested:
            self.told.counts["completed before the cancel was seen"] += 1

    def _note(self, move: Move, target: object) -> None:
        what = target[1] if isinstance(target, tuple) else getattr(target, "name", target)
        self.trace.append(f"{self._loop.time():8.2f} s  {move.value:18} {what}")
        if self._moves <= self._mood.moves:
            self.told.counts[move.value] += 1

    def _tell(self) -> None:
        counts, outside = self.told.counts, self._site.outside
        counts["activations"] += self._cluster.activations
        counts["service calls"] += sum(outside.calls.values())
        counts["service calls repeated"] += outside.repeats
        require(max(outside.effects.values(), default=0) <= 1, "a post was written twice")
        counts["external writes"] += len(outside.effects)
        for name, number in self._ledger.refused.items():
            counts[f"refused: {name}"] += number
        for client in self._clients:
            counts.update(f"asked: {what}" for what in client.asked)
        counts["hibernations"] += sum(job.releases for job in self._ledger.jobs.values())
        counts["jobs erased"] += sum(job.erased for job in self._ledger.jobs.values())


REFUSALS = [
    Refusal.TRANSIENT, Refusal.TRANSIENT, Refusal.TRANSIENT, Refusal.RETRY_AFTER,
    Refusal.ANSWER_LOST, Refusal.ANSWER_LOST, Refusal.BREAKER, Refusal.BREAKER,
    Refusal.BREAKER, Refusal.PERMANENT,
]  # fmt: skip
