"""A minute of chaos; ``make chaos`` has more of it, on PostgreSQL and three nodes too."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.chaos.course import Course, run_course
from tests.chaos.monkey import SHORT_DECK
from tests.chaos.report import table
from tests.harness import running

SEED = 91  # what must have happened (below) lies among its first five deeds
# A job may have to wait out a hanging call (120 s at most) and a retry after the monkey has gone.
COURSE = Course(seconds=55.0, seed=SEED, deck=SHORT_DECK, settle=150.0)


@pytest.mark.timeout(360)
def test_no_promise_is_broken_while_everything_is_killed_in_turn(tmp_path: Path) -> None:
    with running(tmp_path) as service:
        run, violations = run_course(service, f"sqlite:///{tmp_path / 'journal.db'}", COURSE)

    print(table(run, violations, f"python -m tests.chaos --minutes 1 --seed {SEED}"))
    deeds = {deed.kind for deed in run.seen.deeds}
    assert not violations, "\n".join(map(str, violations))
    assert {"job actor", "job actor stopped", "power cut"} <= deeds
    assert sum(job["status"] == "completed" for job in run.rows.jobs) >= 3
