"""Step 7: links stand where they may, say where they lead, and lead only where they were told."""

from __future__ import annotations

import re
from collections import Counter
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestrator.models import ExistingPage, SubmitRequest
from steps.fixes.passes import together
from steps.html import assemble, dom, markers
from steps.internal_links import STEP, set_links
from steps.language.phrases import STOP_WORDS
from steps.links import linking
from steps.links.targets import target
from steps.models import (
    AutofixOutput,
    ContentOutput,
    LinksOutput,
    Reference,
    ReferencesOutput,
    SectionHtml,
)
from tests.unit.content_helpers import KEYWORD, PLAN, blueprint, html_of
from tests.unit.steps_helpers import FakeContext

KINDS = {one.id: one.kind for one in PLAN}

TITLES = (
    "Battery storage for a family house",
    "How to read an electricity bill",
    "Heat pumps and roof insulation",
    "Feed-in tariffs explained",
    "Roof inspection checklist",
    "Permit rules for small systems",
    "Inverter types compared",
    "Charging an electric car at home",
    "Cleaning and maintenance plan",
    "Tax relief for home energy",
)

TEXT = (
    "A battery storage system keeps the evening quiet. Read the electricity bill before you sign. "
    "A roof inspection shows weak spots early. Most feed-in tariffs fall every year. "
    "Ask which inverter types the installer knows. An electric car at home changes the sums. "
    "Plan the maintenance early. Small systems follow other permit rules. Look at tax relief too. "
    "Good roof insulation comes first."
)


def _pages(titles: tuple[str, ...] = TITLES) -> list[ExistingPage]:
    slugs = [re.sub(r"[^a-z]+", "-", title.lower()).strip("-") for title in titles]
    return [
        ExistingPage.model_validate(
            {"title": title, "slug": slug, "url": f"https://client.example/{slug}/"}
        )
        for title, slug in zip(titles, slugs, strict=True)
    ]


def _paragraphs(text: str = TEXT) -> str:
    return "".join(f"<p>{sentence}.</p>" for sentence in text.rstrip(".").split(". "))


def _tree(html: str, id_: str = "s3") -> dom.Element:
    first = SectionHtml(id="s1", html="<h2>Start</h2><p>The first paragraph of all.</p>")
    return together([first, SectionHtml(id=id_, html=html)])


def _linked(html: str, id_: str = "s3", pages: list[ExistingPage] | None = None) -> str:
    root = _tree(html, id_)
    set_links(root, _pages() if pages is None else pages, KINDS)
    return dom.serialise(root[1])


def _anchors(html: str) -> list[dom.Element]:
    return dom.elements(dom.parse(html), "a")


def test_pages_of_the_subject_are_linked_from_the_words_that_name_them() -> None:
    html = _linked(_paragraphs(), pages=_pages(TITLES[:7]))
    anchors = {node.get("href"): dom.text(node) for node in _anchors(html)}
    assert (
        anchors["https://client.example/battery-storage-for-a-family-house/"] == "battery storage"
    )
    assert anchors["https://client.example/roof-inspection-checklist/"] == "roof inspection"
    assert anchors["https://client.example/inverter-types-compared/"] == "inverter types"
    assert len(anchors) == 6  # roof insulation is but half of a page on heat pumps and that


def test_links_are_told_in_article_order_with_their_context() -> None:
    root = _tree(f"<h2>A</h2>{_paragraphs()}")
    links = set_links(root, _pages(), KINDS)
    html = dom.serialise(root[1])
    assert [link.anchor_text for link in links] == [dom.text(node) for node in _anchors(html)]
    for link in links:
        assert link.anchor_text in link.context
        assert link.target_slug in link.url
        assert link.placement == "body"


@pytest.mark.parametrize(
    "html",
    [
        "<h2>The battery storage system</h2>",
        "<h2>A</h2><h3>Our battery storage</h3>",
        "<blockquote><p>The battery storage system works.</p></blockquote>",
        "<p>He said “the battery storage system works” and left.</p>",
        "<p>Use <code>the battery storage</code> here.</p>",
        "<pre>the battery storage</pre>",
        '<p>See <a href="https://x.example">the battery storage</a> now.</p>',
        "<table><tr><th>battery storage</th></tr></table>",
        "<p>The battery [[claim:1]] storage.</p>",
        "<p>The battery, storage.</p>",
        "<p>The battery storage-like box.</p>",
    ],
)
def test_no_link_goes_here(html: str) -> None:
    assert _linked(html, pages=_pages(TITLES[:1])) == dom.serialise(dom.parse(html))


def test_a_link_holds_a_compound_whole() -> None:
    html = _linked("<p>The lead-battery storage.</p>", pages=_pages(TITLES[:1]))
    assert [dom.text(node) for node in _anchors(html)] == ["lead-battery storage"]


def test_no_link_goes_into_takeaways_references_or_the_first_paragraph() -> None:
    assert "<a" not in _linked(f"<ul><li>{TEXT}</li></ul>", "s2")
    parts = [SectionHtml(id="s3", html=f"<h2>A</h2><p>{TEXT}</p><p>More.</p>")]
    reference = Reference(title="Battery storage systems", url="https://r.example/x", source="A")
    root = assemble.body("T", parts, [reference])
    assert set_links(root, _pages(), KINDS) == []


SITE = (
    "Building an Emergency Fund",
    "Index Funds Explained",
    "Choosing a CRM for a Small Sales Team",
    "Cloud Cost Reports for Finance Teams",
    "Cold Frames From Old Windows",
    "Coffee Grounds in the Garden",
    "Green and Brown Material",
    "Lisbon Day Trips by Train",
    "Lisbon Tram Routes",
    "Low Sodium Chicken Stock",
    "Pricing Pages That Explain Themselves",
    "Porto in Three Days",
    "Rain Barrels and Overflow",
    "Remote Onboarding for New Hires",
    "Running a Quarterly Business Review",
    "Turning a Compost Heap",
    "Winter Packing List",
)

SPEAK = {
    "Keep the fund for real emergencies. An emergency fund of three months covers a lost job.":
        ("emergency fund", "Building an Emergency Fund"),
    "Index funds cost less than managed ones, and over ten years that is most of the gain.":
        ("Index funds", "Index Funds Explained"),
    "Set up cold frames against the south wall. In March they add four weeks to the season.":
        ("cold frames", "Cold Frames From Old Windows"),
    "Spread coffee grounds thinly, because a thick layer keeps the rain out.":
        ("coffee grounds", "Coffee Grounds in the Garden"),
    "Layer green and brown material in turn, two buckets of leaves for one of grass.":
        ("green and brown material", "Green and Brown Material"),
    "Turn the compost heap as soon as it falls under forty degrees.":
        ("Turn the compost heap", "Turning a Compost Heap"),
    "Two rain barrels behind the shed fill within one wet night.":
        ("rain barrels", "Rain Barrels and Overflow"),
    "Remote onboarding takes a week longer. New hires meet nobody by chance at the coffee machine.":
        ("Remote onboarding", "Remote Onboarding for New Hires"),
}  # fmt: skip
"""What a paragraph says, and the link that it therefore gets."""

SILENT = (
    "In short, small gains add up to a clear lead by the end of the year.",
    "A small team can begin with 25 hours a month and a tool for less than 200 dollars.",
    "To sum up, good work needs a clear question, an honest answer and a fixed day for checks.",
    "Here is a short list that you can copy into your own notes.",
    "As a result, you can plan the next quarter from facts rather than moods.",
    "In 2021 we asked nine insurers for a fourteen-day trip to the coast.",
    "Begin with a free trial, learn the limits, and pay only in month three. Three days will do.",
    "Finally, you write down what you learned and choose the next small goal.",
    "Plan for time first, because hours make up most of the real cost in the first year.",
    "Move on to the next page once the price is agreed.",
    "The stock is low on Mondays, and the chicken coop is on the left.",
)
"""What shares words with the pages and speaks of none; such links were set once."""


def test_a_paragraph_gets_a_link_to_the_page_it_speaks_of_and_others_get_none() -> None:
    mixed = [text for pair in zip(SPEAK, (*SILENT, *SILENT), strict=False) for text in pair]
    told = [*mixed, *SILENT[len(SPEAK) :]]
    html = _linked("".join(f"<p>{text}</p>" for text in told), pages=_pages(SITE))
    title_of = {str(page.url): page.title for page in _pages(SITE)}
    found = {
        dom.text(paragraph): (dom.text(link), title_of[str(link.get("href"))])
        for paragraph in dom.elements(dom.parse(html), "p")
        for link in dom.elements(paragraph, "a")
    }
    assert found == SPEAK


def test_a_long_paragraph_that_names_a_page_in_passing_gets_no_link() -> None:
    passing = "Compost needs air, water and time, and none of them costs anything. " * 6
    html = f"{_paragraphs()}<p>{passing}One reader asked about the battery storage.</p>"
    assert "battery storage</a>" in _linked(_paragraphs(), pages=_pages(TITLES[:1]))
    lone = html.replace("A battery storage system keeps", "It keeps")
    assert "<a" not in _linked(lone, pages=_pages(TITLES[:1]))


def test_what_the_whole_article_is_about_does_not_make_a_paragraph_speak_of_a_page() -> None:
    text = "<p>In Lisbon you see the river from every hill.</p><p>Tram routes end at the water.</p>"
    root = _tree(f"<h2>Lisbon in winter</h2>{text}")
    links = set_links(root, _pages(("Lisbon Tram Routes", "Lisbon Fado")), KINDS, "Lisbon winter")
    assert [link.anchor_text for link in links] == ["Tram routes"]


@pytest.mark.parametrize(
    ("title", "topic"),
    [
        ("Battery storage for a family house", {"batteri", "storag"}),
        ("A Guide to Marketing Attribution", {"market", "attribut"}),
        ("How to Write a Cold Email That Gets Answers", {"cold", "email"}),
        ("Email Deliverability: SPF, DKIM and DMARC", {"email", "deliver"}),
        ("Porto in Three Days", {"porto", "three", "day"}),
        ("Winter Packing List", {"winter", "pack"}),
        ("How to Read Your Power Meter", {"read", "power", "meter"}),
        ("Desserts You Can Make a Day Ahead", {"dessert", "day", "ahead"}),
    ],
)
def test_a_page_s_topic_is_what_its_title_says_before_it_qualifies_that(
    title: str, topic: set[str]
) -> None:
    assert target(1, title, "").topic == topic


def test_one_link_a_page_and_one_a_paragraph() -> None:
    html = _linked(f"<h2>A</h2>{_paragraphs() * 3}")
    targets = Counter(node.get("href") for node in _anchors(html))
    assert set(targets.values()) == {1}
    for paragraph in dom.elements(dom.parse(html), "p"):
        assert len(dom.elements(paragraph, "a")) <= 1


def test_links_are_spread_over_the_sections() -> None:
    parts = [
        SectionHtml(id=one.id, html=f"<h2>H</h2><p>First.</p>{_paragraphs()}")
        for one in PLAN
        if one.kind != "takeaways"
    ]
    root = together(parts)
    set_links(root, _pages(), KINDS)
    counts = [len(dom.elements(section, "a")) for section in root]
    assert sum(counts) >= 7
    assert max(counts) <= 2


@pytest.mark.parametrize(
    ("words", "pages", "quota"),
    [(3000, 50, 12), (500, 50, 8), (9000, 50, 15), (3000, 4, 4), (3000, 0, 0)],
)
def test_the_number_of_links_follows_the_length_and_the_pages(
    words: int, pages: int, quota: int
) -> None:
    assert linking.link_quota(words, pages) == quota


_PIECES = st.sampled_from([
    "<p>", "</p>", "<h2>", "</h2>", "<h3>", "</h3>", "<ul><li>", "</li></ul>", "<code>", "</code>",
    "<blockquote>", "</blockquote>", "<a href='https://own.example'>", "</a>", "<b>", "</b>", "“",
    "”", "[[claim:1]]", "[[island:2]]", "the battery storage system ", "roof inspection, ",
    "feed-in tariffs ",
    "a home energy plan. ", "Heat Pumps ", "electricity bill and tax relief ",
])  # fmt: skip


@settings(deadline=None, derandomize=True)
@given(st.lists(_PIECES, min_size=3, max_size=40))
def test_wherever_the_text_stands_links_stand_only_where_they_may(pieces: list[str]) -> None:
    html = dom.serialise(dom.parse("".join(pieces)))
    root = _tree(html)
    links = set_links(root, _pages(), KINDS)
    out = dom.serialise(root[1])
    ours = [
        node for node in dom.elements(root[1], "a") if node.get("href") != "https://own.example"
    ]
    given_urls = {str(page.url) for page in _pages()}
    assert len(ours) == len(links)
    assert dom.text(dom.parse(out)) == dom.text(dom.parse(html))  # no word is changed
    assert markers.MARKER.findall(out) == markers.MARKER.findall(html)
    for node in ours:
        words = dom.text(node).lower().replace("-", " ").split()
        assert node.get("href") in given_urls
        assert 2 <= len(re.findall(r"\w+", dom.text(node))) <= 6
        assert words[0] not in STOP_WORDS
        assert words[-1] not in STOP_WORDS
        around = set(dom.ancestors(node.getparent()))
        assert not around & {*dom.PROTECTED, "th"}


def test_five_hundred_pages_are_ranked_in_reasonable_time() -> None:
    titles = tuple(
        f"{title} part {chr(97 + n % 26)}{chr(97 + n // 26)}" for n in range(50) for title in TITLES
    )
    html = _linked(f"<h2>A</h2>{_paragraphs() * 10}", pages=_pages(titles))
    assert len(_anchors(html)) >= 7


# -- the step ----------------------------------------------------------------------------


def _context(pages: list[dict[str, Any]] | None = None, **content: Any) -> FakeContext:
    parts = [
        SectionHtml(
            id=one.id,
            html=html_of(one, [1]) + (_paragraphs() if one.kind == "body" else ""),
        )
        for one in PLAN
    ]
    reference = Reference(title="R", url="https://r.example/x", source="Agency", claims=[1])
    written = ContentOutput(title=blueprint().title, sections=parts, model="m", **content)
    outputs = {
        "article-blueprint": blueprint(),
        "generating-article": written,
        "auto-fix": AutofixOutput(sections=parts),
        "references": ReferencesOutput(references=[reference]),
    }
    given = [page.model_dump(mode="json") for page in _pages()] if pages is None else pages
    return FakeContext(
        request=SubmitRequest.model_validate({"keyword": KEYWORD, "existingPages": given}),
        outputs={slug: out.model_dump(mode="json", by_alias=True) for slug, out in outputs.items()},
        step="internal-links",
    )


async def test_the_step_gives_the_whole_body_and_asks_nobody() -> None:
    ctx = _context()
    output = LinksOutput.model_validate(await STEP.run(ctx))
    assert output.html.startswith(f"<h1>{blueprint().title}</h1>")
    assert output.html.count("<h1") == 1
    assert "data-section" not in output.html
    assert not markers.CLAIM.search(output.html)
    assert output.html.endswith("</ol></section>")
    assert len(output.internal_links) >= 5
    assert ctx.services.calls == []


async def test_the_same_inputs_give_the_same_body() -> None:
    assert await STEP.run(_context()) == await STEP.run(_context())


async def test_no_pages_no_links() -> None:
    output = LinksOutput.model_validate(await STEP.run(_context(pages=[])))
    assert output.internal_links == []
    assert "client.example" not in output.html


async def test_a_page_that_an_island_links_to_is_not_linked_again() -> None:
    url = str(_pages()[0].url)
    islands = {"1": f'<a href="{url}">old link</a>'}
    output = LinksOutput.model_validate(await STEP.run(_context(islands=islands)))
    assert url not in {link.url for link in output.internal_links}
    assert output.internal_links


async def test_a_page_without_a_slug_gets_the_last_part_of_its_address() -> None:
    pages = [{"title": TITLES[0], "url": "https://client.example/blog/battery-storage"}]
    output = LinksOutput.model_validate(await STEP.run(_context(pages=pages)))
    assert output.internal_links[0].target_slug == "battery-storage"
    assert output.internal_links[0].url == pages[0]["url"]
