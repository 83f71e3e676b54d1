from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from steps.language.text import density, occurrences, repeated_share, runs, sentences, spans, words


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Cutting-edge, don't, $2,500.50.", ["Cutting-edge", "don't", "2,500.50"]),
        ("snake_case and 3.5 % — really?", ["snake", "case", "and", "3.5", "really"]),
        ("Über naïve café", ["Über", "naïve", "café"]),
        ("...", []),
    ],
)  # fmt: skip
def test_words(text: str, expected: list[str]) -> None:
    assert words(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("One. Two! Three? Four… Five", 5),
        ("Growth was 3.5 percent. Then it fell to 2.1 percent.", 2),
        ("Dr. Smith met Mr. Jones at 5 p.m. on Monday.", 1),
        ("It closes at 5 p.m. We left.", 2),
        ("Use tools, e.g. Python, i.e. code. It works.", 2),
        ("See Fig. 3 and No. 5 for details. Then stop.", 2),
        ("She said no. Then she left.", 2),
        ("We sell nuts, bolts, etc. They are cheap.", 2),
        ("The U.S. Senate met. J. R. R. Tolkien wrote.", 3),
        ("So did I. You saw it.", 2),
        ("He asked “Why?” and left. “Because.” She smiled.", 3),
        ("1. First item\n2. Second item", 2),
        ("A heading\nA sentence. Another one.", 3),
        ("Visit example.com today. It is free.", 2),
        ("iPhone sales rose. apple said so.", 1),
        ("これは文です。これも文です。", 2),
        ("...\n!!!\n", 0),
    ],
)
def test_sentences_end_where_a_reader_ends_them(text: str, expected: int) -> None:
    assert len(sentences(text)) == expected


@given(st.text(max_size=300))
def test_no_word_is_lost_between_sentences(text: str) -> None:
    joined = [word for sentence in sentences(text) for word in words(sentence)]

    assert joined == [word for line in text.splitlines() for word in words(line)]


@pytest.mark.parametrize(
    ("text", "phrase", "count"),
    [
        ("AI in SEO, ai in seo and AI-in-SEO.", "AI in SEO", 3),
        ("Heat pumps and a heat pump", "heat pump", 2),
        ("A strategy beats strategies", "strategy", 2),
        ("One box, two boxes", "boxes", 2),
        ("campaign pain painful", "pain", 1),
        ("business news, glass and glasses", "glass", 2),
        ("C++ and C# (2024)", "C++", 2),
        ("anything", "…", 0),
        ("solar\npanels", "solar panels", 1),
        ("R & D costs, r&d cost, R and D costs, R D cost", "R & D cost", 4),
        ("AC/DC, AC / DC and AC DC, not AC-and-DC", "AC/DC", 3),
        ("salt and pepper, salt & pepper", "salt and pepper", 1),
    ],
)
def test_occurrences_are_whole_words_in_any_case_and_number(
    text: str, phrase: str, count: int
) -> None:
    assert occurrences(text, phrase) == count


def test_spans_are_offsets_of_the_phrase() -> None:
    text = "We sell heat pumps."

    assert [text[start:end] for start, end in spans(text, "heat pump")] == ["heat pumps"]


def test_density_counts_every_word_of_the_phrase() -> None:
    assert density("a heat pump is a heat pump " + "word " * 13, "heat pump") == 20.0
    assert density("", "heat pump") == 0.0


def test_repeated_share_counts_runs_after_their_first() -> None:
    once = ["one", "two", "three", "four", "five", "six", "seven", "eight"]

    assert repeated_share(once) == 0.0
    assert repeated_share([*once, *once]) == pytest.approx(100 / 9)
    assert repeated_share(["ONE", "one", "one"], size=1) == pytest.approx(200 / 3)
    assert repeated_share(["too", "short"]) == 0.0
    assert runs(["A", "b", "c"], 2) == [("a", "b"), ("b", "c")]
