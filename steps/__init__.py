"""The eight steps of the content pipeline; :data:`PIPELINE` is the only place that knows all."""

from orchestrator.step import Pipeline
from steps import (
    article_blueprint,
    auto_fix,
    gap_analysis,
    generating_article,
    internal_links,
    quality_validation,
    references,
    semantic_keywords,
)
from steps.result import finish

__all__ = ["PIPELINE"]

PIPELINE = Pipeline(
    steps=(
        semantic_keywords.STEP,
        gap_analysis.STEP,
        article_blueprint.STEP,
        generating_article.STEP,
        auto_fix.STEP,
        references.STEP,
        internal_links.STEP,
        quality_validation.STEP,
    ),
    finish=finish,
)
"""The steps in wire order: 1 and 2 begin together, and so do 4, 5 and 6 after the blueprint."""
