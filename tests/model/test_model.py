"""The protocol under chosen interleavings; ``python -m tests.model`` runs many more."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.model.explore import Explorer, Failed, Told
from tests.model.planted import PLANTED, planted
from tests.model.shrink import shrink

INTERLEAVINGS = 250
FOUND_WITHIN = 400
"""Interleavings within which a planted bug must be noticed."""

TOUCHED = (
    "crashes", "partitions", "answers lost", "requests lost", "answers held", "database faults",
    "services failed", "hand-overs", "hibernations", "rival values", "refused: StaleEpoch",
    "refused: JobEnded", "refused: AlreadyDone", "service calls repeated", "external writes",
    "jobs erased", "ended completed", "ended failed", "ended cancelled",
)  # fmt: skip


@pytest.fixture(name="explorer", scope="module")
def explorer_fixture() -> Iterator[Explorer]:
    explorer = Explorer()
    yield explorer
    explorer.close()


def test_every_promise_holds_whatever_comes_in_whatever_order(explorer: Explorer) -> None:
    told = Told()
    for seed in range(INTERLEAVINGS):
        told.add(explorer.run(seed))

    assert told.interleavings == INTERLEAVINGS
    assert not [what for what in TOUCHED if told.counts[what] == 0]


def first_failure(explorer: Explorer) -> Failed:
    for seed in range(FOUND_WITHIN):
        try:
            explorer.run(seed)
        except Failed as failed:
            return failed
    raise AssertionError("no interleaving failed")


@pytest.mark.parametrize("bug", PLANTED)
def test_a_planted_bug_is_noticed(explorer: Explorer, bug: str) -> None:
    with planted(bug):
        assert first_failure(explorer).promise


def test_a_seed_repeats_its_interleaving_and_shrinking_keeps_the_broken_promise(
    explorer: Explorer,
) -> None:
    with planted("the_poison_count_is_never_reset"):
        first = first_failure(explorer)
        with pytest.raises(Failed) as again:
            explorer.run(first.seed)
        small = shrink(explorer, first)

    assert again.value.trace == first.trace
    assert again.value.choices == first.choices
    assert small.promise.startswith("Violation: poisoned")
    assert sum(map(bool, small.choices)) <= sum(map(bool, first.choices))
