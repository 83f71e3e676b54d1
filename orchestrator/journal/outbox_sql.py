"""The outbox over SQLAlchemy Core."""

from __future__ import annotations

from orchestrator.journal import outbox_reads, outbox_writes
from orchestrator.journal.calls import Calls
from orchestrator.journal.records import Outgoing, Parcel, Report
from orchestrator.models import DeliveryView


class SqlOutbox:
    """The :class:`~orchestrator.journal.outgoing.OutboxJournal` part of the SQL journal."""

    async def outbox_due(self: Calls, now: int, per_lane: int, limit: int) -> list[Outgoing]:
        """Entries to send at *now*, longest due first."""
        return await self._read(outbox_reads.due, now, per_lane, limit)

    async def outbox_claim(
        self: Calls, job_id: str, entry: str, owner: str, now: int, until: int
    ) -> Parcel | None:
        """Take a due entry until *until*."""
        if not await self._write(job_id, outbox_writes.claim, job_id, entry, owner, now, until):
            return None
        return await self._read(outbox_reads.parcel, entry)

    async def outbox_extend(self: Calls, job_id: str, entry: str, owner: str, until: int) -> bool:
        """Keep a claim until *until*; False if it is lost."""
        return await self._write(job_id, outbox_writes.extend, entry, owner, until)

    async def outbox_report(
        self: Calls, job_id: str, entry: str, owner: str, report: Report
    ) -> bool:
        """Enter what became of a claimed entry; False if the claim is lost."""
        return await self._write(job_id, outbox_writes.report, job_id, entry, owner, report)

    async def deliveries(self: Calls, job_id: str) -> list[DeliveryView]:
        """What the job sent or is to send, with every attempt."""
        return await self._read(outbox_reads.deliveries_of, job_id)

    async def redeliver(self: Calls, job_id: str, entry: str, now: int) -> DeliveryView:
        """Have an entry sent at *now*, under its old id."""
        await self._write(job_id, outbox_writes.redeliver, job_id, entry, now)
        return await self._read(outbox_reads.require_delivery, job_id, entry)

    async def outbox_counts(self: Calls) -> dict[tuple[str, str], int]:
        """How many entries of the outbox stand where, by kind and state."""
        return await self._read(outbox_reads.counts)
