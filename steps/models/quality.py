"""Step 8: the rubric's report and the final article."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from steps.models.article import InternalLink
from steps.models.base import Data


class Check(Data):
    """One line of the rubric. ``score`` is 0..1; ``weight`` follows from the priority."""

    name: str
    passed: bool
    value: Any = None
    expected: str = ""
    priority: Literal["critical", "high", "medium", "low"]
    category: Literal["structure", "seo", "readability", "content", "links"]
    weight: int
    score: float
    advice: str = ""
    source: str = ""


class QualityReport(Data):
    """The rubric applied: ``score`` is 0..100, ``passed`` means >= 75 and nothing critical."""

    passed: bool
    score: float
    checks: list[Check]
    summary: str
    recommendations: list[str] = Field(default_factory=list)


class QualityOutput(Data):
    """The final article and its report."""

    html: str
    report: QualityReport
    json_ld: dict[str, Any]
    word_count: int
    repaired: list[str] = Field(default_factory=list)  #: headings of sections repaired here
    internal_links: list[InternalLink] = Field(default_factory=list)
