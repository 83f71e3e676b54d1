"""What a completed job's ``result`` holds, as types.

The service makes a result from what its steps recorded; jobs that older versions completed keep
the result of their time. So the models read on where a field is missing, and keep what they do
not know.
"""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel


class Part(BaseModel):
    """Base: camelCase on the wire; fields of another version are kept as they came."""

    model_config = ConfigDict(
        alias_generator=to_camel, populate_by_name=True, extra="allow", frozen=True
    )


class Gap(Part):
    """Something the pages that rank have, or lack, and the article should cover."""

    type: str
    topic: str
    opportunity: str = ""
    priority: str = "medium"


class GapAnalysis(Part):
    """What the pages that rank for the keyword have, and what they lack."""

    gaps: list[Gap] = Field(default_factory=list)
    competitor_keywords: list[str] = Field(default_factory=list)
    missing_keywords: list[str] = Field(default_factory=list)


class Reference(Part):
    """A source: ``valid`` ones were fetched and found live."""

    title: str
    url: str
    source: str = ""
    year: int | None = None
    relevance: str = "medium"
    status: Literal["valid", "unverified"] = "valid"
    status_code: int | None = None
    description: str | None = None


class QualityCheck(Part):
    """One line of the rubric."""

    name: str
    passed: bool
    value: Any = None
    expected: str = ""
    priority: str = "medium"
    category: str = "content"
    weight: int = 1
    score: float = Field(default=0.0, ge=0.0, le=1.0)
    advice: str = ""
    source: str = ""


class QualityReport(Part):
    """The rubric applied to the article."""

    passed: bool
    score: float = Field(ge=0.0, le=100.0)
    checks: list[QualityCheck] = Field(default_factory=list)
    summary: str = ""
    recommendations: list[str] = Field(default_factory=list)


class InternalLink(Part):
    """A link to one of the client's own pages that was set into the text."""

    anchor_text: str
    target_slug: str
    context: str = ""
    placement: str = "body"


class StepTiming(Part):
    """When a step began and ended, in seconds since the job's start, and its calls in a row."""

    name: str
    start: float
    end: float
    sequential_seconds: float = 0.0


class Timings(Part):
    """How long the work took, in seconds, and which chain of steps decided it."""

    sequential_seconds: float = 0.0  #: every call one after another
    elapsed_seconds: float = 0.0  #: of the run, without the time nobody worked on it
    idle_seconds: float = 0.0
    critical_path: list[str] = Field(default_factory=list)
    steps: list[StepTiming] = Field(default_factory=list)


class Metadata(Part):
    """About the article and about the run that made it."""

    title: str
    meta_description: str = ""
    slug: str = ""
    word_count: int = 0
    semantic_keyword_count: int = 0
    gaps_covered: int = 0
    references_validated: int = 0
    quality_score: float = 0.0
    ai_phrases_free: bool = False
    internal_links: list[InternalLink] = Field(default_factory=list)
    json_ld: dict[str, Any] = Field(default_factory=dict)
    model: str = ""
    cost: float = 0.0  #: US dollars
    tokens: dict[str, int] = Field(default_factory=dict)
    timings: Timings = Timings()
    degraded: list[str] = Field(default_factory=list)  #: steps whose result is less than wanted
    sandbox: bool = False  #: True: made by the sandbox, not by the real services
    cache: dict[str, int] = Field(default_factory=dict)


class JobResult(Part):
    """A completed job's result."""

    content: str  #: HTML
    semantic_keywords: list[str] = Field(default_factory=list)
    gap_analysis: GapAnalysis = GapAnalysis()
    references: list[Reference] = Field(default_factory=list)
    quality_report: QualityReport
    metadata: Metadata
    preserved_media: int | None = None  #: refresh mode: images, embeds and galleries kept
    changes: list[str] | None = None  #: refresh mode: what differs from the old page
