"""Trees of HTML: what is parsed comes out again, and text is found where it is read."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from steps.html import dom, markers
from steps.html.runs import Run

FRAGMENT = "<h2>Head</h2>\n<p>One <strong>two</strong> three.</p><ul><li>a</li><li>b<br>c</li></ul>"


def test_a_fragment_is_written_out_without_a_wrapper() -> None:
    assert dom.serialise(dom.parse(FRAGMENT)) == FRAGMENT


@pytest.mark.parametrize("markup", ["", "   ", "only text", "a &lt; b &amp; c", "x [[claim:1]] y"])
def test_text_without_elements_survives(markup: str) -> None:
    assert dom.serialise(dom.parse(markup)) == markup.strip()


def test_control_characters_are_dropped() -> None:
    assert dom.serialise(dom.parse("<p>a\x00\x0bb</p>")) == "<p>ab</p>"


def test_a_block_does_not_stay_inside_a_paragraph() -> None:
    out = dom.serialise(dom.parse("<p>before<section><h2>T</h2></section>after"))
    assert out == "<p>before</p><section><h2>T</h2></section><p>after</p>"


def test_text_has_one_line_a_block() -> None:
    assert dom.text(dom.parse(FRAGMENT)) == "Head\nOne two three.\na\nb\nc"


def test_slots_skip_what_is_named_but_not_what_follows_it() -> None:
    root = dom.parse("<p>a <code>b</code> c <a href='x'>d</a> e</p>")
    assert [slot.value for slot in dom.slots(root, skip=dom.PROTECTED)] == ["a ", " c ", " e"]


def test_a_removed_element_leaves_the_text_behind_it() -> None:
    root = dom.parse("<p>a <b>b</b> c</p>")
    dom.remove(dom.elements(root, "b")[0])
    assert dom.serialise(root) == "<p>a  c</p>"


def test_an_element_can_be_put_into_the_middle_of_a_text() -> None:
    root = dom.parse("<p>one <b>x</b> two three</p>")
    slot = next(slot for slot in dom.slots(root) if "two" in slot.value)
    dom.split_text(slot, 4, dom.element("i", "!"))
    assert dom.serialise(root) == "<p>one <b>x</b> two<i>!</i> three</p>"


@settings(deadline=None, derandomize=True)
@given(st.text(alphabet="ab <>&;\"'\u00a0é“\n[]:1#", max_size=60))
def test_any_text_comes_back_as_it_went_in(text: str) -> None:
    root = dom.element("div")
    root.append(dom.element("p", text))
    again = dom.parse(dom.serialise(root))
    assert (again[0].text or "") == text


def test_a_run_reads_a_block_across_its_inline_elements_but_not_into_nested_blocks() -> None:
    root = dom.parse("<ul><li>One <b>two</b> three<ul><li>four</li></ul> five</li></ul>")
    assert Run(dom.elements(root, "li")[0]).text == "One two three five"


def test_a_cut_keeps_the_markers_in_what_it_cuts() -> None:
    root = dom.parse("<p>Keep this. Drop <b>that [[claim:3]]</b> now. Keep more.</p>")
    run = Run(root[0])
    start = run.text.index("Drop")
    run.cut(start, run.text.index("Keep more"))
    assert dom.serialise(root) == "<p>Keep this. <b>[[claim:3]]</b>Keep more.</p>"


def test_only_the_first_of_each_known_marker_is_kept() -> None:
    root = dom.parse("<p>a [[claim:1]]. b [[claim:1]]. c [[claim:7]].</p>")
    assert markers.keep_once(root, markers.CLAIM, ["1"]) == ["1"]
    assert dom.serialise(root) == "<p>a [[claim:1]]. b. c.</p>"


@pytest.mark.parametrize(
    "reference", ["&#12;", "&#x0c", "&#0;", "&#xfffe;", "&#xD800;", "&#x110000;"]
)
def test_a_reference_to_what_no_tree_can_hold_is_dropped(reference: str) -> None:
    root = dom.parse(f"<p>a{reference}</p> b{reference}&#8212;")
    for slot in dom.slots(root):
        slot.value = slot.value + "."
    assert dom.text(root) == "a.\n b—.".replace("\n ", "\n")
