"""A service that lives for one evaluation alone, and every topic through it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from bench.evaluate.liveness import fetch_all
from bench.evaluate.outcome import Outcome, View, outcome, to_fetch
from bench.evaluate.topics import Topic
from bench.private import isolated
from orchestrator.cli.environment import wants_sandbox
from orchestrator.cli.problems import CliError, settings_from_environment
from orchestrator.cli.stack import Plan, Stack, stack
from orchestrator.cli.text import clean, dollars
from orchestrator.cli.up import adjusted
from orchestrator.client import ApiError, AsyncClient, WaitExpired
from orchestrator.sandbox import sandbox_environment

CLIENT = "evaluate"

Say = Callable[[str], None]


def private_plan(home: Path, environ: Mapping[str, str], flaws: float | None = None) -> Plan:
    """What to start. The sandbox answers at once unless ``SOTA_SANDBOX_PROFILE`` says otherwise.

    :param home: as for :func:`~bench.private.isolated`.
    :param flaws: share of the sections that are drafted with flaws; None: as the settings have it.
    :raises CliError: a setting cannot be used, no port is free, or flaws are asked of a real model.
    """
    given = settings_from_environment()
    paced = "sandbox_profile" in given.model_fields_set
    settings = adjusted(
        given,
        sandbox_profile=None if paced else "zero",
        sandbox_time_scale=given.sandbox_time_scale,
        sandbox_flaws=flaws,
    )
    sandbox = wants_sandbox(settings, environ, None)
    if flaws is not None and not sandbox:
        raise CliError("--flaws: a real model has flaws of its own", "set SOTA_SANDBOX=on")
    return isolated(settings, home, environ, sandbox=sandbox, command=CLIENT)


async def evaluate(
    plan: Plan, topics: Sequence[Topic], at_once: int, say: Say
) -> list[tuple[Outcome, View]]:
    """Every topic's outcome and its job in wire form, in order; whatever was started is stopped.

    :param at_once: how many jobs are under way together.
    :raises CliError: something did not come up, or died.
    :raises Interrupted: told to stop.
    """
    say(_what_serves(plan, len(topics)))
    async with stack(plan, say) as running:
        urls = await running.start()
        return await running.during(_judged(running, urls["url"], topics, at_once, say))


async def _judged(
    running: Stack, url: str, topics: Sequence[Topic], at_once: int, say: Say
) -> list[tuple[Outcome, View]]:
    plan, slots = running.plan, asyncio.Semaphore(at_once)
    async with AsyncClient(url, client_id=CLIENT) as client:

        async def one(topic: Topic) -> View:
            async with slots:
                view = await ended(client, topic, plan.settings.job_timeout)
            say(_line(topic, view))
            return view

        views = await asyncio.gather(*map(one, topics))
    pairs = list(zip(topics, views, strict=True))
    # The sandbox has no other web than its own, so old links cannot be asked there.
    wanted = [to_fetch(topic, view, old_links=not plan.sandbox) for topic, view in pairs]
    say(f"fetching the {len({u for urls in wanted for u in urls})} addresses that are cited ...")
    answers = await fetch_all([u for urls in wanted for u in urls], allowed_hosts(plan))
    return [(outcome(topic, view, answers), view) for topic, view in pairs]


async def ended(client: AsyncClient, topic: Topic, within: float) -> View:
    """A topic's job once it has ended; one that does not end, or is refused, is shown as it is.

    :param within: seconds it may take.
    """
    try:
        job = await client.submit(topic.request.keyword, **topic.fields)
    except ApiError as error:
        return {"status": "refused", "error": str(error)}
    try:
        view = await job.wait(timeout=within)
    except WaitExpired:
        view = await job.status()
    return view.model_dump(mode="json", by_alias=True)


def allowed_hosts(plan: Plan) -> list[str]:
    """The private ``host:port`` pairs that may be asked: the sandbox's own web, if it serves."""
    if not plan.sandbox:
        return []
    environment = sandbox_environment(plan.settings.sandbox_port)
    hosts: list[str] = json.loads(environment["SOTA_FETCH_ALLOW_HOSTS"])
    return hosts


def _line(topic: Topic, view: View) -> str:
    report = (view.get("result") or {}).get("qualityReport") or {}
    score = f"{report['score']:g}" if "score" in report else view.get("error") or ""
    return clean(f"{topic.number:3} {view['status']:10} {score}  {topic.request.keyword}")


def _what_serves(plan: Plan, topics: int) -> str:
    if not plan.sandbox:
        most = dollars(topics * plan.settings.job_budget_usd)
        return f"{topics} topics with the real services, as their keys are set: at most {most}"
    return (
        f"{topics} topics with the sandbox in the place of the model, the search and the web "
        f"(profile {plan.settings.sandbox_profile}{_flaws(plan)})"
    )


def _flaws(plan: Plan) -> str:
    share = plan.settings.sandbox_flaws
    return "" if share is None else f", {share:.0%} of the sections drafted with flaws"
