from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.harness import Service, running

IMPATIENT = {"SOTA_HEADER_SECONDS": "3", "SOTA_BODY_SECONDS": "3"}
"""Settings of the shared service: tests wait for its patience to end."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if "/integration/" in str(item.path):
            item.add_marker(pytest.mark.integration)


@pytest.fixture(scope="session")
def shared_service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """One service for all tests that leave it as they found it."""
    with running(tmp_path_factory.mktemp("service"), settings=IMPATIENT) as service:
        yield service


@pytest.fixture
def service(shared_service: Service) -> Iterator[Service]:
    """The shared service, its sandbox healed and unhurried before and after each test."""
    shared_service.heal()
    shared_service.pace("zero")
    yield shared_service
    shared_service.heal()
    shared_service.pace("zero")
