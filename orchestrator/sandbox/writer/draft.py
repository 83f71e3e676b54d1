"""A section in the making: paragraphs, lists and tables within a word budget."""

from __future__ import annotations

import html
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from orchestrator.sandbox.writer.grammar import Pen, Share

WORD = re.compile(r"[A-Za-z0-9$%][\w'’$%.,-]*")
WORDS_PER_SENTENCE = 13.5
SHORTEST = 2  #: sentences of a paragraph
PATTERNS: tuple[tuple[str, ...], ...] = (
    ("topic", "reason", "action", "result"),
    ("own", "topic", "example", "reason"),
    ("topic", "action", "caution"),
    ("topic", "reason", "example", "result"),
    ("own", "topic", "action", "caution"),
    ("topic", "example", "caution", "short"),
    ("own", "reason", "topic", "action", "result"),
)
ASKED = ("question", "action", "reason", "result")
"""The moves of a paragraph that begins with a reader's question."""


def count_words(fragment: str) -> int:
    """The words a reader sees in an HTML fragment, markers not counted."""
    text = re.sub(r"\[\[[a-z]+:\d+\]\]|<[^>]+>", " ", fragment)
    return len(WORD.findall(html.unescape(text)))


def _make_room(moves: list[str], waiting: int, remaining: float) -> None:
    """Turn as many *moves* into topics as *waiting* phrases need in the words that remain."""
    paragraphs = max(1.0, remaining / (WORDS_PER_SENTENCE * 3.7))
    wanted = min(3, -(-waiting // max(1, round(paragraphs))))
    for move in ("own", "reason", "action"):
        if moves.count("topic") < wanted and move in moves:
            moves[moves.index(move)] = "topic"


@dataclass(slots=True)
class Draft:
    """HTML blocks written so far, and what still has to be said.

    :param pen: writes the sentences.
    :param claims: sentences with markers that wait for a place.
    :param asked: questions that wait for a mention.
    :param own: the bank of sentences special to this section's subtopic, and
        ``own_share`` this section's part of it.
    """

    pen: Pen
    claims: list[str] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)
    own: str = ""
    own_share: Share | None = None
    blocks: list[str] = field(default_factory=list)
    words: int = 0
    since_heading: int = 0
    _starts: list[str] = field(default_factory=list)
    _patterns: list[tuple[str, ...]] = field(default_factory=list)

    def add(self, block: str) -> None:
        """Append one HTML block."""
        count = count_words(block)
        self.blocks.append(block)
        self.words += count
        *before, last = re.split(r"<h[3-6]\b[^>]*>", block)
        self.since_heading = count_words(last) if before else self.since_heading + count

    def heading(self, text: str, level: int = 3) -> None:
        """Append a heading."""
        self.add(f"<h{level}>{html.escape(text, quote=False)}</h{level}>")
        self.since_heading = 0

    def paragraph(self, sentences: Sequence[str], css: str = "") -> None:
        """Append a paragraph of *sentences* (plain text, markers allowed)."""
        mark = f' class="{css}"' if css else ""
        said = [self._varied(sentence) for sentence in sentences if sentence]
        self.add(f"<p{mark}>{html.escape(' '.join(said), quote=False)}</p>")

    def _varied(self, sentence: str) -> str:
        """*sentence*, with another start when the two before it began the same way."""
        start = sentence.split(" ", 1)[0].lower()
        if self._starts[-2:] == [start, start]:
            sentence = self.pen.open("topic", sentence)
            start = sentence.split(" ", 1)[0].lower()
        self._starts.append(start)
        return sentence

    def items(self, items: Iterable[str], ordered: bool = False) -> None:
        """Append a list."""
        tag = "ol" if ordered else "ul"
        lines = "".join(f"<li>{html.escape(item, quote=False)}</li>" for item in items)
        self.add(f"<{tag}>{lines}</{tag}>")

    def develop(self, remaining: float, waiting: int) -> None:
        """Append one paragraph of running text.

        :param remaining: words left in the budget; the last paragraph is made to fit.
        :param waiting: phrases that still want a sentence.
        """
        moves = list(ASKED if self.asked else self._pattern())
        _make_room(moves, waiting, remaining)
        sentences: list[str] = []
        used = 0
        for move in moves:
            if len(sentences) >= SHORTEST and used + WORDS_PER_SENTENCE / 2 > remaining:
                break
            sentences.append(self._next(move, len(sentences)))
            used += count_words(sentences[-1])
        self.paragraph(sentences)

    def _next(self, move: str, position: int) -> str:
        """The next sentence: a claim stands second in its paragraph."""
        if move == "question":
            return self.pen.take("question").replace("{q}", self.asked.pop(0))
        if self.claims and position == 1:
            return self.claims.pop(0)
        if move == "topic" and not self.pen.has_phrases():
            move = "own"
        if move == "own":
            return (
                self.own and self.pen.take(self.own, self.own_share, again=False)
            ) or self.pen.move("point")
        return self.pen.move(move)

    def _pattern(self) -> tuple[str, ...]:
        if not self._patterns:
            self._patterns = self.pen.rand.sample(PATTERNS, len(PATTERNS))
        return self._patterns.pop()

    def html(self) -> str:
        """Everything written so far."""
        return "\n".join(self.blocks)
