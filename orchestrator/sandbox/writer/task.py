"""What ``write_section`` is asked for, read from its prompt."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

from orchestrator.sandbox.prompts import Prompt, strings
from orchestrator.sandbox.topics import Subtopic, rng, subtopic_of, title_case
from orchestrator.sandbox.writer.grammar import Pen, Share, upper_first

QUESTION = re.compile(
    r"^(how|what|why|when|which|who|where|is|are|can|could|should|do|does|will)\b", re.IGNORECASE
)
TAKEAWAYS = re.compile(r"takeaways", re.IGNORECASE)  #: a section without running text
ENDING = re.compile(r"conclusion|questions|\bfaqs?\b", re.IGNORECASE)


@dataclass(slots=True)
class Task:
    """A section's inputs, read from the prompt."""

    prompt: Prompt
    section: dict[str, Any] = field(init=False)
    brief: dict[str, Any] = field(init=False)
    keyword: str = field(init=False)
    year: str = field(init=False)
    queue: list[str] = field(init=False)
    questions: list[str] = field(init=False)
    named: bool = field(init=False, default=False)  #: whether a phrase repeats the keyword

    def __post_init__(self) -> None:
        self.section = self.prompt.mapping("section")
        self.brief = self.prompt.mapping("brief")
        self.keyword = str(self.brief.get("keyword") or self.section.get("heading") or "the work")
        self.year = str(self.brief.get("year") or "")
        wanted = [*strings(self.prompt.items("gaps")), *strings(self.section.get("keywords"))]
        answered = {text.lower() for text in strings(self.brief.get("questions"))}
        fresh = [text for text in dict.fromkeys(wanted) if text.lower() not in answered]
        fresh = self._sparing(fresh)
        self.questions = [text for text in fresh if QUESTION.match(text)]
        self.queue = [text for text in fresh if not QUESTION.match(text)]

    def _sparing(self, phrases: list[str]) -> list[str]:
        """*phrases*, of which at most one repeats the keyword, and none when the heading does:
        the whole article may name it no more than twelve times."""
        keyed = [text for text in phrases if self.keyword.lower() in text.lower()]
        spare = keyed if self.is_keyed else keyed[1:]
        self.named = len(keyed) > len(spare)
        return [
            text for text in phrases if text not in spare and text.lower() != self.keyword.lower()
        ]

    @property
    def is_keyed(self) -> bool:
        """Whether the heading names the article's keyword."""
        return self.keyword.lower() in self.heading.lower()

    @property
    def heading(self) -> str:
        """The section's heading."""
        return str(self.section.get("heading") or title_case(self.keyword))

    @property
    def words(self) -> int:
        """The section's word budget."""
        return int(self.section.get("words") or 300)

    @property
    def kind(self) -> str:
        """The section's kind."""
        return str(self.section.get("kind") or "body")

    @property
    def subtopic(self) -> Subtopic:
        """What a body section is about."""
        return subtopic_of(self.heading)

    def claims(self) -> list[str]:
        """Sentences that make the section's claims, each with its marker at the end."""
        return [
            f"{upper_first(str(claim.get('text', '')).strip().rstrip('.'))} [[claim:{claim['n']}]]."
            for claim in self.prompt.items("claims")
            if isinstance(claim, dict) and "n" in claim
        ]

    def share(self, same_subtopic: bool = False) -> Share:
        """This section's part of the banks, among the article's sections of running text."""
        seed = f"{self.brief.get('title')}|{self.keyword}|{self.year}"
        listed = [one for one in self.brief.get("sections") or [] if isinstance(one, dict)]
        if same_subtopic:
            listed = [one for one in listed[1:] if self._is_alike(str(one.get("heading", "")))]
        names = [str(one.get("id")) for one in listed if not _is_box(one)]
        mine = str(self.section.get("id"))
        if mine not in names:
            return Share(seed)
        return Share(seed, names.index(mine), len(names))

    def _is_alike(self, heading: str) -> bool:
        """Whether a body section with this heading is written from the same banks."""
        return subtopic_of(heading) is self.subtopic and not ENDING.search(heading)

    def pen(self) -> Pen:
        """A pen for this section."""
        keyed = (self.is_keyed or self.named) and self.kind != "introduction"
        slots = {
            "kw": self.keyword,
            "it": "this work" if keyed else self.keyword,
            "topic": self.subtopic.phrase,
            "year": self.year or "the coming year",
            "lastyear": str(int(self.year) - 1) if self.year.isdigit() else "last year",
        }
        return Pen(rng("section", self.prompt.text), self.share(), slots, self.queue)

    @property
    def bank(self) -> str:
        """The name of the banks this section of running text is written from."""
        names = {"introduction": "intro", "conclusion": "conclusion"}
        return names.get(self.kind, self.subtopic.slug)

    def original(self) -> str:
        """The section's present text without its heading and its box; empty when there is none."""
        given = self.prompt.data.get("original")
        text = str((given.get("html") if isinstance(given, dict) else given) or "")
        text = re.sub(r"<h2\b[^>]*>.*?</h2>", "", text, count=1, flags=re.DOTALL)
        return re.sub(r"</?section\b[^>]*>", "", text).strip()

    def leave_out(self, text: str) -> None:
        """Ask for no phrase and no question that stands in *text* already."""
        low = text.lower()
        self.queue[:] = [phrase for phrase in self.queue if phrase.lower() not in low]
        self.questions = [asked for asked in self.questions if asked.lower() not in low]


def _is_box(section: dict[str, Any]) -> bool:
    return bool(TAKEAWAYS.search(str(section.get("heading", ""))))
