"""The change summary says what is true of the two pages, and nothing else."""

from __future__ import annotations

import pytest

from steps.html import changes
from steps.html.facts import facts, missing, put_back, stated, still_true
from steps.models import GapEvidence, GapItem

OLD = """<p>Lead stays.</p><h2>Kept</h2><p>Same words here.</p><h2>Turned</h2><p>Old one two.</p>
<p>Goes away now.</p><h2>Gone</h2><p>Bye.</p>"""
NEW = """<p>Lead stays.</p><h2>Kept</h2><p>Same words here.</p><h2>Fresh</h2><p>New.</p>
<h2>turned</h2><p>New one two three.</p><h3>Detail</h3><ul><li>An item</li></ul>"""


def test_a_hand_made_pair_is_told_line_by_line() -> None:
    assert changes.lines(OLD, NEW) == [
        "length: 15 words before, 16 words now",
        "section added: Fresh",
        "section rewritten: turned (6 words, now 6)",
        "section removed: Gone",
        "paragraphs kept as they were: 2",
        "paragraphs rewritten: 3",
    ]


def test_the_paragraphs_of_both_pages_add_up() -> None:
    told = dict(line.split(": ") for line in changes.lines(OLD, NEW) if line.startswith("par"))
    count = {name.removeprefix("paragraphs "): int(n) for name, n in told.items()}
    both = count["kept as they were"] + count["rewritten"]
    assert both + count.get("removed", 0) == OLD.count("<p>")
    assert both + count.get("added", 0) == NEW.count("<p>") + NEW.count("<li>")


def test_the_same_page_has_no_change() -> None:
    assert changes.lines(OLD, OLD) == [
        "length: 15 words before, 15 words now",
        "paragraphs kept as they were: 5",
    ]


@pytest.mark.parametrize(
    ("source", "counts"),
    [
        ("<img src=a>", {"image": 1}),
        ("<picture><source srcset=a><img src=b></picture>", {"image": 1}),
        ("<figure><a href=x><img src=a></a><img src=b></figure>", {"link": 1, "image": 2}),
        ("<figure><img src=a><noscript><img src=a></noscript></figure>", {"image": 1}),
        ("<video><source src=a><img src=b></video>", {"video": 1}),
        ('<figure class="wp-block-embed"><div>\nhttps://youtu.be/x\n</div></figure>', {"embed": 1}),
        ('<figure class="wp-block-embed"><iframe src=x></iframe></figure>', {"embed": 1}),
        ('<blockquote class="twitter-tweet"><a href=x>t</a></blockquote>', {"embed": 1}),
        ("<p>https://youtu.be/x</p>", {"embed": 1}),
        ('[gallery ids="1"]', {"gallery": 1}),
        ("[caption id=x]<img src=a> [contact-form][/caption]", {"shortcode": 2, "image": 1}),
        ("<table><tr><td>1</td></tr></table>", {"table": 1}),
        ('<span id="part"></span>', {"anchor": 1}),
        ('<a href="x">y</a>', {"link": 1}),
    ],
)
def test_what_was_kept_is_counted_once(source: str, counts: dict[str, int]) -> None:
    assert changes.kept([source]) == counts


def test_only_what_is_in_the_new_page_counts_as_kept() -> None:
    assert changes.kept_lines(["<img src=a>", "<img src=b>"], "<p><img src=a></p>") == [
        "kept from the old page: 1 image"
    ]


def test_a_dead_link_is_told_as_removed_or_as_left() -> None:
    dead = {"https://a.example/x": "status 404", "https://b.example/?q=1&r=2": "status 410"}
    new = '<figure><a href="https://b.example/?q=1&amp;r=2#part"><img src=x></a></figure>'
    removed, left = changes.link_lines(dead, new)
    assert removed == "link removed, its words stay: https://a.example/x (status 404)"
    assert left.startswith("link that leads nowhere left in a part kept as it was: https://b.ex")


def test_lines_that_repeat_are_told_once() -> None:
    assert changes.once_each(["a", "b", "a"]) == ["a (2 times)", "b"]


# -- facts -------------------------------------------------------------------------------

TOLD = (
    "<h2>In 2019</h2><p>In 2019 the city of Turin charged 4.20 dollars. It was late. "
    "The Forest Service agreed [[island:3]].</p><ul><li>Two of 31 firms did.</li></ul>"
)


def test_a_fact_is_a_sentence_with_a_figure_or_a_name() -> None:
    assert facts(TOLD) == [
        "In 2019 the city of Turin charged 4.20 dollars.",
        "The Forest Service agreed.",
        "Two of 31 firms did.",
    ]


def test_in_german_a_capital_is_no_name() -> None:
    assert stated("Im Jahr 2019 kostete der Sack Erde 9 Euro.", "de-DE") == {"2019", "9"}


def test_a_fact_is_kept_whatever_the_words_around_it() -> None:
    new = "<p>Turin's price was <b>4.20</b> dollars back in 2019; the Forest Service agrees.</p>"
    assert missing(facts(TOLD), new) == ["Two of 31 firms did."]


def test_a_changed_figure_is_a_lost_fact() -> None:
    assert missing(["It cost 12,500 dollars."], "<p>It cost 13,500 dollars.</p>")


def test_the_same_figure_of_something_else_is_another_fact() -> None:
    assert missing(["Seventeen of 31 firms did it."], "<p>The oven needs 31 minutes.</p>")


def test_only_an_outdated_data_gap_frees_a_fact() -> None:
    old = ["In 2019 the city charged 4.20 dollars for each bag.", "Twelve of 31 firms did it."]

    def gap(kind: str) -> GapItem:
        return GapItem.model_validate(
            {
                "type": kind,
                "topic": "what the city charges for a bag",
                "opportunity": "o",
                "priority": "high",
                "evidence": GapEvidence().model_dump(by_alias=True),
            }
        )

    assert still_true(old, [gap("outdated-data")], "compost") == old[1:]
    assert still_true(old, [gap("missing-topic")], "compost") == old


def test_a_fact_is_put_back_inside_the_section() -> None:
    box = '<section class="faq"><h2>Q</h2><p>a</p></section>'
    assert put_back(box, ["One.", "Two."]) == (
        '<section class="faq"><h2>Q</h2><p>a</p><p>One. Two.</p></section>'
    )
