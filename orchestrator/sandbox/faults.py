"""Faults on order: which of the next calls fail, and how.

A fault names a service and exactly one way to fail (``status``, ``timeout`` or
``disconnect``), and how often: ``count`` times, at a ``rate``, or, with neither, always.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator
from pydantic.alias_generators import to_camel

Service = Literal["ai", "serper", "wordpress", "web"]


class Fault(BaseModel):
    """A fault as ``POST /sandbox/faults`` takes it.

    ``model`` limits an ``ai`` fault to one model, ``match`` to calls whose Idempotency-Key
    (or, for the web, path) contains the text. ``timeout`` holds the call that many seconds
    and then drops the connection.
    """

    model_config = ConfigDict(
        alias_generator=to_camel, populate_by_name=True, extra="forbid", protected_namespaces=()
    )

    service: Service
    status: Annotated[int, Field(ge=400, le=599)] | None = None
    timeout: Annotated[float, Field(gt=0, le=3600)] | None = None
    disconnect: bool | None = None
    count: Annotated[int, Field(ge=1)] | None = None
    rate: Annotated[float, Field(gt=0, le=1)] | None = None
    retry_after: Annotated[float, Field(ge=0)] | None = None
    model: str | None = None
    match: str | None = None

    @model_validator(mode="after")
    def _one_way(self) -> Fault:
        ways = [self.status is not None, self.timeout is not None, bool(self.disconnect)]
        if sum(ways) != 1:
            raise ValueError("give exactly one of status, timeout and disconnect")
        if self.count is not None and self.rate is not None:
            raise ValueError("give count or rate, not both")
        if self.retry_after is not None and self.status is None:
            raise ValueError("retryAfter needs a status")
        return self

    def fits(self, service: str, key: str, model: str | None) -> bool:
        """Whether a call is one this fault is meant for."""
        if self.service != service or (self.model and self.model != model):
            return False
        return self.match is None or self.match in key


@dataclass(slots=True)
class FaultBoard:
    """The faults in force, first come first served.

    :param rand: decides faults with a rate.
    """

    rand: random.Random
    faults: list[Fault] = field(default_factory=list)

    def add(self, fault: Fault) -> None:
        """Put *fault* in force."""
        self.faults.append(fault)

    def clear(self) -> None:
        """Take all faults away."""
        self.faults.clear()

    def needs_model(self) -> bool:
        """Whether any fault looks at the model a call asks for."""
        return any(fault.model for fault in self.faults)

    def take(self, service: str, key: str, model: str | None = None) -> Fault | None:
        """The fault that hits this call, or None; a counted fault is used up by one."""
        for fault in self.faults:
            if not fault.fits(service, key, model):
                continue
            if fault.rate is not None and self.rand.random() >= fault.rate:
                continue
            self._use(fault)
            return fault
        return None

    def _use(self, fault: Fault) -> None:
        if fault.count is None:
            return
        fault.count -= 1
        if fault.count == 0:
            self.faults.remove(fault)

    def view(self) -> list[dict[str, Any]]:
        """The faults in force as JSON, counts being what is left of them."""
        return [fault.model_dump(by_alias=True, exclude_none=True) for fault in self.faults]
