from __future__ import annotations

from tests.unit.conftest import forbid_ray

__all__ = ["forbid_ray"]
