"""The outbox: what the journal promises of what is sent because a job has ended."""

from __future__ import annotations

from typing import Protocol

from orchestrator.journal.records import Outgoing, Parcel, Report
from orchestrator.models import DeliveryView


class OutboxJournal(Protocol):
    """The part of the journal that keeps webhooks and publications until they are delivered."""

    async def outbox_due(self, now: int, per_lane: int, limit: int) -> list[Outgoing]:
        """Entries to send at *now*, longest due first, at most *per_lane* of each lane."""
        ...

    async def outbox_claim(
        self, job_id: str, entry: str, owner: str, now: int, until: int
    ) -> Parcel | None:
        """Take a due entry until *until*; None if it is gone, not due, or another has it.

        A claim that runs out can be taken over: its sender has died, and the attempt is logged.

        :param owner: whoever claims, named anew for each claim.
        """
        ...

    async def outbox_extend(self, job_id: str, entry: str, owner: str, until: int) -> bool:
        """Keep a claim until *until*; False if it is lost."""
        ...

    async def outbox_report(self, job_id: str, entry: str, owner: str, report: Report) -> bool:
        """Enter what became of a claimed entry; False, and no change, if the claim is lost.

        The end of a publication is an event of its job.
        """
        ...

    async def deliveries(self, job_id: str) -> list[DeliveryView]:
        """What the job sent or is to send, with every attempt, in the order of its events."""
        ...

    async def redeliver(self, job_id: str, entry: str, now: int) -> DeliveryView:
        """Have an entry sent at *now*, under its old id and with a new deadline.

        One that is being sent, and an article that is published, are left alone.
        :raises DeliveryNotFound: the job has none of this id.
        """
        ...

    async def outbox_counts(self) -> dict[tuple[str, str], int]:
        """How many entries of the outbox stand where, by kind and state; none counts nothing."""
        ...
