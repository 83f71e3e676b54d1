"""The result a client gets, made of what the steps recorded."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from orchestrator.models import SubmitRequest
from orchestrator.step import Json
from steps.asking.models_used import FIELD as MODELS

GAP_FIELDS = ("type", "topic", "opportunity", "priority")
REFERENCE_FIELDS = (
    "title",
    "url",
    "source",
    "year",
    "relevance",
    "status",
    "statusCode",
    "description",
)
LINK_FIELDS = ("anchorText", "targetSlug", "context", "placement")

AI_CHECK = "AI Detection Phrases"
"""The rubric's check behind ``metadata.aiPhrasesFree``; a test pins its name."""


def finish(
    request: SubmitRequest, outputs: Mapping[str, Json], run: Mapping[str, Json]
) -> dict[str, Json]:
    """The job's ``result``: the fields of the wire (PIPELINE section 0), and in ``metadata`` what
    we add to them: ``models``, ``cache``, ``timings.steps`` and ``timings.idleSeconds``.

    :param outputs: every step's recorded output by slug.
    :param run: ``cost``, ``tokens``, ``timings``, ``degraded``, ``sandbox`` and ``cache`` of the
        run; they become part of ``metadata``.
    """
    quality = outputs["quality-validation"]
    result = {
        "content": quality["html"],
        "semanticKeywords": outputs["semantic-keywords"]["keywords"],
        "gapAnalysis": _gaps(outputs["gap-analysis"]),
        "references": _only(outputs["references"]["references"], REFERENCE_FIELDS),
        "qualityReport": quality["report"],
        "metadata": {**_metadata(outputs), **run},
    }
    if request.mode == "refresh":
        result["preservedMedia"] = quality["preservedMedia"]
        result["changes"] = quality["changes"]
    return result


def _gaps(output: Mapping[str, Any]) -> dict[str, Json]:
    return {
        "gaps": _only(output["gaps"], GAP_FIELDS),
        "competitorKeywords": output["competitorKeywords"],
        "missingKeywords": output["missingKeywords"],
    }


def _metadata(outputs: Mapping[str, Any]) -> dict[str, Json]:
    blueprint, quality = outputs["article-blueprint"], outputs["quality-validation"]
    report = quality["report"]
    return {
        "title": blueprint["title"],
        "metaDescription": blueprint["metaDescription"],
        "slug": blueprint["slug"],
        "wordCount": quality["wordCount"],
        "semanticKeywordCount": len(outputs["semantic-keywords"]["keywords"]),
        "gapsCovered": quality["gapsCovered"],
        "referencesValidated": sum(
            reference["status"] == "valid" for reference in outputs["references"]["references"]
        ),
        "qualityScore": report["score"],
        "aiPhrasesFree": any(
            check["name"] == AI_CHECK and check["passed"] for check in report["checks"]
        ),
        "internalLinks": _only(quality["internalLinks"], LINK_FIELDS),
        "jsonLd": quality["jsonLd"],
        "model": outputs["generating-article"]["model"],
        "models": _models(outputs),
    }


def _models(outputs: Mapping[str, Any]) -> list[str]:
    """Every model whose answers the result is made of, the one that wrote most of it first.

    Outputs that an older release recorded name none.
    """
    others = (model for output in outputs.values() for model in output.get(MODELS, ()))
    return list(dict.fromkeys([outputs["generating-article"]["model"], *others]))


def _only(items: Sequence[Mapping[str, Any]], fields: Sequence[str]) -> list[dict[str, Json]]:
    """These fields of each item, in this order."""
    return [{name: item.get(name) for name in fields} for item in items]
