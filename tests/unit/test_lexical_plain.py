"""A line made of text from anywhere: what it may not hold is gone, the words stay."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from steps.language.lexical import MAX_LINE, plain
from tests import inert


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("a <b>bold</b> word", "a bold word"),
        ("see https://evil.example/x?y=1, now", "see now"),
        ("see www.evil.example and //evil.example/x", "see and"),
        ("proven [[claim:1]] and [[island:2]].", "proven and ."),
        ("a <img src=x onerror=alert(1)", "a img src=x onerror=alert(1)"),
        ("<scr<b>ipt>x", "scr ipt>x"),
        ("warm\u200b\U000e0041 \ufeffheap", "warm heap"),
        ("one\u2028two\x85three\x00four", "one two three four"),
        ("if 5 < 6 and 7 > 3", "if 5 < 6 and 7 > 3"),
        (
            "[1] stays, so does a/b and HTTP: the protocol",
            "[1] stays, so does a/b and HTTP: the protocol",
        ),
    ],
)
def test_a_line_holds_words_only(text: str, line: str) -> None:
    assert plain(text, 200) == line


_TOKENS = """
< > </ <!-- [[claim:1]] [[ ]] island: 2 https: // www. evil.example script &lt; word
"""
PIECES = [*_TOKENS.split(), " ", "\n", "\u200b", "\U000e003c"]


@given(st.lists(st.sampled_from(PIECES), max_size=24).map("".join))
def test_no_text_leaves_a_tag_an_address_or_a_marker(text: str) -> None:
    assert inert.text_problems(plain(text, 200)) == []


def test_what_follows_a_very_long_beginning_is_not_looked_at() -> None:
    assert "end" not in plain("word " * MAX_LINE + "end", MAX_LINE * 9)
