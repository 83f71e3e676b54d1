from __future__ import annotations

import random
import re

import pytest

from orchestrator.errors import IllegalTransition
from orchestrator.jobs import (
    ENDED,
    TRANSITIONS,
    JobStatus,
    check_transition,
    new_job_id,
    sources_of,
)


def test_every_status_has_its_row() -> None:
    assert set(TRANSITIONS) == set(JobStatus)


def test_a_completed_job_never_moves_again() -> None:
    assert not TRANSITIONS[JobStatus.COMPLETED]


@pytest.mark.parametrize("ended", sorted(ENDED))
def test_an_ended_job_cannot_be_processing(ended: JobStatus) -> None:
    with pytest.raises(IllegalTransition, match=f"{ended} cannot become processing"):
        check_transition(ended, JobStatus.PROCESSING)


def test_sources_are_the_table_read_backwards() -> None:
    assert sources_of(JobStatus.COMPLETED) == {JobStatus.PROCESSING}
    assert JobStatus.PROCESSING in sources_of(JobStatus.PROCESSING)


def test_job_ids_have_the_specified_shape_and_differ() -> None:
    rand = random.Random(7)
    ids = {new_job_id(1703169045000, rand) for _ in range(1000)}

    assert len(ids) == 1000
    assert all(re.fullmatch(r"job_\d{13}_[a-z0-9]{7,}", job) for job in ids)
