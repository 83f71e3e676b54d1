"""Lets the main thread of a waiting job's process sleep, which Ray has wake 100 times a second.

Ray's workers look for Python signals every 10 ms in the thread that also takes calls. That costs a
waiting process half of the CPU it takes (measured: docs/performance.md), so a few hundred fill a
machine that does nothing. Python runs signal handlers in that very thread, so a handler that
sleeps is a nap: a timer's signal starts each, and a call that comes in meanwhile waits for its end.
What the job itself does, and the answers to its calls, are of other threads and do not wait.
"""

from __future__ import annotations

import atexit
import signal
import threading

NAP_SECONDS = 0.4
"""Length of a nap, and so the most that a call to the process (a cancellation, say) waits more."""

BETWEEN_SECONDS = 0.002
"""From a nap's end to the next signal. Ray's loop heeds signals every 10 ms: so long has what came
in to begin."""

LATE_SECONDS = 0.05
"""To the next signal when one came before a nap's end, on a machine that is behind."""

_allowed = threading.Event()
_over = threading.Lock()  # held while there are to be naps: who naps waits for it
_napping = threading.Lock()  # held by who naps


def allow() -> None:
    """Make naps possible. To be called in the main thread, before :func:`begin`."""
    signal.signal(signal.SIGALRM, _nap)
    signal.siginterrupt(signal.SIGALRM, False)  # system calls of other threads go on
    _allowed.set()
    atexit.register(end)  # a process told to end (SIGTERM) leaves through Python's own way out


def begin() -> None:
    """Have the main thread nap from now on, if it may (:func:`allow`). From any thread, once."""
    if _allowed.is_set() and _over.acquire(blocking=False):
        signal.setitimer(signal.ITIMER_REAL, BETWEEN_SECONDS)


def end() -> None:
    """End the nap and have no more. From any thread, and once more does nothing."""
    if _over.locked():
        _over.release()  # first: a signal that comes in between finds no nap to be had
        signal.setitimer(signal.ITIMER_REAL, 0)


def _nap(*_: object) -> None:
    if not _over.locked():
        return
    if not _napping.acquire(blocking=False):  # the signal has come while one naps
        signal.setitimer(signal.ITIMER_REAL, LATE_SECONDS)
        return
    try:
        signal.setitimer(signal.ITIMER_REAL, NAP_SECONDS + BETWEEN_SECONDS)
        if _over.acquire(timeout=NAP_SECONDS):
            _over.release()
            signal.setitimer(signal.ITIMER_REAL, 0)
    finally:
        _napping.release()
