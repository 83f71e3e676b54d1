"""A small plan and what its writers return, for the tests of steps 4, 5 and 7."""

from __future__ import annotations

from typing import Any

from orchestrator.models import SubmitRequest
from orchestrator.services import FetchRequest, ModelRequest, Page
from steps.models import BlueprintOutput, Claim, Gap, GapsOutput, KeywordsOutput, Section
from tests.unit.steps_helpers import FakeContext, blocks

KEYWORD = "solar panels"

ANSWER = (
    "Solar panels pay for themselves when the roof faces the sun, the price is fair and the grid "
    "takes what the house leaves. This part shows how to find out, with three numbers from your "
    "own bills, before anybody calls a seller or signs a paper about the roof."
)
"""A direct answer: 40-60 words."""

BODY = (
    "Most roofs carry twelve modules without extra steel. Ask the installer for the load plan. "
    "The figures differ from town to town, so use your own."
)


def section(number: int, heading: str, kind: Any = "body", **more: Any) -> Section:
    """A section of the plan."""
    return Section(id=f"s{number}", heading=heading, kind=kind, words=120, **more)


PLAN = (
    section(1, "Why the roof decides", "introduction"),
    section(2, "Key Takeaways", "takeaways"),
    section(3, "What a system costs", gap_ids=["g1"], table=True),
    section(4, "Permits and the grid"),
    section(5, "Frequently Asked Questions", "faq"),
    section(6, "Conclusion: start with the roof", "conclusion"),
)


def blueprint(sections: tuple[Section, ...] = PLAN) -> BlueprintOutput:
    """The plan of the article."""
    return BlueprintOutput(
        title="Solar Panels for a Family House in 2026",
        slug="solar-panels-guide",
        meta_description="What they cost and how to plan them.",
        intent="informational",
        sections=list(sections),
        claims=[
            Claim(n=1, text="Prices fell by 20 % in a year", section_id="s3"),
            Claim(n=2, text="Permits take six weeks", section_id="s4"),
        ],
        takeaways=["Measure first", "Compare three offers", "Ask the grid", "Plan the roof"],
        questions=["How long do they last?", "What do they cost?", "Do I need a permit?"],
    )


def html_of(one: Section, claims: list[int] | None = None) -> str:
    """A good answer for a section."""
    if one.kind == "takeaways":
        items = "".join(
            f"<li>Step {text}: measure it before you sign. {BODY}</li>" for text in "ABCD"
        )
        return f'<section class="key-takeaways"><h2>{one.heading}</h2><ul>{items}</ul></section>'
    if one.kind == "faq":
        pairs = "".join(f"<h3>Question {n}?</h3><p>{BODY}</p>" for n in range(3))
        return f'<section class="faq"><h2>{one.heading}</h2>{pairs}</section>'
    marked = "".join(f"<p>Claim {n} stands here [[claim:{n}]]. {BODY}</p>" for n in claims or ())
    table = "<table><tr><td>a</td><td>b</td></tr></table>" if one.table else ""
    return f"<h2>{one.heading}</h2><p>{ANSWER}</p><p>{BODY}</p>{marked}{table}"


def writer(request: ModelRequest) -> str:
    """Writes what it is asked for."""
    given = blocks(request)
    asked = given["section"]
    one = next(item for item in PLAN if item.id == asked["id"])
    return html_of(one, [claim["n"] for claim in given.get("claims", [])])


JOINT = (
    "You can then price the modules, check the permit and sign with open eyes, because the numbers "
    "on the bill, the roof and the grid tell the same story about the years ahead."
)
"""What ties introduction and conclusion to the body: 32 words."""


def joiner(request: ModelRequest) -> str:
    """Ties a section to the others."""
    return f"<p>{JOINT}</p>"


def content_context(replies: dict[str, Any] | None = None, **more: Any) -> FakeContext:
    """A context in which steps 1-3 are done; *more* are fields of the request."""
    gap = Gap(
        id="g1", type="missing-topic", topic="Prices", opportunity="Show them", priority="high"
    )
    outputs = {
        "semantic-keywords": KeywordsOutput(keywords=[KEYWORD, "solar roof"]),
        "gap-analysis": GapsOutput(gaps=[gap], competitor_keywords=[], missing_keywords=[]),
        "article-blueprint": blueprint(),
    }
    return FakeContext(
        request=SubmitRequest.model_validate({"keyword": KEYWORD, **more}),
        replies={"write_section": writer, "join_section": joiner, **(replies or {})},
        outputs={slug: out.model_dump(mode="json", by_alias=True) for slug, out in outputs.items()},
        fetch=alive,
        step="generating-article",
    )


def alive(request: FetchRequest) -> Page:
    """A web on which every page is there."""
    return Page(url=request.url, final_url=request.url, outcome="ok", status=200, title="A page")
