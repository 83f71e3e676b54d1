from __future__ import annotations

import json
from typing import Any

from orchestrator.models import SubmitRequest
from steps.result import AI_CHECK, finish
from steps.rubric import CHECKS, score_article
from tests.unit.rubric_helpers import good

RUN = {
    "cost": 0.12,
    "tokens": {"input": 1, "output": 2},
    "timings": {"sequentialSeconds": 3.0, "elapsedSeconds": 1.0, "criticalPath": []},
    "degraded": ["References"],
    "sandbox": True,
}


def outputs(**quality: Any) -> dict[str, Any]:
    report = score_article(good()).model_dump(mode="json", by_alias=True)
    link = {"anchorText": "a b", "targetSlug": "s", "context": "c", "placement": "body", "url": "u"}
    reference = {
        "title": "T", "url": "https://w3.org/", "source": "W3C", "year": 2025,
        "relevance": "high", "status": "valid", "statusCode": 200, "description": "d",
        "claims": [1],
    }  # fmt: skip
    gap = {"id": "g1", "type": "missing-topic", "topic": "t", "opportunity": "o",
           "priority": "high", "evidence": {"competitors": ["c1"], "heading": ""}}  # fmt: skip
    return {
        "semantic-keywords": {"keywords": ["a", "b"], "questions": [], "entities": []},
        "gap-analysis": {
            "gaps": [gap],
            "competitorKeywords": ["x"],
            "missingKeywords": ["y"],
            "competitors": [],
        },
        "article-blueprint": {"title": "T", "metaDescription": "M", "slug": "t"},
        "generating-article": {"model": "m", "islands": {"1": "<img>"}},
        "references": {"references": [reference, {**reference, "status": "unverified"}]},
        "quality-validation": {
            "html": "<h1>T</h1>", "report": report, "jsonLd": {"@graph": []}, "wordCount": 2600,
            "internalLinks": [link], "gapsCovered": 1, "preservedMedia": 1, "changes": ["c"],
            **quality,
        },
    }  # fmt: skip


def test_the_fields_of_a_result_are_pinned() -> None:
    result = finish(SubmitRequest(keyword="heat pumps"), outputs(), RUN)

    assert set(result) == {
        "content", "semanticKeywords", "gapAnalysis", "references", "qualityReport", "metadata",
    }  # fmt: skip
    assert set(result["gapAnalysis"]) == {"gaps", "competitorKeywords", "missingKeywords"}
    assert set(result["gapAnalysis"]["gaps"][0]) == {"type", "topic", "opportunity", "priority"}
    assert set(result["references"][0]) == {
        "title", "url", "source", "year", "relevance", "status", "statusCode", "description",
    }  # fmt: skip
    assert set(result["qualityReport"]) == {
        "passed", "score", "checks", "summary", "recommendations",
    }  # fmt: skip
    assert set(result["qualityReport"]["checks"][0]) == {
        "name", "passed", "value", "expected", "priority", "category", "weight", "score",
        "advice", "source",
    }  # fmt: skip
    assert set(result["metadata"]) == {
        "title", "metaDescription", "slug", "wordCount", "semanticKeywordCount", "gapsCovered",
        "referencesValidated", "qualityScore", "aiPhrasesFree", "internalLinks", "jsonLd",
        "model", "models", "cost", "tokens", "timings", "degraded", "sandbox",
    }  # fmt: skip
    assert set(result["metadata"]["internalLinks"][0]) == {
        "anchorText", "targetSlug", "context", "placement",
    }  # fmt: skip


def test_the_numbers_are_those_of_the_steps() -> None:
    metadata = finish(SubmitRequest(keyword="heat pumps"), outputs(), RUN)["metadata"]

    assert metadata["semanticKeywordCount"] == 2
    assert metadata["referencesValidated"] == 1
    assert metadata["qualityScore"] == score_article(good()).score
    assert metadata["aiPhrasesFree"] is True
    assert (metadata["cost"], metadata["sandbox"]) == (0.12, True)


def test_every_model_is_named_and_the_one_that_wrote_most_comes_first() -> None:
    recorded = outputs(models=["repairer", "m"])
    recorded["semantic-keywords"]["models"] = ["searcher"]
    metadata = finish(SubmitRequest(keyword="heat pumps"), recorded, RUN)["metadata"]

    assert metadata["model"] == "m"
    assert metadata["models"] == ["m", "searcher", "repairer"]


def test_outputs_of_an_older_release_name_the_writing_model_alone() -> None:
    metadata = finish(SubmitRequest(keyword="heat pumps"), outputs(), RUN)["metadata"]

    assert metadata["models"] == ["m"]


def test_ai_phrases_free_says_no_when_the_check_failed() -> None:
    recorded = outputs()
    for check in recorded["quality-validation"]["report"]["checks"]:
        check["passed"] = check["name"] != AI_CHECK

    metadata = finish(SubmitRequest(keyword="heat pumps"), recorded, RUN)["metadata"]

    assert metadata["aiPhrasesFree"] is False
    assert AI_CHECK in {rule.name for rule in CHECKS}


def test_a_refresh_tells_what_was_kept_and_changed() -> None:
    request = SubmitRequest(keyword="heat pumps", mode="refresh", existing_content="<p>x</p>")
    result = finish(request, outputs(), RUN)

    assert (result["preservedMedia"], result["changes"]) == (1, ["c"])


def test_a_result_is_json() -> None:
    result = finish(SubmitRequest(keyword="heat pumps"), outputs(), RUN)

    assert json.loads(json.dumps(result, allow_nan=False)) == result
