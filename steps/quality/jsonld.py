"""Structured data of an article: made from what is there, and checked against schemas.

The schemas are written from Google's required and recommended properties for Article, FAQPage
and BreadcrumbList and from schema.org's expected types. Nothing unknown is invented: there is
no author, picture or address of the article in it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from orchestrator.models import ExistingPage
from steps.html import dom, markers

if TYPE_CHECKING:
    import jsonschema

CONTEXT = "https://schema.org"

HEADLINE_MAX = 110  #: characters, Google's limit for Article.headline
MAX_KEYWORDS = 10  #: semantic keywords named in Article.keywords

_TEXT = {"type": "string", "minLength": 1}
_URL = {"type": "string", "pattern": r"^https?://[^\s/]+"}
_DATE = {
    "type": "string",
    "pattern": r"^\d{4}-\d{2}-\d{2}(T\d{2}:\d{2}:\d{2}(Z|[+-]\d{2}:\d{2}))?$",
}


def _typed(kind: str, /, required: Sequence[str], **properties: Any) -> dict[str, Any]:
    return {
        "type": "object",
        "required": ["@type", *required],
        "properties": {"@type": {"const": kind}, **properties},
    }


ARTICLE = _typed(
    "Article",
    ["headline", "description", "dateModified", "inLanguage"],
    headline=_TEXT | {"maxLength": HEADLINE_MAX},
    description=_TEXT,
    dateModified=_DATE,
    inLanguage={"type": "string", "pattern": r"^[a-z]{2}(-[A-Z]{2})?$"},
    wordCount={"type": "integer", "minimum": 1},
    keywords={"type": "array", "items": _TEXT, "minItems": 1},
    citation={"type": "array", "items": _URL, "minItems": 1},
)
ANSWER = _typed("Answer", ["text"], text=_TEXT)
QUESTION = _typed("Question", ["name", "acceptedAnswer"], name=_TEXT, acceptedAnswer=ANSWER)
FAQ_PAGE = _typed(
    "FAQPage", ["mainEntity"], mainEntity={"type": "array", "items": QUESTION, "minItems": 1}
)
LIST_ITEM = _typed(
    "ListItem",
    ["position", "name"],
    position={"type": "integer", "minimum": 1},
    name=_TEXT,
    item=_URL,
)
BREADCRUMBS = _typed(
    "BreadcrumbList",
    ["itemListElement"],
    itemListElement={"type": "array", "items": LIST_ITEM, "minItems": 2},
)
SCHEMA: dict[str, Any] = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "type": "object",
    "required": ["@context", "@graph"],
    "properties": {
        "@context": {"const": CONTEXT},
        "@graph": {
            "type": "array",
            "items": {"anyOf": [ARTICLE, FAQ_PAGE, BREADCRUMBS]},
            "contains": {"required": ["@type"], "properties": {"@type": {"const": "Article"}}},
        },
    },
}
"""What :func:`build` makes; a graph of the three kinds with an Article in it."""


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known of an article beyond its HTML."""

    title: str
    description: str
    keywords: Sequence[str]
    locale: str
    now: float  #: seconds since the epoch
    citations: Sequence[str] = ()
    pages: Sequence[ExistingPage] = ()


def build(html: str, facts: Facts, word_count: int) -> dict[str, Any]:
    """The JSON-LD graph: the Article, its FAQPage if it has questions, breadcrumbs if known."""
    graph = [_article(facts, word_count)]
    questions = faq(html)
    if questions:
        graph.append({"@type": "FAQPage", "mainEntity": questions})
    trail = breadcrumbs(facts)
    if trail:
        graph.append({"@type": "BreadcrumbList", "itemListElement": trail})
    return {"@context": CONTEXT, "@graph": [_embeddable(item) for item in graph]}


def _embeddable(value: Any) -> Any:
    """*value* without ``<``: no text can end the ``script`` element it is put into, however it
    is put there. Readers of JSON-LD take the entity for the sign."""
    if isinstance(value, Mapping):
        return {name: _embeddable(item) for name, item in value.items()}
    if isinstance(value, list):
        return [_embeddable(item) for item in value]
    return value.replace("<", "&lt;") if isinstance(value, str) else value


def _article(facts: Facts, word_count: int) -> dict[str, Any]:
    found = {
        "@type": "Article",
        "headline": facts.title[:HEADLINE_MAX].strip(),
        "description": facts.description,
        "dateModified": datetime.fromtimestamp(facts.now, UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "inLanguage": facts.locale,
        "wordCount": word_count,
        "keywords": list(facts.keywords[:MAX_KEYWORDS]),
        "citation": list(facts.citations),
    }
    return {name: value for name, value in found.items() if value}


def faq(html: str) -> list[dict[str, Any]]:
    """The questions of the FAQ section with their answers: each h3 and the text behind it."""
    boxes = [node for node in dom.elements(dom.parse(html)) if dom.has_class(node, "faq")]
    return [found for box in boxes for found in _questions(box)]


def _questions(box: dom.Element) -> list[dict[str, Any]]:
    pairs: list[tuple[str, list[str]]] = []
    for node in dom.elements(box, *dom.HEADINGS, "p", "li"):
        if dom.tag(node) == "h3":
            pairs.append((_plain(node), []))
        elif pairs and not dom.level(node) and not _nested(node):
            pairs[-1][1].append(_plain(node))
    return [
        {
            "@type": "Question",
            "name": question,
            "acceptedAnswer": {"@type": "Answer", "text": " ".join(answer).strip()},
        }
        for question, answer in pairs
        if question and any(answer)
    ]


def _nested(node: dom.Element) -> bool:
    """Whether an element around this one is read already."""
    return dom.inside(node.getparent(), {"li"})


def _plain(node: dom.Element) -> str:
    return " ".join(markers.strip(dom.text(node)).split())


def breadcrumbs(facts: Facts) -> list[dict[str, Any]]:
    """Home, the folder all pages share when it is itself a page, and the article.

    Known only when every page given stands on one host.
    """
    urls = [urlsplit(str(page.url)) for page in facts.pages]
    roots = {f"{url.scheme}://{url.netloc}" for url in urls}
    if len(roots) != 1:
        return []
    root = roots.pop()
    trail = [("Home", f"{root}/"), *_folder(facts.pages, root), (facts.title, "")]
    return [
        {
            "@type": "ListItem",
            "position": position,
            "name": name,
            **({"item": item} if item else {}),
        }
        for position, (name, item) in enumerate(trail, 1)
    ]


def _folder(pages: Sequence[ExistingPage], root: str) -> list[tuple[str, str]]:
    """The page that is the one folder in which all other pages stand, if there is one."""
    paths = {str(page.url).removeprefix(root).strip("/"): page for page in pages}
    deep = {path.split("/")[0] for path in paths if "/" in path}
    shallow = {path for path in paths if path and "/" not in path}
    if len(deep) != 1 or shallow != deep:
        return []
    page = paths[deep.pop()]
    return [(page.title, str(page.url))]


def problems(data: Mapping[str, Any]) -> list[str]:
    """What is wrong with a JSON-LD graph, in words; empty when it is valid."""
    errors = sorted(_validator().iter_errors(dict(data)), key=lambda error: str(error.json_path))
    return [f"{error.json_path}: {error.message[:120]}" for error in errors] + _misnumbered(data)


def _misnumbered(data: Mapping[str, Any]) -> list[str]:
    """Breadcrumbs whose positions are not 1, 2, 3 in order; a schema cannot say that."""
    graph = data.get("@graph")
    lists = [
        item.get("itemListElement")
        for item in (graph if isinstance(graph, list) else [])
        if isinstance(item, Mapping) and item.get("@type") == "BreadcrumbList"
    ]
    return [
        "$.@graph: breadcrumb positions do not count from 1"
        for trail in lists
        if isinstance(trail, list)
        and [item.get("position") for item in trail if isinstance(item, Mapping)]
        != list(range(1, len(trail) + 1))
    ]


@cache
def _validator() -> jsonschema.Draft202012Validator:
    import jsonschema  # noqa: PLC0415 - a heavy library that only the last step of a job needs

    return jsonschema.Draft202012Validator(SCHEMA)
