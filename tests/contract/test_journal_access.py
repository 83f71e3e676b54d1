"""Keys, used signatures and the audit log, as the journal keeps them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
from sqlalchemy import text

from orchestrator.errors import IllegalTransition, InvalidInput
from orchestrator.journal.base import Journal
from orchestrator.journal.database import Database
from orchestrator.journal.opening import open_journal
from orchestrator.security.records import Action, KeyKind, KeyRecord, Principal, SignatureUse
from tests.contract.journal_helpers import (
    JOB,
    database_fixture,  # noqa: F401
    journal_fixture,  # noqa: F401
    new_job,
    url_fixture,  # noqa: F401
)


@pytest.fixture(name="another")
async def another_fixture(url: str, journal: Journal) -> AsyncIterator[Journal]:
    """A second writer on the same database: a command line, or another cluster."""
    opened = await open_journal(url, migrate=False)
    yield opened
    await opened.close()


def key(number: int, client_id: str = "alice", kind: KeyKind = KeyKind.SIGNING) -> KeyRecord:
    return KeyRecord(id=f"k{number}", client_id=client_id, kind=kind, master="m", created_at=number)


def by(entry: str, at: int = 1) -> Principal:
    return Principal(client_id="alice", key_id="k1", request_id="r", entry=entry, at=at)


def use(token: str, expires_at: int | None = 10, signature: str = "ab") -> SignatureUse:
    return SignatureUse(key_id="k1", signature=signature, token=token, expires_at=expires_at)


async def test_a_client_has_two_live_keys_of_a_kind_and_no_third(journal: Journal) -> None:
    for number in (1, 2):
        await journal.create_key(key(number), by=by(f"e{number}"))
    with pytest.raises(InvalidInput, match="revoke one"):
        await journal.create_key(key(3), by=by("e3"))
    await journal.create_key(key(4, kind=KeyKind.BEARER), by=by("e4"))
    await journal.create_key(key(5, client_id="bob"), by=by("e5"))

    await journal.revoke_key("k1", 5, by=by("e6"))
    await journal.create_key(key(3), by=by("e7"))

    live = await journal.live_keys("alice", KeyKind.SIGNING)
    assert {one.id for one in live} == {"k2", "k3"}


async def test_two_writers_cannot_make_a_third_key_between_them(
    journal: Journal, another: Journal
) -> None:
    writers = (journal, another)
    made = await asyncio.gather(
        *(writers[n % 2].create_key(key(n), by=by(f"e{n}")) for n in range(12)),
        return_exceptions=True,
    )

    assert sum(outcome is None for outcome in made) == 2
    assert len(await journal.live_keys("alice", KeyKind.SIGNING)) == 2
    assert len(await journal.audit_log()) == 2


async def test_a_revoked_key_is_gone_at_once_and_stays_in_the_list(
    journal: Journal, another: Journal
) -> None:
    await journal.create_key(key(1), by=by("e1"))
    assert (await another.key("k1")) == key(1)

    revoked = await another.revoke_key("k1", 7, by=by("e2"))
    again = await journal.revoke_key("k1", 9, by=by("e3"))

    assert revoked == again == key(1).model_copy(update={"revoked_at": 7})
    assert await journal.key("k1") is None
    assert await journal.live_keys("alice", KeyKind.SIGNING) == []
    assert await journal.keys() == [revoked]
    assert await journal.revoke_key("k9", 7, by=by("e4")) is None


async def test_of_many_uses_through_two_writers_one_is_the_first(
    journal: Journal, another: Journal
) -> None:
    writers = (journal, another)
    first = await asyncio.gather(*(writers[n % 2].use_signature(use(f"t{n}")) for n in range(60)))

    assert sum(first) == 1


async def test_the_same_presentation_sent_again_has_the_same_answer(journal: Journal) -> None:
    """The journal's actor may die between the commit and its answer."""
    assert [await journal.use_signature(use(token)) for token in ("a", "a", "b", "b", "a")] == [
        True, True, False, False, True,
    ]  # fmt: skip


async def test_what_has_no_date_is_forgotten_with_its_key_only(
    journal: Journal, database: Database
) -> None:
    hour = 3600 * 1000
    await journal.create_key(key(1), by=by("e1"))
    await journal.use_signature(use("a", None, "undated"))
    await journal.use_signature(use("a", 10, "dated"))

    assert await journal.purge_access(0, hour) == 0
    assert await journal.purge_access(0, hour + 11) == 1
    assert await journal.use_signature(use("b", None, "undated")) is False

    await journal.revoke_key("k1", 5, by=by("e2"))
    left = await database.run(lambda c: c.execute(text("SELECT count(*) FROM nonces")).scalar())
    assert left == 0


async def test_the_entry_and_the_change_are_one_transaction(journal: Journal) -> None:
    await journal.submit(new_job(), by=by("e1", at=1))
    with pytest.raises(IllegalTransition):
        await journal.retry(JOB, 2, by=by("e2", at=2))
    await journal.request_cancel(JOB, 3, by=by("e3", at=3))
    await journal.request_cancel(JOB, 3, by=by("e3", at=3))  # sent twice, as it may be
    await journal.erase(JOB, by=by("e4", at=4))
    await journal.erase(JOB, by=by("e5", at=5))  # there was nothing left to erase

    log = await journal.audit_log(job_id=JOB)

    assert [(entry.at, entry.action) for entry in log] == [
        (4, Action.ERASE),
        (3, Action.CANCEL),
        (1, Action.SUBMIT),
    ]


async def test_the_log_is_the_newest_first_and_purged_by_age(journal: Journal) -> None:
    for number in range(1, 8):
        await journal.submit(new_job(number), by=by(f"e{number}", at=number))
    await journal.create_key(key(1), by=by("k", at=100))
    await journal.revoke_key("k1", 3, by=by("kk", at=101))

    assert [entry.at for entry in await journal.audit_log(limit=3)] == [101, 100, 7]
    assert await journal.audit_log(client_id="bob") == []
    assert await journal.purge_access(5, 0, limit=3) == 4  # three entries, one revoked key
    assert await journal.purge_access(5, 0, limit=3) == 1
    assert await journal.purge_access(5, 0) == 0
    assert [entry.at for entry in await journal.audit_log()] == [101, 100, 7, 6, 5]
