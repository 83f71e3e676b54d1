"""Where every choice is made: by a seed, or over again from what was chosen before."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from tests.model.faults import Move

T = TypeVar("T")


class Chooser:
    """Chooses among weighted options, and remembers the index of each choice.

    The first option is always the harmless one, so that a trace gets simpler by zeroes.

    :param script: indices to choose instead; past its end every choice is the first option.
    """

    def __init__(self, seed: int, script: Sequence[int] | None = None) -> None:
        self.rand = random.Random(seed)
        self.made: list[int] = []
        self._script = script

    def choose(self, options: Sequence[tuple[float, T]]) -> T:
        """One of the options, by weight."""
        if self._script is not None:
            at = len(self.made)
            index = self._script[at] if at < len(self._script) else 0
            index = index if index < len(options) else 0
        else:
            weights = [weight for weight, _ in options]
            [index] = self.rand.choices(range(len(options)), weights)
        self.made.append(index)
        return options[index][1]

    def one_of(self, options: Sequence[T]) -> T:
        """One of the options, all equally likely; no choice is made of a single one."""
        return options[0] if len(options) == 1 else self.choose([(1.0, one) for one in options])


MOVES = {
    Move.DELIVER: 12.0, Move.TURN: 2.0, Move.TIME: 2.0, Move.HOLD: 1.0, Move.LOSE: 0.6,
    Move.DROP: 0.4, Move.OUTAGE: 0.5, Move.REFUSE: 1.0, Move.CRASH: 0.5, Move.PARTITION: 0.25,
    Move.RIVAL: 0.15, Move.HAND_OVER: 0.3,
}  # fmt: skip
"""How likely each move is, beside the others that are possible."""


@dataclass(frozen=True, slots=True)
class Mood:
    """What one interleaving is like: which faults come, how often, and how long.

    Each interleaving leaves some kinds of fault out altogether (swarm testing): what two rare
    faults do together is found by the runs in which nothing else happens.
    """

    weights: dict[Move, float] = field(default_factory=dict)
    moves: int = 0  #: after so many moves the faults stop
    client_turns: int = 0
    max_activations: int = 5
    job_timeout: float = 900.0
    hibernate_after: float = 30.0

    @classmethod
    def drawn(cls, rand: random.Random) -> Mood:
        """A mood by chance."""
        weights = {
            move: weight * rand.choice((0.0, 0.5, 1.0, 3.0)) for move, weight in MOVES.items()
        }
        weights |= {Move.DELIVER: MOVES[Move.DELIVER], Move.TURN: MOVES[Move.TURN]}
        return cls(
            weights=weights,
            moves=rand.choice((15, 40, 80, 120)),
            client_turns=rand.choice((0, 1, 2, 3, 5)),
            max_activations=rand.choice((2, 3, 5)),
            job_timeout=rand.choice((60.0, 300.0, 900.0)),
            hibernate_after=rand.choice((1.0, 5.0, 30.0)),
        )
