from __future__ import annotations

import pytest

from orchestrator.admission import Admission, capacity


@pytest.mark.parametrize(
    ("state", "room"),
    [
        (Admission(running=0, free_mb=20_000, job_mb=160, starts=4), 4),
        (Admission(running=500, free_mb=20_000, job_mb=160, starts=4), 4),
        (Admission(running=0, free_mb=1024 + 320, job_mb=160, starts=4), 2),
        (Admission(running=1, free_mb=1000, job_mb=160, starts=4), 0),
        (Admission(running=0, free_mb=1000, job_mb=160, starts=4), 1),
        (Admission(running=3, free_mb=20_000, job_mb=160, starts=4, most=4), 1),
        (Admission(running=9, free_mb=20_000, job_mb=160, starts=4, most=4), 0),
    ],
)
def test_room_is_bounded_by_memory_by_hand_and_by_pace(state: Admission, room: int) -> None:
    assert capacity(state) == room
