"""Step 3: the plan of the article."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from steps.models.base import Data, SectionKind


class ClaimItem(Data):
    """A statement that needs a source."""

    text: str


class OutlineSection(Data):
    """A section as the model plans it."""

    heading: str
    kind: SectionKind = "body"
    purpose: str = ""
    words: int = Field(ge=50, le=900)
    keywords: list[str] = Field(default_factory=list)
    gap_ids: list[str] = Field(default_factory=list)
    claims: list[ClaimItem] = Field(default_factory=list)
    table: bool = False


class OutlineAnswer(Data):
    """Structured output ``blueprint_outline``."""

    sections: list[OutlineSection]


class Term(Data):
    """A term as the whole article uses it, and other words for it that would confuse."""

    term: str
    meaning: str = ""
    avoid: list[str] = Field(default_factory=list)


class HeadAnswer(Data):
    """Structured output ``blueprint_head``."""

    title: str
    slug: str
    meta_description: str
    intent: Literal["informational", "commercial", "transactional", "navigational"]
    takeaways: list[str]
    questions: list[str]
    glossary: list[Term] = Field(default_factory=list)


class Claim(Data):
    """A claim with its number; the text carries the marker ``[[claim:n]]`` where it stands."""

    n: int
    text: str
    section_id: str


class Section(OutlineSection):
    """A section of the blueprint with its id (``s1``...), in article order."""

    id: str


class BlueprintOutput(Data):
    """The plan of the article; everything later steps need to know about it."""

    title: str
    slug: str
    meta_description: str
    intent: str
    sections: list[Section]
    claims: list[Claim]
    takeaways: list[str]
    questions: list[str]
    glossary: list[Term] = Field(default_factory=list)
