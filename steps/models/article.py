"""Steps 4 to 7: the article as it is written, repaired, supported and linked."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from steps.models.base import Data, Placement


class SectionHtml(Data):
    """One section as an HTML fragment, its ``<h2>`` included."""

    id: str
    html: str


class ContentOutput(Data):
    """The article in sections; claim markers and (refresh mode) island markers still in it.

    Refresh mode: ``islands`` maps a marker's number to the exact bytes it stands for, ``facts`` a
    section's id to the statements of the old text that it must keep, and ``dead_links`` the
    addresses of the old text that are gone to what they answered.
    """

    title: str
    sections: list[SectionHtml]
    model: str
    islands: dict[str, str] = Field(default_factory=dict)
    facts: dict[str, list[str]] = Field(default_factory=dict)
    outdated: list[str] = Field(default_factory=list)
    dead_links: dict[str, str] = Field(default_factory=dict)


class AutofixOutput(Data):
    """The article's sections after repair, and what was changed, in words."""

    sections: list[SectionHtml]
    changes: list[str] = Field(default_factory=list)


class ReferenceChoice(Data):
    """A candidate the model picked, by id; it cannot introduce a URL."""

    candidate_id: str
    claims: list[int] = Field(default_factory=list)
    relevance: Literal["high", "medium"] = "medium"
    description: str = ""


class ReferencesAnswer(Data):
    """Structured output ``choose_references``."""

    choices: list[ReferenceChoice]


class Reference(Data):
    """A source that we fetched ourselves and found live."""

    title: str
    url: str
    source: str
    year: int | None = None
    relevance: Literal["high", "medium"] = "medium"
    status: Literal["valid", "unverified"] = "valid"
    status_code: int | None = None
    description: str = ""
    claims: list[int] = Field(default_factory=list)


class ReferencesOutput(Data):
    """Sources in the order they are listed, and the article with its claims resolved."""

    references: list[Reference]
    checked: int = 0
    refused: dict[str, str] = Field(default_factory=dict)  #: url -> why it was not used


class InternalLink(Data):
    """A link that was set into the text."""

    anchor_text: str
    target_slug: str
    context: str
    placement: Placement
    url: str


class LinksOutput(Data):
    """The whole body with citations, references section and internal links in place."""

    html: str
    internal_links: list[InternalLink]
