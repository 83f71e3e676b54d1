from __future__ import annotations

import sys

import pytest


@pytest.fixture(autouse=True)
def forbid_ray(monkeypatch: pytest.MonkeyPatch) -> None:
    """The unit ring never starts Ray: a decision that needs a cluster is in the wrong place."""
    ray = sys.modules.get("ray")
    if ray is not None:
        monkeypatch.setattr(ray, "init", _refuse)


def _refuse(*_: object, **__: object) -> None:
    raise AssertionError("a unit test called ray.init")
