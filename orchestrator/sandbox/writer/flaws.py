"""What is wrong with a share of the drafts, as it is with a real model's.

Things no rule can mend, so that the steps have to ask the model again. Step 5 has rewritten:

* a section that goes to a subheading at once, without an answer under its heading;
* a section that breaks off before half of its words.

Step 8 has rewritten what only shows in the whole article:

* a stock phrase with one of its words emphasised, which a word list cannot replace without
  losing the emphasis;
* three sentences in a row that begin alike.

Which sections are flawed follows from the article's title and keyword: the same share of every
article, whatever order its sections are asked for in.
"""

from __future__ import annotations

import argparse
import html
import math
import re

from orchestrator.sandbox.prompts import Prompt
from orchestrator.sandbox.topics import rng
from orchestrator.sandbox.writer.draft import count_words
from orchestrator.sandbox.writer.grammar import bank
from orchestrator.sandbox.writer.task import ENDING, TAKEAWAYS, Task

BROKEN_OFF = 0.45  #: of its word budget at most is what a section has that breaks off
BLOCK = re.compile(r"\n(?=<)")
PARAGRAPH = re.compile(r"<p\b[^>]*>.*?</p>\n?", re.DOTALL)


def share(text: str) -> float:
    """A share of flawed sections from a command line.

    :raises argparse.ArgumentTypeError: it is no number from 0 to 1.
    """
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 <= value <= 1:
        raise argparse.ArgumentTypeError(f"{text!r} is no share: give a number from 0 to 1")
    return value


def flawed(prompt: Prompt, fragment: str, rate: float) -> str:
    """The answer to ``write_section`` with the flaws that fall to this section.

    :param rate: share of the article's sections that need a repair in step 5, 0 to 1; in step 8 it
        is as many. A section that reworks an old text is left alone.
    """
    task = Task(prompt)
    if rate <= 0 or task.kind != "body" or prompt.data.get("original"):
        return fragment
    order, total = _order(task)
    many = min(math.ceil(rate * total), len(order))
    mine = str(task.section.get("id"))
    if mine in order[:many]:
        spoil = _unanswered if order.index(mine) % 2 == 0 else _broken_off
        fragment = spoil(task, fragment)
    if mine in order[len(order) - many :]:
        name = "alike" if mine == order[-1] else "stock"
        fragment = _ending_with(rng(name, prompt.text).choice(bank(name)), fragment)
    return fragment


def _order(task: Task) -> tuple[list[str], int]:
    """The ids of the body's sections, shuffled, and how many sections the article has."""
    listed = [one for one in task.brief.get("sections") or [] if isinstance(one, dict)]
    pairs = [(str(one.get("id")), str(one.get("heading"))) for one in listed[1:]]
    ids = [
        section
        for section, heading in pairs
        if not TAKEAWAYS.search(heading) and not ENDING.search(heading)
    ]
    rng("flaws", str(task.brief.get("title")), task.keyword).shuffle(ids)
    return ids, len(listed)


def _unanswered(task: Task, fragment: str) -> str:
    """A subheading where the answer should stand."""
    title = task.pen().take(f"{task.bank}.h3") or "What to Know First"
    return PARAGRAPH.sub(f"<h3>{html.escape(title, quote=False)}</h3>\n", fragment, count=1)


def _broken_off(task: Task, fragment: str) -> str:
    """The first blocks only, and the claims of the others not made."""
    kept: list[str] = []
    words = 0
    for block in BLOCK.split(fragment):
        words += count_words(block)
        if words > BROKEN_OFF * task.words:
            break
        kept.append(block)
    return "\n".join(kept)


def _ending_with(sentences: str, fragment: str) -> str:
    """The fragment with *sentences* at the end of its last paragraph."""
    head, closing, tail = fragment.rpartition("</p>")
    return f"{head} {sentences}{closing}{tail}" if closing else fragment
