"""``write_section``: one section of an article as an HTML fragment."""

from __future__ import annotations

import re

from orchestrator.sandbox.prompts import Prompt, strings
from orchestrator.sandbox.topics import title_case
from orchestrator.sandbox.writer import boxes
from orchestrator.sandbox.writer.draft import Draft, count_words
from orchestrator.sandbox.writer.endings import ask, finished
from orchestrator.sandbox.writer.grammar import bank, banks, upper_first
from orchestrator.sandbox.writer.mending import table
from orchestrator.sandbox.writer.task import Task

SLACK = 18  #: words a section may stay under its budget
LIST_AFTER, LIST_ROOM = 90, 90
"""A list comes so many words after the heading, and where so many are left."""
LIST_ITEMS = 5
LIST_FROM = 170  #: words of a section that is long enough for a list
SUBHEADING_AFTER = 150
"""Words after a heading before the next subheading; the rubric wants one within 300."""
SUBHEADING_ROOM = 110  #: words left that are worth a subheading
LONG_ORIGINAL = 240  #: words of an old text that gets a subheading of its own
QUESTION_ROOM = 45  #: words a question takes with its answer


def write_section(prompt: Prompt) -> str:
    """The section the prompt asks for, as an HTML fragment that begins with its ``<h2>``."""
    task = Task(prompt)
    if task.kind in boxes.WRITERS:
        return boxes.WRITERS[task.kind](task)
    return _rework(task, original) if (original := task.original()) else _prose(task)


def _answer(task: Task, draft: Draft) -> None:
    """The first paragraph: three sentences of 40 to 60 words that answer the heading."""
    share = task.share(same_subtopic=True)
    sentences = [draft.pen.take(f"{task.bank}.answer{n}", share) for n in (1, 2, 3)]
    draft.paragraph(sentences)


def _begun(task: Task) -> Draft:
    """A draft with its heading and the answer to it."""
    draft = Draft(
        task.pen(),
        task.claims(),
        own=f"{task.bank}.own",
        own_share=task.share(same_subtopic=True),
    )
    draft.heading(task.heading, 2)
    _answer(task, draft)
    return draft


def _prose(task: Task) -> str:
    """An introduction, a body section or a conclusion."""
    draft = _begun(task)
    _news(task, draft)
    if task.kind != "body":
        ask(task, draft)
    return _filled(task, draft)


def _rework(task: Task, original: str) -> str:
    """The old text under its new heading, every island and every sentence kept in order,
    with a direct answer before it and what is missing after it."""
    task.leave_out(original)
    draft = _begun(task)
    if count_words(original) > LONG_ORIGINAL and "<h3" not in original:
        draft.heading(_subheading(task, draft))
    draft.add(original)
    ask(task, draft)
    draft.asked = draft.asked[: max(0, task.words - draft.words) // QUESTION_ROOM]
    return _filled(task, draft, room=QUESTION_ROOM)


def _filled(task: Task, draft: Draft, room: int = SUBHEADING_ROOM) -> str:
    """The section with paragraphs, a list, a table and subheadings up to its word budget.

    :param room: words left that are worth a subheading.
    """
    with_list = task.words >= LIST_FROM and task.kind != "introduction" and not _has(draft, "<li")
    while (left := task.words - draft.words) > SLACK:
        if draft.since_heading > LIST_AFTER and with_list and left > LIST_ROOM:
            _list(task, draft)
            with_list = False
        elif task.section.get("table") and not with_list and not _has(draft, "<table"):
            _table(draft)
        elif task.kind == "body" and draft.since_heading > SUBHEADING_AFTER and left > room:
            draft.heading(_subheading(task, draft))
        else:
            draft.develop(left, len(task.queue))
    return finished(task, draft)


def _has(draft: Draft, mark: str) -> bool:
    return any(mark in block for block in draft.blocks)


def _subheading(task: Task, draft: Draft) -> str:
    if task.questions:
        asked = task.questions.pop(0)
        ask(task, draft)
        return upper_first(title_case(asked.rstrip("?"))) + "?"
    return draft.pen.take(f"{task.bank}.h3", task.share(same_subtopic=True)) or "What to Do Next"


def _list(task: Task, draft: Draft) -> None:
    draft.paragraph(re.split(r"(?<=\.) ", draft.pen.take("leadin")))
    share = task.share(same_subtopic=True)
    items = [draft.pen.take(f"{task.bank}.items", share) for _ in range(LIST_ITEMS)]
    if ordered := task.bank == "steps":
        items.sort(key=bank("steps.items").index)  # week one before week two
    draft.items(items, ordered)


def _table(draft: Draft) -> None:
    pen = draft.pen
    number = pen.rand.randrange(len(bank("table.heads")))
    draft.paragraph(re.split(r"(?<=\.) ", pen.take("table.lead")))
    rows = [pen.fill(row) for row in banks()["table.rows"][number]]
    draft.add(table(bank("table.captions")[number], bank("table.heads")[number], rows))


def _news(task: Task, draft: Draft) -> None:
    """A sentence on recent news, where the section was given some."""
    context = task.prompt.mapping("context")
    news = strings(context.get("news")) or [str(context.get("news") or "")]
    text = " ".join(news[0].split()).rstrip(".")
    if task.kind == "introduction" and 10 < len(text) < 140 and "<" not in text:
        sentence = bank("context")[0].replace("{news}", text)
        draft.paragraph(re.split(r"(?<=\.) (?=Keep)", sentence))
