"""The real pipeline and engine, without Ray, over the real clients and a sandbox in this process.

``change`` may rewrite what the model answers: a function of the request and the text, called for
free-text answers only.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from orchestrator.clients.live import LiveServices
from orchestrator.config import Settings
from orchestrator.engine import EngineOptions, JobRun
from orchestrator.journal.opening import open_journal
from orchestrator.journal.records import NewJob
from orchestrator.models import JobView
from orchestrator.sandbox import sandbox_environment
from orchestrator.sandbox.server import serve
from orchestrator.secrets import Secrets
from orchestrator.services import ModelReply, ModelRequest
from steps import PIPELINE
from tests.fakes import FakeClock

Change = Callable[[ModelRequest, str], str]
NOW = 1_795_500_000.0  #: November 2026


class Changed(LiveServices):
    """The services, with the model's texts changed on their way."""

    def __init__(self, settings: Settings, secrets: Secrets, change: Change | None) -> None:
        super().__init__(settings, secrets)
        self._change = change
        self.prompts: list[ModelRequest] = []

    async def generate(self, request: ModelRequest) -> ModelReply:
        """The model's answer, changed."""
        self.prompts.append(request)
        reply = await super().generate(request)
        if self._change is None or reply.data is not None:
            return reply
        return reply.model_copy(update={"text": self._change(request, reply.text)})


async def run_job(
    folder: Path,
    change: Change | None = None,
    prompts: list[ModelRequest] | None = None,
    budget: float = 0.50,
    **body: Any,
) -> JobView:
    """One job from its submission to its end.

    :param prompts: filled with every model request.
    :param budget: dollars the job may cost.
    """
    request = {"keyword": "composting at home", **body}
    clock = FakeClock(NOW)
    async with serve(0, sleep=clock.sleep, clock=clock) as port:
        services = _services(port, change)
        journal = await open_journal(f"sqlite+aiosqlite:///{folder}/journal.db")
        try:
            await journal.submit(_new_job(request))
            claim = await journal.claim("job_1", "test", int(clock() * 1000), 5)
            options = EngineOptions(clock=clock, sleep=clock.sleep, budget_usd=budget)
            await JobRun(claim, PIPELINE, journal, services, options).drive()
            view = await journal.view("job_1")
        finally:
            await journal.close()
            await services.close()
    if prompts is not None:
        prompts.extend(services.prompts)
    assert view is not None
    return view


def _services(port: int, change: Change | None) -> Changed:
    env = sandbox_environment(port)
    settings = Settings(
        anthropic_base_url=env["ANTHROPIC_BASE_URL"],
        serper_base_url=env["SERPER_BASE_URL"],
        wordpress_base_url=env["WORDPRESS_BASE_URL"],
        wordpress_user=env["WORDPRESS_USER"],
        fetch_allow_hosts=json.loads(env["SOTA_FETCH_ALLOW_HOSTS"]),
    )
    secrets = Secrets(
        anthropic_api_key=env["ANTHROPIC_API_KEY"],
        serper_api_key=env["SERPER_API_KEY"],
        wordpress_app_password=env["WORDPRESS_APP_PASSWORD"],
    )
    return Changed(settings, secrets, change)


def _new_job(request: dict[str, Any]) -> NewJob:
    return NewJob(
        id="job_1",
        client_id="c",
        request_id="r",
        body_hash="h",
        request=request,
        keyword=request["keyword"],
        mode=request.get("mode", "generate"),
        created_at=int(NOW * 1000),
        steps=tuple((step.slug, step.name) for step in PIPELINE.steps),
    )
