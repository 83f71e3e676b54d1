from __future__ import annotations

import html as html_text
import json
from typing import Any

import pytest
from lxml.html import fragments_fromstring

from orchestrator.models import ExistingPage
from steps.quality import jsonld

HTML = """<h1>T</h1><h2>A</h2><p>Text.</p>
<section class="faq"><h2>Questions</h2><h3>Why clean it?</h3><p>Because <em>dust</em> blocks
air.</p><ul><li>First, look.</li></ul><h3>Unanswered?</h3>
<h3>How often?</h3><p>Twice.</p></section>"""


def facts(**changes: Any) -> jsonld.Facts:
    known = {
        "title": "A title",
        "description": "What it says.",
        "keywords": ["a", "b"],
        "locale": "en-US",
        "now": 1_780_000_000.0,
        "citations": ["https://w3.org/x"],
    }
    return jsonld.Facts(**{**known, **changes})


def page(url: str, title: str = "A page") -> ExistingPage:
    return ExistingPage(title=title, slug="s", url=url)


def kinds(data: dict[str, Any]) -> list[str]:
    return [item["@type"] for item in data["@graph"]]


def test_a_graph_of_what_is_known_is_valid() -> None:
    data = jsonld.build(HTML, facts(pages=[page("https://site.example/a")]), 2600)

    assert kinds(data) == ["Article", "FAQPage", "BreadcrumbList"]
    assert jsonld.problems(data) == []


def test_nothing_unknown_is_invented() -> None:
    data = jsonld.build("<p>No questions.</p>", facts(citations=[], keywords=[]), 10)

    assert kinds(data) == ["Article"]
    assert not {"author", "image", "url", "citation", "keywords"} & data["@graph"][0].keys()
    assert data["@graph"][0]["dateModified"] == "2026-05-28T20:26:40Z"


def test_questions_with_their_answers_in_order() -> None:
    questions = jsonld.faq(HTML)

    assert [question["name"] for question in questions] == ["Why clean it?", "How often?"]
    assert questions[0]["acceptedAnswer"]["text"] == "Because dust blocks air. First, look."


@pytest.mark.parametrize(
    ("urls", "names"),
    [
        ([], []),
        (["https://a.example/x", "https://b.example/y"], []),
        (["https://a.example/x"], ["Home", "A title"]),
        (["https://a.example/blog/x", "https://a.example/blog"], ["Home", "Blog", "A title"]),
        (["https://a.example/blog/x", "https://a.example/shop/y"], ["Home", "A title"]),
    ],
)
def test_breadcrumbs_only_where_known(urls: list[str], names: list[str]) -> None:
    pages = [page(url, "Blog" if url.endswith("/blog") else "A page") for url in urls]
    trail = jsonld.breadcrumbs(facts(pages=pages))

    assert [item["name"] for item in trail] == names
    assert [item["position"] for item in trail] == list(range(1, len(names) + 1))
    assert all(item["item"].startswith("https://a.example/") for item in trail[:-1])


def test_a_long_title_is_cut_to_googles_limit() -> None:
    data = jsonld.build("", facts(title="x" * 200), 10)

    assert len(data["@graph"][0]["headline"]) == jsonld.HEADLINE_MAX
    assert jsonld.problems(data) == []


@pytest.mark.parametrize(
    "spoil",
    [
        lambda data: data.pop("@context"),
        lambda data: data["@graph"][0].pop("headline"),
        lambda data: data["@graph"][0].update(dateModified="yesterday"),
        lambda data: data["@graph"][0].update(citation=["ftp://x"]),
        lambda data: data["@graph"][1].update(mainEntity=[]),
        lambda data: data["@graph"][1]["mainEntity"][0].pop("acceptedAnswer"),
        lambda data: data["@graph"][2]["itemListElement"].pop(),
        lambda data: data["@graph"][2]["itemListElement"][1].update(position=3),
        lambda data: data["@graph"].pop(0),
        lambda data: data.update({"@graph": "none"}),
    ],
)
def test_what_is_missing_or_wrong_is_named(spoil: Any) -> None:
    data = jsonld.build(HTML, facts(pages=[page("https://site.example/a")]), 2600)
    spoil(data)

    problems = jsonld.problems(data)

    assert problems
    assert all(problem.startswith("$") for problem in problems)


@pytest.mark.parametrize("end", ["</script><script>1</script>", "<!--<script>", "</ScRiPt >"])
def test_no_text_can_end_the_script_element_it_is_embedded_in(end: str) -> None:
    """However it is written there: plain ``json.dumps`` between the tags is enough."""
    written = html_text.escape(end)
    markup = f'<section class="faq"><h3>Why {written}?</h3><p>Because {written}.</p></section>'
    pages = [page("https://site.example/a", f"A {end}"), page("https://site.example/a/b")]
    data = jsonld.build(markup, facts(title=f"T {end}", keywords=[end], pages=pages), 10)

    embedded = f'<script type="application/ld+json">{json.dumps(data)}</script><p>after</p>'
    script, after = fragments_fromstring(embedded)
    assert (script.tag, after.text) == ("script", "after")
    assert json.loads(script.text) == data
    assert jsonld.problems(data) == []
