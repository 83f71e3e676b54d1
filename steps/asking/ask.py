"""Asking the model from a step: memoised, validated, with the lower-cost model behind it.

An answer is recorded with whatever was less than it should be about it, so that a replay notes
the same degradation as the first run did. What a step does when there is no answer at all is in
:mod:`steps.asking.fallback`, whose functions can be imported from here too.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from pydantic import BaseModel, ValidationError

from orchestrator.errors import BreakerOpen, TransientError
from orchestrator.services import ModelReply, ModelRequest
from orchestrator.step import Json, StepContext
from steps.asking import models_used
from steps.asking.echo import without_echoes
from steps.asking.fallback import both, cause, must_degrade, or_fallback, together
from steps.asking.prompts import PROMPTS, data_block, render

__all__ = [
    "Answered", "TextAnswer", "ask", "ask_text", "asked", "both", "cause", "must_degrade",
    "or_fallback", "together", "unfenced",
]  # fmt: skip

A = TypeVar("A", bound=BaseModel)
T = TypeVar("T")

MAX_PROBLEMS = 6
"""How many problems of a refused answer the second ask names."""

_AGAIN = (
    "Your last answer to this task was refused. Its faults are listed below. "
    "Do the task again from the beginning, without these faults."
)


@dataclass(frozen=True, slots=True)
class Answered(Generic[A]):
    """A structured answer, who gave it, and why it is less than it should be, if it is."""

    answer: A
    model: str
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class TextAnswer:
    """A text answer: unfenced, stripped, never empty."""

    text: str
    model: str
    notes: tuple[str, ...] = ()


async def ask(
    ctx: StepContext,
    task: str,
    part: str,
    answer_model: type[A],
    *,
    check: Callable[[A], Sequence[str]] | None = None,
    **blocks: Any,
) -> A:
    """The model's structured answer to *task*, recorded as *part* of the step.

    :param check: names what else is wrong with an answer; empty means acceptable.
    :param blocks: the task's data blocks, see :data:`~steps.asking.prompts.PROMPTS`.
    :raises TransientError: refused twice by validation, or the service failed.
    :raises BreakerOpen: the main model and the lower-cost one are both out of reach.
    """
    return (await asked(ctx, task, part, answer_model, check=check, **blocks)).answer


async def asked(
    ctx: StepContext,
    task: str,
    part: str,
    answer_model: type[A],
    *,
    check: Callable[[A], Sequence[str]] | None = None,
    **blocks: Any,
) -> Answered[A]:
    """Like :func:`ask`, for callers who must know whether the answer was degraded."""
    schema = answer_model.model_json_schema(by_alias=True)
    request = _request(ctx, task, part, schema, blocks)

    def read(reply: ModelReply) -> A:
        answer = answer_model.model_validate(without_echoes(reply.data))
        _refuse_if(check(answer) if check else ())
        return answer

    async def make() -> Json:
        answer, model, notes = await _accepted(ctx, request, read)
        return {
            "answer": answer.model_dump(mode="json", by_alias=True),
            "model": model,
            "notes": notes,
        }

    value = await ctx.memo(part, make)
    models_used.note(value["model"])
    answer = answer_model.model_validate(value["answer"])
    return Answered(answer, value["model"], _noted(ctx, value["notes"]))


async def ask_text(
    ctx: StepContext,
    task: str,
    part: str,
    *,
    check: Callable[[str], Sequence[str]] | None = None,
    god_mode: bool = False,
    ahead: bool = False,
    **blocks: Any,
) -> TextAnswer:
    """The model's text answer to *task*; parameters and errors as for :func:`ask`.

    :param ahead: asked before it is known whether the answer is wanted. Whoever wants it asks for
        the same part: only that notes what is less about it, and what it asks may read otherwise,
        so that the two calls have different idempotency keys.
    """
    key = f"{part}:ahead" if ahead else part
    request = _request(ctx, task, key, None, blocks, god_mode)

    def read(reply: ModelReply) -> str:
        text = unfenced(reply.text)
        _refuse_if(["the answer was empty"] if not text else check(text) if check else ())
        return text

    async def make() -> Json:
        text, model, notes = await _accepted(ctx, request, read)
        return {"text": text, "model": model, "notes": notes}

    value = await ctx.memo(part, make)
    if not ahead:
        models_used.note(value["model"])
    notes = tuple(value["notes"]) if ahead else _noted(ctx, value["notes"])
    return TextAnswer(value["text"], value["model"], notes)


def unfenced(text: str) -> str:
    """The text without surrounding blanks and without one Markdown code fence around it."""
    text = text.strip()
    if text.startswith("```") and text.endswith("```") and "\n" in text:
        text = text.split("\n", 1)[1].removesuffix("```").strip()
    return text


class _Refused(ValueError):
    """An answer that does not do, with its problems."""

    def __init__(self, problems: Sequence[str]) -> None:
        super().__init__("; ".join(problems))
        self.problems = list(problems)[:MAX_PROBLEMS]


def _refuse_if(problems: Sequence[str]) -> None:
    if problems:
        raise _Refused(problems)


def _noted(ctx: StepContext, notes: Sequence[str]) -> tuple[str, ...]:
    for note in notes:
        ctx.degrade(note)
    return tuple(notes)


def _request(
    ctx: StepContext,
    task: str,
    part: str,
    schema: dict[str, Any] | None,
    blocks: dict[str, Any],
    god_mode: bool = False,
) -> ModelRequest:
    system, prompt = render(task, god_mode=god_mode, **blocks)
    return ModelRequest(
        system=system,
        prompt=prompt,
        model=ctx.request.model,
        output_schema=schema,
        output_name=task if schema else None,
        max_tokens=PROMPTS[task].max_tokens,
        temperature=PROMPTS[task].temperature,
        idempotency_key=ctx.key(part),
    )


async def _accepted(
    ctx: StepContext, request: ModelRequest, read: Callable[[ModelReply], T]
) -> tuple[T, str, list[str]]:
    """The first answer of two that *read* accepts, its model, and notes."""
    notes: list[str] = []
    reply = await _reply(ctx, request, notes)
    try:
        return read(reply), reply.model, notes
    except ValueError as error:
        problems = _problems(error)
    again = request.model_copy(
        update={
            "prompt": f"{request.prompt}\n{_AGAIN}\n{data_block('faults', problems)}",
            # the attempt is part of it: a later attempt must not be given the same bad answer
            "idempotency_key": f"{request.idempotency_key}:v{ctx.attempt + 1}",
        }
    )
    reply = await _reply(ctx, again, notes)
    try:
        return read(reply), reply.model, notes
    except ValueError as error:
        what = "; ".join(_problems(error))
        raise TransientError("ai", f"the answer was refused twice ({what})") from error


def _problems(error: ValueError) -> list[str]:
    """What was wrong with an answer, without quoting the answer."""
    if isinstance(error, ValidationError):
        found = error.errors(include_url=False, include_input=False, include_context=False)
        lines = [f"{'.'.join(map(str, item['loc'])) or 'answer'}: {item['msg']}" for item in found]
        return lines[:MAX_PROBLEMS]
    return error.problems if isinstance(error, _Refused) else [str(error)]


async def _reply(ctx: StepContext, request: ModelRequest, notes: list[str]) -> ModelReply:
    """The main model's reply. The lower-cost model's while the other's breaker is open, and when
    the other has failed and no retry is left: of several models that share a breaker, one may be
    down alone.

    :raises TransientError: as for :func:`ask`.
    :raises BreakerOpen: as for :func:`ask`.
    """
    try:
        reply = await ctx.services.generate(request)
    except (BreakerOpen, TransientError) as error:
        if isinstance(error, TransientError) and not ctx.final_attempt:
            raise
        key = f"{request.idempotency_key}:lower"
        lower = request.model_copy(update={"fallback": True, "idempotency_key": key})
        reply = await ctx.services.generate(lower)
        notes.append(f"lower-cost model: {cause(error)}")
    if reply.lowered:
        notes.append(reply.lowered)
    return reply
