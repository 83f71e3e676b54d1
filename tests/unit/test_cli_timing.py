"""A finished job's timings as they are shown: the table, the totals, and where they appear."""

from __future__ import annotations

from typing import Any

import pytest

from orchestrator.cli import jobs
from orchestrator.cli.timing import CRITICAL, SHARED, timing_rows, timing_table, timing_totals
from orchestrator.models import JobView
from tests.client_helpers import RESULT, job_view
from tests.unit.test_cli_show import rendered

TIMINGS: dict[str, Any] = {
    "sequentialSeconds": 47.0,
    "elapsedSeconds": 20.0,
    "idleSeconds": 0.0,
    "criticalPath": ["Gap Analysis", "Auto-fix"],
    "steps": [
        {"name": "Semantic Keywords", "start": 0.04, "end": 9.0, "sequentialSeconds": 15.0},
        {"name": "Gap Analysis", "start": 0.04, "end": 11.5, "sequentialSeconds": 30.0},
        {"name": "Auto-fix", "start": 11.5, "end": 20.0, "sequentialSeconds": 0.0},
    ],
}


def test_each_step_has_its_times_and_whether_it_decided_the_end() -> None:
    assert timing_rows(TIMINGS) == [
        ("Semantic Keywords", "0.0", "9.0", "9.0", "15.0", ""),
        ("Gap Analysis", "0.0", "11.5", "11.5", "30.0", CRITICAL),
        ("Auto-fix", "11.5", "20.0", "8.5", "0.0", CRITICAL),
        (SHARED, "", "", "", "2.0", ""),
    ]


def test_calls_of_no_step_have_a_row_only_where_there_are_some() -> None:
    assert SHARED not in [row[0] for row in timing_rows({**TIMINGS, "sequentialSeconds": 45.0})]


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({}, "sequential 47.0 s, actual 20.0 s (2.4 times as fast)"),
        ({"sequentialSeconds": 3.0}, "sequential 3.0 s, actual 20.0 s"),
        (
            {"idleSeconds": 125.0},
            "sequential 47.0 s, actual 20.0 s (2.4 times as fast); "
            "stood still for 2 m 05 s, not counted",
        ),
    ],
)
def test_the_totals_compare_calls_in_sequence_with_the_time_it_took(
    change: dict[str, float], text: str
) -> None:
    assert timing_totals({**TIMINGS, **change}) == text


def test_the_table_fits_a_terminal_of_80_columns() -> None:
    lines = rendered(timing_table(TIMINGS)).splitlines()

    assert " ".join(lines[0].split()) == "Step Start s End s Time s Calls s Critical path"
    assert max(map(len, map(str.rstrip, lines))) <= 80


def completed(timings: dict[str, Any]) -> JobView:
    result = {**RESULT, "metadata": {**RESULT["metadata"], "timings": timings}}
    return JobView.model_validate(job_view("completed", done=8, result=result))


def test_watching_ends_with_the_table_and_the_totals(capsys: pytest.CaptureFixture[str]) -> None:
    jobs.show_summary(completed(TIMINGS))
    shown = capsys.readouterr().out

    assert "Gap Analysis" in shown
    assert "sequential 47.0 s, actual 20.0 s" in shown


def test_a_result_of_an_older_version_is_shown_without_the_table(
    capsys: pytest.CaptureFixture[str],
) -> None:
    jobs.show_summary(completed(RESULT["metadata"]["timings"]))

    assert "Critical path" not in capsys.readouterr().out
