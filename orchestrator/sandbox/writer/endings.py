"""What a section still owes when its running text is written: claims, questions, phrases."""

from __future__ import annotations

from orchestrator.sandbox.writer.draft import WORDS_PER_SENTENCE, Draft
from orchestrator.sandbox.writer.task import Task


def ask(task: Task, draft: Draft) -> None:
    """Leave the section's questions to the running text."""
    draft.asked = [f"{asked.rstrip('?')}?" for asked in task.questions]
    task.questions = []


def finished(task: Task, draft: Draft) -> str:
    """The section's HTML, after what has not found a place yet: claims, questions, phrases."""
    if draft.claims:
        draft.paragraph([*draft.claims, draft.pen.move("reason")])
        draft.claims = []
    if task.questions:
        ask(task, draft)
    while draft.asked:
        draft.develop(2 * WORDS_PER_SENTENCE, 0)
    if task.queue:
        rest = [task.queue.pop(0) for _ in range(len(task.queue))]
        many = f"{', '.join(rest[:-1])} and {rest[-1]}" if len(rest) > 1 else rest[0]
        sentence = draft.pen.take("rest").replace("{many}", many)
        draft.paragraph([sentence, draft.pen.move("reason")])
    return draft.html()
