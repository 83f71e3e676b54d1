"""Small repairs on an HTML fragment as text; markers and markup stay as they are."""

from __future__ import annotations

import html as entities
import re
from collections.abc import Callable, Iterable, Sequence

from orchestrator.sandbox.writer.draft import count_words
from orchestrator.sandbox.writer.grammar import lower_first

PARAGRAPH = re.compile(r"<p(\b[^>]*)>(.*?)</p>", re.DOTALL)
SENTENCE_END = re.compile(r"(?<=[.!?])\s+(?=[A-Z\"“<\[])")
PLAINER = {
    "delve into": "explore", "delve": "look", "tapestry": "collection", "landscape": "environment",
    "realm": "area", "it's worth noting that": "note that", "in conclusion": "to sum up",
    "leverage": "use", "robust": "strong", "holistic": "complete", "paradigm": "model",
    "unlock": "open", "game-changer": "big step", "game changer": "big step",
    "revolutionize": "change", "cutting-edge": "modern", "seamless": "smooth", "utilize": "use",
}  # fmt: skip
"""Stock phrases and what to say for them."""
MOST_SENTENCES = 4  #: of a paragraph after it was split
LONG_SENTENCE = 20  #: words
LEAST_HALF = 4  #: words of a sentence's first half
OPENERS = {"and": "Also,", "but": "However,", "so": "Therefore,", "because": "After all,"}


def in_paragraphs(fragment: str, mend: Callable[[str], str]) -> str:
    """The fragment with *mend* applied to each sentence of its paragraphs."""

    def paragraph(match: re.Match[str]) -> str:
        return f"<p{match[1]}>{' '.join(map(mend, SENTENCE_END.split(match[2])))}</p>"

    return PARAGRAPH.sub(paragraph, fragment)


def plainer(fragment: str) -> str:
    """The fragment with stock phrases replaced in its text, tags left alone."""
    for old, new in PLAINER.items():
        pattern = re.compile(rf"(?<![\w-]){re.escape(old)}(?![\w-])(?![^<]*>)", re.IGNORECASE)
        fragment = pattern.sub(_in_case(new), fragment)
    return fragment


def _in_case(new: str) -> Callable[[re.Match[str]], str]:
    return lambda match: new[:1].upper() + new[1:] if match[0][:1].isupper() else new


def without(fragment: str, phrases: Iterable[str]) -> str:
    """The fragment without the sentences that hold one of *phrases*, unless they hold a marker
    or are all that a paragraph says."""
    lows = [phrase.lower() for phrase in phrases]

    def paragraph(match: re.Match[str]) -> str:
        sentences = SENTENCE_END.split(match[2])
        kept = [s for s in sentences if "[[" in s or not any(low in _plain(s) for low in lows)]
        return f"<p{match[1]}>{' '.join(kept or sentences)}</p>"

    return PARAGRAPH.sub(paragraph, fragment)


def _plain(sentence: str) -> str:
    """A sentence in lower case without its tags, which may stand within a phrase."""
    return re.sub(r"<[^>]+>", "", sentence).lower()


def halved(sentence: str) -> str:
    """A sentence of more than 20 words as two, cut where a comma and a conjunction allow it."""
    if count_words(sentence) <= LONG_SENTENCE:
        return sentence
    found = re.finditer(r"[,;] (and|but|so|because|while) ", sentence)
    cuts = [cut for cut in found if count_words(sentence[: cut.start()]) >= LEAST_HALF]
    if not cuts:
        return sentence
    cut = min(cuts, key=lambda match: abs(match.start() - len(sentence) // 2))
    start = OPENERS.get(cut[1], "Meanwhile,")
    return f"{sentence[: cut.start()]}. {start} {lower_first(sentence[cut.end() :])}"


def shorter_paragraphs(fragment: str) -> str:
    """The fragment with paragraphs of more than five sentences divided evenly."""

    def divide(match: re.Match[str]) -> str:
        sentences = SENTENCE_END.split(match[2].strip())
        if len(sentences) <= MOST_SENTENCES + 1:
            return match[0]
        parts = -(-len(sentences) // MOST_SENTENCES)
        size = -(-len(sentences) // parts)
        chunks = [sentences[n : n + size] for n in range(0, len(sentences), size)]
        return "\n".join(f"<p{match[1]}>{' '.join(chunk)}</p>" for chunk in chunks)

    return PARAGRAPH.sub(divide, fragment)


def rarer(fragment: str, keyword: str) -> str:
    """The fragment with the keyword named once in its text; headings stay."""
    seen = False

    def said(match: re.Match[str]) -> str:
        nonlocal seen
        if seen:
            return "this work"
        seen = True
        return match[0]

    pattern = re.compile(re.escape(keyword), re.IGNORECASE)
    return PARAGRAPH.sub(lambda m: f"<p{m[1]}>{pattern.sub(said, m[2])}</p>", fragment)


def add_sentence(fragment: str, sentence: str) -> str:
    """The fragment with *sentence* at the end of its last paragraph."""
    head, closing, tail = fragment.rpartition("</p>")
    text = entities.escape(sentence, quote=False)
    return f"{head} {text}{closing}{tail}" if closing else f"{fragment}\n<p>{text}</p>"


def after_heading(fragment: str, block: str) -> str:
    """The fragment with *block* directly after its h2."""
    head, closing, tail = fragment.partition("</h2>")
    return f"{head}{closing}\n{block}{tail}"


def keyed_subheading(fragment: str, keyword: str) -> str:
    """The fragment with the keyword in its first h3 that lacks it."""
    for match in re.finditer(r"<h3\b[^>]*>(.*?)</h3>", fragment, re.DOTALL):
        if keyword.lower() not in match[1].lower() and not match[1].endswith("?"):
            added = f"{match[1]}: {entities.escape(keyword, quote=False)}"
            return f"{fragment[: match.start(1)]}{added}{fragment[match.end(1) :]}"
    return fragment


def subheading_in_the_middle(fragment: str, title: str) -> str:
    """The fragment with an h3 before its middle paragraph, if it has three or more."""
    paragraphs = list(PARAGRAPH.finditer(fragment))
    if len(paragraphs) < 3:
        return fragment
    middle = paragraphs[len(paragraphs) // 2].start()
    return f"{fragment[:middle]}<h3>{title}</h3>\n{fragment[middle:]}"


def joined(fragment: str, opened: Callable[[str], str]) -> str:
    """The fragment with the last sentence of each longer paragraph joined to the one before.

    :param opened: puts a transition before a sentence.
    """

    def paragraph(match: re.Match[str]) -> str:
        sentences = SENTENCE_END.split(match[2])
        last = sentences[-1]
        if len(sentences) > 1 and "," not in last[:20] and not last.startswith(("<", "[")):
            sentences[-1] = opened(last)
        return f"<p{match[1]}>{' '.join(sentences)}</p>"

    return PARAGRAPH.sub(paragraph, fragment)


def shortened(fragment: str, words: int) -> str:
    """The fragment without its last plain paragraphs, about *words* words fewer; the answer
    after the heading, and paragraphs with markers, stay."""
    for match in reversed(list(PARAGRAPH.finditer(fragment))[1:]):
        count = count_words(match[0])
        if "[[" in match[2] or count > words:
            continue
        fragment = fragment[: match.start()] + fragment[match.end() :]
        words -= count
    return fragment


def table(caption: str, heads: str, rows: Sequence[str]) -> str:
    """A table; cells are separated by ``|``."""
    head = "".join(f"<th>{_text(cell)}</th>" for cell in heads.split("|"))
    lines = ["".join(f"<td>{_text(cell)}</td>" for cell in row.split("|")) for row in rows]
    body = "".join(f"<tr>{line}</tr>" for line in lines)
    return (
        f'<table class="comparison-table"><caption>{_text(caption)}</caption>'
        f"<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
    )


def _text(text: str) -> str:
    return entities.escape(text, quote=False)
