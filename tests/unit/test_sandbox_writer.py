"""What the model's stand-in writes: budgets, markers, wording, no repetition."""

from __future__ import annotations

import re
from collections import Counter
from statistics import mean

import pytest

from orchestrator.sandbox.writer.draft import count_words
from tests.sandbox_helpers import (
    GAPS,
    YEAR,
    Article,
    ask,
    compose,
    plain,
    repeated,
    sentences,
    write_one,
)

KEYWORDS = ("AI in SEO", "sourdough starter", "email marketing for small business")
BANNED = (
    "delve", "tapestry", "landscape", "realm", "it's worth noting", "in conclusion", "leverage",
    "robust", "holistic", "paradigm", "unlock", "game-changer", "revolutionize", "cutting-edge",
    "seamless", "furthermore", "look no further", "dive into", "in today's",
)  # fmt: skip
TRANSITION = re.compile(
    r"\b(for example|for instance|to illustrate|as an illustration|however|still|even so|"
    r"on the other hand|nevertheless|as a result|therefore|because|consequently|in short|first|"
    r"next|then|after|finally|later|in fact|above all|in other words|indeed|in addition|moreover|"
    r"also|similarly|at the same time|so|but|since|while|although|if|when|until|before|yet|once|"
    r"unless|rather|instead|such as|to begin with|to sum up|besides)\b",
    re.IGNORECASE,
)


@pytest.fixture(scope="module", params=KEYWORDS)
def article(request: pytest.FixtureRequest) -> Article:
    return compose(request.param)


def by_kind(article: Article, kind: str) -> list[str]:
    return [article.html[s["id"]] for s in article.sections if s["kind"] == kind]


# -- the plan --------------------------------------------------------------------------


def test_the_outline_has_nine_sections_and_its_budgets_add_up(article: Article) -> None:
    kinds = [section["kind"] for section in article.sections]

    assert kinds == ["introduction", "takeaways", *["body"] * 5, "faq", "conclusion"]
    assert 2600 <= sum(section["words"] for section in article.sections) <= 3200
    assert len({section["heading"] for section in article.sections}) == 9


def test_the_outline_assigns_every_keyword_and_gap_and_one_table(article: Article) -> None:
    assigned = [text for section in article.sections for text in section["keywords"]]
    gaps = [gap for section in article.sections for gap in section["gapIds"]]

    assert sorted(assigned) == sorted(article.keywords)
    assert sorted(gaps) == sorted(gap["id"] for gap in GAPS)
    assert [s["kind"] for s in article.sections if s["table"]] == ["body"]
    assert 6 <= len(article.claims) <= 10


def test_a_plan_for_an_old_page_keeps_its_headings_word_for_word_and_in_order() -> None:
    headings = ["Why We Started", "Choosing a Bin", "Heat, Water and Air"]
    existing = [{"heading": heading, "kind": "body"} for heading in headings]
    existing.append({"heading": "What We Would Do Again", "kind": "conclusion"})
    request = {"keyword": "composting", "year": YEAR, "wordsMin": 2600, "wordsMax": 3200}
    blocks = {"keywords": [], "gaps": GAPS, "questions": [], "existing": existing}

    sections = ask("blueprint_outline", request={**request, "mode": "refresh"}, **blocks)[
        "sections"
    ]

    bodies = [section["heading"] for section in sections if section["kind"] == "body"]
    assert bodies[:3] == headings
    assert len(set(bodies)) == 5
    assert sections[-1]["heading"] == "What We Would Do Again"
    claims = [claim["text"] for section in sections for claim in section["claims"]]
    assert len(set(claims)) == len(claims) >= 5


def test_a_list_of_steps_is_in_the_order_of_the_steps() -> None:
    section = {"id": "s3", "heading": "A Step by Step Plan", "kind": "body", "words": 400}
    html = ask("write_section", section=section)
    weeks = re.findall(r"<li>(Week one|Week two|Week three|Week four|Every week|At the end)", html)

    order = ["Week one", "Week two", "Week three", "Week four", "Every week", "At the end"]
    assert len(weeks) == 5
    assert weeks == sorted(weeks, key=order.index)


@pytest.mark.parametrize(
    "keyword", [*KEYWORDS, "SEO", "how to choose a waterproof hiking jacket for long winter tours"]
)
def test_title_and_description_have_their_lengths_and_the_keyword_first(keyword: str) -> None:
    request = {"keyword": keyword, "year": YEAR}
    head = ask("blueprint_head", request=request, keywords=[], gaps=[], questions=[])

    assert head["title"].lower().startswith(keyword.lower()[:40])
    assert len(head["title"]) <= 60
    assert 120 <= len(head["metaDescription"]) <= 156
    if len(keyword) < 50:
        assert len(head["title"]) >= 50
    assert re.fullmatch(r"[a-z0-9-]{3,60}", head["slug"])
    assert 4 <= len(head["takeaways"]) <= 8
    assert 4 <= len(head["questions"]) <= 8


def test_peoples_own_questions_come_first() -> None:
    asked = ["Does it work in winter?", "What does it cost?"]
    request = {"keyword": "composting", "year": YEAR}
    head = ask("blueprint_head", request=request, keywords=[], gaps=[], questions=asked)

    assert head["questions"][:2] == asked


# -- the text --------------------------------------------------------------------------


def test_every_section_keeps_its_word_budget(article: Article) -> None:
    for section in article.sections:
        words = count_words(article.html[section["id"]])
        assert words == pytest.approx(section["words"], rel=0.15), section["heading"]


def test_every_section_begins_with_its_heading_and_answers_it_at_once(article: Article) -> None:
    for section in article.sections:
        html = article.html[section["id"]]
        assert re.match(r"(<section class=\"[a-z-]+\">\s*)?<h2>", html)
        assert plain(html).strip().startswith(section["heading"])
        if section["kind"] in {"introduction", "body", "conclusion"}:
            answer = re.match(r"<h2>.*?</h2>\s*<p>(.*?)</p>", html)
            assert answer
            assert 40 <= count_words(answer[1]) <= 60


def test_claims_are_made_in_sentences_that_end_with_their_markers(article: Article) -> None:
    markers = re.findall(r"([^.!?>]*) \[\[claim:(\d+)\]\]\.", article.body)

    assert Counter(int(n) for _, n in markers) == dict.fromkeys(article.claims, 1)
    for text, number in markers:
        assert article.claims[int(number)].lower() in text.lower()


def test_the_text_has_no_stock_phrase(article: Article) -> None:
    low = plain(article.body).lower()

    assert [phrase for phrase in BANNED if phrase in low] == []


def test_no_run_of_eight_words_is_repeated_over_the_sections(article: Article) -> None:
    assert repeated(article.body) <= 0.01


def test_the_keyword_is_used_but_not_stuffed(article: Article) -> None:
    uses = plain(article.body).lower().count(article.keyword.lower())
    first = plain(article.html["s1"]).splitlines()

    assert 5 <= uses <= 12
    assert article.keyword.lower() in first[1].lower() + first[2].lower()


def test_semantic_keywords_gaps_and_the_year_are_worked_in(article: Article) -> None:
    low = plain(article.body).lower()
    found = [phrase for phrase in article.keywords if phrase.lower() in low]

    assert len(found) >= 0.7 * len(article.keywords)
    assert all(gap["topic"] in low for gap in GAPS)
    assert low.count(str(YEAR)) >= 2


def test_sentences_are_short_varied_and_joined(article: Article) -> None:
    said = sentences(article.body)
    lengths = [len(sentence.split()) for sentence in said]
    starts = [sentence.split()[0] for sentence in said]

    assert 12 <= mean(lengths) <= 20
    assert sum(length > 20 for length in lengths) <= 0.25 * len(lengths)
    assert min(lengths) < 8 < 18 < max(lengths)
    assert sum(bool(TRANSITION.search(sentence)) for sentence in said) >= 0.3 * len(said)
    assert len(set(starts)) > len(starts) / 4


def test_paragraphs_lists_and_the_table_have_their_shapes(article: Article) -> None:
    for paragraph in re.findall(r"<p>(.*?)</p>", article.body, re.DOTALL):
        assert 2 <= len(sentences(f"<p>{paragraph}</p>")) <= 5, paragraph
    assert article.body.count("<li>") >= 10
    assert article.body.count("<table") == 1
    assert re.search(r"<table[^>]*><caption>.+?</caption><thead>", article.body)


def test_no_stretch_of_a_section_is_long_without_a_subheading(article: Article) -> None:
    for html in by_kind(article, "body"):
        stretches = re.split(r"<h[23]>.*?</h[23]>", re.sub(r"<table.*?</table>", "", html))
        assert max(map(count_words, stretches)) <= 300


def test_the_faq_answers_each_question_in_40_to_60_words(article: Article) -> None:
    (faq,) = by_kind(article, "faq")
    pairs = re.findall(r"<h3>(.*?)</h3>\s*<p>(.*?)</p>", faq, re.DOTALL)

    assert [plain(question) for question, _ in pairs] == article.head["questions"]
    assert all(40 <= count_words(answer) <= 60 for _, answer in pairs)


def test_the_takeaways_are_the_ones_planned(article: Article) -> None:
    (box,) = by_kind(article, "takeaways")
    items = re.findall(r"<li>(.*?)</li>", box)

    assert box.startswith('<section class="key-takeaways">')
    assert [plain(i).startswith(t) for i, t in zip(items, article.head["takeaways"], strict=True)]
    assert all(
        plain(item).startswith(text)
        for item, text in zip(items, article.head["takeaways"], strict=True)
    )


def test_no_slot_or_wording_choice_is_left_open(article: Article) -> None:
    text = plain(article.body)

    assert not re.search(r"[{}|]|\[[^\[]*\]", text)
    assert not re.search(r"\b(\w+) \1\b", text), "a doubled word"


def test_the_same_prompt_gives_the_same_text_and_another_keyword_another() -> None:
    first, again = compose("AI in SEO"), compose("AI in SEO")
    other = compose("home insulation")

    assert first.body == again.body
    shared = set(sentences(first.body)) & set(sentences(other.body))
    assert len(shared) < 0.25 * len(sentences(first.body))


# -- refresh ---------------------------------------------------------------------------

ORIGINAL = """<h2>Old heading</h2>
<p>In 2019 the city charged 4.20 dollars for each bag. [[island:1]] We paid 218 dollars a year.</p>
[[island:2]]
<ul><li>Leaves cost nothing.</li><li>Straw costs 9 dollars. [[island:3]]</li></ul>"""


def test_a_refreshed_section_keeps_islands_in_order_and_facts(article: Article) -> None:
    html = write_one(article, 3, original=ORIGINAL)

    assert re.findall(r"\[\[island:(\d+)\]\]", html) == ["1", "2", "3"]
    assert "In 2019 the city charged 4.20 dollars for each bag." in html
    assert "We paid 218 dollars a year." in html
    assert "Old heading" not in html
    assert html.startswith(f"<h2>{article.sections[3]['heading']}</h2>")
    assert count_words(html) == pytest.approx(article.sections[3]["words"], rel=0.15)


def test_a_faq_and_takeaways_that_are_refreshed_lose_no_island(article: Article) -> None:
    for index in (1, 7):
        html = write_one(article, index, original=ORIGINAL)
        assert re.findall(r"\[\[island:(\d+)\]\]", html) == ["1", "2", "3"]
        assert html.rstrip().endswith("</section>")


def test_recent_news_is_mentioned_in_the_introduction(article: Article) -> None:
    html = write_one(article, 0, context={"news": ["The city opens a new collection point"]})

    assert "The city opens a new collection point" in html


# -- analysis --------------------------------------------------------------------------


def test_keywords_are_of_the_kinds_asked_for_and_not_known_before() -> None:
    request = {"keyword": "AI in SEO", "locale": "en-US", "kinds": ["problem", "entity"]}
    known = ["stale facts"]
    answer = ask("semantic_keywords", request={**request, "count": 12, "known": known})

    assert len(answer["phrases"]) == 12
    assert {phrase["kind"] for phrase in answer["phrases"]} == {"problem", "entity"}
    assert "stale facts" not in [phrase["text"] for phrase in answer["phrases"]]


def test_keywords_belong_to_the_keywords_field() -> None:
    def entities(keyword: str) -> set[str]:
        request = {"keyword": keyword, "kinds": ["entity"], "count": 12, "known": []}
        return {p["text"] for p in ask("semantic_keywords", request=request)["phrases"]}

    assert "search intent" in entities("AI in SEO")
    assert "room temperature" in entities("sourdough bread")
    assert "search intent" not in entities("sourdough bread")


MATRIX = [
    {"subtopic": "How to Measure Results", "coveredBy": ["c2"], "total": 5},
    {"subtopic": "Common Mistakes", "coveredBy": ["c1", "c2", "c3", "c4"], "total": 5},
    {"subtopic": "Costs and Budget", "coveredBy": ["c3", "c4"], "total": 5},
]


def gaps_of(rival: str) -> list[dict[str, object]]:
    answer = ask(
        "competitor_gaps",
        request={"keyword": "AI in SEO", "year": YEAR},
        matrix=MATRIX,
        competitor={"id": rival, "title": "Guide", "url": "u", "headings": ["Common Mistakes"]},
        stale=[{"competitor": "c1", "text": "In 2019, 40 percent of teams had a budget."}],
    )
    return list(answer["gaps"])


def test_gaps_are_what_this_page_and_most_others_leave_out() -> None:
    found = {str(gap["topic"]): gap for gap in gaps_of("c1")}

    assert found["measuring results"]["type"] == "missing-topic"
    assert found["measuring results"]["priority"] == "high"
    assert found["measuring results"]["evidence"] == {
        "competitors": ["c1"],
        "heading": "How to Measure Results",
    }
    assert found["costs and budget"]["type"] == "shallow-coverage"
    assert "common mistakes" not in found
    assert [gap["type"] for gap in found.values()].count("outdated-data") == 1
    assert "measuring results" not in {str(gap["topic"]) for gap in gaps_of("c2")}


def test_stale_facts_count_against_the_page_they_stand_on() -> None:
    assert "outdated-data" not in {gap["type"] for gap in gaps_of("c3")}


def test_references_are_chosen_by_what_they_say_two_of_a_host() -> None:
    def candidate(number: int, host: str, title: str) -> dict[str, object]:
        url = f"https://{host}/{number}"
        return {"id": f"r{number}", "title": title, "url": url, "snippet": title, "year": 2025}

    claims = [{"n": 4, "text": "Staff time makes up the largest part of project costs"}]
    candidates = [candidate(n, "same.org", "Gardens of the world") for n in range(5)]
    candidates.append(candidate(9, "stat.org", "Staff time is the largest part of project costs"))
    answer = ask(
        "choose_references",
        request={"keyword": "AI in SEO", "year": YEAR},
        claims=claims,
        candidates=candidates,
    )

    first, *rest = answer["choices"]
    assert (first["candidateId"], first["claims"], first["relevance"]) == ("r9", [4], "high")
    assert len(rest) == 2
    assert all(choice["claims"] == [] for choice in rest)


def test_an_unknown_task_is_answered_in_plain_words() -> None:
    assert len(ask("sing_a_song").split()) > 10
