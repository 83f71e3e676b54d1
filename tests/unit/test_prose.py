"""Running text with markers: sentences begin where a reader hears them begin."""

from __future__ import annotations

import pytest

from steps.language import prose


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("", 0),
        ("[[claim:1]]", 0),
        ("One. Two! Three? Four", 4),
        ("It fell 2.5 % in 2024. Then it rose.", 2),
        ("See e.g. The Times, or Dr. Smith of the U.S. Senate.", 1),
        ("It fell.[[claim:1]] Then it rose.", 2),
        ("It fell [[claim:1]]. Then it rose.", 2),
        ("It fell. [[island:1]] Then it rose.", 2),
        ("“It fell.” He left.", 2),
    ],
)
def test_sentences_are_counted(text: str, count: int) -> None:
    assert prose.count(text) == count


def test_a_claim_behind_the_full_stop_belongs_to_the_sentence_before() -> None:
    text = "It fell.[[claim:1]] Then it rose."
    start, end = prose.sentence_at(text, text.index("[["))
    assert text[start:end] == "It fell.[[claim:1]] "


def test_markers_are_no_words() -> None:
    assert prose.word_count("two words [[claim:12]] [[island:3]]") == 2


@pytest.mark.parametrize(
    ("before", "word", "after"),
    [
        ("has an simple part", "simple", "has a simple part"),
        ("A easy part", "easy", "An easy part"),
        ("a hour", "hour", "an hour"),
        ("an user", "user", "a user"),
        ("an SEO plan", "SEO", "an SEO plan"),
        ("a unimportant part", "unimportant", "an unimportant part"),
        ("the old part", "old", "the old part"),
    ],
)
def test_the_article_fits_the_word_behind_it(before: str, word: str, after: str) -> None:
    assert prose.fix_article(before, before.index(word)) == after


@pytest.mark.parametrize(
    ("model", "text", "cased"),
    [("leverage", "use", "use"), ("Leverage", "use", "Use"), ("LEVERAGE", "use", "USE")],
)
def test_case_is_kept(model: str, text: str, cased: str) -> None:
    assert prose.in_case_of(model, text) == cased
