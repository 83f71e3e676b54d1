"""Step 1, Semantic Keywords: the phrases an article on the keyword has to contain."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from orchestrator.services import SearchReply
from orchestrator.step import Json, Step, StepContext, Unshared
from steps.asking.ask import Answered, asked, both, or_fallback, together
from steps.asking.keying import cache_key
from steps.asking.models_used import telling
from steps.asking.serp import serp
from steps.language.lexical import distinct, phrase, tfidf_terms
from steps.models import KeywordPhrase, KeywordsAnswer, KeywordsOutput

SLUG = "semantic-keywords"
TASK = "semantic_keywords"

TIMEOUT = 30.0
"""Seconds, DESIGN section 4."""

MODEL_SECONDS = 22.0
"""On the final attempt the model gets this long; the rest of the limit is for the search."""

CACHE_SECONDS = 24 * 3600.0
"""DESIGN section 4."""

MIN_KEYWORDS, MAX_KEYWORDS = 30, 60
"""PIPELINE section 1: 30 to 60 phrases."""

MAX_NEURON_KEYWORDS = 50
"""PIPELINE section 1."""

MAX_FALLBACK_TERMS = 30
"""Terms taken from competitors' titles and snippets when the model is out of reach."""

ASKS: tuple[tuple[str, tuple[str, ...], int], ...] = (
    ("variants", ("variant",), 20),
    ("questions", ("question",), 15),
    ("subjects", ("problem", "solution", "entity"), 20),
)
"""The three asks made side by side: part, kinds of phrase, how many."""

QUESTION_WORDS = frozenset(
    {"are", "can", "does", "do", "how", "is", "should", "what", "when", "where", "which", "who"}
    | {"why", "will"}
)


@telling
async def run(ctx: StepContext) -> Mapping[str, Json]:
    """The keyword itself, the client's NeuronWriter terms, the SERP's phrases, the model's.

    The SERP's phrases are welcome where there is one; without it this step is not degraded, since
    the model finds phrases of all kinds by itself (PIPELINE section 1).
    """
    page, by_model = await both(serp(ctx, needed=False), _from_model(ctx))
    output = merged(
        ctx.request.keyword,
        neuron_keywords(ctx.request.neuron_data),
        page,
        by_model,
        ctx.request.locale,
    )
    return output.model_dump(mode="json", by_alias=True)


def neuron_keywords(data: Mapping[str, Any] | None) -> list[str]:
    """The first 50 of ``neuronData.keywords``: strings, or objects with a keyword in them."""
    listed = (data or {}).get("keywords")
    if isinstance(listed, str):
        listed = listed.replace("\n", ",").split(",")
    found = [_term(item) for item in listed] if isinstance(listed, list) else []
    return [text for text in found if text][:MAX_NEURON_KEYWORDS]


def merged(
    keyword: str,
    neuron: Iterable[str],
    page: SearchReply | None,
    by_model: Sequence[KeywordPhrase],
    locale: str,
) -> KeywordsOutput:
    """Everything in one list without repetitions, and which of it are questions and entities.

    With nothing from the model, telling terms of the competitors' titles and snippets stand in;
    with little, they fill the list up to :data:`MIN_KEYWORDS`.
    """
    asked_too = page.people_also_ask if page else []
    from_page = [*asked_too, *(page.related_searches if page else [])]
    terms = _competitor_terms(page)
    modelled = [item.text for item in by_model] or terms
    cleaned = (phrase(text) for text in [*neuron, *from_page, *modelled])
    keywords = [keyword, *distinct((text for text in cleaned if text), locale, known=[keyword])]
    more = distinct(terms, locale, known=keywords)
    keywords += itertools.islice(more, max(0, MIN_KEYWORDS - len(keywords)))
    keywords = keywords[:MAX_KEYWORDS]
    kinds = {phrase(item.text): item.kind for item in by_model}
    return KeywordsOutput(
        keywords=keywords,
        questions=[text for text in keywords[1:] if _asks(text, kinds)],
        entities=[text for text in keywords if kinds.get(text) == "entity"],
    )


async def _from_model(ctx: StepContext) -> list[KeywordPhrase]:
    """The model's phrases, for all jobs with this keyword if nothing about them was degraded."""

    async def make() -> Json | Unshared:
        groups = await together(*(_group(ctx, *ask_) for ask_ in ASKS))
        phrases = _json(item for group in groups if group for item in group.answer.phrases)
        whole = all(group and not group.notes for group in groups)
        return phrases if whole else Unshared(phrases)

    key = cache_key(ctx.request, TASK)
    return _phrases(await ctx.cached("keywords", key, CACHE_SECONDS, make, read=_phrases))


def _phrases(cached: Json) -> list[KeywordPhrase]:
    return [KeywordPhrase.model_validate(item) for item in cached]


async def _group(
    ctx: StepContext, part: str, kinds: Sequence[str], count: int
) -> Answered[KeywordsAnswer] | None:
    """One of the three asks; None when it cannot be had."""
    request = {
        "keyword": ctx.request.keyword,
        "locale": ctx.request.locale,
        "kinds": list(kinds),
        "count": count,
        "known": [],
    }
    return await or_fallback(
        ctx,
        lambda: asked(ctx, TASK, part, KeywordsAnswer, check=_usable, request=request),
        lambda: None,
        "keywords without the model",
        within=MODEL_SECONDS,
    )


def _usable(answer: KeywordsAnswer) -> list[str]:
    good = [item for item in answer.phrases if phrase(item.text)]
    return [] if good else ["phrases: none of them is a phrase of one to eight words"]


def _json(phrases: Iterable[KeywordPhrase]) -> Json:
    return [item.model_dump(mode="json", by_alias=True) for item in phrases]


def _competitor_terms(page: SearchReply | None) -> list[str]:
    documents = [f"{result.title}.\n{result.snippet}" for result in page.organic] if page else []
    return tfidf_terms(documents, MAX_FALLBACK_TERMS)


def _term(item: object) -> str | None:
    if isinstance(item, Mapping):
        item = item.get("keyword") or item.get("text") or item.get("term") or item.get("t")
    return phrase(item)


def _asks(text: str, kinds: Mapping[str | None, str]) -> bool:
    return (
        text.endswith("?")
        or kinds.get(text) == "question"
        or (kinds.get(text) is None and text.split()[0].lower() in QUESTION_WORDS)
    )


STEP = Step(name="Semantic Keywords", slug=SLUG, version=1, timeout=TIMEOUT, run=run)
"""Needs nothing but the request, and runs beside step 2."""
