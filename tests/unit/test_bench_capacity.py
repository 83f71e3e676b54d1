"""The capacity model: its bounds, and its simulation against them and against queueing theory."""

from __future__ import annotations

import pytest

from bench.capacity.__main__ import job_cost, lines, shared_parts
from bench.capacity.model import (
    USABLE,
    JobCost,
    NodeSize,
    Part,
    dollars_per_1000,
    jobs_per_second,
    nodes_of_a_cell,
    saturation,
)
from bench.capacity.simulation import Simulation

SMALL = NodeSize("small", 2, 8, 0.10)


def test_a_part_can_serve_no_more_than_its_servers_over_its_demand() -> None:
    assert Part("journal", 0.2).most == 5
    assert Part("cores", 4.0, servers=2).most == 0.5
    assert Part("unused", 0.0).most == float("inf")


def test_the_part_with_the_lowest_bound_saturates_first() -> None:
    found = saturation([Part("a", 0.1), Part("b", 0.3), Part("c", 0.4, servers=8)])

    assert [part.name for part, _ in found] == ["b", "a", "c"]
    assert found[0][1] == pytest.approx(USABLE / 0.3)


@pytest.mark.parametrize(
    ("job", "rate", "bound"),
    [
        (JobCost(seconds=60, mb=20, on_its_node=2.0), 0.7, "CPU"),
        (JobCost(seconds=600, mb=100, on_its_node=0.1), 51.2 / 600, "memory"),
    ],
)
def test_a_node_is_bounded_by_what_runs_out_first(job: JobCost, rate: float, bound: str) -> None:
    found, by = jobs_per_second(SMALL, job)

    assert found == pytest.approx(rate)
    assert by == bound


def test_a_cell_has_as_many_nodes_as_its_shared_parts_carry() -> None:
    job = JobCost(seconds=60, mb=20, on_its_node=2.0)

    nodes, rate = nodes_of_a_cell(SMALL, job, [Part("journal", 0.1)])
    assert nodes == 10
    assert rate == pytest.approx(7.0)

    nodes, rate = nodes_of_a_cell(SMALL, job, [Part("journal", 10.0)])
    assert nodes == 1
    assert rate == pytest.approx(0.07)


def test_dollars_are_those_of_the_machine() -> None:
    assert dollars_per_1000(SMALL, 1.0) == pytest.approx(0.10 * 1000 / 3600)


def test_the_simulation_agrees_with_the_mean_of_an_mm1_queue() -> None:
    """One part, one round: the mean number in an M/M/1 system is rho / (1 - rho)."""
    found = Simulation([Part("one", 1.0)], outside=1.0, rounds=1).run(rate=0.5, seconds=50_000)

    assert found.live == pytest.approx(1.0, rel=0.1)
    assert found.utilization == pytest.approx(0.5, rel=0.05)
    assert found.carried == pytest.approx(0.5, rel=0.05)


def test_no_more_is_carried_than_the_bottleneck_can() -> None:
    parts = [Part("cores", 2.0, servers=4), Part("journal", 1.0)]

    crowd = Simulation(parts, outside=5.0, rounds=5, most_live=50)
    found = crowd.run(rate=3.0, seconds=3000)

    assert found.busiest == "journal"
    assert found.utilization > 0.98
    assert 0.85 < found.carried <= 1.05
    assert found.live == pytest.approx(50, rel=0.1)


def test_far_from_saturation_a_job_takes_its_own_time() -> None:
    found = Simulation([Part("cores", 0.5, servers=8)], outside=50.0, rounds=11).run(0.05, 60_000)

    assert found.p50 == pytest.approx(45.0, rel=0.15)  # ten waits of 50/11 s
    assert found.live == pytest.approx(0.05 * 46, rel=0.15)


def test_the_model_is_told_from_what_a_load_wrote() -> None:
    run = {
        "completed": 90, "failed": 10, "uniqueMb": {"p95": 30.0}, "runSeconds": {"p50": 60.0},
        "cpuSecondsByRole": {"journal": 20.0, "breakers": 10.0, "job actors": 100.0},
    }  # fmt: skip

    parts = {part.name: part for part in shared_parts(run)}
    said = "\n".join(lines(run, 60.0))

    assert parts["journal"].demand == pytest.approx(0.2)
    assert parts["breakers"].most == pytest.approx(50)
    assert job_cost(run, 60.0) == JobCost(seconds=60.0, mb=30.0, on_its_node=1.0)
    assert "| journal | 200 | 3.5 | 12,600 |" in said
    assert "1.00 CPU-s on its node, 30 MiB for 60 s" in said
    assert "| 2 cores, 8 GiB | 5,040 | CPU |" in said
