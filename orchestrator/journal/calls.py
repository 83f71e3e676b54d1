"""What the parts of the SQL journal are built on."""

from __future__ import annotations

from collections.abc import Callable
from typing import Concatenate, ParamSpec, Protocol, TypeVar

from sqlalchemy import Connection

from orchestrator.tenants.tiers import Tenancy

P = ParamSpec("P")
R = TypeVar("R")


class Calls(Protocol):
    """Runs an operation in a transaction; see :class:`~orchestrator.journal.sql.SqlJournal`."""

    _rules: Tenancy

    async def _write(
        self,
        key: str,
        operation: Callable[Concatenate[Connection, P], R],
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> R: ...

    async def _read(
        self,
        operation: Callable[Concatenate[Connection, P], R],
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> R: ...
