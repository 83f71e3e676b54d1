"""The body put together: every claim resolved, the sources listed, nothing left behind."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from steps.html import assemble, dom, markers
from steps.html.sanitise import sanitise
from steps.models import Reference, SectionHtml
from steps.sources.citations import HEDGE, needs_hedge


def _reference(number: int, *claims: int, **more: object) -> Reference:
    fields = {
        "title": f"Title <{number}>",
        "url": f"https://r{number}.example/a?b=1&c=2",
        "source": "Agency",
        "year": 2025,
        "description": "What it says.",
        "claims": list(claims),
    }
    return Reference.model_validate({**fields, **more})


def _body(html: str, *references: Reference) -> str:
    parts = [SectionHtml(id="s1", html=html), SectionHtml(id="s2", html="<h2>B</h2><p>b</p>")]
    return assemble.finished(assemble.body("The <title>", parts, references))


def test_title_sections_and_references_stand_in_order() -> None:
    html = _body("<h2>A</h2><p>a</p>", _reference(1))
    assert html.replace("\n", "") == (
        "<h1>The &lt;title&gt;</h1><h2>A</h2><p>a</p><h2>B</h2><p>b</p>"
        '<section class="references"><h2>References</h2><ol><li>'
        '<a href="https://r1.example/a?b=1&amp;c=2" rel="noopener">Title &lt;1&gt;</a>'
        ", Agency, 2025. What it says.</li></ol></section>"
    )


def test_the_sanitiser_has_nothing_to_change() -> None:
    html = _body("<h2>A</h2><p>It fell 20 % [[claim:1]].</p>", _reference(1, 1))
    assert dom.serialise(dom.parse(sanitise(html))) == html


def test_without_references_there_is_no_list() -> None:
    assert "References" not in _body("<h2>A</h2><p>a</p>")


def test_a_claim_is_cited_with_the_number_of_its_source() -> None:
    html = _body("<p>It fell 20 % [[claim:7]].</p>", _reference(1), _reference(2, 7))
    cited = (
        '<p>It fell 20 % <a href="https://r2.example/a?b=1&amp;c=2" class="citation" '
        'rel="noopener">[2]</a>.</p>'
    )
    assert cited in html


def test_a_claim_with_two_sources_cites_the_one_listed_first() -> None:
    html = _body("<p>It fell [[claim:7]].</p>", _reference(1, 7), _reference(2, 7))
    assert html.count('class="citation"') == 1
    assert ">[1]</a>" in html


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("Prices fell by 20 % [[claim:1]].", f"{HEDGE}Prices fell by 20 %."),
        ("The price fell by 20 %.[[claim:1]]", f"{HEDGE}the price fell by 20 %."),
        (
            "First. The price fell by $40 [[claim:1]]. Last.",
            f"First. {HEDGE}the price fell by $40. Last.",
        ),
        ("The <b>price</b> fell by 20 % [[claim:1]].", f"{HEDGE}the <b>price</b> fell by 20 %."),
        ("<b>Half</b> of 500 firms do [[claim:1]].", f"<b>{HEDGE}half</b> of 500 firms do."),
        ("Prices fell [[claim:1]].", "Prices fell."),
        ("About 20 % fell [[claim:1]].", "About 20 % fell."),
    ],
)
def test_a_claim_without_a_source_is_softened_if_it_states_a_figure(
    before: str, after: str
) -> None:
    assert f"<p>{after}</p>" in _body(f"<p>{before}</p>")


def test_a_sentence_that_another_source_supports_is_not_softened() -> None:
    html = _body("<p>It fell 20 % [[claim:1]] [[claim:2]].</p>", _reference(1, 2))
    assert HEDGE not in html
    assert html.count('class="citation"') == 1


def test_a_cell_loses_its_marker_and_nothing_else() -> None:
    html = _body("<table><tr><td>20 % [[claim:1]]</td></tr></table>")
    assert "<td>20 %</td>" in html


def test_a_heading_carries_no_citation() -> None:
    html = _body("<h2>A [[claim:1]]</h2><p>a</p>", _reference(1, 1))
    assert "<h2>A</h2>" in html


@pytest.mark.parametrize("url", ["javascript:alert(1)", "//x.example", "", 'https://x.example/"x'])
def test_a_source_with_an_unsafe_address_is_neither_cited_nor_listed(url: str) -> None:
    html = _body("<p>It fell [[claim:1]].</p>", _reference(1, 1, url=url))
    assert "<a" not in html
    assert "References" not in html


def test_a_source_given_twice_is_listed_once() -> None:
    assert _body("<p>a</p>", _reference(1), _reference(1)).count("<li>") == 1


@pytest.mark.parametrize(
    ("sentence", "hedge"),
    [
        ("It rose by 12 percent.", True),
        ("Revenue reached $3 billion.", True),
        ("It may rise by 12 percent.", False),
        ("According to them, 12 percent rose.", False),
        ("Two teams did it.", False),
    ],
)
def test_a_hedge_goes_where_a_figure_is_stated_as_certain(sentence: str, hedge: bool) -> None:
    assert needs_hedge(sentence) is hedge


_BITS = st.sampled_from(
    ["<p>", "</p>", "<b>", "</b>", "It fell 20 %", ". ", "Then 40 rose ", "<ul><li>", "</li></ul>"]
)


@settings(deadline=None, derandomize=True)
@given(st.lists(st.tuples(_BITS, st.integers(0, 6)), max_size=20), st.sets(st.integers(1, 6)))
def test_no_claim_s_marker_is_left_and_island_markers_stay(
    bits: list[tuple[str, int]], supported: set[int]
) -> None:
    html = "".join(bit + (f" [[claim:{n}]]" if n else "[[island:1]]") for bit, n in bits)
    fragment = dom.serialise(dom.parse(html))
    out = _body(fragment, _reference(1, *supported))
    assert not markers.CLAIM.search(out)
    assert len(markers.islands(out)) == len(markers.islands(fragment))
    cited = sum(n in supported for n in markers.claims(fragment))
    assert out.count('class="citation"') == cited
