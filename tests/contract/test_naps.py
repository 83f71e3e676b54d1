"""Naps of a main thread: a real process, real signals, and no Ray."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

import pytest

from actors import naps

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such timers")

ROOT = Path(__file__).resolve().parents[2]

LOOP = """
import json, threading, time
from actors import naps
ALLOWED
turns = []

def other():  # as an actor's own thread does
    time.sleep(0.3)
    naps.begin()
    naps.begin()  # twice is once
    time.sleep(0.25)
    EARLIER
    time.sleep(1.25)
    naps.end()
    ended.append(time.monotonic())
    time.sleep(0.5)
    ended.append(None)

ended = []
began = time.monotonic()
thread = threading.Thread(target=other)
thread.start()
while len(ended) < 2:  # as Ray's main thread does, which looks for signals every 10 ms
    time.sleep(0.01)
    turns.append(time.monotonic() - began)
print(json.dumps({
    "before": sum(at < 0.3 for at in turns),
    "napping": sum(0.4 < at < 1.7 for at in turns),
    "after": sum(at > ended[0] - began for at in turns),
    "woken": min(at for at in turns if at > ended[0] - began) - (ended[0] - began),
}))
"""


def looped(allowed: str, earlier: str = "pass") -> dict[str, float]:
    """What the main thread of a process did before, during and after naps."""
    code = LOOP.replace("ALLOWED", allowed).replace("EARLIER", earlier)
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True, text=True, check=True, cwd=ROOT, timeout=30,
    )  # fmt: skip
    found: dict[str, float] = json.loads(done.stdout)
    return found


def test_a_main_thread_naps_and_wakes_at_the_end() -> None:
    turns = looped("naps.allow()")

    assert turns["before"] > 10
    assert 2 <= turns["napping"] <= 1.3 / naps.NAP_SECONDS + 2  # it still takes its turns
    assert turns["after"] > 20
    assert turns["woken"] < naps.NAP_SECONDS / 2  # by the end, not by the clock


def test_a_process_that_may_not_nap_does_not() -> None:
    """Nothing was set up for it: a signal would end it."""
    assert looped("")["napping"] > 40


def test_a_signal_that_comes_too_early_is_put_off() -> None:
    """A machine that is behind wakes the napper late, after the next signal."""
    turns = looped("naps.allow()", "import signal; signal.setitimer(signal.ITIMER_REAL, 0.01)")

    late = naps.LATE_SECONDS / 0.01  # turns that it may take before it naps again
    assert 2 <= turns["napping"] <= 1.3 / naps.NAP_SECONDS + 2 + 2 * late
    assert turns["after"] > 20


LEAVING = """
import atexit, signal, sys, time
from actors import naps

def finish():  # as Ray does at a worker's end: Python code, which heeds signals at once
    for _ in range(50):
        time.sleep(0.001)

atexit.register(finish)
signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
naps.allow()
naps.begin()
print("naps", flush=True)
while True:
    time.sleep(0.01)
"""


def test_a_napping_process_that_is_told_to_end_does_so_without_naps() -> None:
    with subprocess.Popen(
        [sys.executable, "-c", LEAVING], stdout=subprocess.PIPE, text=True, cwd=ROOT
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "naps\n"
        time.sleep(2.5 * naps.NAP_SECONDS)
        process.terminate()
        told = time.monotonic()
        try:
            assert process.wait(timeout=30) == 0  # and not by the timer's signal
        finally:
            process.kill()
    assert time.monotonic() - told < 2 * naps.NAP_SECONDS + 1  # of 50 naps each would be 0.4 s
