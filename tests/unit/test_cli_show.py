"""What the command line shows: tables, plain lines, the article's page."""

from __future__ import annotations

import io
from typing import Any

import pytest
from lxml import html as lxml_html
from rich.console import Console

from orchestrator.cli import article, show
from orchestrator.cli.text import clean, dollars, seconds
from orchestrator.models import JobView
from tests.client_helpers import RESULT, job_view


def view(*arguments: Any, **fields: Any) -> JobView:
    return JobView.model_validate(job_view(*arguments, **fields))


def rendered(renderable: Any) -> str:
    console = Console(file=io.StringIO(), width=120)
    console.print(renderable)
    return console.file.getvalue()  # type: ignore[attr-defined,no-any-return]


def test_plain_lines_say_only_what_changed() -> None:
    first, second = view("queued"), view(done=1)

    assert show.changes(None, first) == ["job queued"]
    assert show.changes(first, second) == [
        "Semantic Keywords: completed",
        "Gap Analysis: running - part 2 of 5",
        "job processing",
    ]
    assert show.changes(second, second) == []


def test_a_step_in_trouble_says_so() -> None:
    data = job_view(done=1)
    data["steps"][1] |= {
        "state": "waiting",
        "attempts": 3,
        "detail": None,
        "error": "serper: 500",
        "degraded": ["cached SERP"],
    }

    (line,) = show.changes(view(done=1), JobView.model_validate(data))

    assert line == "Gap Analysis: waiting - attempt 3 - degraded: cached SERP - serper: 500"


def test_the_panel_times_what_runs() -> None:
    data = job_view(done=1)
    data["steps"][1]["startedAt"] = 1_700_000_002_000

    text = rendered(show.job_panel(JobView.model_validate(data), now_ms=1_700_000_006_000))

    assert "4.0 s" in text
    assert "5.0 s" in text  # the job itself began a second earlier
    assert "part 2 of 5" in text


def test_text_of_the_service_is_no_markup_and_moves_no_cursor() -> None:
    text = rendered(show.job_panel(view(keyword="[red]x[/red]\x1b[2J", error="\x07[bold]"), 0))

    assert "[red]x[/red]" in text
    assert "\x1b[2J" not in text
    assert "\x07" not in text
    assert clean("a\x00\u202eb\n") == "a b "


def test_the_live_display_draws_the_latest_view() -> None:
    console = Console(file=io.StringIO(), width=120, force_terminal=True)

    with show.LiveWatcher(console, lambda: 1_700_000_009.0) as watcher:
        watcher(view("queued"))
        watcher(view("completed", done=8))

    drawn = console.file.getvalue()  # type: ignore[attr-defined]
    assert drawn.rfind("completed") > drawn.rfind("queued") >= 0


@pytest.mark.parametrize(
    ("value", "text"),
    [(0, "0.0 s"), (9.94, "9.9 s"), (9.96, "10 s"), (119.4, "119 s"), (119.6, "2 m 00 s")],
)
def test_spans_read_well(value: float, text: str) -> None:
    assert seconds(value) == text


def test_dollars_show_what_a_single_call_costs() -> None:
    assert dollars(0.00123) == "$0.0012"


def test_the_article_is_a_whole_page_with_the_content_untouched() -> None:
    page = article.document(RESULT)

    tree = lxml_html.document_fromstring(page)
    assert tree.findtext(".//title") == "Drip & drop"
    assert tree.xpath("//meta[@name='description']/@content") == ['All about "drip"']
    assert RESULT["content"] in page
    assert tree.xpath("//article/h1/text()") == ["Drip & drop"]
    assert page.startswith("<!doctype html>")


def test_no_text_can_leave_the_script_element() -> None:
    page = article.document(RESULT)

    assert page.count("</script>") == 1
    assert "\\u003c/script>\\u003cb>" in page


def test_only_the_sandboxs_article_carries_its_banner() -> None:
    real = RESULT | {"metadata": RESULT["metadata"] | {"sandbox": False}}

    assert 'class="sandbox"' in article.document(RESULT)
    assert 'class="sandbox"' not in article.document(real)


def test_the_summary_has_what_people_ask_for() -> None:
    told = dict(article.summary(view("completed", done=8)))

    assert told["score"] == "91.5 of 100, passed (0/0 checks)"
    assert told["words"] == "2801"
    assert told["references"] == told["internal links"] == "1"
    assert told["time"] == "21 s elapsed, 100 s if every call had waited its turn (4.7x)"
    assert told["degraded"] == "References"
    assert "sandbox is free" in told["cost"]
