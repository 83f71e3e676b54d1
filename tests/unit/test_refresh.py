"""Refresh mode through the real pipeline and engine, against the sandbox's sample post."""

from __future__ import annotations

import asyncio
import itertools
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings

from orchestrator.jobs import JobStatus
from orchestrator.models import JobView
from orchestrator.sandbox.sample_post import SAMPLE_CONTENT
from orchestrator.services import ModelRequest
from steps.html import dom, fragment, markers, refresh
from steps.html.islands import Island, extract, restore
from steps.html.sanitise import sanitise
from tests.unit.content_helpers import BODY, PLAN
from tests.unit.pipeline_helpers import Change, run_job
from tests.unit.steps_helpers import task_of
from tests.unit.test_islands import SOURCES


def _result(view: JobView) -> dict[str, Any]:
    assert view.status is JobStatus.COMPLETED, view.error
    assert view.result is not None
    return view.result


def _islands(source: str) -> list[Island]:
    return extract(source)[1]


def _kept(source: str, content: str) -> None:
    """Every island of *source* is in *content*, as often, and nothing of ours is left."""
    for island in _islands(source):
        assert content.count(island.source) == max(1, source.count(island.source)), island.source
    assert not re.search(r"\[\[?(island|claim)", content, re.I)


def _headings(content: str, pieces: list[str]) -> list[str]:
    """For each piece the h2 it stands under, or what stands before the first."""
    found = []
    for piece in pieces:
        before = content[: content.index(piece)]
        heads = re.findall(r"<h2[^>]*>(.*?)</h2>", before, re.S)
        found.append(re.sub(r"<[^>]+>", "", heads[-1]) if heads else "")
    return found


@pytest.fixture(scope="module")
def refreshed(tmp_path_factory: pytest.TempPathFactory) -> tuple[JobView, list[ModelRequest]]:
    """The sample post refreshed by its id, and what the model was asked."""
    prompts: list[ModelRequest] = []
    folder = tmp_path_factory.mktemp("refresh")
    job = run_job(folder, prompts=prompts, mode="refresh", postId=101, useGodMode=True)
    view = asyncio.run(job)
    return view, prompts


def _sample_pieces() -> list[str]:
    """The sample's islands, but for the links whose address depends on the sandbox's port."""
    return [one.source for one in _islands(SAMPLE_CONTENT) if "{{" not in one.source]


async def test_the_sample_post_keeps_every_island_once_in_order_and_under_its_heading(
    refreshed: tuple[JobView, list[ModelRequest]],
) -> None:
    content = _result(refreshed[0])["content"]
    pieces = _sample_pieces()

    assert len(pieces) >= 19
    assert [content.count(piece) for piece in pieces] == [1] * len(pieces)
    offsets = [content.index(piece) for piece in pieces]
    assert offsets == sorted(offsets)
    visible = [piece for piece in pieces if not piece.startswith("<span")]
    was, now = _headings(SAMPLE_CONTENT, visible), _headings(content, visible)
    assert [new for old, new in zip(was, now, strict=True) if old and old not in new] == []
    assert "[[" not in content


async def test_the_sample_s_media_are_counted_and_its_changes_told(
    refreshed: tuple[JobView, list[ModelRequest]],
) -> None:
    result = _result(refreshed[0])
    told = result["changes"]

    assert result["preservedMedia"] == 9  # six images, two embeds, a gallery
    expected = "6 images, 8 anchors, 3 links, 1 table, 2 embeds, 1 gallery"
    assert f"kept from the old page: {expected}" in told
    assert told[0] == f"length: 1514 words before, {_length(result['content'])} words now"
    assert "section added: Key Takeaways" in told
    assert any(line.startswith("section rewritten: Choosing a Bin (135 words") for line in told)
    assert not any(line.startswith("section removed") for line in told)
    assert "facts of the old text kept: 25 of 25" in told


def _length(content: str) -> int:
    return len(re.findall(r"[^\W_]+(?:[-'’][^\W_]+|[.,]\d+)*", dom.text(dom.parse(content))))


async def test_a_link_that_works_stays_as_it_was_and_a_dead_one_leaves_its_words(
    refreshed: tuple[JobView, list[ModelRequest]],
) -> None:
    result = _result(refreshed[0])
    content = result["content"]

    assert re.search(
        r'<a href="http://[^"]+/report-household-food-waste-2018" target="_blank" '
        r'rel="noreferrer noopener">statistics office counted household food waste</a>',
        content,
    )
    assert "dead-waste-fees-2019" not in content
    assert "the fees of our own city were on the web as well" in content
    dead = [line for line in result["changes"] if line.startswith("link removed")]
    assert len(dead) == 1
    assert dead[0].endswith("dead-waste-fees-2019 (status 404)")


async def test_god_mode_is_off_in_a_refresh(
    refreshed: tuple[JobView, list[ModelRequest]],
) -> None:
    written = [one for one in refreshed[1] if task_of(one) == "write_section"]

    assert written
    assert not any("go further" in one.system for one in written)


async def test_eight_steps_are_told_in_a_refresh(
    refreshed: tuple[JobView, list[ModelRequest]],
) -> None:
    assert refreshed[0].total_steps == 8
    assert [step.state for step in refreshed[0].steps] == ["completed"] * 8


# -- a model that does not do as it is told ----------------------------------------------

IMAGE = '<img src="https://b.example/a.jpg" alt="A bin" srcset="a 1x, b 2x" width="640">'
TABLE = "<table><tr><th>Bin</th><th>Price</th></tr><tr><td>Pallet</td><td>0</td></tr></table>"
LINK = '<a href="http://127.0.0.1:1/x?a=1&amp;b=2" title="t">the old report</a>'
POST = f"""<p>In 2019 the town of Lund paid 4.20 dollars a bag, and {LINK} says why.</p>
<h2 id="bins">Choosing a bin</h2><p>A pallet bin holds 950 liters of waste.</p>
<figure>{IMAGE}<figcaption>Ours</figcaption></figure>
<p>Seventeen of 31 neighbors bought one.</p>{TABLE}
<h2>What goes in</h2><p>Peel and leaves.</p><p>[gallery ids="7,8"]</p>
<iframe src="https://v.example/1" allowfullscreen></iframe><p>And so on until May 2023.</p>
<p>{IMAGE}</p>"""


def _of_sections(change: Callable[[str], str]) -> Change:
    def apply(request: ModelRequest, text: str) -> str:
        return change(text) if task_of(request) in {"write_section", "repair_section"} else text

    return apply


def _rot(text: str) -> str:
    numbers = itertools.cycle(["[Island:{}]", "[[ISLAND: {}]]", "[island:{}]", "&#91;[island-{}]]"])
    return markers.ISLAND.sub(lambda match: next(numbers).format(match[1]), text)


TAMPERED: dict[str, Callable[[str], str]] = {
    "drops them": lambda text: markers.ISLAND.sub("", text),
    "drops the first": lambda text: markers.ISLAND.sub("", text, count=1),
    "doubles them": lambda text: markers.ISLAND.sub(r"\g<0> \g<0>", text),
    "writes them otherwise": _rot,
    "puts them in the heading": lambda text: text.replace(
        "</h2>", "".join(map(markers.island, markers.islands(text))) + "</h2>", 1
    ),
    "puts them in an attribute": lambda text: markers.ISLAND.sub(
        r'<span class="\g<0>" title="\g<0>">x</span>', text
    ),
    "makes some up": lambda text: text + "<p>More [[island:77]] and [[island:1]].</p>",
    "writes its own": lambda text: text + '<p><img src="https://evil.example/x"></p><script>1',
}


@pytest.mark.parametrize("how", TAMPERED)
async def test_a_model_that_handles_markers_badly_loses_nothing(tmp_path: Path, how: str) -> None:
    view = await run_job(
        tmp_path, _of_sections(TAMPERED[how]), mode="refresh", existingContent=POST
    )
    result = _result(view)

    _kept(POST, result["content"])
    assert result["preservedMedia"] == 4  # an image twice, a gallery, a frame
    assert "evil.example" not in result["content"]


async def test_a_model_that_leaves_facts_out_cannot_lose_them(tmp_path: Path) -> None:
    def forget(text: str) -> str:
        return re.sub(r"[^<>.]*\b(950|Lund|31)\b[^<>.]*(\.\d+[^<>.]*)?\.", "", text)

    view = await run_job(tmp_path, _of_sections(forget), mode="refresh", existingContent=POST)
    result = _result(view)
    text = dom.text(dom.parse(result["content"]))

    assert all(fact in text for fact in ("950", "Lund", "4.20", "Seventeen of 31"))
    assert "facts of the old text kept: 4 of 4" in result["changes"]
    assert any(line.startswith("put back from the old text: ") for line in result["changes"])


# -- pages that are not as one would wish ------------------------------------------------

WORDS = "The heap stays warm when green and brown come in turns and nobody forgets the water. "
PAGES = {
    "no heading": f"<p>{WORDS * 30}</p><p>{IMAGE}</p>" * 3,
    "fifty words": f"<p>{WORDS * 3}</p>{IMAGE}<p>Peel goes in.</p>",
    "plain text": WORDS * 20,
    "only headings of level three": f"<h3>One</h3><p>{WORDS}</p>{IMAGE}<h3>Two</h3><p>{WORDS}</p>",
    "unclosed tags": f"<div><p>{WORDS}<b>bold<h2>Two<p>{IMAGE}<ul><li>x<li>{WORDS}<table><tr><td>1",
    "nested shortcodes": f'<p>{WORDS}</p>[row][col w="1"]{IMAGE}[/col][/row]<p>{WORDS}</p>',
    "shortcode in an attribute": f'<p>{WORDS}</p><a href="[link id=3]" title="[x]">go</a>',
    "image in a link in a figure": (
        f'<p>{WORDS}</p><figure class="wp-block-image"><a href="https://b.example/full.jpg">{IMAGE}'
        "</a><figcaption>Big <em>one</em></figcaption></figure>"
    ),
    "blocks": (
        f"<!-- wp:paragraph --><p>{WORDS}</p><!-- /wp:paragraph -->\n"
        '<!-- wp:embed {"url":"https://x.example/1?a=1\\u0026b=2","type":"rich"} -->\n'
        '<figure class="wp-block-embed"><div class="wp-block-embed__wrapper">\nhttps://x.example/1'
        "\n</div></figure>\n<!-- /wp:embed -->\n"
        f'<!-- wp:latest-posts {{"postsToShow":3}} /--><p>{WORDS}</p>'
    ),
    "a tweet": (
        f'<p>{WORDS}</p><blockquote class="twitter-tweet"><p>Hi</p>&mdash; A (@a) <a href="https:'
        '//twitter.example/a/1">May 1</a></blockquote><script async src="https://w.js"></script>'
    ),
    "addresses on lines of their own": f"<p>{WORDS}</p>\nhttps://youtu.be/x?t=1\n\n{WORDS}<p>"
    "https://vimeo.example/2</p>",
    "the same image three times": f"<h2>A</h2>{IMAGE}<p>{WORDS}</p>{IMAGE}<h2>B</h2><p>{IMAGE}</p>",
    "markers of our kind": f"<p>{WORDS}[[island:1]] and [[claim:2]].</p>{IMAGE}",
}


@pytest.mark.parametrize("page", PAGES)
async def test_an_odd_page_is_refreshed_and_keeps_its_islands(tmp_path: Path, page: str) -> None:
    source = PAGES[page]
    result = _result(await run_job(tmp_path, mode="refresh", existingContent=source))
    content = result["content"]

    assert _islands(source) or page == "plain text"
    for island in _islands(source):
        assert content.count(island.source) == max(1, source.count(island.source)), island.source
    assert len(dom.elements(dom.parse(content), "h1")) == 1
    assert result["changes"][0].startswith("length: ")


async def test_a_page_of_300_kilobytes_is_refreshed_and_keeps_its_islands(tmp_path: Path) -> None:
    parts = [
        f"<h2>Part {n}</h2><p>{WORDS * 10}In {1990 + n} it was {n * 37} liters.</p>"
        f'<p><img src="https://b.example/{n}.jpg" alt="{n}"></p><p>{WORDS * 24}</p>'
        for n in range(101)
    ]
    source = "".join(parts)
    assert len(source) > 300_000
    job = run_job(tmp_path, budget=5.0, mode="refresh", existingContent=source)
    result = _result(await job)

    _kept(source, result["content"])
    assert result["preservedMedia"] == 101


@settings(deadline=None, derandomize=True)
@given(SOURCES)
def test_any_page_at_all_is_dealt_out_and_put_together_without_a_loss(source: str) -> None:
    page = refresh.take_apart(source, PLAN)
    body = "<h1>T</h1>"
    for one in PLAN:
        answer = f"<h2>x</h2><p>{BODY}</p>" + page.originals.get(one.id, "")
        body += fragment.clean(answer, one, [], page.sources_of(one.id))
    numbers = markers.islands(dom.text(dom.parse(sanitise(body))))
    out = restore(sanitise(body), page.sources)

    assert sorted(numbers) == sorted(page.sources)
    assert all(piece in out for piece in page.sources.values())
