"""How many jobs start, and where."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

from orchestrator.admission import RESERVE_MB, Node, least_busy, places


def node(name: str = "a", *, room: float = 0.0, **more: Any) -> Node:
    """A node with memory for *room* jobs of 20 MiB, and with 100 cores."""
    given = {"free_mb": RESERVE_MB + 20 * room, "job_mb": 20.0, "cores": 100.0, "always": 8}
    return Node(name, **{**given, **more})


@pytest.mark.parametrize(
    ("state", "room"),
    [
        (node(room=3), 3),
        (node(room=2.9), 2),
        (node(room=-5), 0),
        (node(room=10, jobs=4, held_mb=80), 10),
        (node(room=10, jobs=4, held_mb=20), 7),  # those four will take 60 MiB more
        (node(room=10, jobs=4, held_mb=500), 10),  # what is held already is not free
        (node(room=2, jobs=9), 0),
        (node(room=90, jobs=15, held_mb=300, busy=0.95, cores=2), 1),  # eight for each core
        (node(room=90, jobs=16, held_mb=320, busy=0.95, cores=2), 0),
        (node(room=90, jobs=40, held_mb=800, busy=0.95, cores=2), 0),
        (node(room=90, jobs=40, held_mb=800, busy=0.5, cores=2), 10),  # 0.8 cores, 0.08 for each
        (node(room=90, jobs=40, held_mb=800, busy=0.5, cores=2, fresh=7), 3),  # some of it is given
        (node(room=90, jobs=40, held_mb=800, busy=0.5, cores=2, fresh=70), 0),
        (node(room=90, jobs=9, held_mb=180, busy=0.5, cores=2, fresh=9), 7),  # eight for each core
        (node(room=90, jobs=40, held_mb=800, busy=1.0, cores=2, always=30), 20),  # by hand
        (node(room=9, jobs=40, held_mb=800, busy=1.0, cores=2, always=30), 9),  # within its memory
    ],
)
def test_room_is_what_is_left_once_the_jobs_there_have_grown(state: Node, room: int) -> None:
    assert state.room == room


@pytest.mark.parametrize(
    ("state", "most", "started"),
    [
        (node(room=500), 0, 16),
        (node(room=5), 0, 5),
        (node(room=500, jobs=3, held_mb=60), 4, 1),
        (node(room=500, jobs=9, held_mb=180), 4, 0),
        (node(room=-30), 0, 1),  # one at a time always goes
        (node(room=-30, jobs=1), 0, 0),
        (node(room=-30), 4, 1),
    ],
)
def test_starts_are_bounded_by_memory_by_hand_and_by_pace(
    state: Node, most: int, started: int
) -> None:
    assert places([state], starts=16, most=most) == ["a"] * started


def test_jobs_go_where_there_is_most_room() -> None:
    found = places([node("a", room=2), node("b", room=6), node("c")], starts=16)

    assert Counter(found) == {"a": 2, "b": 6}
    assert found[:4] == ["b"] * 4


def test_a_bound_by_hand_is_for_all_nodes_together() -> None:
    nodes = [node("a", room=9, jobs=2, held_mb=40), node("b", room=9, jobs=1, held_mb=20)]

    assert len(places(nodes, starts=16, most=5)) == 2


def test_the_one_job_of_a_full_cluster_goes_where_most_is_free() -> None:
    assert places([node("a", room=-9), node("b", room=-3)], starts=16) == ["b"]


def test_without_a_node_nothing_starts() -> None:
    assert places([], starts=16) == []
    assert least_busy({}) is None


def test_a_job_that_must_run_goes_to_the_least_busy_node_and_counts_there() -> None:
    jobs = {"a": 2, "b": 0}

    assert [least_busy(jobs) for _ in range(4)] == ["b", "b", "a", "b"]
    assert jobs == {"a": 3, "b": 3}
