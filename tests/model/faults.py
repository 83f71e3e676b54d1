"""What can go wrong, by name: the names are counted, and stand in traces."""

from __future__ import annotations

import enum


class DbFault(enum.Enum):
    """What befalls one transaction."""

    NONE = "none"
    BEFORE_COMMIT = "before commit"  #: rolled back
    AFTER_COMMIT = "after commit"  #: on disk, and the driver says that it failed


OUTAGES = {
    "first try fails": (DbFault.BEFORE_COMMIT,),
    "first answer lost": (DbFault.AFTER_COMMIT,),
    "fails twice": (DbFault.BEFORE_COMMIT, DbFault.BEFORE_COMMIT),
    "both answers lost": (DbFault.AFTER_COMMIT, DbFault.AFTER_COMMIT),
    "read after it fails": (DbFault.NONE, DbFault.BEFORE_COMMIT, DbFault.BEFORE_COMMIT),
}
"""Faults of the transactions of one journal call, which tries each transaction twice."""


class Move(enum.StrEnum):
    """What happens next, when every simulated process waits."""

    DELIVER = "delivered"  #: a call arrives, is carried out and answered
    TURN = "turns"  #: a client or the supervisor decides to do something
    TIME = "clock moved"  #: to the next timer
    HOLD = "answers held"  #: a call is carried out; its answer stays under way
    LOSE = "answers lost"  #: a call is carried out; its caller hears that the callee went away
    DROP = "requests lost"  #: a call never arrives; its caller hears that the callee went away
    OUTAGE = "database faults"  #: the database fails under a journal call
    REFUSE = "services failed"  #: an outside service fails or its breaker is open
    CRASH = "crashes"  #: an activation's process dies
    PARTITION = "partitions"  #: an activation is given up for dead, and lives
    HAND_OVER = "hand-overs"  #: an activation is asked to leave its process in good order
    RIVAL = "rival values"  #: a memo's part is recorded once more with another value


class Refusal(enum.StrEnum):
    """How an outside service fails."""

    TRANSIENT = "transient"
    RETRY_AFTER = "transient, Retry-After"
    ANSWER_LOST = "done, answer lost"
    BREAKER = "breaker open"
    PERMANENT = "permanent"
