"""Steps 1 and 2: keywords and gaps."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from steps.models.base import Data, GapType, Priority


class KeywordPhrase(Data):
    """One phrase and what kind of phrase it is."""

    text: str
    kind: Literal["variant", "question", "problem", "solution", "entity"] = "variant"


class KeywordsAnswer(Data):
    """Structured output ``semantic_keywords``."""

    phrases: list[KeywordPhrase]


class KeywordsOutput(Data):
    """30-60 distinct phrases in order of importance; the keyword itself is first."""

    keywords: list[str]
    questions: list[str] = Field(default_factory=list)
    entities: list[str] = Field(default_factory=list)


class GapEvidence(Data):
    """Where a gap shows: competitors by id (``c1``...) and, where there is one, a heading."""

    competitors: list[str] = Field(default_factory=list)
    heading: str = ""


class GapItem(Data):
    """A gap as the model finds it."""

    type: GapType
    topic: str
    opportunity: str
    priority: Priority
    evidence: GapEvidence = Field(default_factory=GapEvidence)


class CompetitorAnswer(Data):
    """Structured output ``competitor_gaps``: one competitor's page read against the matrix."""

    gaps: list[GapItem] = Field(default_factory=list)
    competitor_keywords: list[str] = Field(default_factory=list)
    missing_keywords: list[str] = Field(default_factory=list)


class Gap(GapItem):
    """A gap with its id (``g1``...)."""

    id: str


class Competitor(Data):
    """A page that ranks for the keyword, as far as we could read it."""

    id: str
    title: str
    url: str
    headings: list[str] = Field(default_factory=list)
    read: bool = False  #: False: only its snippet was to be had


class GapsOutput(Data):
    """5-12 gaps, 15-30 competitor keywords, 10-20 missing keywords, each with evidence."""

    gaps: list[Gap]
    competitor_keywords: list[str]
    missing_keywords: list[str]
    competitors: list[Competitor] = Field(default_factory=list)
    questions: list[str] = Field(default_factory=list)  #: people also ask
    related: list[str] = Field(default_factory=list)
