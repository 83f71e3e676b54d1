"""The writer's grammar: banks of sentence templates, read from ``texts/*.txt``.

A bank begins with ``== name`` and has one template a line. ``[a|b]`` chooses one of several
wordings; ``{slot}`` is filled by a :class:`Pen`. Banks are dealt out among the sections of an
article, so that sections written in parallel do not use the same sentence.
"""

from __future__ import annotations

import functools
import random
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib import resources

from orchestrator.sandbox.topics import rng

CHOICE = re.compile(r"\[([^\[\]]*\|[^\[\]]*)\]")
SLOT = re.compile(r"\{(\w+)\}")
DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday")
TEAMS = (
    "a bakery with two shops",
    "a local clinic",
    "a bike store",
    "a travel blog run by two sisters",
    "a software shop of six",
    "a law office",
    "a language school",
    "a small charity",
    "a garden center",
    "a family hotel",
    "a print shop",
    "a music teacher",
    "a sports club",
    "a tool rental firm",
    "a pet shop",
    "a city museum",
)
TRANSITIONS: Mapping[str, tuple[str, ...]] = {
    "example": ("For example,", "For instance,", "To illustrate,", "As an illustration,"),
    "caution": ("However,", "Still,", "Even so,", "On the other hand,", "Nevertheless,"),
    "result": ("As a result,", "Therefore,", "Because of this,", "Consequently,", "In short,"),
    "action": ("First,", "Next,", "Then,", "After that,", "To begin with,", "Finally,", "Later,"),
    "reason": ("After all,", "In fact,", "Above all,", "In other words,", "Indeed,"),
    "topic": ("In addition,", "Moreover,", "Also,", "Similarly,", "At the same time,"),
}
CHANCE_OF_TRANSITION = {
    "example": 1.0,
    "caution": 1.0,
    "result": 1.0,
    "action": 0.5,
    "reason": 0.3,
}


@functools.cache
def banks() -> Mapping[str, tuple[tuple[str, ...], ...]]:
    """Every bank by name; a name used twice has several lists."""
    found: dict[str, list[tuple[str, ...]]] = {}
    folder = resources.files(__package__).joinpath("texts")
    for name in ("general.txt", "subtopics.txt", "frames.txt"):
        for part in folder.joinpath(name).read_text("utf-8").split("== ")[1:]:
            head, *lines = part.splitlines()
            found.setdefault(head.strip(), []).append(tuple(line for line in lines if line))
    return {name: tuple(lists) for name, lists in found.items()}


def bank(name: str) -> tuple[str, ...]:
    """The templates of the bank *name*; empty when there is none."""
    return banks().get(name, ((),))[0]


@dataclass(frozen=True, slots=True)
class Share:
    """Which part of each bank belongs to a section: number *index* of *total*.

    :param seed: the article's, so that all its sections deal the cards the same way.
    """

    seed: str
    index: int = 0
    total: int = 1

    def deal(self, name: str, templates: tuple[str, ...], *, spare: bool = True) -> list[str]:
        """This section's templates; with *spare*, the others' after them as a last resort."""
        order = list(templates)
        rng("deal", self.seed, name).shuffle(order)
        mine = order[self.index % self.total :: self.total]
        others = [template for template in reversed(order) if template not in mine]
        return mine + others if spare else mine


def lower_first(text: str) -> str:
    """*text* with its first letter small, unless the word has capitals of its own."""
    first = text.split(" ", 1)[0]
    keep = first == "I" or first[1:] != first[1:].lower() or first.rstrip(",") in DAYS
    return text if keep else text[:1].lower() + text[1:]


def upper_first(text: str) -> str:
    """*text* with its first letter a capital."""
    return text[:1].upper() + text[1:]


@dataclass(slots=True)
class Pen:
    """Writes sentences from banks, never the same template twice.

    :param rand: decides wordings and numbers.
    :param share: this section's part of the banks.
    :param slots: fixed words for slots, such as ``year`` and ``it``.
    :param phrases: what the slot ``k`` is filled with, one after the other.
    """

    rand: random.Random
    share: Share
    slots: Mapping[str, str]
    phrases: list[str] = field(default_factory=list)
    _decks: dict[str, list[str]] = field(default_factory=dict)
    _openers: dict[str, list[str]] = field(default_factory=dict)

    def has_phrases(self) -> bool:
        """Whether the slot ``k`` can still be filled."""
        return bool(self.phrases)

    def take(self, name: str, share: Share | None = None, *, again: bool = True) -> str:
        """The next sentence of the bank *name*, filled in; empty when there is none.

        :param again: whether a bank that is used up goes on with other sections' templates and
            then begins anew.
        """
        if name not in self._decks or (again and not self._decks[name]):
            self._decks[name] = (share or self.share).deal(name, bank(name), spare=again)
        if not self._decks[name]:
            return ""
        return self.fill(self._decks[name].pop(0))

    def fill(self, template: str) -> str:
        """*template* with its wordings chosen and its slots filled."""
        text = CHOICE.sub(lambda match: self.rand.choice(match[1].split("|")), template)
        text = SLOT.sub(lambda match: self._slot(match[1]), text)
        return upper_first(text)

    def _slot(self, name: str) -> str:
        if name in self.slots:
            return self.slots[name]
        if name == "k":
            return self.phrases.pop(0) if self.phrases else "the work"
        chances: Mapping[str, Callable[[], str]] = {
            "n": lambda: str(self.rand.randint(3, 9)),
            "pct": lambda: str(self.rand.randint(11, 48)),
            "weeks": lambda: str(self.rand.randint(3, 10)),
            "hours": lambda: str(self.rand.randint(11, 45)),
            "money": lambda: str(self.rand.randint(2, 18) * 50),
            "day": lambda: self.rand.choice(DAYS),
            "team": lambda: self.rand.choice(TEAMS),
        }
        return chances[name]() if name in chances else f"{{{name}}}"

    def move(self, name: str) -> str:
        """A sentence of a kind (``topic``, ``reason``...), often after a transition."""
        text = self.take(name)
        if text and self.rand.random() < CHANCE_OF_TRANSITION.get(name, 0.0):
            return self.open(name, text)
        return text

    def open(self, name: str, text: str) -> str:
        """*text* after a transition that suits the kind *name*."""
        if not self._openers.get(name):
            choices = TRANSITIONS[name]
            self._openers[name] = self.rand.sample(choices, len(choices))
        return f"{self._openers[name].pop()} {lower_first(text)}"
