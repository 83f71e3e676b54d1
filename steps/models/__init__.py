"""What the model is asked to return, and what each step returns.

The ``*Answer`` models are structured outputs: their JSON schema goes to the model, and its
answer is validated against them. The ``*Output`` models are what a step records; other steps
and the result are made from them.
"""

from __future__ import annotations

from steps.models.article import (
    AutofixOutput,
    ContentOutput,
    InternalLink,
    LinksOutput,
    Reference,
    ReferenceChoice,
    ReferencesAnswer,
    ReferencesOutput,
    SectionHtml,
)
from steps.models.base import Data, GapType, Placement, Priority, SectionKind
from steps.models.plan import (
    BlueprintOutput,
    Claim,
    ClaimItem,
    HeadAnswer,
    OutlineAnswer,
    OutlineSection,
    Section,
    Term,
)
from steps.models.quality import Check, QualityOutput, QualityReport
from steps.models.research import (
    Competitor,
    CompetitorAnswer,
    Gap,
    GapEvidence,
    GapItem,
    GapsOutput,
    KeywordPhrase,
    KeywordsAnswer,
    KeywordsOutput,
)

__all__ = [
    "AutofixOutput", "BlueprintOutput", "Check", "Claim", "ClaimItem", "Competitor",
    "CompetitorAnswer", "ContentOutput", "Data", "Gap", "GapEvidence", "GapItem", "GapType",
    "GapsOutput", "HeadAnswer", "InternalLink", "KeywordPhrase", "KeywordsAnswer",
    "KeywordsOutput", "LinksOutput", "OutlineAnswer", "OutlineSection", "Placement", "Priority",
    "QualityOutput", "QualityReport", "Reference", "ReferenceChoice", "ReferencesAnswer",
    "ReferencesOutput", "Section", "SectionHtml", "SectionKind", "Term",
]  # fmt: skip
