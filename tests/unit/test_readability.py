from __future__ import annotations

import pytest

from steps.language import readability

SYLLABLES = (
    "reading 2, articles 3, quality 3, every 2, simple 2, table 2, marketing 3, strategy 3, "
    "measured 2, search 1, area 3, idea 3, created 3, people 2, available 4, used 1, started 2, "
    "walked 1, boxes 2, changes 2, media 3, radio 3, video 3, audience 3, experience 4, "
    "science 2, client 2, being 2, creative 3, usually 4, individual 5, language 2, because 2, "
    "employee 3, business 2, technology 4, optimization 5, algorithm 4, website 2, engines 2, "
    "analysis 4, performance 3, information 4, therefore 2, company 3, data 2, rules 1, "
    "handles 2, whole 1, added 2, based 1, images 3, watches 2, does 1, series 2, various 3, "
    "million 2, question 2, theory 3, guides 1, solar 2, energy 3, battery 3, installation 4, "
    "quiet 2, society 4, annual 3, value 2, fuel 2, situation 4, trial 2, material 4, special 2, "
    "essential 3, radius 3, priority 4, serious 3, senior 2"
)


def test_syllables_of_common_words() -> None:
    known = dict(pair.split() for pair in SYLLABLES.split(", "))

    wrong = {word for word, count in known.items() if readability.syllables(word) != int(count)}

    assert not wrong


def test_syllables_of_numbers_and_compounds() -> None:
    assert readability.syllables("2026") == 4
    assert readability.syllables("cutting-edge") == 3


def test_flesch_agrees_with_the_formula_on_counted_text() -> None:
    """Six words, six syllables: 206.835 - 1.015 * 6 - 84.6."""
    assert readability.flesch(["The cat sat on the mat."]) == pytest.approx(116.145)
    assert readability.flesch([]) == 0.0


def test_flesch_tells_plain_from_bureaucratic_prose() -> None:
    plain = ["We went to the shop.", "It was shut, so we came back."]
    heavy = [
        "Organisational considerations necessitate comprehensive implementation of "
        "methodological prerequisites notwithstanding administrative complications."
    ]

    assert readability.flesch(plain) > 80
    assert readability.flesch(heavy) < 10


@pytest.mark.parametrize(
    "sentence",
    [
        "The report was written in May.",
        "Filters are usually not cleaned.",
        "It has been quickly repaired.",
        "He got caught.",
    ],
)
def test_passive(sentence: str) -> None:
    assert readability.is_passive(sentence)


@pytest.mark.parametrize(
    "sentence",
    [
        "She wrote the report.",
        "We are interested in it.",
        "There is a need for speed.",
        "They have cleaned the filter.",
        "It is red and fast, and we walked.",
    ],
)
def test_not_passive(sentence: str) -> None:
    assert not readability.is_passive(sentence)


def test_transition_words_are_whole_words() -> None:
    assert readability.has_transition("However, it works.")
    assert readability.has_transition("It works; as a result we stay.")
    assert not readability.has_transition("The firsthand stoneware stays.")


def test_sentences_begin_alike_by_their_first_word_after_an_article() -> None:
    same = ["We go.", "We stay.", "We sing."]
    after_article = ["The cat sat.", "The dog ran.", "The bird flew."]

    assert readability.alike_runs(["No.", *same, "Yes.", *same]) == [1, 5]
    assert readability.alike_runs(after_article) == []
    assert readability.alike_runs(["The cat sat.", "The cat ran.", "The cat ate."]) == [0]
    assert readability.alike_runs([]) == []


def test_a_sentence_is_long_above_twenty_words() -> None:
    assert not readability.is_long("word " * 20)
    assert readability.is_long("word " * 21)


def test_only_english_is_judged() -> None:
    assert readability.is_english("en-GB")
    assert not readability.is_english("de-DE")
