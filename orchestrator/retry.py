"""When to try again: a pure decision over journaled attempts.

The delays are the specification's: before retry *n* (1..5) wait ``2**n`` seconds plus a
uniform 0-200 ms; a longer ``Retry-After`` wins. The arithmetic is tenacity's wait and stop
strategies; the attempts are counted in the journal, so a restart never resets them.
"""

from __future__ import annotations

import random
from dataclasses import dataclass

from tenacity import RetryCallState, stop_after_attempt, wait_exponential
from tenacity.stop import stop_base
from tenacity.wait import wait_base

from orchestrator.errors import TransientError

MAX_RETRIES = 5
JITTER_SECONDS = 0.2


class WaitUniform(wait_base):
    """Tenacity's ``wait_random`` with its source of chance given from outside."""

    def __init__(self, low: float, high: float, rand: random.Random) -> None:
        self._low, self._high, self._rand = low, high, rand

    def __call__(self, retry_state: RetryCallState) -> float:
        """A uniform number of seconds, whatever the attempt."""
        return self._rand.uniform(self._low, self._high)


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """How long to wait, and when to give up.

    :param wait: seconds after attempt *n* (tenacity's ``attempt_number``).
    :param stop: true when attempt *n* was the last.
    """

    wait: wait_base
    stop: stop_base

    def delay(self, attempt: int, error: TransientError) -> float | None:
        """Seconds to wait after *attempt* (1-based) failed with *error*; None: give up."""
        state = _after(attempt)
        if self.stop(state):
            return None
        return max(self.wait(state), error.retry_after or 0.0)

    def is_final(self, attempt: int) -> bool:
        """True when no retry follows *attempt*."""
        return bool(self.stop(_after(attempt)))


def specified_policy(rand: random.Random) -> RetryPolicy:
    """The specification's policy: five retries, ``2**n`` s + 0-200 ms."""
    return RetryPolicy(
        wait=wait_exponential(multiplier=2, exp_base=2, max=2**MAX_RETRIES)
        + WaitUniform(0.0, JITTER_SECONDS, rand),
        stop=stop_after_attempt(MAX_RETRIES + 1),
    )


def _after(attempt: int) -> RetryCallState:
    state = RetryCallState(retry_object=None, fn=None, args=(), kwargs={})  # type: ignore[arg-type]
    state.attempt_number = attempt
    return state
