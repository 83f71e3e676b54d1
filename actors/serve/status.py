"""The application ``status``: shows jobs, streams their events, and passes on requests."""

# No postponed annotations here: Serve rebuilds the routes of an ingress class, and FastAPI then
# cannot resolve annotations that are strings.
import asyncio
import hashlib
import time
from typing import Annotated, Any

from fastapi import Header, Query, Request
from fastapi.responses import JSONResponse, Response
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from ray import serve

from actors import options
from actors.breaker import view_of
from actors.journal import remote_journal
from actors.limits import RETRY_AFTER_SECONDS, SAFE_ID
from actors.serve import pages
from actors.serve.caller import caller_of, client_of, principal_of, require_admin
from actors.serve.entrance import set_up
from actors.serve.events import MOST_EVENTS, EventStream, event_id, follow, holder_of
from actors.serve.http import make_app
from actors.serve.metrics import exposition
from actors.serve.places import Places
from actors.serve.rate import RequestRate
from actors.serve.watch import Watch
from orchestrator.breaker import POLICIES, Breaker
from orchestrator.config import Settings
from orchestrator.errors import JobNotFound, JournalDamaged, JournalUnavailable
from orchestrator.intake import ANONYMOUS
from orchestrator.jobs import JobStatus
from orchestrator.journal.base import Journal
from orchestrator.journal.opening import open_journal
from orchestrator.models import (
    KEYWORD_MAX,
    BreakerView,
    DeliveryList,
    DeliveryView,
    Health,
    JobPage,
    JobView,
    Mode,
)
from orchestrator.secrets import SigningSecrets, StorageKeys
from orchestrator.security.caller import Caller
from orchestrator.telemetry import configure_logging
from orchestrator.tenants.headers import rate_limit_headers
from orchestrator.tenants.quotas import Counted, quotas
from orchestrator.tenants.tiers import LIMITS, Tier
from orchestrator.tenants.views import UsageView
from steps import PIPELINE

app = make_app("status")
app.include_router(pages.router)

PATIENCE = 5.0  # seconds a request waits for the journal before it is answered 503
BREAKER_PATIENCE = 2.0  # seconds to wait for a breaker before its saved state is shown
MAX_WAIT = 60.0  # seconds of a long poll
STOP_SECONDS = 2.0  # a request to stop waits so long for what comes of it
STOP_LOOK_SECONDS = 0.05  # how often it looks
MAX_TIME = 2**53 - 1  # epoch milliseconds: what JSON's numbers carry exactly
LOOK_ANEW_SECONDS = 2.0  # what is no event (a cost, a place in the queue) is news after so long


# Serve pickles an ingress class where it is decorated: its helpers must stand before it.


def _answer(view: JobView, headers: dict[str, str] | None = None) -> JSONResponse:
    """The job as JSON: 200 once it has ended, 202 before."""
    return JSONResponse(
        view.model_dump(mode="json", by_alias=True, exclude_none=True),
        status_code=200 if view.status.has_ended else 202,
        headers=headers,
    )


def _etag(view: JobView) -> str:
    digest = hashlib.sha256(view.model_dump_json(exclude={"result"}).encode()).hexdigest()
    return f'"{digest[:24]}"'


def _possible(job_id: str) -> str:
    """The id, if a job may have it: databases refuse some texts in words of their own.

    :raises JobNotFound: no job has such an id.
    """
    if not SAFE_ID.fullmatch(job_id):
        raise JobNotFound("no job has such an id")
    return job_id


def _is_news(view: JobView, tag: str | None) -> bool:
    """Whether a long poll is over: the job has ended, or is not as *tag* says."""
    return view.status.has_ended or (tag is not None and _etag(view) != tag)


@serve.deployment(name="status")
@serve.ingress(app)
class Status:
    """Reads straight from the database; only requests to change a job go through actors."""

    async def __init__(self) -> None:  # type: ignore[misc]  # Serve awaits it
        secrets = SigningSecrets()  # before they are dropped
        self._keys = StorageKeys().encryption_keys
        options.forget_secrets()
        configure_logging()
        self._settings = Settings()
        self._journal = remote_journal(self._settings, PATIENCE, make=True)
        self._reader: Journal | None = None
        self._opening = asyncio.Lock()
        await set_up("status", self._settings, secrets, self._read, self._journal)
        self._rate = RequestRate(self._tier_of)
        self._watch = Watch(self._read)
        self._streams = Places(self._settings.streams, self._settings.streams_per_client)
        self._polls = Places(self._settings.streams, self._settings.streams)

    @app.get("/job/{job_id}")
    async def job(
        self,
        request: Request,
        job_id: str,
        wait: Annotated[float, Query(ge=0, le=MAX_WAIT)] = 0.0,
        if_none_match: Annotated[str | None, Header()] = None,
    ) -> Response:
        """The job: 202 while it is queued or runs, 200 once it has ended, 404 if unknown.

        ``?wait=30`` holds the answer until the job has ended, or, with ``If-None-Match``,
        until it differs from that ETag (304 if it does not within the time).
        """
        caller = caller_of(request)
        view = await self._view(job_id, caller)
        if wait and not _is_news(view, if_none_match):
            view = await self._wait(view, caller, wait, if_none_match)
        tag = _etag(view)
        if tag == if_none_match:
            return Response(status_code=304, headers={"ETag": tag})
        return _answer(view, {"ETag": tag})

    @app.get("/job/{job_id}/events")
    async def events(
        self,
        request: Request,
        job_id: str,
        last_event_id: Annotated[str | None, Header()] = None,
        after: Annotated[int, Query(ge=0, le=MOST_EVENTS)] = 0,
    ) -> EventStream:
        """The job's events as Server-Sent Events, from ``Last-Event-ID`` (or ``after``) on."""
        start = event_id(last_event_id) if last_event_id else after
        await self._view(job_id, caller_of(request), with_result=False)
        seconds = self._settings.stream_seconds
        events = follow(await self._read(), self._watch, job_id, start, seconds)
        return EventStream(events, self._streams, holder_of(request))

    @app.get("/jobs")
    async def jobs(
        self,
        request: Request,
        status: JobStatus | None = None,
        client_id: Annotated[str | None, Query(alias="clientId")] = None,
        keyword: Annotated[str | None, Query(min_length=1, max_length=KEYWORD_MAX)] = None,
        mode: Mode | None = None,
        created_after: Annotated[int | None, Query(alias="createdAfter", ge=0, le=MAX_TIME)] = None,
        created_before: Annotated[
            int | None, Query(alias="createdBefore", ge=0, le=MAX_TIME)
        ] = None,
        limit: Annotated[int, Query(ge=1, le=200)] = 50,
        cursor: str | None = None,
    ) -> JobPage:
        """Jobs of the caller, newest first, a page at a time; an administrator sees everyone's.

        ``keyword`` is looked for within the keywords, in capitals or not. Times are epoch
        milliseconds: from ``createdAfter`` on, and before ``createdBefore``.
        """
        reader = await self._read()
        views, next_cursor = await reader.list_jobs(
            client_id=client_of(request, client_id),
            status=status,
            keyword=keyword,
            mode=mode,
            created_after=created_after,
            created_before=created_before,
            limit=limit,
            cursor=cursor,
        )
        return JobPage(jobs=views, next_cursor=next_cursor)

    @app.post("/job/{job_id}/cancel")
    async def cancel(self, request: Request, job_id: str) -> Response:
        """Cancel the job; asking twice is asking once.

        200 and how it ended, once it has: ``completed`` if its last write came first. 202 with
        ``cancelRequested`` if that is not decided within two seconds.
        """
        return _answer(await self._stop(request, job_id, "request_cancel", "cancel"))

    @app.post("/job/{job_id}/pause")
    async def pause(self, request: Request, job_id: str) -> Response:
        """Pause the job: recorded work stays, calls in flight are given up. Asking twice is
        asking once; 409 if it has ended."""
        return _answer(await self._stop(request, job_id, "request_pause", "pause"))

    @app.post("/job/{job_id}/resume")
    async def resume(self, request: Request, job_id: str) -> Response:
        """Queue a paused job again; one that is not paused goes on as it does. 409 if it has
        ended."""
        return _answer(await self._ask(request, job_id, "resume"))

    @app.post("/job/{job_id}/retry")
    async def retry(
        self,
        request: Request,
        job_id: str,
        from_step: Annotated[str | None, Query(alias="fromStep", min_length=1)] = None,
    ) -> Response:
        """Queue a failed or cancelled job again; what is recorded is not done again.

        ``fromStep`` names a step (``references``, or as the job shows it, ``References``): it is
        done again, and so is every step that uses what it made. Asked for again while the job
        goes on because of it, nothing changes; 409 in any other state.
        """
        step = PIPELINE.find(from_step) if from_step else None
        redo = PIPELINE.dependants(step.slug) if step else None
        slug = step.slug if step else from_step
        return _answer(await self._ask(request, job_id, "retry", from_step=slug, redo=redo))

    @app.delete("/job/{job_id}", status_code=204)
    async def erase(self, request: Request, job_id: str) -> Response:
        """Delete every row of the job and every cache entry it made; a running one is cancelled
        first. Asked for again it is 404, as for any job that is not here."""
        job = await self._view(job_id, caller_of(request), with_result=False)
        if not job.status.has_ended:
            await self._stop(request, job_id, "request_cancel", "cancel")
        # True or False: it is gone now.
        await self._journal.erase(job_id, by=principal_of(request))
        return Response(status_code=204)

    @app.get("/job/{job_id}/deliveries", response_model_exclude_none=True)
    async def deliveries(self, request: Request, job_id: str) -> DeliveryList:
        """What the job sent or is to send, webhooks and publications, with every attempt."""
        await self._view(job_id, caller_of(request))
        return DeliveryList(deliveries=await (await self._read()).deliveries(job_id))

    @app.post(
        "/job/{job_id}/deliveries/{delivery_id}/redeliver",
        status_code=202,
        response_model_exclude_none=True,
    )
    async def redeliver(self, request: Request, job_id: str, delivery_id: str) -> DeliveryView:
        """Send it now, under its old id: a receiver that has it already can tell."""
        await self._view(job_id, caller_of(request))
        delivery = await self._journal.redeliver(job_id, delivery_id, int(time.time() * 1000))
        outbox = await asyncio.to_thread(options.find, options.OUTBOX)
        if outbox is not None:
            outbox.nudge.remote()
        return delivery

    @app.get("/usage", response_model_exclude_none=True)
    async def usage(
        self,
        request: Request,
        response: Response,
        client_id: Annotated[
            str | None, Query(alias="clientId", min_length=1, max_length=200)
        ] = None,
    ) -> UsageView:
        """The caller's tier, its limits, and what it uses of them now; an administrator may name
        any client."""
        client = client_of(request, client_id) or ANONYMOUS
        rate = await self._rate.count(client)
        now = int(time.time() * 1000)
        view = await (await self._read()).usage(client, now)
        held = view.month.words_reserved
        used = Counted(view.hour.jobs, view.month.words + held, held)
        left = (*quotas(LIMITS[view.tier], used, now), *((rate,) if rate else ()))
        response.headers.update(rate_limit_headers(left, now))
        return view

    @app.get("/breakers")
    async def breakers(self) -> list[BreakerView]:
        """Every circuit breaker, from its actor, or as last saved while that is away."""
        return list(await asyncio.gather(*map(self._breaker, POLICIES)))

    @app.get("/health")
    async def health(self, request: Request) -> JSONResponse:
        """200 while jobs can be accepted, 503 otherwise: the journal is away, full, read-only or
        damaged. Open to all; how many jobs there are and what the database says is for
        administrators. Asks the database to write, at most once in five seconds."""
        told = caller_of(request).admin
        try:
            await self._journal.ping()
            counts = await (await self._read()).counts()
        except (JournalUnavailable, JournalDamaged) as error:
            says = str(error) if told else "unavailable"
            report = Health(status="unavailable", journal=says, jobs={})
            return JSONResponse(
                report.model_dump(by_alias=True),
                status_code=503,
                headers={"Retry-After": str(RETRY_AFTER_SECONDS)},
            )
        jobs = {status.value: count for status, count in counts.items()} if told else {}
        report = Health(status="ok", journal="ok", jobs=jobs)
        return JSONResponse(report.model_dump(by_alias=True))

    @app.get("/metrics")
    async def metrics(self, request: Request) -> Response:
        """Prometheus metrics, computed from the journal at each scrape; for administrators."""
        require_admin(request, "the metrics")
        reader = await self._read()
        text = exposition(
            await reader.counts(), await self.breakers(), await reader.outbox_counts()
        )
        return Response(text, media_type=CONTENT_TYPE_LATEST)

    async def _read(self) -> Journal:
        """The database, read-only; opened once it is there."""
        async with self._opening:
            if self._reader is None:
                # The journal's actor makes and migrates the database. Only a read is asked of
                # it: jobs can be looked at while nothing can be written.
                await self._journal.counts()
                self._reader = await open_journal(
                    self._settings.database,
                    read_only=True,
                    keys=self._keys,
                    rules=self._settings.tenancy,
                )
            return self._reader

    async def _tier_of(self, client_id: str) -> Tier:
        return await (await self._read()).tier_of(client_id)

    async def _wait(
        self, view: JobView, caller: Caller, seconds: float, tag: str | None
    ) -> JobView:
        """The job once there is news of it; as it is, when time or the places to wait are over."""
        give_up = time.monotonic() + seconds
        if self._polls.taken >= self._polls.total:
            return view
        with self._polls.hold(""), self._watch.on(view.id) as sight:
            while (left := give_up - time.monotonic()) > 0 and not _is_news(view, tag):
                known = sight.head
                view = await self._view(view.id, caller)
                if not _is_news(view, tag):
                    await sight.moved(known, min(left, LOOK_ANEW_SECONDS))
        return view

    async def _view(self, job_id: str, caller: Caller, *, with_result: bool = True) -> JobView:
        """The job. :raises JobNotFound: there is none, or it is another client's."""
        reader = await self._read()
        view = await reader.view(_possible(job_id), caller.sees, with_result=with_result)
        if view is None:
            raise JobNotFound(job_id)
        return view

    async def _ask(
        self, request: Request, job_id: str, method: str, *, tell: str | None = None,
        **arguments: Any,
    ) -> JobView:  # fmt: skip
        """Write the request down first, then tell the running actor, if there is one."""
        await self._view(job_id, caller_of(request))
        change, by = getattr(self._journal, method), principal_of(request)
        view: JobView = await change(job_id, by.at, by=by, **arguments)
        actor = await asyncio.to_thread(options.find, options.job_name(job_id)) if tell else None
        if actor is not None:
            getattr(actor, tell or "").remote()
        supervisor = await asyncio.to_thread(options.find, options.SUPERVISOR)
        if supervisor is not None:
            supervisor.nudge.remote()
        return view

    async def _stop(self, request: Request, job_id: str, method: str, tell: str) -> JobView:
        """Ask a job to stop: the job once it does not run any more, or as it is when we have
        waited long enough."""
        view = await self._ask(request, job_id, method, tell=tell)
        give_up = time.monotonic() + STOP_SECONDS
        while view.status is JobStatus.PROCESSING and time.monotonic() < give_up:
            await asyncio.sleep(STOP_LOOK_SECONDS)
            view = await self._view(job_id, caller_of(request), with_result=False)
        return view

    async def _breaker(self, service: str) -> BreakerView:
        actor = await asyncio.to_thread(options.find, options.breaker_name(service))
        if actor is not None:
            try:
                asked = options.answer(actor.view.remote())
                view: BreakerView = await asyncio.wait_for(asked, BREAKER_PATIENCE)
            except (*options.GONE, TimeoutError):
                pass
            else:
                return view
        saved = await (await self._read()).load_breaker(service)
        policy = POLICIES[service]
        breaker = Breaker.restore(policy, saved.state) if saved else Breaker(policy)
        return view_of(service, breaker, time.time())


status = Status.bind()  # type: ignore[attr-defined]
