"""The guarded fetcher: one public page, safely, and reduced to what it says."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from urllib.parse import unquote

import aiohttp
from yarl import URL

from orchestrator.clients.body import CHUNK, ENCODINGS, UnreadableBody, read_decoded
from orchestrator.clients.connecting import Resolve, guarded_session, system_resolve
from orchestrator.clients.extract import Reading, read_html, read_text
from orchestrator.clients.guard import Refused, Target, check_redirect, check_url, pairs_of
from orchestrator.clients.soft404 import is_sent_home, is_soft_404
from orchestrator.services import FetchRequest, Page

TIMEOUT = 10.0  #: seconds for one page with its redirects, PIPELINE "Safety"
MAX_BYTES = 2 * 1024 * 1024  #: of the decoded body, PIPELINE "Safety"
MAX_REDIRECTS = 5  #: PIPELINE "Safety"
CONCURRENCY = 96  #: pages on the way at once in one gateway
READERS = 2  #: threads that extract text; more would only compete for the interpreter
PER_HOST = 16  #: connections to one host

HTML = frozenset({"text/html", "application/xhtml+xml"})
TEXT = frozenset({"text/plain", "text/markdown"})
PDF = frozenset({"application/pdf", "application/x-pdf"})
PDF_START = b"%PDF-"
PDF_REACH = 1024  #: bytes within which a PDF's mark must stand, as readers allow

REDIRECTS = frozenset({301, 302, 303, 307, 308})
UNVERIFIED = frozenset({401, 403, 405, 429})
HEADERS = {
    "User-Agent": "Mozilla/5.0 (compatible; SotaOrchestrator/0.1; reference checker)",
    "Accept": "text/html,application/xhtml+xml,application/pdf;q=0.9,text/plain;q=0.8,*/*;q=0.1",
    "Accept-Language": "en,*;q=0.5",
    "Accept-Encoding": ENCODINGS,
}


@dataclass(frozen=True, slots=True)
class Download:
    """A final answer: where it came from, what it is, and its body as far as it was read."""

    url: URL
    status: int
    content_type: str
    charset: str | None
    body: bytes = b""
    cut: bool = False

    @property
    def found(self) -> bool:
        """Whether the status means success."""
        return 200 <= self.status < 300


class WebFetcher:
    """Fetches pages of the open web.

    :param allow_hosts: ``host:port`` texts that may be reached although they are private.
    :param only_allowed: nothing but those is reached, whatever is asked for.
    :param resolve: from a name to addresses; tests bring their own.
    :param timeout: seconds for one page with its redirects.
    :param max_bytes: of the decoded body that are read.
    """

    def __init__(
        self,
        *,
        allow_hosts: Iterable[str] = (),
        only_allowed: bool = False,
        resolve: Resolve = system_resolve,
        timeout: float = TIMEOUT,
        max_bytes: int = MAX_BYTES,
        concurrency: int = CONCURRENCY,
    ) -> None:
        self._allowed, self._only_allowed = pairs_of(allow_hosts), only_allowed
        self._resolve, self._timeout, self._max_bytes = resolve, timeout, max_bytes
        self._slots = asyncio.Semaphore(concurrency)
        self._session: aiohttp.ClientSession | None = None
        # its own threads: the default ones look up names, and must not wait for page reading
        self._readers = ThreadPoolExecutor(READERS, thread_name_prefix="page-reader")

    async def close(self) -> None:
        """Let go of the connections and the threads; the fetcher is of no use after that."""
        self._readers.shutdown(wait=False, cancel_futures=True)
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def fetch(self, request: FetchRequest) -> Page:
        """The page, or why it cannot be had; raises nothing for what a page does."""
        async with self._slots:
            try:
                async with asyncio.timeout(self._timeout):
                    download = await self._follow(request)
            except Refused as refused:
                return _dead(request, f"refused: {refused}")
            except TimeoutError:
                return _dead(request, f"no answer within {self._timeout:g} s")
            except UnreadableBody as error:
                return _dead(request, str(error))
            except (aiohttp.ClientError, OSError, ValueError) as error:
                return _dead(request, _reason(error))
        # CPU work of up to a second for a large page: not on the event loop
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._readers, page_of, request, download)

    async def _follow(self, request: FetchRequest) -> Download:
        target = check_url(request.url, self._allowed)
        for _ in range(MAX_REDIRECTS + 1):
            step = await self._get(target, request.idempotency_key)
            if isinstance(step, Download):
                return step
            target = step
        raise Refused(f"more than {MAX_REDIRECTS} redirects")

    async def _get(self, target: Target, key: str) -> Download | Target:
        """One request: the final answer, or where it redirects to."""
        if self._only_allowed and not target.allowed:
            raise Refused("the sandbox has no way to the open web")
        if self._session is None:
            self._session = guarded_session(
                self._resolve, self._allowed, per_host=PER_HOST, headers=HEADERS
            )
        # our key tells strangers nothing and concerns nobody but the sandbox
        headers = {"Idempotency-Key": key} if target.allowed else {}
        async with self._session.get(
            target.url, headers=headers, allow_redirects=False
        ) as response:
            location = response.headers.get("Location")
            if response.status in REDIRECTS and location:
                return check_redirect(target, location, self._allowed)
            return await self._download(target.url, response)

    async def _download(self, url: URL, response: aiohttp.ClientResponse) -> Download:
        kind = response.content_type if "Content-Type" in response.headers else ""
        answer = Download(url, response.status, kind, response.charset)
        limit = PDF_REACH if kind in PDF else self._max_bytes
        if not answer.found or kind not in HTML | TEXT | PDF:
            return answer
        chunks = response.content.iter_chunked(CHUNK)
        body, cut = await read_decoded(chunks, response.headers.get("Content-Encoding", ""), limit)
        return Download(url, response.status, kind, answer.charset, body, cut)


def page_of(request: FetchRequest, download: Download) -> Page:
    """What a final answer means: a pure function of it."""
    outcome, problem = _judged_status(download)
    reading = Reading()
    if outcome == "ok":
        outcome, problem, reading = _judged_body(request, download)
    return Page(
        url=request.url,
        final_url=str(download.url),
        outcome=outcome,
        status=download.status,
        content_type=download.content_type,
        title=reading.title,
        headings=reading.headings,
        text=reading.text,
        language=reading.language,
        published=reading.published,
        problem=problem,
    )


def _judged_status(download: Download) -> tuple[str, str | None]:
    if download.found:
        return "ok", None
    outcome = "unverified" if download.status in UNVERIFIED else "dead"
    return outcome, f"status {download.status}"


def _judged_body(request: FetchRequest, download: Download) -> tuple[str, str | None, Reading]:
    """The outcome, the problem and the reading of an answer with a good status."""
    kind, asked = download.content_type, URL(request.url)
    if kind in PDF:
        if PDF_START not in download.body:
            return "dead", "not a PDF, although it says so", Reading()
        return "ok", None, Reading(title=title_from(download.url))
    if kind not in HTML | TEXT:
        return "dead", f"not a page: {kind or 'no content type'}", Reading()
    if is_sent_home(asked, download.url):
        return "dead", "soft 404: redirected to the front page", Reading()
    read = read_html if kind in HTML else read_text
    reading = read(download.body, download.charset, request.max_chars)
    if is_soft_404(reading.title, reading.text, reading.seen):
        return "dead", "soft 404", reading
    return "ok", "only the beginning was read" if download.cut else None, reading


def title_from(url: URL) -> str:
    """A title made from the last part of a URL's path: ``annual-report_2025.pdf``."""
    name = unquote(url.raw_parts[-1]) if url.raw_parts else ""
    stem = re.sub(r"\.[A-Za-z0-9]{1,5}$", "", name)
    words = re.sub(r"[\s_+-]+", " ", stem).strip(" /")
    return words[:1].upper() + words[1:] if words else (url.host or "")


def _dead(request: FetchRequest, problem: str) -> Page:
    return Page(url=request.url, final_url=request.url, outcome="dead", problem=problem)


def _reason(error: Exception) -> str:
    """A connection's failure in words that are the same each time."""
    if isinstance(error, aiohttp.ClientConnectorDNSError):
        return "the name cannot be resolved"
    if isinstance(error, (aiohttp.ClientSSLError, aiohttp.ClientConnectorCertificateError)):
        return "the certificate or the encryption does not hold"
    if isinstance(error, (aiohttp.ClientConnectionError, OSError)):
        return "the connection failed"
    return f"the answer is broken ({type(error).__name__})"
