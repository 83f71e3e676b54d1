"""What a section must have by itself; the deterministic repairs cannot write what is missing."""

from __future__ import annotations

from collections.abc import Sequence

from steps.fixes.paragraphs import ANSWER_MAX, ANSWER_MIN, answer_of, is_answer
from steps.html import dom
from steps.language import prose
from steps.models import Section

MIN_SHARE = 0.5  #: of its word budget; less is a section cut short
MIN_PAIRS = 3  #: questions with answers in an FAQ; fewer is not one
MIN_TAKEAWAYS = 3

_ANSWERED = ("introduction", "body", "conclusion")


def problems(html: str, section: Section, questions: Sequence[str] = ()) -> list[str]:
    """What is missing from a section, each as an instruction to whoever mends it.

    :param questions: those the FAQ was to answer.
    """
    root = dom.parse(html)
    total = prose.word_count(dom.text(root))
    found = [*_length(total, section), *_answer(root, section)]
    if section.table and not dom.elements(root, "table"):
        found.append("there is no comparison table: add one <table> with <caption> and <thead>")
    if section.kind == "faq":
        found += _pairs(root, questions)
    if section.kind == "takeaways" and len(dom.elements(root, "li")) < MIN_TAKEAWAYS:
        found.append(f"fewer than {MIN_TAKEAWAYS} takeaways: write them as <ul><li>")
    return found


def _length(total: int, section: Section) -> list[str]:
    if total >= MIN_SHARE * section.words:
        return []
    return [f"too short: {total} words, planned are {section.words}"]


def _answer(root: dom.Element, section: Section) -> list[str]:
    answer = answer_of(root)
    if section.kind not in _ANSWERED or is_answer(answer):
        return []
    has = prose.word_count(dom.text(answer)) if answer is not None else 0
    return [
        f"the first paragraph under the <h2> has {has} words: make it answer the heading in "
        f"{ANSWER_MIN}-{ANSWER_MAX} words"
    ]


def _pairs(root: dom.Element, questions: Sequence[str]) -> list[str]:
    pairs = sum(_is_answered(heading) for heading in dom.elements(root, "h3"))
    wanted = min(len(questions), MIN_PAIRS) if questions else MIN_PAIRS
    if pairs >= wanted:
        return []
    return [f"{pairs} questions have an answer: give each an <h3> followed by a <p>"]


def _is_answered(heading: dom.Element) -> bool:
    after = heading.getnext()
    return after is not None and dom.tag(after) in {"p", "ul", "ol"} and bool(dom.text(after))
