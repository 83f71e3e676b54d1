from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from orchestrator.services import OrganicResult, Page
from steps.models import Claim
from steps.sources import search
from steps.sources.check import Wanted, judge, titles_agree
from steps.sources.search import Candidate, Context, candidates, queries, year_of

CLAIM = Claim(n=1, text="Dirty coils raise power use by a tenth", section_id="s1")
OTHER = Claim(n=2, text="Refrigerant leaks shorten the compressor's life", section_id="s2")
TEXT = "Dirty coils raise the power use of homes by a tenth in our measurements. " * 5

CANDIDATE = Candidate(
    id="r1",
    title="Field study of heat pump efficiency",
    url="https://lab.example/studies/heat-pumps",
    source="Lab",
    snippet="Dirty coils raise power use by a tenth.",
    year=2024,
    rank=40,
)
WANTED = Wanted("heat pump care", "en-US", (CLAIM, OTHER), frozenset({"mine.example"}), (1, 2))


def page(**changes: Any) -> Page:
    known: dict[str, Any] = {
        "url": CANDIDATE.url,
        "final_url": CANDIDATE.url,
        "outcome": "ok",
        "status": 200,
        "content_type": "text/html; charset=utf-8",
        "title": "Field study of heat pump efficiency | Lab",
        "text": TEXT,
        "language": "en",
    }
    return Page(**{**known, **changes})


def test_a_page_that_keeps_its_promise_is_valid_for_the_claims_it_names() -> None:
    verdict = judge(page(published="2025-03-01"), CANDIDATE, WANTED)

    assert (verdict.status, verdict.claims, verdict.year) == ("valid", (1,), 2025)
    assert verdict.problem == ""


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"outcome": "dead", "status": 404}, "dead: status 404"),
        ({"outcome": "dead", "status": None, "problem": "timed out"}, "dead: timed out"),
        ({"final_url": "https://lab.example/"}, "front page"),
        ({"final_url": "https://www.mine.example/x"}, "may not be cited"),
        ({"final_url": "javascript:alert(1)"}, "may not be cited"),
        ({"content_type": "image/png"}, "neither HTML nor PDF"),
        ({"text": "Thin."}, "no content"),
        ({"title": "Page not found"}, "soft 404"),
        ({"text": "Sorry, this page does not exist. " * 10}, "soft 404"),
        ({"title": "Cheap flights to Malta"}, "another page"),
        ({"language": "de-DE"}, "another language"),
        ({"text": "Bananas grow in warm countries and ripen slowly. " * 10}, "off topic"),
    ],
)
def test_a_page_that_breaks_its_promise_is_refused(changes: dict[str, Any], problem: str) -> None:
    verdict = judge(page(**changes), CANDIDATE, WANTED)

    assert verdict.status == "refused"
    assert problem in verdict.problem


@pytest.mark.parametrize(
    "text",
    [
        "The sample covers 404 organisations; such an effect was not found before. ",
        "Nothing was found in 2023. ",
    ],
)
def test_a_report_about_what_was_not_found_is_no_soft_404(text: str) -> None:
    assert judge(page(text=text + TEXT), CANDIDATE, WANTED).status == "valid"


def test_a_page_that_the_server_hides_is_unverified() -> None:
    verdict = judge(page(outcome="unverified", status=403, text="", title=""), CANDIDATE, WANTED)

    assert (verdict.status, verdict.status_code, verdict.claims) == ("unverified", 403, (1,))


def test_a_pdf_without_text_is_judged_by_what_the_search_told() -> None:
    pdf = page(content_type="application/pdf", text="", title="", language=None)

    assert judge(pdf, CANDIDATE, WANTED).status == "valid"
    assert judge(pdf, replace(CANDIDATE, snippet="x", title="y"), WANTED).status == "refused"


def test_an_unmatched_source_supports_what_it_names_most() -> None:
    assert judge(page(), CANDIDATE, replace(WANTED, asked=None)).claims == (1,)


def test_a_claim_the_model_matched_but_the_page_does_not_name_is_dropped() -> None:
    assert judge(page(), CANDIDATE, replace(WANTED, asked=(2,))).claims == ()


def test_titles_agree_over_site_names_cuts_and_headings() -> None:
    assert titles_agree("Field study of heat pump…", "Field study of heat pump efficiency - Lab")
    assert titles_agree("Annual report 2024", "Lab", ["Annual report 2024"])
    assert not titles_agree("Annual report on heat pumps", "Cookie settings")


# -- search ----------------------------------------------------------------------------

CONTEXT = Context(2026, frozenset({"mine.example"}), frozenset({"rival.example"}))


def result(link: str, **changes: Any) -> OrganicResult:
    return OrganicResult(**{"title": "A title | Site", "snippet": "s", **changes}, link=link)


def test_queries_are_the_general_one_and_at_most_four_for_the_claims() -> None:
    claims = [Claim(n=n, text=f"fact{n} about pumps", section_id="s1") for n in range(1, 11)]
    found = queries("heat pump", claims, 2026)

    assert (found[0].text, found[0].num) == ("heat pump 2026 research data official", 20)
    assert len(found) == 5
    assert all(len(query.text.split()) <= search.QUERY_WORDS for query in found[1:])
    assert all(any(f"fact{n}" in query.text for query in found) for n in range(1, 11))
    assert len(queries("heat pump", [], 2026)) == 1


def test_the_clients_own_site_and_what_may_not_be_cited_are_left_out() -> None:
    found = candidates(
        [
            result("https://www.mine.example/x"),
            result("https://reddit.com/r/x"),
            result("javascript:alert(1)"),
            result("https://ok.example/x"),
        ],
        CONTEXT,
    )

    assert [one.url for one in found] == ["https://ok.example/x"]


def test_candidates_are_ranked_by_authority_with_competitors_last() -> None:
    links = ["https://rival.example/a", "https://blog.example/b", "https://nist.gov/c"]
    found = candidates(map(result, links), CONTEXT)

    assert [(one.id, one.url) for one in found] == [
        ("r1", "https://nist.gov/c"),
        ("r2", "https://blog.example/b"),
        ("r3", "https://rival.example/a"),
    ]


def test_two_of_one_domain_and_each_address_once() -> None:
    links = [f"https://{host}.nist.gov/{n}" for n in range(3) for host in "ab"]
    found = candidates(map(result, [*links, links[0] + "/", links[0] + "#x"]), CONTEXT)

    assert [one.url for one in found] == links[:2]


def test_every_host_with_an_ip_is_a_domain() -> None:
    links = [f"http://127.0.0.{n}:8700/web/{n}" for n in range(2, 9)]

    assert len(candidates(map(result, links), CONTEXT)) == 7


def test_a_title_is_parted_from_its_site() -> None:
    found = candidates(
        [result("https://a.example/x", title="Heat pump study … | The Lab")], CONTEXT
    )

    assert (found[0].title, found[0].source) == ("Heat pump study", "The Lab")


@pytest.mark.parametrize(
    ("changes", "year"),
    [
        ({"date": "Mar 3, 2024"}, 2024),
        ({"date": "2 days ago"}, 2026),
        ({"date": None, "title": "Report 2023 and 2025"}, 2025),
        ({"date": None, "title": "Vision 2050"}, None),
        ({"date": None, "title": "Part 120246"}, None),
    ],
)
def test_the_year_of_a_result(changes: dict[str, Any], year: int | None) -> None:
    assert year_of(result("https://a.example/x", **changes), 2026) == year
