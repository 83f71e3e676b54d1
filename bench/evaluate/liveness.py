"""Whether addresses answer: fetched by ourselves, whatever the result says of them."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import aiohttp

from orchestrator.clients.connecting import guarded_session, system_resolve
from orchestrator.clients.guard import Pairs, Refused, Target, check_redirect, check_url, pairs_of

SECONDS = 20.0  #: for one address with its redirects: twice what the product allows itself
REDIRECTS = 5
AT_ONCE, PER_HOST = 16, 4
TRIES = 2  #: a connection that breaks is tried once more
KINDS = frozenset({"text/html", "application/xhtml+xml", "application/pdf"})
HEADERS = {
    "User-Agent": "Mozilla/5.0 (compatible; SotaOrchestrator/0.1; evaluation)",
    "Accept": "text/html,application/xhtml+xml,application/pdf;q=0.9",
    "Accept-Encoding": "identity",
}


@dataclass(frozen=True, slots=True)
class Answer:
    """What an address answered in the end.

    :param status: HTTP, after redirects; 0 when there was no answer.
    :param kind: its content type.
    :param problem: why there was no answer.
    """

    status: int = 0
    kind: str = ""
    problem: str = ""

    @property
    def live(self) -> bool:
        """Whether it is a page or a PDF that is there."""
        return self.status == 200 and self.kind in KINDS

    def __str__(self) -> str:
        return self.problem or f"{self.status} {self.kind}"


async def fetch_all(urls: Iterable[str], allow_hosts: Iterable[str] = ()) -> dict[str, Answer]:
    """What every one of *urls* answers; each is asked once.

    Addresses off the open web are refused, as the product refuses them: pages name them.

    :param allow_hosts: ``host:port`` texts that may be asked although they are private.
    """
    wanted, allowed = list(dict.fromkeys(urls)), pairs_of(allow_hosts)
    slots = asyncio.Semaphore(AT_ONCE)
    async with guarded_session(
        system_resolve, allowed, per_host=PER_HOST, headers=HEADERS
    ) as session:

        async def ask(url: str) -> Answer:
            async with slots:
                return await _ask(session, url, allowed)

        answers = await asyncio.gather(*map(ask, wanted))
    return dict(zip(wanted, answers, strict=True))


async def _ask(session: aiohttp.ClientSession, url: str, allowed: Pairs) -> Answer:
    answer = Answer()
    for _ in range(TRIES):
        try:
            async with asyncio.timeout(SECONDS):
                return await _follow(session, check_url(url, allowed), allowed)
        except Refused as refused:
            return Answer(problem=f"refused: {refused}")
        except TimeoutError:
            answer = Answer(problem=f"no answer within {SECONDS:g} s")
        except (aiohttp.ClientError, OSError, ValueError) as error:
            answer = Answer(problem=f"no answer ({type(error).__name__})")
    return answer


async def _follow(session: aiohttp.ClientSession, target: Target, allowed: Pairs) -> Answer:
    for _ in range(REDIRECTS + 1):
        async with session.get(target.url, allow_redirects=False) as response:
            location = response.headers.get("Location")
            if response.status not in {301, 302, 303, 307, 308} or not location:
                await response.content.read(1)  # the body has begun to come
                return Answer(response.status, response.content_type)
            target = check_redirect(target, location, allowed)
    raise Refused(f"more than {REDIRECTS} redirects")


def dead(answers: Mapping[str, Answer], urls: Iterable[str]) -> list[str]:
    """Those of *urls* that are not live, each with what it answered; one not asked is dead."""
    unasked = Answer(problem="not asked")
    found = {url: answers.get(url, unasked) for url in urls}
    return [f"{url}: {answer}" for url, answer in found.items() if not answer.live]
