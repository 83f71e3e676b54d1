"""``repair_section``: mends the problems a section was found to have."""

from __future__ import annotations

import html as entities
import re
from collections.abc import Callable
from dataclasses import dataclass

from orchestrator.sandbox.prompts import Prompt
from orchestrator.sandbox.topics import rng, subtopic_of, title_case
from orchestrator.sandbox.writer import mending
from orchestrator.sandbox.writer.draft import count_words
from orchestrator.sandbox.writer.grammar import Pen, Share, bank, banks

QUOTED = re.compile(r"[\"“‘'`]([^\"”’'`<>]{3,80})[\"”’'`]")
LISTED = re.compile(r"(?:work in|open gaps|missing|\d+ phrases): ([^.]+)\.?", re.IGNORECASE)
MOST_ADDED = 300  #: words one repair adds


@dataclass(slots=True)
class Repair:
    """A section under repair.

    :param told: the problems as they were told; ``problems`` is the same in lower case.
    """

    html: str
    told: str
    keyword: str
    year: str
    heading: str
    pen: Pen

    @property
    def problems(self) -> str:
        """What was told, in lower case."""
        return self.told.lower()

    @property
    def topic(self) -> str:
        """The slug of the section's subtopic, which names its banks."""
        return subtopic_of(self.heading).slug

    def says(self, *signs: str) -> bool:
        """Whether the problems speak of any of *signs*."""
        return any(sign in self.problems for sign in signs)

    def append(self, block: str) -> None:
        """Add a block before the closing tag of the section, if it has one."""
        head, closing, tail = self.html.rpartition("</section>")
        self.html = f"{head}{block}\n{closing}{tail}" if closing else f"{self.html}\n{block}"

    def paragraph(self, *sentences: str) -> str:
        """A paragraph of *sentences*."""
        return f"<p>{entities.escape(' '.join(sentences), quote=False)}</p>"


def repair_section(prompt: Prompt) -> str:
    """The section's fragment with the named problems mended; the rest stays as it was."""
    section, asked = prompt.mapping("section"), prompt.mapping("request")
    heading = str(section.get("heading") or "")
    keyword, year = str(asked.get("keyword") or ""), str(asked.get("year") or "")
    slots = {"it": "this work", "kw": keyword, "topic": subtopic_of(heading).phrase, "year": year}
    pen = Pen(rng("repair", prompt.text), Share(heading), slots)
    told = " ".join(prompt.strings("problems"))
    repair = Repair(str(section.get("html") or ""), told, keyword, year, heading, pen)
    for mend in MENDS:
        mend(repair)
    return repair.html


def _phrases(repair: Repair) -> None:
    if not repair.says("phrase", "reword", "hype", "banned", *mending.PLAINER):
        return
    repair.html = mending.plainer(repair.html)
    if repair.says("reword"):
        repair.html = mending.without(repair.html, _listed(repair.told))


def _listed(told: str) -> list[str]:
    parts = [part for found in LISTED.findall(told) for part in found.split(";")]
    return [text.strip(" \"'.") for text in parts if text.strip(" \"'.")]


def _answer(repair: Repair) -> None:
    """A first paragraph of 40 to 60 words."""
    if repair.says("first paragraph", "40-60", "40–60", "40 to 60") and "<h2" in repair.html:
        sentences = [repair.pen.take(f"{repair.topic}.answer{n}") for n in (1, 2, 3)]
        answer = repair.paragraph(*sentences)
        repair.html = mending.after_heading(repair.html, answer)


def _sentences(repair: Repair) -> None:
    if repair.says("long sentence", "shorter words", "over 20 words"):
        repair.html = mending.in_paragraphs(repair.html, mending.halved)


def _paragraphs(repair: Repair) -> None:
    if repair.says("paragraphs of more", "split paragraph", "long paragraph", "5 sentences"):
        repair.html = mending.shorter_paragraphs(repair.html)


def _keyword(repair: Repair) -> None:
    if not repair.keyword:
        return
    named = f'"{repair.keyword.lower()}"'
    if repair.says(f"something else for {named}", "lower the keyword", "too often"):
        repair.html = mending.rarer(repair.html, repair.keyword)
    elif repair.says(f"name {named}", "raise the keyword", "keyword is missing"):
        sentence = f"With {repair.keyword}, the same care pays off."
        repair.html = mending.add_sentence(repair.html, sentence)


def _year(repair: Repair) -> None:
    if repair.says("the year", "freshness") and repair.year:
        sentence = f"These points still hold true in {repair.year}."
        repair.html = mending.add_sentence(repair.html, sentence)


def _list(repair: Repair) -> None:
    if repair.says("takeaways: write them", "into lists", "no list", "a list") and (
        "<li" not in repair.html or repair.says("fewer than")
    ):
        name = "takeaway" if "takeaway" in repair.problems else f"{repair.topic}.items"
        items = [entities.escape(repair.pen.take(name), quote=False) for _ in range(5)]
        repair.append("<ul>" + "".join(f"<li>{item}</li>" for item in items) + "</ul>")


def _table(repair: Repair) -> None:
    if repair.says("table") and "<table" not in repair.html:
        number = repair.pen.rand.randrange(len(bank("table.heads")))
        rows = [repair.pen.fill(row) for row in banks()["table.rows"][number]]
        head = bank("table.heads")[number]
        repair.append(
            f"<p>{repair.pen.take('table.lead')}</p>\n"
            + mending.table(bank("table.captions")[number], head, rows)
        )


def _subheadings(repair: Repair) -> None:
    if repair.says("keyphrase in") and repair.says("subheadings"):
        if not repair.says("do not name"):
            repair.html = mending.keyed_subheading(repair.html, title_case(repair.keyword))
    elif repair.says("subheading"):
        title = repair.pen.take(f"{repair.topic}.h3") or "What to Do Next"
        repair.html = mending.subheading_in_the_middle(repair.html, title)


def _transitions(repair: Repair) -> None:
    if repair.says("transition", "join more sentences", "begin alike", "beginnings"):
        repair.html = mending.joined(repair.html, lambda text: repair.pen.open("reason", text))


def _pairs(repair: Repair) -> None:
    """Questions with answers, where an FAQ has too few."""
    if repair.says("questions have an answer", "questions has an answer"):
        for question, name in (
            ("How long does it take?", "long"),
            ("What does it cost?", "cost"),
            ("How do you know that it works?", "know"),
        ):
            answer = " ".join(repair.pen.take(f"faq.{name}{n}") for n in (1, 2, 3))
            repair.append(f"<h3>{question}</h3>\n{repair.paragraph(answer)}")


def _missing(repair: Repair) -> None:
    """Phrases the problems name as missing, worked into a sentence each."""
    if not repair.says("missing", "work in", "open gaps", "lacks", "mention"):
        return
    low = repair.html.lower()
    named = [*_listed(repair.told), *QUOTED.findall(repair.told)]
    fresh = [text for text in dict.fromkeys(named) if text.lower() not in low]
    for n in range(0, len(fresh), 2):
        lines = [f"Give {text} a place in your plan as well." for text in fresh[n : n + 2]]
        repair.append(repair.paragraph(*lines, repair.pen.take("repair")))


def _length(repair: Repair) -> None:
    """More words or fewer, as many as the problem says."""
    cut = re.search(r"cut about (\d+)", repair.problems)
    if cut:
        repair.html = mending.shortened(repair.html, int(cut[1]))
        return
    have = count_words(repair.html)
    more = re.search(r"add about (\d+)", repair.problems)
    planned = re.search(r"planned (?:are|were|is) (\d+)", repair.problems)
    goal = have + int(more[1]) if more else int(planned[1]) if planned else 0
    if not goal and repair.says("too short", "thin"):
        goal = have + 60
    goal = min(goal, have + MOST_ADDED)
    while count_words(repair.html) < goal - 10:
        repair.append(repair.paragraph(*(repair.pen.take("repair") for _ in range(3))))


MENDS: tuple[Callable[[Repair], None], ...] = (
    _phrases,
    _answer,
    _sentences,
    _paragraphs,
    _keyword,
    _year,
    _list,
    _table,
    _subheadings,
    _transitions,
    _pairs,
    _missing,
    _length,
)
