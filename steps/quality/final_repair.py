"""Repairs of the finished article: a few by rule, then one section at a time by the model. Pure.

A repaired section must keep what the client and the reader rely on: its heading, every island
and every citation. One that does not is refused.
"""

from __future__ import annotations

import copy
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from steps.fixes.keyword import balance_keyword
from steps.fixes.paragraphs import split_long
from steps.fixes.structure import FixContext, drop_empty, drop_leftovers
from steps.fixes.wording import replace_phrases
from steps.html import dom, fragment, markers
from steps.html.sanitise import sanitise
from steps.models import InternalLink
from steps.rubric import Assessment
from steps.rubric.rule import WEIGHTS
from steps.sources.authority import plain_url

MAX_REPAIRS = 4
"""Sections a repair round may rewrite: four calls side by side fit the step's 30 seconds."""

MAX_PROBLEMS = 6  #: told to the model for one section
SECTIONS_A_RULE = 3
"""The worst sections of a failing check that are repaired for it; of a critical one as many as
there are repairs, since it fails as long as one section does."""


@dataclass(frozen=True, slots=True)
class Repair:
    """A section to rewrite: its heading, its HTML, what is wrong."""

    number: int
    heading: str
    html: str
    problems: tuple[str, ...]


def needed(assessment: Assessment) -> bool:
    """Whether an article must be repaired: it does not pass."""
    return not assessment.report.passed


def better(one: Assessment, other: Assessment) -> bool:
    """Whether *one* beats *other*: fewer critical failures, then the higher score."""
    return _standing(one) > _standing(other)


def _standing(assessment: Assessment) -> tuple[int, float]:
    critical = sum(rule.priority == "critical" for rule, _ in assessment.failing)
    return -critical, assessment.report.score


# -- by rule ---------------------------------------------------------------------------


def by_rule(html: str, keyword: str, allowed: Collection[str]) -> str:
    """The article with plainer words, the keyword in range, long paragraphs split, no claim
    markers and no link to an address outside *allowed*."""
    root = dom.parse(html)
    context = FixContext(keyword=keyword)
    _resolve(root)
    for link in dom.elements(root, "a"):
        _check_link(link, allowed)
    for mend in (drop_leftovers, replace_phrases, balance_keyword, split_long, drop_empty):
        mend(root, context)
    return dom.serialise(root)


def _resolve(root: dom.Element) -> None:
    for slot in dom.slots(root):
        slot.value = markers.remove(slot.value, markers.CLAIM)


def _check_link(link: dom.Element, allowed: Collection[str]) -> None:
    href = (link.get("href") or "").strip()
    if not href.startswith("#") and plain_url(href) not in allowed:
        dom.unwrap(link)


# -- by the model ----------------------------------------------------------------------


def plan(html: str, assessment: Assessment, headings: Sequence[str]) -> list[Repair]:
    """The sections that the failing checks name, the most weight first, four at most.

    :param headings: the headings of the assessed article's sections, by their number.
    """
    weight: dict[str, int] = {}
    problems: dict[str, list[str]] = {}
    for rule, finding in assessment.failing:
        most = MAX_REPAIRS if rule.priority == "critical" else SECTIONS_A_RULE
        for number in finding.sections[:most]:
            heading = headings[number]
            weight[heading] = weight.get(heading, 0) + WEIGHTS[rule.priority]
            problems.setdefault(heading, []).append(f"{rule.name}: {finding.advice}")
    there = {one.heading: one for one in _parts(dom.parse(html))}
    worst = sorted((h for h in weight if h in there), key=lambda heading: -weight[heading])
    return [
        Repair(there[h].number, h, there[h].html, tuple(problems[h][:MAX_PROBLEMS]))
        for h in worst[:MAX_REPAIRS]
    ]


@dataclass(frozen=True, slots=True)
class _Part:
    """The top-level elements of one section."""

    number: int
    heading: str
    nodes: tuple[dom.Element, ...]

    @property
    def html(self) -> str:
        """The part's own markup."""
        holder = dom.element("div")
        holder.extend(copy.deepcopy(node) for node in self.nodes)
        return dom.serialise(holder)


def _parts(root: dom.Element) -> list[_Part]:
    """The top-level elements cut before each that is or holds an h2; headings told once only."""
    parts: list[list[dom.Element]] = []
    for node in root:
        starts = dom.tag(node) == "h2" or bool(dom.elements(node, "h2"))
        if starts:
            parts.append([])
        if parts:
            parts[-1].append(node)
    found = [
        _Part(number, _heading(nodes[0]), tuple(nodes)) for number, nodes in enumerate(parts, 1)
    ]
    told = [part.heading for part in found]
    return [part for part in found if part.heading and told.count(part.heading) == 1]


def _heading(node: dom.Element) -> str:
    heading = node if dom.tag(node) == "h2" else dom.elements(node, "h2")[0]
    return " ".join(markers.strip(dom.text(heading)).split())


def accepted(repair: Repair, answer: str) -> str | None:
    """The model's version of a section as it may stand in the article, or None.

    None: it is no section, or it lost a citation, a list of references, or an island. Links
    that it invented are unwrapped; the heading and the section's box are as they were.
    """
    if fragment.problems(answer):
        return None
    before, after = dom.parse(repair.html), dom.parse(sanitise(markers.normal(answer)))
    _resolve(after)
    _keep_links(after, {link.get("href") for link in dom.elements(before, "a")})
    headings = dom.elements(after, "h2")
    if len(headings) != 1 or dom.elements(after, "h1"):
        return None
    headings[0].text = repair.heading
    for child in list(headings[0]):
        dom.remove(child)
    _box(before, after)
    kept = _citations(before) <= _citations(after)
    same = sorted(_islands(before)) == sorted(_islands(after))
    return dom.serialise(after) if kept and same else None


def _keep_links(root: dom.Element, known: Collection[str | None]) -> None:
    for link in dom.elements(root, "a"):
        if link.get("href") not in known:
            dom.unwrap(link)


def _box(before: dom.Element, after: dom.Element) -> None:
    """Put what *after* holds into the ``section`` that *before* stands in, if it does."""
    old = next(iter(before), None)
    new = next(iter(after), None)
    if old is None or dom.tag(old) != "section":
        return
    if new is None or dom.tag(new) != "section" or len(after) > 1:
        for inner in dom.elements(after, "section"):
            dom.unwrap(inner)
        new = dom.element("section")
        dom.move_children(after, new)
        after.append(new)
    if old.get("class"):
        new.set("class", str(old.get("class")))


def _citations(root: dom.Element) -> frozenset[str]:
    links = (link for link in dom.elements(root, "a") if dom.has_class(link, "citation"))
    return frozenset(link.get("href") or "" for link in links)


def _islands(root: dom.Element) -> list[str]:
    return markers.islands(dom.text(root))


def replaced(html: str, repairs: Sequence[tuple[Repair, str]]) -> str:
    """The article with these sections in the place of the old ones."""
    root = dom.parse(html)
    parts = {part.heading: part for part in _parts(root)}
    for repair, new in repairs:
        old = parts[repair.heading].nodes
        for node in list(dom.parse(new)):
            node.tail = node.tail or "\n"
            old[0].addprevious(node)
        for node in old:
            root.remove(node)
    return dom.serialise(root)


def still_there(links: Sequence[InternalLink], html: str) -> list[InternalLink]:
    """The internal links that the article still has, with the same words to click on."""
    left = [
        (plain_url(node.get("href") or ""), " ".join(dom.text(node).split()))
        for node in dom.elements(dom.parse(html), "a")
    ]
    kept = []
    for link in links:
        wanted = (plain_url(link.url), " ".join(link.anchor_text.split()))
        if wanted in left:
            left.remove(wanted)
            kept.append(link)
    return kept
