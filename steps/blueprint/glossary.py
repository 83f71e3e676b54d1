"""The glossary: terms that all sections, written side by side, are to use alike. Pure."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Sequence

from steps.blueprint.plan import Plan
from steps.language.lexical import distinct, phrase, plain, same_key
from steps.models import Term

MOST, LEAST = 8, 4
"""Terms; eight with their meanings are about 300 tokens of the brief that all writers share."""

MEANING_CHARS = 160
"""Of a meaning: the twenty words that the prompt asks for."""

MAX_AVOIDED = 3
"""Other words named for one term."""


def glossary(proposed: Sequence[Term], plan: Plan) -> list[Term]:
    """At most eight distinct terms: the model's, filled up to four with the subject's proper names,
    which have their spelling to agree on.

    No word is to be avoided that is a term itself, or that the article has to use.
    """
    spelled = {text: one for one in proposed if (text := phrase(one.term))}
    names = list(itertools.islice(distinct(spelled, plan.locale), MOST))
    spare = distinct(_proper(plan.keywords.entities), plan.locale, known=names)
    more = list(itertools.islice(spare, max(0, LEAST - len(names))))
    needed = {same_key(text, plan.locale) for text in _needed(names, plan)}
    return [
        *(_term(name, spelled[name], needed, plan.locale) for name in names),
        *(Term(term=name) for name in more),
    ]


def _proper(entities: Iterable[str]) -> Iterator[str]:
    return (text for text in entities if text != text.lower())


def _needed(names: Sequence[str], plan: Plan) -> list[str]:
    return [*names, plan.keyword, *plan.terms]


def _term(name: str, one: Term, needed: set[tuple[str, ...]], locale: str) -> Term:
    others = distinct((text for word in one.avoid if (text := phrase(word))), locale)
    avoid = [text for text in others if not _stands_in(same_key(text, locale), needed)]
    return Term(term=name, meaning=plain(one.meaning, MEANING_CHARS), avoid=avoid[:MAX_AVOIDED])


def _stands_in(key: tuple[str, ...], needed: set[tuple[str, ...]]) -> bool:
    """Whether these words, one after another, are part of what is needed."""
    size = len(key)
    return any(
        key == whole[at : at + size] for whole in needed for at in range(len(whole) - size + 1)
    )
