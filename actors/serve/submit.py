"""The application ``submit``: takes a job in, and answers 202 once it is on disk."""

# No postponed annotations here: Serve rebuilds the routes of an ingress class, and FastAPI then
# cannot resolve annotations that are strings.
import asyncio
import logging
import random
import time
from typing import Any

from fastapi import Request, Response
from ray import serve

from actors import options
from actors.journal import remote_journal
from actors.serve.caller import caller_of, client_of, principal_of
from actors.serve.entrance import set_up
from actors.serve.http import make_app, read_limited, request_id
from actors.serve.rate import RequestRate
from actors.serve.reading import Reader
from actors.supervisor import ensure_supervisor
from orchestrator.clients.guard import pairs_of
from orchestrator.config import Settings
from orchestrator.intake import accept, read_body
from orchestrator.models import SubmitAccepted
from orchestrator.secrets import SigningSecrets
from orchestrator.telemetry import configure_logging
from orchestrator.tenants.headers import rate_limit_headers
from steps import PIPELINE

log = logging.getLogger(__name__)
app = make_app("submit")

PATIENCE = 5.0  # seconds a submission waits for the journal before it is answered 503
WATCH_SECONDS = 5.0  # how often a replica sees to it that there is a supervisor


def _of_its_client(request: Request, body: dict[str, Any]) -> dict[str, Any]:
    """The body with its ``clientId``. :raises Forbidden: it names another than the caller."""
    named = body.get("clientId")
    if named is not None and not isinstance(named, str):
        return body  # refused with the other fields that are wrong
    client = client_of(request, named) or caller_of(request).client_id
    return {**body, "clientId": client} if client else body


# Serve pickles an ingress class where it is decorated: its helpers must stand before it.


@serve.deployment(name="submit")
@serve.ingress(app)
class Submit:
    """Accepts jobs. Nothing but the commit stands between the request and its 202."""

    async def __init__(self) -> None:  # type: ignore[misc]  # Serve awaits it
        secrets = SigningSecrets()  # before they are dropped
        options.forget_secrets()
        configure_logging()
        self._settings = Settings()
        self._journal = remote_journal(self._settings, PATIENCE, make=True)
        reader = Reader(self._settings, self._journal)
        await set_up("submit", self._settings, secrets, reader, self._journal, takes_bodies=True)
        hosts = self._settings.webhook_allow_hosts
        self._callback_hosts = pairs_of(hosts, "SOTA_WEBHOOK_ALLOW_HOSTS")
        self._rand = random.SystemRandom()
        self._steps = tuple((step.slug, step.name) for step in PIPELINE.steps)
        self._rate = RequestRate(self._journal.tier_of)
        self._supervisor: Any = None
        self._watch = asyncio.ensure_future(self._watch_supervisor())

    @app.post("/", status_code=202)
    async def submit(self, request: Request, response: Response) -> SubmitAccepted:
        """Accept a job: 202 with its id, after the commit; 429 over a limit of the client's tier,
        503 when too many jobs wait. The headers say what is left."""
        intake = accept(
            _of_its_client(request, read_body(await read_limited(request))),
            steps=self._steps,
            allowed_models=self._settings.allowed_models,
            now_ms=int(time.time() * 1000),
            rand=self._rand,
            request_id=request_id(request),
            callback_hosts=self._callback_hosts,
            publishes=bool(self._settings.wordpress_base_url),
        )
        rate = await self._rate.count(intake.job.client_id)
        submitted = await self._journal.submit(intake.job, by=principal_of(request))
        left = (*submitted.standing.quotas, *((rate,) if rate else ()))
        response.headers.update(rate_limit_headers(left, int(time.time() * 1000)))
        self._nudge()
        return SubmitAccepted(
            job_id=submitted.job_id,
            status=submitted.status,
            request_id=intake.job.request_id,
            warnings=list(intake.warnings),
        )

    def _nudge(self) -> None:
        """Let the supervisor look now; if it is away it will find the job by itself."""
        if self._supervisor is not None:
            self._supervisor.nudge.remote()

    async def _watch_supervisor(self) -> None:
        """Keep a supervisor: Ray does not bring back one that was killed for good."""
        while True:
            try:
                if self._supervisor is None:
                    self._supervisor = ensure_supervisor(self._settings)
                await options.answer(self._supervisor.nudge.remote())
            except Exception as error:
                log.warning("no supervisor for now: %s", type(error).__name__)
                self._supervisor = None
            await asyncio.sleep(WATCH_SECONDS)


submit = Submit.bind()  # type: ignore[attr-defined]
