"""Whose job is admitted next: least running first, and in turn among equals.

Every client with a waiting job competes alike, whatever its tier and however long its queue: a
tier buys jobs at once, not the right to push others aside. The client with the fewest running jobs
is next; of several, the one that was not admitted for longest. Priorities count inside a client.
"""

from __future__ import annotations

import heapq
from collections.abc import Collection, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Contender:
    """A client with jobs in the queue.

    :param queued: how many, or as many as matter.
    :param running: its jobs that run or are being started.
    :param at_once: how many of them may; None for any number.
    :param last_admitted: time of its last admission (epoch ms), 0 for never.
    """

    client_id: str
    queued: int
    running: int = 0
    at_once: int | None = None
    last_admitted: int = 0

    @property
    def room(self) -> int:
        """How many of its queued jobs may be admitted now."""
        free = self.queued if self.at_once is None else self.at_once - self.running
        return max(0, min(free, self.queued))


def admission_order(contenders: Collection[Contender], limit: int) -> list[str]:
    """The clients whose jobs to admit, one after another, at most *limit*."""
    latest = max((one.last_admitted for one in contenders), default=0)
    room = {one.client_id: one.room for one in contenders}
    heap = [(one.running, one.last_admitted, one.client_id) for one in contenders if one.room]
    heapq.heapify(heap)
    order: list[str] = []
    while heap and len(order) < limit:
        running, _, client_id = heapq.heappop(heap)
        order.append(client_id)
        room[client_id] -= 1
        if room[client_id]:
            heapq.heappush(heap, (running + 1, latest + len(order), client_id))
    return order


def place(contenders: Sequence[Contender], client_id: str, own_before: int) -> int:
    """The place of a job in the order of admission, 1 for the next.

    It supposes that nothing ends and nothing more is handed in meanwhile, and leaves the limits of
    jobs at once aside: an estimate, exact while every client has room.

    :param own_before: the client's own jobs that are admitted before it.
    """
    mine = next(one for one in contenders if one.client_id == client_id)
    level = mine.running + own_before  # what runs of its client when its turn comes
    others = (one for one in contenders if one.client_id != client_id)
    ahead = (
        min(one.queued, max(0, level - one.running + (_turn(one) < _turn(mine)))) for one in others
    )
    return own_before + 1 + sum(ahead)


def _turn(one: Contender) -> tuple[int, int, str]:
    """The order of clients that have the same number of running jobs, when they come to have it:
    who had it from the start is first, and who had more before goes before who had less."""
    return (-one.running, one.last_admitted, one.client_id)
