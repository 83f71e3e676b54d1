"""Repairs of paragraphs: the direct answer under a heading, too long ones, too short ones."""

from __future__ import annotations

from steps.fixes.structure import FixContext, kind_of, sections
from steps.html import dom, markers
from steps.html.runs import Run
from steps.language import prose

MAX_SENTENCES = 5  #: the rubric's "Paragraph Length"
GOOD_SENTENCES = 4  #: what longer paragraphs are cut to and short ones are joined up to
SHORT_WORDS = 25  #: a paragraph of one sentence with more words stands by itself
ANSWER_MIN, ANSWER_MAX = 40, 60  #: words of the paragraph that answers a heading


def paragraphs_of(section: dom.Element) -> list[dom.Element]:
    """The section's paragraphs that hold words, in order (those with only markers do not)."""
    return [node for node in dom.elements(section, "p") if prose.word_count(dom.text(node))]


def answer_of(section: dom.Element) -> dom.Element | None:
    """The paragraph directly under the section's h2: what answers it."""
    headings = dom.elements(section, "h2")
    node = headings[0].getnext() if headings else None
    while node is not None and not prose.word_count(dom.text(node)):
        node = node.getnext()
    return node if node is not None and dom.tag(node) == "p" else None


def is_answer(paragraph: dom.Element | None) -> bool:
    """Whether a paragraph has the length of a direct answer, 40-60 words."""
    total = prose.word_count(dom.text(paragraph)) if paragraph is not None else 0
    return ANSWER_MIN <= total <= ANSWER_MAX


def shape_answers(root: dom.Element, context: FixContext) -> list[str]:
    """Bring the first paragraph of a section to 40-60 words by moving whole sentences to or from
    the paragraph that follows it, where sentences allow that."""
    found = []
    for section in sections(root):
        answer = answer_of(section)
        if answer is None or is_answer(answer) or kind_of(section, context) == "takeaways":
            continue
        total = prose.word_count(dom.text(answer))
        done = _shorten(answer) if total > ANSWER_MAX else _lengthen(answer)
        if done:
            found.append(f"brought the answer from {total} words to 40-60")
    return found


def _shorten(answer: dom.Element) -> bool:
    run = Run(answer)
    for start in prose.starts(run.text)[1:]:
        if ANSWER_MIN <= prose.word_count(run.text[:start]) <= ANSWER_MAX:
            return split_at(answer, start) is not None
    return False


def _lengthen(answer: dom.Element) -> bool:
    after = answer.getnext()
    if after is None or dom.tag(after) != "p" or _has_island(after):
        return False
    own, run = prose.word_count(dom.text(answer)), Run(after)
    for start in [*prose.starts(run.text)[1:], len(run.text)]:
        if ANSWER_MIN <= own + prose.word_count(run.text[:start]) <= ANSWER_MAX:
            if start < len(run.text) and split_at(after, start) is None:
                continue
            join(answer, after)
            return True
    return False


def split_long(root: dom.Element, context: FixContext) -> list[str]:
    """Cut paragraphs of more than five sentences into even parts of at most four."""
    found = []
    for paragraph in dom.elements(root, "p"):
        before = Run(paragraph).sentences()
        if before > MAX_SENTENCES and _split(paragraph, before):
            found.append(f"split a paragraph of {before} sentences")
    return found


def _split(paragraph: dom.Element, total: int) -> bool:
    parts = -(-total // GOOD_SENTENCES)
    cuts = [total * part // parts for part in range(1, parts)]
    done = False
    for cut in reversed(cuts):  # from the end: what comes before keeps its offsets
        starts = prose.starts(Run(paragraph).text)
        nearby = (cut, cut + 1, cut - 1)
        done |= any(0 < n < len(starts) and split_at(paragraph, starts[n]) for n in nearby)
    return done


def split_at(paragraph: dom.Element, offset: int) -> bool:
    """Begin a new paragraph at a character of the text; False where an inline element that is
    open there forbids it."""
    slot, begin = Run(paragraph).find(offset)
    if offset == begin:  # the sentence begins with an inline element: cut before that
        return _split_before(paragraph, slot)
    if slot.parent is not paragraph:
        return False
    rest = dom.element("p")
    rest.text = slot.value[offset - begin :]
    following = list(paragraph) if slot.where == "text" else list(slot.element.itersiblings())
    slot.value = slot.value[: offset - begin].rstrip()
    return _move(paragraph, rest, following)


def _split_before(paragraph: dom.Element, slot: dom.Slot) -> bool:
    child = slot.element
    if slot.where == "tail" or child.getparent() is not paragraph:
        return False
    return _move(paragraph, dom.element("p"), [child, *child.itersiblings()])


def _move(paragraph: dom.Element, rest: dom.Element, nodes: list[dom.Element]) -> bool:
    for node in nodes:
        rest.append(node)
    for name, value in paragraph.items():
        rest.set(str(name), str(value))
    dom.insert_after(paragraph, rest)
    if len(paragraph):
        paragraph[-1].tail = (paragraph[-1].tail or "").rstrip()
    else:
        paragraph.text = (paragraph.text or "").rstrip()
    return True


def merge_short(root: dom.Element, context: FixContext) -> list[str]:
    """Join a short paragraph of one sentence with the one that follows it.

    Not the answer under a heading, not an FAQ's answers, not a sentence that announces a list,
    not a paragraph with an island, nor one that has a class.
    """
    found = 0
    for section in sections(root):
        if kind_of(section, context) in {"takeaways", "faq"}:
            continue
        for paragraph in paragraphs_of(section):
            found += _merge(paragraph, answer_of(section))
    return [f"joined {found} single-sentence paragraphs"] if found else []


def _merge(paragraph: dom.Element, answer: dom.Element | None) -> bool:
    before = paragraph.getprevious()
    if before is None or before is answer or paragraph is answer:
        return False
    if not (_joinable(paragraph) and _joinable(before)) or (before.tail or "").strip():
        return False
    mine, theirs = Run(paragraph).sentences(), Run(before).sentences()
    short = min(mine, theirs) == 1 and mine + theirs <= GOOD_SENTENCES
    one = paragraph if mine == 1 else before
    if not short or prose.word_count(dom.text(one)) > SHORT_WORDS:
        return False
    join(before, paragraph)
    return True


def _joinable(node: dom.Element) -> bool:
    plain = dom.tag(node) == "p" and not node.get("class") and not _has_island(node)
    return plain and not dom.text(node).endswith(":")


def _has_island(node: dom.Element) -> bool:
    return bool(markers.islands(dom.text(node)))


def join(first: dom.Element, second: dom.Element) -> None:
    """Put what *second* holds at the end of *first*, and remove it."""
    dom.append_text(first, " ")
    dom.move_children(second, first)
    dom.remove(second)
