"""Google results by Serper: ``POST {base}/search`` (https://serper.dev)."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import aiohttp

from orchestrator.clients.http import JsonApi
from orchestrator.errors import Misconfigured, PermanentError, TransientError
from orchestrator.services import OrganicResult, SearchReply, SearchRequest

SERVICE = "serper"
TIMEOUT = 15.0
"""Seconds; Serper answers in one to three."""


class SerperClient:
    """Searches.

    :param key: ``SERPER_API_KEY``.
    :param clock: epoch seconds.
    """

    def __init__(
        self,
        session: aiohttp.ClientSession,
        base_url: str,
        key: str,
        *,
        timeout: float = TIMEOUT,
        clock: Callable[[], float] = time.time,
    ) -> None:
        if not key:
            raise Misconfigured(SERVICE, "SERPER_API_KEY is not set: set it or use the sandbox")
        self._api = JsonApi(
            session,
            SERVICE,
            base_url,
            key_setting="SERPER_API_KEY",
            url_setting="SERPER_BASE_URL",
            headers={"X-API-KEY": key},
            private=(key,),
            timeout=timeout,
            clock=clock,
        )

    async def search(self, request: SearchRequest) -> SearchReply:
        """One page of results.

        :raises TransientError: worth another try.
        :raises PermanentError: refused; an account without credits is :class:`Misconfigured`.
        """
        body = {
            "q": request.query,
            "gl": request.country,
            "hl": request.language,
            "num": request.num,
        }
        try:
            data = await self._api.call(
                "POST",
                "/search",
                key=request.idempotency_key,
                body=body,
                private=(request.query,),
            )
        except PermanentError as error:
            raise _credits(error) from None
        if not isinstance(data, dict):
            raise TransientError(SERVICE, "the answer is not a result page")
        return reply_from(data)


def _credits(error: PermanentError) -> PermanentError:
    """Serper says "Not enough credits" with status 400, which no change of the call mends."""
    if error.status == 400 and "credits" in str(error).lower():
        return Misconfigured(
            SERVICE, "the account of SERPER_API_KEY has no credits left: top it up", status=400
        )
    return error


def reply_from(data: dict[str, Any]) -> SearchReply:
    """The parts of an answer the pipeline uses; entries without a link or text are left out."""
    organic = [
        OrganicResult.model_validate({k: v for k, v in entry.items() if v is not None})
        for entry in _entries(data, "organic")
        if _text(entry, "link")
    ]
    return SearchReply(
        organic=organic,
        people_also_ask=_texts(data, "peopleAlsoAsk", "question"),
        related_searches=_texts(data, "relatedSearches", "query"),
    )


def _entries(data: dict[str, Any], name: str) -> list[dict[str, Any]]:
    found = data.get(name)
    return [entry for entry in found if isinstance(entry, dict)] if isinstance(found, list) else []


def _text(entry: dict[str, Any], name: str) -> str:
    value = entry.get(name)
    return value.strip() if isinstance(value, str) else ""


def _texts(data: dict[str, Any], name: str, part: str) -> list[str]:
    return [text for entry in _entries(data, name) if (text := _text(entry, part))]
