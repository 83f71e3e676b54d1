"""The two boxes of an article: key takeaways and frequently asked questions."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Mapping

from orchestrator.sandbox.prompts import strings
from orchestrator.sandbox.writer.draft import Draft, count_words
from orchestrator.sandbox.writer.endings import finished
from orchestrator.sandbox.writer.grammar import upper_first
from orchestrator.sandbox.writer.task import Task

QUESTION_WORDS = 58  #: a question and its answer
LEAST_MORE, MOST_MORE = 20, 45
"""Words of room from which an answer gets a second paragraph, and the most it then has."""
ANSWERS_OF_A_KIND = 2


def takeaways(task: Task) -> str:
    """The key takeaways, each filled up to the budget with a short second sentence."""
    draft = Draft(task.pen())
    draft.heading(task.heading, 2)
    given = task.prompt.strings("takeaways") or strings(task.brief.get("takeaways"))
    items = [text.rstrip(".") + "." for text in given] or [
        draft.pen.take("takeaway") for _ in range(6)
    ]
    room = task.words - draft.words - sum(map(count_words, items))
    for number in range(len(items)):
        if room < 8:
            break
        tail = draft.pen.take("takeaways.tail")
        items[number] += f" {tail}"
        room -= count_words(tail)
    draft.items(items)
    if original := task.original():
        draft.add(original)
    return f'<section class="key-takeaways">\n{draft.html()}\n</section>'


FAQ_KINDS = (
    ("mistake", re.compile(r"mistake|avoid|wrong|problem|risk|fail", re.IGNORECASE)),
    ("cost", re.compile(r"how much|cost|price|spend|budget|expensive", re.IGNORECASE)),
    ("long", re.compile(r"how (long|often|soon|fast)|when|time", re.IGNORECASE)),
    ("tool", re.compile(r"tool|software|equipment|special", re.IGNORECASE)),
    ("know", re.compile(r"measure|know|track|works\?|result", re.IGNORECASE)),
    ("who", re.compile(r"^who\b", re.IGNORECASE)),
    ("why", re.compile(r"^why\b", re.IGNORECASE)),
    ("which", re.compile(r"^which\b|best|choose", re.IGNORECASE)),
    ("how", re.compile(r"^how\b", re.IGNORECASE)),
    ("what", re.compile(r"^what\b", re.IGNORECASE)),
)


def faq(task: Task) -> str:
    """Questions as h3, each with an answer of 40 to 60 words; an old FAQ is kept and goes on."""
    draft = Draft(task.pen(), task.claims())
    draft.heading(task.heading, 2)
    if original := task.original():
        task.leave_out(original)
        draft.add(original)
    asked = [text for text in _asked(task) if text.rstrip("?").lower() not in original.lower()]
    task.questions = []
    used: Counter[str] = Counter()
    for number, question in enumerate(asked):
        draft.heading(upper_first(question.rstrip("?")) + "?")
        kind = _kind(question, used)
        draft.paragraph([draft.pen.take(f"faq.{kind}{n}") for n in (1, 2, 3)])
        left = len(asked) - number - 1
        room = (task.words - draft.words - left * QUESTION_WORDS) / (left + 1)
        if room > LEAST_MORE or len(task.queue) > left:
            draft.develop(min(room, MOST_MORE), len(task.queue))
    return f'<section class="faq">\n{finished(task, draft)}\n</section>'


def _asked(task: Task) -> list[str]:
    asked = task.prompt.strings("questions") or strings(task.brief.get("questions"))
    return list(dict.fromkeys([*asked, *task.questions])) or [f"What is {task.keyword}?"]


def _kind(question: str, used: Counter[str]) -> str:
    """What a question asks for; each kind of answer serves twice."""
    kind = next((name for name, sign in FAQ_KINDS if sign.search(question)), "yes")
    kind = kind if used[kind] < ANSWERS_OF_A_KIND else "yes"
    used[kind] += 1
    return kind


WRITERS: Mapping[str, Callable[[Task], str]] = {"takeaways": takeaways, "faq": faq}
"""The boxes by the kind of section they are."""
