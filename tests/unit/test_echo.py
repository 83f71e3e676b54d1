"""Our instructions are known again in an answer, and nothing else is taken for them."""

from __future__ import annotations

from steps.asking.echo import echoes, without_echoes
from steps.asking.prompts import PROMPTS
from steps.fixes.structure import FixContext, drop_leftovers
from steps.html import dom

RECITAL = "You work in the editorial office of a publisher of practical, well-sourced articles."


def test_every_prompt_is_known_again_in_other_case_and_punctuation() -> None:
    for prompt in PROMPTS.values():
        for text in (prompt.role, prompt.instructions):
            assert echoes(text.upper().replace(".", " -"))


def test_an_ordinary_text_is_no_recital() -> None:
    assert not echoes("Use numbers, names and dates you are sure of when you plan a heap.")
    assert not echoes("")


def test_a_recited_field_is_emptied_and_the_others_stay() -> None:
    answer = {"title": f"Sure: {RECITAL}", "items": ["A heap needs air.", RECITAL], "n": 3}

    assert without_echoes(answer) == {"title": "", "items": ["A heap needs air.", ""], "n": 3}


def test_a_recital_goes_and_the_sentences_around_it_stay() -> None:
    root = dom.element("div")
    section = dom.parse(f"<p>A heap needs air. {RECITAL} It also needs water.</p>")
    section.set("data-section", "s1")
    root.append(section)

    assert drop_leftovers(root, FixContext(keyword="heap")) == ["removed a recital of the task"]
    assert dom.text(root) == "A heap needs air. It also needs water."
