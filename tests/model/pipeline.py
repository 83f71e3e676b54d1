"""A small pipeline that has everything the engine offers: memos, parallel parts, a shared value,
a need and an await, progress, a fallback, a call outside of memos, an external write."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any, Protocol, cast

from orchestrator.errors import TransientError
from orchestrator.models import SubmitRequest
from orchestrator.services import ModelRequest, PublishRequest
from orchestrator.step import Json, Pipeline, Step, StepContext
from tests.model.loop import owner


class Witness(Protocol):
    """Hears from inside the steps what they do."""

    def runs(self, slug: str) -> None: ...
    def makes(self, step: str, part: str) -> None: ...
    def sees(self, step: str, part: str, value: Json) -> None: ...


def _witness() -> Witness:
    return cast(Witness, owner.get())


async def _ask(ctx: StepContext, part: str, prompt: str) -> Json:
    request = ModelRequest(system="s", prompt=prompt, idempotency_key=ctx.key(part))
    return {"text": (await ctx.services.generate(request)).text}


async def _part(ctx: StepContext, slug: str, part: str, prompt: str) -> str:
    witness = _witness()

    async def make() -> Json:
        witness.makes(slug, part)
        return await _ask(ctx, part, prompt)

    value = await ctx.memo(part, make)
    witness.sees(slug, part, value)
    return str(value["text"])


async def _search(ctx: StepContext) -> str:
    """What the whole job shares, whichever step asks first."""
    witness = _witness()

    async def make() -> Json:
        witness.makes("", "serp")
        return await _ask(ctx, "serp", "serp")

    value = await ctx.shared("serp", make)
    witness.sees("", "serp", value)
    return str(value["text"])


async def words(ctx: StepContext) -> Mapping[str, Json]:
    """One part, then the shared value."""
    _witness().runs("words")
    first = await _part(ctx, "words", "list", "words")
    return {"words": first, "serp": await _search(ctx)}


async def gaps(ctx: StepContext) -> Mapping[str, Json]:
    """The shared value, and a fallback at the last attempt."""
    _witness().runs("gaps")
    serp = await _search(ctx)
    try:
        return {"gaps": await _part(ctx, "gaps", "find", serp)}
    except TransientError:
        if not ctx.final_attempt:
            raise
        ctx.degrade("no gaps")
        return {"gaps": serp}


async def text(ctx: StepContext) -> Mapping[str, Json]:
    """Two parts at once, while another step may still run."""
    _witness().runs("text")
    known = (await ctx.output("words"))["words"]

    async def body() -> str:
        return await _part(ctx, "text", "body", (await ctx.output("gaps"))["gaps"])

    parts = await asyncio.gather(_part(ctx, "text", "intro", known), body())
    await ctx.progress(2, 2, "part")
    return {"text": list(parts)}


async def post(ctx: StepContext) -> Mapping[str, Json]:
    """An external write, and a call that is paid outside of any memo."""
    _witness().runs("post")
    written = "+".join((await ctx.output("text"))["text"])

    async def make() -> Json:
        _witness().makes("post", "publish")
        request = PublishRequest(
            title=written, slug="s", content=written, idempotency_key=ctx.key("publish")
        )
        return {"id": (await ctx.services.publish(request)).id}

    published = await ctx.memo("publish", make)
    _witness().sees("post", "publish", published)
    return {"post": published["id"], "check": await _ask(ctx, "check", written)}


def _finish(
    request: SubmitRequest, outputs: Mapping[str, Json], run: Mapping[str, Json]
) -> dict[str, Any]:
    return {"outputs": dict(outputs), "run": dict(run)}


LINE = Pipeline(
    (
        Step("Words", "words", 1, 30.0, words),
        Step("Gaps", "gaps", 1, 30.0, gaps),
        Step("Text", "text", 1, 45.0, text, needs=("words",), awaits=("gaps",)),
        Step("Post", "post", 1, 30.0, post, needs=("text",)),
    ),
    finish=_finish,
)
