"""Refresh mode looks at the client's own page: what it covers, and whose it is."""

from __future__ import annotations

from typing import Any

import pytest

from orchestrator.models import SubmitRequest
from orchestrator.services import Post
from steps.gaps.own_page import LEAST_WORDS, left_open
from steps.html import refresh
from steps.html.own_site import own_site
from steps.models import Gap, GapItem, GapsOutput
from tests.unit.steps_helpers import FakeContext

KEYWORD = "solar panels"
FILLER = "The roof of the house was looked at by two people on a dry day in May. " * 5

PAGE = f"""<h1>Solar panels</h1><p>An introduction.</p>
<h2>Shading losses</h2><p>Trees and chimneys cast shade, and every loss adds up. {FILLER}</p>
<h2>What to ask</h2><p>Ask for the warranty terms.</p>
<h2>Figures</h2><p>In 2019 a module cost 310 euros. {FILLER}</p>"""


def gap(topic: str, kind: Any = "missing-topic", number: int = 1) -> Gap:
    return Gap(id=f"g{number}", type=kind, topic=topic, opportunity="Say it.", priority="high")


def analysis(*topics: str | Gap, missing: tuple[str, ...] = ()) -> GapsOutput:
    gaps = [gap(one, number=n) if isinstance(one, str) else one for n, one in enumerate(topics, 1)]
    return GapsOutput(gaps=gaps, competitor_keywords=["x"], missing_keywords=list(missing))


def opened(output: GapsOutput, page: str = PAGE) -> GapsOutput:
    return left_open(output, refresh.split(page), KEYWORD, "en-US", 2026)


SIX = ("grid permits", "inverter noise", "snow load", "battery size", "resale value")


def test_what_the_old_page_treats_is_no_gap_and_the_others_are_numbered_anew() -> None:
    output = opened(analysis("Losses by shading of solar panels", *SIX))

    topics = {one.id: one.topic for one in output.gaps}
    assert topics == {f"g{n}": topic for n, topic in enumerate(SIX, 1)}
    assert output.competitor_keywords == ["x"]


def test_what_it_only_names_or_dates_is_still_a_gap() -> None:
    old = gap("module cost 2019", "outdated-data")
    output = opened(analysis("warranty terms", old, *SIX))

    assert {"warranty terms", "module cost 2019"} <= {one.topic for one in output.gaps}
    assert len(FILLER.split()) > LEAST_WORDS


def test_words_scattered_over_the_page_treat_nothing() -> None:
    output = opened(analysis("shading of a cost module", *SIX))

    assert output.gaps[0].topic == "shading of a cost module"


def test_few_gaps_are_filled_up_with_what_the_old_page_lacks_too() -> None:
    output = opened(analysis("shading losses", "losses by shade", "grid permits"))
    topics = [one.topic for one in output.gaps]

    assert topics[0] == "grid permits"
    assert "what solar panels costs in money and time" in topics
    assert [one.id for one in output.gaps] == [f"g{n}" for n in range(1, len(topics) + 1)]
    assert len(topics) <= 5


def test_keywords_that_the_old_page_has_are_not_missing() -> None:
    output = opened(analysis(*SIX, missing=("shading loss", "snow guard", "warranty terms")))

    assert output.missing_keywords == ["snow guard"]


def test_a_page_that_says_nothing_changes_nothing() -> None:
    before = analysis(*SIX, missing=("snow guard",))

    assert opened(before, "<p>Nothing.</p>") == before


def test_gaps_found_without_a_page_are_items_too() -> None:
    assert all(isinstance(one, GapItem) for one in opened(analysis("shading losses")).gaps)


# -- whose page it is --------------------------------------------------------------------

LINK = '<a href="https://example.com/a">a</a> <a href="https://www.example.com/b">b</a>'
OTHERS = '<a href="https://example.org/1">1</a>'
PICTURE = '<img src="https://cdn.example.com/x.png">'


@pytest.mark.parametrize(
    ("html", "site"),
    [
        ('<link rel="canonical" href="https://me.example/p"><p>x</p>', "https://me.example/p"),
        ("<meta property='og:url' content='https://me.example/p'>", "https://me.example/p"),
        (
            '<img src="https://me.example/wp-content/uploads/2024/a.png">',
            "https://me.example/wp-content/uploads/2024/a.png",
        ),
        (LINK + OTHERS + PICTURE, "https://example.com/a"),
        (LINK + OTHERS, ""),  # links alone
        (LINK + OTHERS * 2 + PICTURE, ""),  # as many to another
        (OTHERS + PICTURE, ""),
        (LINK.replace("www.example.com", "www.example.net") + PICTURE, ""),  # one link each
        ('<link rel="canonical" href="/p">', ""),
        ('<link rel="canonical" href="javascript:go()">', ""),
        (
            '<img src="https://a.example/wp-content/uploads/1.png">'
            '<img src="https://b.example/wp-content/uploads/2.png">',
            "",
        ),
        ('<!-- <link rel="canonical" href="https://no.example/"> -->', ""),
        ("", ""),
    ],
)
def test_an_old_page_tells_whose_it_is_or_nothing(html: str, site: str) -> None:
    assert own_site(html) == site


def context(**request: Any) -> FakeContext:
    given = SubmitRequest.model_validate({"keyword": KEYWORD, "mode": "refresh", **request})
    return FakeContext(request=given)


async def test_the_page_itself_is_asked_only_when_no_pages_are_given() -> None:
    html = f"<p>{KEYWORD}</p>{LINK}{PICTURE}"
    pages = [{"title": "P", "url": "https://own.example/p"}]

    assert await refresh.own_urls(context(existingContent=html)) == ["https://example.com/a"]
    assert await refresh.own_urls(context(existingContent=html, existingPages=pages)) == [
        "https://own.example/p"
    ]
    assert await refresh.own_urls(context(existingContent="<p>words</p>")) == []
    assert await refresh.own_urls(context(existingContent=html, mode="generate")) == []


async def test_a_post_s_own_address_is_known_from_wordpress() -> None:
    ctx = context(postId=7)
    ctx.services.scripts["get_post"] = Post(
        id=7, title="t", slug="s", content=LINK + PICTURE, link="https://blog.example/p"
    )
    assert await refresh.own_urls(ctx) == ["https://blog.example/p"]
