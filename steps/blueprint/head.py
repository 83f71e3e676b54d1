"""Title, slug, description, takeaways, questions: made to fit whatever the model proposed. Pure."""

from __future__ import annotations

import hashlib
import itertools
import re
from collections.abc import Iterable, Iterator, Sequence

from steps.blueprint.glossary import glossary
from steps.blueprint.plan import Plan, capitalised, question
from steps.language.lexical import distinct, plain, slugged, words
from steps.language.phrases import STOP_WORDS
from steps.models import HeadAnswer

TITLE, META = (50, 60), (120, 156)
"""Characters, PIPELINE section 3."""

MAX_SLUG = 60
"""Characters; longer slugs are cut in result pages."""

TAKEAWAYS, QUESTIONS = (4, 8), (4, 8)
"""PIPELINE section 3."""

WISHED_QUESTIONS = 6
"""Questions taken without need: six answers of 40-60 words fill the FAQ's budget of 350."""

_BUYS = re.compile(r"\b(?:buy|price|prices|cheap|deal|deals|coupon|order|for sale)\b", re.I)
_COMPARES = re.compile(r"\b(?:best|top|vs|versus|review|reviews|compare|comparison)\b", re.I)
_BREAKS = re.compile(r"\s*(?: \| | – | — | - |: |, | \()")


def empty_head(keyword: str) -> HeadAnswer:
    """A head without the model: everything is left to completion, the intent is guessed."""
    intent = "transactional" if _BUYS.search(keyword) else "informational"
    intent = "commercial" if _COMPARES.search(keyword) else intent
    return HeadAnswer.model_validate(
        {"title": "", "slug": "", "metaDescription": "", "intent": intent,
         "takeaways": [], "questions": []}
    )  # fmt: skip


def completed(head: HeadAnswer, plan: Plan) -> HeadAnswer:
    """The head with every part in the form it must have."""
    return HeadAnswer(
        title=title(head.title, plan),
        slug=slug(head.slug, plan.keyword),
        meta_description=description(head.meta_description, plan),
        intent=head.intent,
        takeaways=takeaways(head.takeaways, plan),
        questions=questions(head.questions, plan),
        glossary=glossary(head.glossary, plan),
    )


def title(proposed: str, plan: Plan) -> str:
    """50-60 characters with the keyword in the first half.

    The proposal if it fits, else the proposal shortened or lengthened, else one made of the
    keyword; for a keyword longer than a title, the keyword cut at a word's end.
    """
    proposed = plain(proposed, 200)
    tries = itertools.chain(
        [proposed], _shortened(proposed), _lengthened(proposed, plan), _made(plan)
    )
    fitting = (text for text in tries if _is_title(text, plan.keyword))
    return next(fitting, "") or plain(_headline(plan.keyword, plan), TITLE[1])


def slug(proposed: str, keyword: str) -> str:
    """ASCII words joined by hyphens, the keyword's among them and at most 60 characters."""
    wanted, given = slugged(keyword), slugged(proposed)
    chosen = given if wanted and f"-{wanted}-" in f"-{given}-" else wanted or given
    if not chosen:
        chosen = f"article-{hashlib.sha256(keyword.encode()).hexdigest()[:8]}"
    if len(chosen) > MAX_SLUG:
        chosen = chosen[: MAX_SLUG + 1].rsplit("-", 1)[0][:MAX_SLUG]
    return chosen


def description(proposed: str, plan: Plan) -> str:
    """120-156 characters with the keyword in them."""
    text = plain(proposed, 400)
    if plan.keyword.lower() not in text.lower():
        text = f"{_opening(plan)} {text}".rstrip()
    if len(text) > META[1]:
        return _cut(text)
    fitting = (longer for longer in _longer(text, plan) if META[0] <= len(longer) <= META[1])
    return next(fitting, "") or _cut(" ".join([text, *_sentences(plan)]))


def takeaways(proposed: Iterable[str], plan: Plan) -> list[str]:
    """Four to eight distinct sentences: the model's, then stock."""
    least, most = TAKEAWAYS
    lines = [line for line in (plain(text, 240) for text in proposed) if len(words(line)) > 2]
    chosen = list(distinct(lines, plan.locale))[:most]
    more = distinct(_stock_takeaways(plan), plan.locale, known=chosen)
    return [*chosen, *itertools.islice(more, max(0, least - len(chosen)))]


def questions(proposed: Sequence[str], plan: Plan) -> list[str]:
    """Four to eight distinct questions, people-also-ask first."""
    least, most = QUESTIONS
    also_asked = [question(text) for text in plan.gaps.questions[: most // 2]]
    lines = [question(plain(text, 200)) for text in proposed if words(text)]
    chosen = list(distinct([*also_asked, *lines], plan.locale))[:WISHED_QUESTIONS]
    spare = [*plan.questions, *_stock_questions(plan)]
    more = distinct(spare, plan.locale, known=chosen)
    return [*chosen, *itertools.islice(more, max(0, least - len(chosen)))]


def _is_title(text: str, keyword: str) -> bool:
    at = text.lower().find(keyword.lower())
    return TITLE[0] <= len(text) <= TITLE[1] and 0 <= at <= len(text) / 2


def _shortened(text: str) -> Iterator[str]:
    """The title cut at a joint, the longest first, then at a word that can end it."""
    joints = [found.start() for found in _BREAKS.finditer(text)]
    yield from (text[:joint] for joint in reversed(joints))
    parts = plain(text, TITLE[1]).split(" ")
    while parts and parts[-1].strip(",:;–-").lower() in STOP_WORDS | {"", "&"}:
        parts.pop()
    yield " ".join(parts).rstrip(" ,:;–-(")


def _lengthened(text: str, plan: Plan) -> Iterator[str]:
    if text and plan.is_english:
        joint = "," if ":" in text else ":"
        yield from (f"{text}{joint} {tail}" for tail in _tails(plan.year))
        yield from (f"{text} in {plan.year}", f"{text} Explained", f"{text} ({plan.year} Guide)")


def _made(plan: Plan) -> Iterator[str]:
    """Titles of the keyword and a tail; outside English, of the keyword and what belongs to it."""
    subject = _headline(plan.keyword, plan)
    yield subject
    if plan.is_english:
        yield from (f"{subject}: {tail}" for tail in _tails(plan.year))
        return
    terms = [term.rstrip("?") for term in plan.terms[:12]]
    pairs = [f"{one}, {other}" for one, other in itertools.permutations(terms, 2)]
    yield from (f"{subject} {plan.year}: {tail}" for tail in [*terms, *pairs])


def _tails(year: int) -> tuple[str, ...]:
    """Ends of titles, about nine characters apart, so that one fits any keyword."""
    return (
        f"What It Takes, What It Costs and Where to Start in {year}",
        "What Works, What It Costs and Where to Begin",
        f"Costs, Steps and Mistakes in {year}",
        f"A Practical Guide for {year}",
        "A Practical Guide",
        "A Guide",
    )


def _headline(keyword: str, plan: Plan) -> str:
    """The keyword in headline capitals (English), else with a large first letter."""
    if not plan.is_english:
        return capitalised(keyword)
    parts = keyword.split()
    return " ".join(
        word if (n and word.lower() in STOP_WORDS) or word != word.lower() else capitalised(word)
        for n, word in enumerate(parts)
    )


def _cut(text: str) -> str:
    """The longest run of whole sentences that is long enough, else whole words and an ellipsis."""
    ends = [found.end() for found in re.finditer(r"[.!?](?=\s)", text)]
    fitting = [end for end in ends if META[0] <= end <= META[1]]
    if fitting:
        return text[: fitting[-1]]
    short = plain(text, META[1] - 1).rstrip(" ,;:–-.")
    return f"{short if len(short) >= META[0] - 1 else text[: META[1] - 1]}…"


def _opening(plan: Plan) -> str:
    """A first sentence with the keyword, which leaves room for a second."""
    start = f"A practical guide to {plan.keyword}" if plan.is_english else capitalised(plan.keyword)
    return f"{plain(start, META[1] - 40)}."


def _longer(text: str, plan: Plan) -> Iterator[str]:
    """The description, then with one to three sentences behind it."""
    spare = _sentences(plan)[:6]
    for count in range(4):
        for extra in itertools.combinations(spare, count):
            yield " ".join([text, *extra])


def _sentences(plan: Plan) -> list[str]:
    """What lengthens a description; several of them reach any length."""
    if plan.is_english:
        return [
            "Learn what works, what it costs and where to start.",
            f"With current figures and clear steps for {plan.year}.",
            "Written for readers who have to decide and act.",
            "Compare your options.",
            "See the steps, the costs and the limits.",
        ]
    terms = [capitalised(term).rstrip("?") for term in plan.terms[:10]]
    return [*(f"{term}." for term in terms), *([f"{capitalised(plan.keyword)} {plan.year}."] * 10)]


def _stock_takeaways(plan: Plan) -> list[str]:
    return [
        f"Check the date of every figure on {plan.keyword} before you rely on it.",
        "Begin with the smallest step that shows whether the approach works for you.",
        "Compare at least three options by the same criteria before you decide.",
        "Write down the result you expect, and measure it after a fixed time.",
    ]


def _stock_questions(plan: Plan) -> list[str]:
    return [
        f"What should you know about {plan.keyword} first?",
        f"How do you get started with {plan.keyword}?",
        f"Which costs come with {plan.keyword}?",
        f"Which mistakes are common with {plan.keyword}?",
    ]
