"""Calls of a JSON API over aiohttp, with one way to fail."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import aiohttp
from yarl import URL

from orchestrator.clients.body import CHUNK, UnreadableBody, read_decoded
from orchestrator.clients.failures import error_for, quotable
from orchestrator.errors import Misconfigured, PermanentError, TransientError

MAX_ANSWER = 8 * 1024 * 1024
"""Bytes of an answer we read; the largest WordPress posts stay far below."""


@dataclass(frozen=True)
class JsonApi:
    """One service's JSON API.

    :param session: with ``auto_decompress=False``, see :func:`open_session`.
    :param service: the service's name in errors.
    :param base_url: scheme, host and path prefix.
    :param key_setting: the setting that holds the credentials, named when they are refused.
    :param url_setting: the setting that holds *base_url*, named when it is wrong.
    :param headers: sent with every call, credentials among them.
    :param private: texts that no error may repeat (keys, passwords).
    :param timeout: seconds a whole call may take.
    :param clock: epoch seconds; reads ``Retry-After`` dates.
    """

    session: aiohttp.ClientSession
    service: str
    base_url: str
    key_setting: str
    url_setting: str
    headers: Mapping[str, str] = field(repr=False)
    private: tuple[str, ...] = field(repr=False)
    timeout: float = 30.0
    clock: Callable[[], float] = time.time

    async def call(
        self,
        method: str,
        path: str,
        *,
        key: str,
        params: Mapping[str, str] | None = None,
        body: Any = None,
        private: Iterable[str] = (),
    ) -> Any:
        """The decoded JSON answer of one call.

        :param key: sent as ``Idempotency-Key``.
        :param private: what this call sends that no error may repeat.
        :raises TransientError: timeouts, broken connections, 408, 429, 5xx.
        :raises Misconfigured: refused credentials, a base URL that is wrong or redirects.
        :raises PermanentError: any other refusal.
        """
        status, headers, answer = await self._exchange(method, path, key, params, body)
        hidden = (*self.private, *private)
        if 300 <= status < 400:
            raise self._redirects(headers)
        if status >= 400:
            raise self._refused(status, headers, answer, hidden)
        data = _decode(answer)
        if data is None:
            raise self._misplaced(status)
        return data

    async def _exchange(
        self, method: str, path: str, key: str, params: Mapping[str, str] | None, body: Any
    ) -> tuple[int, Mapping[str, str], bytes]:
        try:
            async with self.session.request(
                method,
                self.base_url.rstrip("/") + path,
                params=params,
                json=body,
                headers={**self.headers, "Idempotency-Key": key},
                allow_redirects=False,  # a key must not follow a redirect to another host
                timeout=aiohttp.ClientTimeout(total=self.timeout, connect=5.0),
            ) as response:
                coding = response.headers.get("Content-Encoding", "")
                answer, _ = await read_decoded(
                    response.content.iter_chunked(CHUNK), coding, MAX_ANSWER
                )
                return response.status, response.headers, answer
        except TimeoutError:
            raise TransientError(self.service, "no answer in time") from None
        except aiohttp.InvalidURL:
            raise Misconfigured(
                self.service, f"{self.url_setting} is not a URL: set an http(s) address"
            ) from None
        except (aiohttp.ClientError, OSError, UnreadableBody) as error:
            raise TransientError(
                self.service, f"the connection failed ({type(error).__name__})"
            ) from None

    def _refused(
        self, status: int, headers: Mapping[str, str], answer: bytes, private: Iterable[str]
    ) -> Exception:
        data = _decode(answer)
        said = data.get("message") if isinstance(data, dict) else None
        return error_for(
            self.service,
            status,
            headers,
            now=self.clock(),
            setting=self.key_setting,
            detail=quotable(said, private) if isinstance(said, str) else "",
        )

    def _redirects(self, headers: Mapping[str, str]) -> Misconfigured:
        try:
            where = f" to {URL(headers.get('Location', '')).origin()}"
        except ValueError:  # a relative location
            where = ""
        return Misconfigured(
            self.service, f"{self.url_setting} redirects{where}: set the final address"
        )

    def _misplaced(self, status: int) -> PermanentError:
        return Misconfigured(
            self.service,
            f"{self.url_setting} did not answer in JSON: check the address",
            status=status,
        )


def _decode(answer: bytes) -> Any:
    """The JSON value, or None if it is none."""
    try:
        return json.loads(answer)
    except ValueError:
        return None


def open_session(*, limit: int, limit_per_host: int) -> aiohttp.ClientSession:
    """A session for :class:`JsonApi`: bounded, without cookies, without decompression."""
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=limit, limit_per_host=limit_per_host),
        cookie_jar=aiohttp.DummyCookieJar(),
        headers={"Accept": "application/json", "Accept-Encoding": "gzip, deflate"},
        auto_decompress=False,
    )
