"""What the bench of jobs without work computes; its pipeline is the real one without work."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from bench.noop import __main__ as command
from bench.noop.cpu import Reading, between, places, usage
from bench.noop.databases import POSTGRES, SQLITE
from bench.noop.figures import Figures, Latency, as_json, compared, ratios, table
from bench.noop.pipeline import without_work
from bench.noop.systems import DBOS, DBOS_WAL, NAIVE, OURS, SYSTEMS, Trial
from orchestrator.models import SubmitRequest
from steps import PIPELINE


def figures(system: str = "orchestrator", database: str = "sqlite", **changes: Any) -> Figures:
    fields: dict[str, Any] = {
        "system": system, "database": database, "jobs": 10, "jobs_per_second": 20.0,
        "cpu_seconds": 0.1, "wall_ms": 500.0, "submit": Latency(10, 10, 20, 30),
        "status": Latency(10, 5, 6, 7), "at_rest": 0.2, "others": None, "counted": "by process",
        "note": "",
    }  # fmt: skip
    return Figures(**{**fields, **changes})


def test_latencies_are_milliseconds() -> None:
    found = Latency.of([n / 1000 for n in range(1, 101)])

    assert (found.count, found.p50, found.p95, found.p99) == (100, 50, 95, 99)


def test_a_ratio_above_one_is_better_whichever_way_the_figure_counts() -> None:
    other = figures("naive Ray", jobs_per_second=5.0, cpu_seconds=0.4, wall_ms=250.0)

    found = ratios(figures(), other)

    assert found["jobs_per_second"] == pytest.approx(4)
    assert found["cpu_ms"] == pytest.approx(4)
    assert found["wall_ms"] == pytest.approx(0.5)
    assert "at_rest" not in found


def test_each_database_is_compared_with_itself() -> None:
    found = [
        figures(), figures("DBOS", cpu_seconds=0.05),
        figures(database="postgres"), figures("DBOS", "postgres", cpu_seconds=0.2),
    ]  # fmt: skip

    against = compared(found)

    assert against["sqlite"]["DBOS"]["cpu_ms"] == pytest.approx(0.5)
    assert against["postgres"]["DBOS"]["cpu_ms"] == pytest.approx(2)
    assert "0.50x" in table(found, "sqlite")
    assert len(as_json({"machine": "m"}, found)["figures"]) == 4


async def test_the_pipeline_is_the_real_one_without_its_work() -> None:
    found = without_work(PIPELINE)

    assert [step.slug for step in found.steps] == [step.slug for step in PIPELINE.steps]
    assert [step.needs for step in found.steps[1:]] == [(step.slug,) for step in found.steps[:-1]]
    result = found.finish(
        SubmitRequest.model_validate({"keyword": "nothing"}), {"a": 1}, {"cost": 0}
    )
    assert result["metadata"] == {"wordCount": 0, "steps": 1, "cost": 0}


@pytest.mark.parametrize("there", [True, False])
def test_dbos_is_measured_where_it_is_there_and_else_left_out(
    there: bool, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(command, "dbos_libraries", lambda: Path("lib") if there else None)
    monkeypatch.setattr(command, "there_is_a_server", lambda: True)

    found = command.trials(SYSTEMS, None)

    ours = [Trial(system, kind) for kind in (SQLITE, POSTGRES) for system in (OURS, NAIVE)]
    dbos = [Trial(DBOS, SQLITE), Trial(DBOS_WAL, SQLITE), Trial(DBOS, POSTGRES)]
    assert set(found) == {*ours, *(dbos if there else [])}
    assert ("pip install" in capsys.readouterr().out) is not there


def test_without_postgresql_sqlite_is_measured_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(command, "there_is_a_server", lambda: False)

    assert command.trials([OURS], None) == [Trial(OURS, SQLITE)]
    assert command.trials([OURS], "postgres") == []


def test_a_group_counts_the_service_and_the_rest_is_others() -> None:
    before, after = Reading(0, 10, 2, 1), Reading(10, 25, 8, 2)

    spent = between(before, after)

    assert (spent.seconds, spent.cpu_seconds, spent.others) == (10, 6, 8)


def test_without_a_group_the_machine_counts_but_the_client() -> None:
    spent = between(Reading(0, 10, None, 1), Reading(10, 25, None, 2))

    assert (spent.cpu_seconds, spent.others) == (14, None)


def test_both_versions_of_control_groups_are_read() -> None:
    found = places("9:name=systemd:/\n2:cpu,cpuacct:/a\n0::/b.slice\n")

    assert found == [Path("/sys/fs/cgroup/cpu,cpuacct/a"), Path("/sys/fs/cgroup/b.slice")]
    assert usage({"cpuacct.usage": "1500000000\n"}) == pytest.approx(1.5)
    assert usage({"cpu.stat": "usage_usec 250000\nuser_usec 1\n"}) == pytest.approx(0.25)
