"""Statements that articles make and that the sandbox's reports confirm."""

from __future__ import annotations

import functools
from dataclasses import dataclass

from orchestrator.sandbox.topics import content_words
from orchestrator.sandbox.writer.grammar import bank, banks

PREFIX = "outline.claims."
SHARED = 0.25  #: of a statement's words; a search for several statements holds a few of each
MOST = 3  #: statements one report confirms


@dataclass(frozen=True, slots=True)
class Statement:
    """A statement with ``{last}`` for the subject's main word, and the title of a study of it."""

    template: str
    title: str

    def about(self, subject: str) -> str:
        """The statement made about *subject* (one word)."""
        return self.template.format(last=subject)

    @property
    def plain(self) -> str:
        """The statement without its subject."""
        return self.template.replace("{last} ", "")


def statements(subtopic: str) -> list[Statement]:
    """The statements that belong to a subtopic, by its slug."""
    return [Statement(*line.split("|")) for line in bank(f"{PREFIX}{subtopic}")]


@functools.cache
def _all() -> tuple[Statement, ...]:
    slugs = [name.removeprefix(PREFIX) for name in banks() if name.startswith(PREFIX)]
    return tuple(statement for slug in slugs for statement in statements(slug))


def confirmed_by(subject: str) -> list[Statement]:
    """What a report on *subject* (words of a search) confirms, the best match first."""
    words = set(subject.lower().split())
    shares = {one: _share(one, words) for one in _all()}
    found = sorted((one for one in shares if shares[one] >= SHARED), key=lambda o: -shares[o])
    return found[:MOST]


def _share(statement: Statement, words: set[str]) -> float:
    own = set(content_words(statement.plain))
    common = len(own & words)
    return common / len(own) if common > 1 else 0.0
