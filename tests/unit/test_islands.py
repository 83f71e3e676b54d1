"""Islands: the client's bytes go out, come back, and not one of them changes."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestrator.errors import PermanentError
from steps.html import markers
from steps.html.island_finder import find
from steps.html.islands import extract, homes, restore
from steps.html.sanitise import sanitise
from steps.html.scan import scan

PIECES = [
    "<p>", "</p>", "<img src='a>b' alt='x'>", "<br/>", "&amp;", "&#12", "<!-- a -->", "<!--", "-->",
    '<!-- wp:image {"id":3} -->', "<!-- /wp:image -->", "<!-- wp:latest /-->", "<", "</", ">", "\n",
    "<!-- wp:paragraph -->", "<!-- /wp:paragraph -->", "<figure>", "</figure>", "\r\n", "é", "</>",
    "<a href='https://x.y'>", "</a>", "<h2 id='q'>", "</h2>", '[gallery ids="1"]', "[caption]",
    "[/caption]", "[[claim:3]]", "[[island:1]]", "<table><tr><td>1</td><td>2</td></tr></table>",
    "word ", "<script>x</script>", "<script>", "<div id=k>", "</div>", "text. ", "<!DOCTYPE html>",
    "<![CDATA[x]]>", "<?pi ?>", "<iframe src=q>", "</iframe>", "<textarea>", "if(a<b)",
]  # fmt: skip
SOURCES = st.lists(st.sampled_from(PIECES)).map("".join)


def _sources(source: str) -> list[str]:
    return [island.source for island in extract(source)[1]]


@settings(deadline=None, derandomize=True)
@given(SOURCES)
def test_tokens_joined_again_are_the_source(source: str) -> None:
    tokens = scan(source)
    assert "".join(source[token.start : token.end] for token in tokens) == source
    assert all(one.end == other.start for one, other in itertools.pairwise(tokens))


@settings(deadline=None, derandomize=True)
@given(SOURCES)
def test_whatever_is_taken_out_comes_back_byte_for_byte(source: str) -> None:
    spans = find(source)
    marked, islands = extract(source)
    out = restore(marked, {island.number: island.source for island in islands})
    at = 0
    for span, island in zip(spans, islands, strict=True):
        assert island.source == (span.inserted or source[span.start : span.end])
        at = out.index(island.source, at) + len(island.source)


@pytest.mark.parametrize(
    "piece",
    [
        '<img src="a.png" alt="A &quot;b&quot;" loading=lazy>',
        "<video controls><source src=a.mp4></video>",
        '<iframe src="https://www.youtube.com/embed/x?a=1&b=2" allowfullscreen></iframe>',
        '<figure class="wp-block-image"><img src=a.png/><figcaption>C</figcaption></figure>',
        "<table><tr><td>1</td><td>2</td></tr></table>",
        '<a href="https://out.example/p?q=1&amp;r=2" target=_blank>out</a>',
        '<a href="/inside">in</a>',
        '<a id="here"></a>',
        '<span id="mark">x</span>',
        '[gallery ids="1,2"]',
        "[caption id='a']<img src=q>Text[/caption]",
        "[embed]https://v.example/1[/embed]",
        "[[claim:4]]",
        '<!-- wp:image {"id":5} -->\n<figure><img src=z></figure>\n<!-- /wp:image -->',
        '<!-- wp:block {"ref":12} /-->',
        "<!-- wp:acf/quote --><p>Client words</p><!-- /wp:acf/quote -->",
        '<blockquote class="twitter-tweet"><p>t</p></blockquote>',
        "<script async src=https://platform.example/w.js></script>",
        '<div class="video-wrap"><iframe src=x></iframe></div>',
        "<p><img src=only.png></p>",
        '<form action="https://news.example"><input name=mail></form>',
    ],
)
def test_this_is_an_island_and_comes_out_whole(piece: str) -> None:
    source = f"<p>Before it.</p>\n{piece}\n<p>After it.</p>"
    assert piece in _sources(source)
    assert not set(_sources("<p>Before it.</p>")) & {piece}


def test_text_to_rewrite_is_no_island() -> None:
    source = (
        "<!-- wp:paragraph --><p>Text <strong>bold</strong>.</p><!-- /wp:paragraph -->"
        "<!-- wp:heading --><h2>Head</h2><!-- /wp:heading --><ul><li>Item</li></ul>"
        "<p>[text](https://x.example) and [1]</p><a href='javascript:x()'>bad</a>"
    )
    assert _sources(source) == []


@pytest.mark.parametrize(
    ("source", "islands"),
    [
        ("<p>Text</p>[a][b x='1']x[/b][/a]", ["[a][b x='1']x[/b][/a]"]),
        ("<p>https://youtu.be/x</p>", ["<p>https://youtu.be/x</p>"]),
        ("Text\n\nhttps://youtu.be/x?t=1\n\nText", ["\nhttps://youtu.be/x?t=1\n"]),
        ("<p>See https://x.example now</p>", []),
        ("<p><b>See</b> https://x.example</p>", []),
        ("<p>a</p><iframe src=x><p>b</p>", ["<iframe src=x><p>b</p>"]),
        ("<p>a <a href='[link id=3]'>b</a></p>", ["<a href='[link id=3]'>b</a>"]),
    ],
)
def test_what_is_one_thing_is_one_island(source: str, islands: list[str]) -> None:
    assert _sources(source) == islands


def test_an_address_on_its_own_line_opens_its_paragraph() -> None:
    address = "\nhttps://youtu.be/x\n"
    assert restore("<p>a [[island:1]] b</p>", {"1": address}) == f"<p>a </p>{address}<p> b</p>"


def test_what_is_almost_a_marker_is_one() -> None:
    for written in ("[island:3]", "[[Island: 3]]", "[[ISLAND #3]]", "&#91;&#91;island:3&#93;&#93;"):
        assert markers.normal(f"a {written} b") == "a [[island:3]] b"
    assert markers.normal("[3] [claim 4] [claim: 4]") == "[3] [claim 4] [[claim:4]]"


def test_an_enclosing_shortcode_around_the_whole_text_is_taken_tag_by_tag() -> None:
    source = "[et_section a='1']<h2>One</h2><p>Text</p>[/et_section]"
    assert _sources(source) == ["[et_section a='1']", "[/et_section]"]


def test_a_heading_that_is_linked_to_keeps_its_anchor() -> None:
    marked, islands = extract('<h2 class=x id="price-list">Prices</h2><p>Text</p>')
    assert islands[0].source == '<span id="price-list"></span>'
    assert marked.index("</h2>") < marked.index("[[island:1]]") < marked.index("<p>")


def test_a_hint_says_what_a_marker_stands_for() -> None:
    _, islands = extract(
        '<img src=a.png alt="Roof at noon"><a href="https://x.example">the law</a>'
    )
    assert [island.hint for island in islands] == ["media: Roof at noon", "link: the law"]


def test_an_island_that_is_a_block_opens_its_paragraph() -> None:
    figure = "<figure>f</figure>"
    assert restore("<p>[[island:1]]</p>", {"1": figure}) == figure
    assert restore("<p>a [[island:1]] b</p>", {"1": figure}) == f"<p>a </p>{figure}<p> b</p>"


def test_an_inline_island_stays_in_its_sentence() -> None:
    assert (
        restore("<p>a [[island:1]].</p>", {"1": "<a href=x>y</a>"}) == "<p>a <a href=x>y</a>.</p>"
    )


def test_the_first_of_two_markers_counts_and_none_in_an_attribute() -> None:
    out = restore('<p title="[[island:1]]">[[island:1]] [[island:1]]</p>', {"1": "<img src=x>"})
    assert out == '<p title=""><img src=x> </p>'


def test_a_marker_in_an_island_is_not_filled_again() -> None:
    out = restore("<p>[[island:1]][[island:2]]</p>", {"1": "[[island:2]]", "2": "<b>x</b>"})
    assert out == "<p>[[island:2]]<b>x</b></p>"


def test_a_lost_island_goes_to_the_end_of_its_section() -> None:
    home = homes([("One", "<p>[[island:1]]</p>"), ("Two", "<p>x</p>")])
    body = "<h1>T</h1><h2>One</h2><p>a</p><h2>Two</h2><p>b</p>"
    out = restore(body, {"1": "<figure>f</figure>"}, home)
    assert out == "<h1>T</h1><h2>One</h2><p>a</p><figure>f</figure><h2>Two</h2><p>b</p>"


@pytest.mark.parametrize("homes", [None, {"1": "Gone"}])
def test_a_lost_island_without_a_section_is_an_error(homes: dict[str, str] | None) -> None:
    with pytest.raises(PermanentError, match=r"lost parts 1 \(x\) of the old page"):
        restore("<h2>One</h2><p>a</p>", {"1": "<img src=x>"}, homes)


def test_markers_pass_the_sanitiser_and_the_islands_do_not_need_to() -> None:
    island = '<iframe src="https://v.example" onload="x()"></iframe>'
    body = sanitise("<p>a</p><p>[[island:1]]</p><script>evil()</script>")
    assert restore(body, {"1": island}) == f"<p>a</p><p>{island}</p>"


@pytest.mark.parametrize("unit", ["<!--", "<a b='", "<a ", "<![CDATA[", "[a ", "<b id=x>"])
def test_what_is_never_closed_takes_linear_time(unit: str) -> None:
    """A quadratic scan of this would take minutes and run into the test's time limit."""
    source = unit * 40_000
    marked, islands = extract(source)
    assert restore(marked, {island.number: island.source for island in islands})


def test_a_page_with_thousands_of_islands_keeps_them_all() -> None:
    source = "<div id=a><p>word [x y='1'] <a href=q>r</a>" * 1000
    assert len(markers.islands(extract(source)[0])) == 3000
