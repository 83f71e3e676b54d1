"""A free client beside others, on the running service."""

from __future__ import annotations

import asyncio
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from orchestrator.journal.opening import open_journal
from orchestrator.tenants.tiers import Tier
from tests.harness import ENDED, Answer, Service, http, until

HOUR = 3600


async def give_tier(service: Service, client: str, tier: Tier) -> None:
    """As ``sota clients set`` does it, while the service runs."""
    journal = await open_journal(f"sqlite+aiosqlite:///{service.home}/journal.db", migrate=False)
    await journal.set_tier(client, tier, int(time.time() * 1000))
    await journal.close()


def usage(service: Service, client: str) -> dict[str, Any]:
    answer = service.get(f"usage?clientId={client}")
    assert answer.status == 200, answer.raw
    return dict(answer.body)


def test_of_200_submits_by_a_free_client_five_are_accepted_and_run_one_by_one(
    service: Service,
) -> None:
    service.submit()  # the journal is there
    asyncio.run(give_tier(service, "free-client", Tier.FREE))

    def submit(number: int) -> Answer:
        body = {"keyword": f"rain barrel {number}", "clientId": "free-client"}
        return http("POST", f"{service.url}/orchestrator/ultra-sota", body)

    at = time.time()
    with ThreadPoolExecutor(32) as threads:
        answers = list(threads.map(submit, range(200)))
    hours = 1 + (time.time() // HOUR != at // HOUR)  # the clock's hour may turn meanwhile

    accepted = [answer for answer in answers if answer.status == 202]
    refused = [answer for answer in answers if answer.status == 429]
    assert len(accepted) + len(refused) == 200
    assert len(accepted) == 5 or (hours == 2 and 5 < len(accepted) <= 10)
    assert {answer.body["violated-policies"][0] for answer in refused} >= {"jobs-per-hour"}
    for answer in refused:
        assert answer.body["resetsAt"] / 1000 > at
        assert 1 <= int(answer.headers["retry-after"]) <= HOUR
        assert answer.headers["ratelimit-limit"] == str(answer.body["limit"])
        assert '"jobs-per-hour";q=5;w=3600' in answer.headers["ratelimit-policy"] or (
            answer.body["violated-policies"] == ["requests"]
        )

    ids = [str(answer.body["jobId"]) for answer in accepted]
    newcomer = service.submit("rain barrels for a newcomer")
    most = 0

    def watched() -> bool:
        nonlocal most
        jobs = [service.job(job_id) for job_id in ids]
        most = max(most, sum(job["status"] == "processing" for job in jobs))
        return sum(job["status"] in ENDED for job in jobs) >= 2

    until("two of the five have ended", watched, 60)
    assert most == 1
    assert service.ended(newcomer, 20)["status"] == "completed"  # it waited for none of the five
    for job_id in ids:
        service.post(f"job/{job_id}/cancel")
    for job_id in ids:
        service.ended(job_id, 30)

    told = usage(service, "free-client")
    assert (told["tier"], told["limits"]["jobsPerHour"], told["running"]) == ("free", 5, 0)
    assert told["month"]["words"] > 2_000
    assert told["month"]["cost"] > 0
    assert "remaining" not in usage(service, "anonymous")["hour"]
