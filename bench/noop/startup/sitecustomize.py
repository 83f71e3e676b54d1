"""Puts steps that do nothing in the place of the real ones, in every process of a service.

The service is the real one, with no switch for it: Python imports this module at its start where
this directory is on ``PYTHONPATH``, and whoever then imports ``steps`` finds another ``PIPELINE``.
The real steps are imported all the same, as what a process imports is part of its cost.
"""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType

REPLACED = "steps"


class _Replacing(MetaPathFinder):
    """Finds the module as it would be found without it, and changes it when it is loaded."""

    def find_spec(
        self, name: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if name != REPLACED:
            return None
        sys.meta_path.remove(self)  # once is enough, and it would find itself
        spec = importlib.util.find_spec(name)
        if spec is None or spec.loader is None:
            return None
        load = spec.loader.exec_module

        def changed(module: ModuleType) -> None:
            load(module)
            from bench.noop.pipeline import without_work  # noqa: PLC0415 - it imports ``steps``' kin

            vars(module)["PIPELINE"] = without_work(vars(module)["PIPELINE"])

        vars(spec.loader)["exec_module"] = changed
        return spec


sys.meta_path.insert(0, _Replacing())
