"""How many jobs may start now: a pure decision over measured memory."""

from __future__ import annotations

from dataclasses import dataclass

STARTS_PER_ROUND = {"on": 16, "off": 4}
"""Job actors started in one round of the supervisor, by ``SOTA_TEMPLATE``: running jobs and the API
must stay responsive meanwhile. A start costs about 0.07 CPU-seconds forked, and 0.8 anew."""

RESERVE_MB = 1024
"""Memory that is never given to jobs."""


@dataclass(frozen=True, slots=True)
class Admission:
    """What the decision is made of.

    :param running: jobs that run, or are being started.
    :param free_mb: memory available on the machine now, in MiB.
    :param job_mb: what one job is reckoned to need, in MiB.
    :param starts: how many may be started in one round.
    :param most: an upper bound set by hand; 0 for none.
    """

    running: int
    free_mb: int
    job_mb: int
    starts: int
    most: int = 0


def capacity(state: Admission) -> int:
    """How many more jobs may be started now; never negative."""
    by_memory = (state.free_mb - RESERVE_MB) // state.job_mb
    if not state.running:
        by_memory = max(1, by_memory)  # one at a time always goes: else a small machine starves
    by_hand = state.most - state.running if state.most else by_memory
    return max(0, min(by_memory, by_hand, state.starts))
