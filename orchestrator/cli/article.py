"""A finished job's files: the article as a page that can be read, and the result as JSON."""

from __future__ import annotations

import html
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from orchestrator.cli.problems import CliError
from orchestrator.cli.text import dollars, job_id, seconds
from orchestrator.jobs import JobStatus
from orchestrator.models import JobView

ARTICLE, RESULT = "article.html", "result.json"

_STYLE = """
body { max-width: 44rem; margin: 2rem auto; padding: 0 1rem; color: #222; background: #fff;
       font: 1.06rem/1.6 system-ui, sans-serif; }
h1, h2, h3 { line-height: 1.25; margin-top: 1.8em; }
table { border-collapse: collapse; width: 100%; font-size: .95em; }
th, td { border: 1px solid #ccc; padding: .4em .6em; text-align: left; vertical-align: top; }
img, video, iframe { max-width: 100%; }
.key-takeaways, .note, .highlight { background: #f2f6fa; border-left: .3rem solid #47a;
       padding: .2rem 1rem; margin: 1.2rem 0; }
.sandbox { background: #fff4d6; padding: .6rem 1rem; font-size: .9rem; }
"""


def document(result: Mapping[str, Any]) -> str:
    """A whole HTML document around the article; the article itself is left as it is."""
    about: Mapping[str, Any] = result.get("metadata") or {}
    title = html.escape(str(about.get("title") or "Article"))
    description = html.escape(str(about.get("metaDescription") or ""))
    # "<" is escaped, so no text inside can end the script element
    linked = json.dumps(about.get("jsonLd") or {}, ensure_ascii=False).replace("<", "\\u003c")
    language = str((about.get("jsonLd") or {}).get("inLanguage") or "en")
    banner = (
        '<p class="sandbox">Written by the sandbox, which stands in for the language model '
        "and the web: its facts and sources are made up.</p>\n"
        if about.get("sandbox")
        else ""
    )
    return (
        f'<!doctype html>\n<html lang="{html.escape(language)}">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{title}</title>\n"
        f'<meta name="description" content="{description}">\n'
        f"<style>{_STYLE}</style>\n"
        f'<script type="application/ld+json">{linked}</script>\n'
        f"</head>\n<body>\n{banner}<article>\n{result.get('content', '')}\n</article>\n"
        "</body>\n</html>\n"
    )


def completed_result(view: JobView) -> dict[str, Any]:
    """The job's result. :raises CliError: it has none, and why."""
    if view.status == JobStatus.COMPLETED and view.result is not None:
        return view.result
    if view.status.has_ended:
        remedy = f"`sota retry {view.id}` runs what is missing"
        raise CliError(f"job {view.id} {view.status}: {view.error or 'no reason given'}", remedy)
    raise CliError(f"job {view.id} is {view.status}", f"wait for it with `sota watch {view.id}`")


def write(view: JobView, out: Path) -> list[Path]:
    """Write a completed job's files; which ones follows from *out*.

    :param out: ``….html``: the article; ``….json``: the result; else a directory, which
        gets both in one of the job's name.
    :raises CliError: there is no result, or *out* cannot be written.
    """
    result = completed_result(view)
    page, data = document(result), json.dumps(result, indent=2, ensure_ascii=False) + "\n"
    suffix = "" if out.is_dir() else out.suffix.lower()
    if suffix in {".html", ".htm"}:
        files = {out: page}
    elif suffix == ".json":
        files = {out: data}
    else:
        folder = out / job_id(view.id)
        files = {folder / ARTICLE: page, folder / RESULT: data}
    try:
        for path, text in files.items():
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise CliError(
            f"cannot write {error.filename}: {error.strerror}", "use another -o"
        ) from None
    return list(files)


def summary(view: JobView) -> list[tuple[str, str]]:
    """What a completed job came to, as labels and values."""
    result = completed_result(view)
    about: Mapping[str, Any] = result.get("metadata") or {}
    report: Mapping[str, Any] = result.get("qualityReport") or {}
    checks: list[Mapping[str, Any]] = report.get("checks") or []
    passed = sum(1 for check in checks if check.get("passed"))
    verdict = "passed" if report.get("passed") else "not passed"
    return [
        ("title", str(about.get("title", ""))),
        ("score", f"{report.get('score', 0):g} of 100, {verdict} ({passed}/{len(checks)} checks)"),
        ("words", str(about.get("wordCount", ""))),
        ("references", str(len(result.get("references") or []))),
        ("internal links", str(len(about.get("internalLinks") or []))),
        ("cost", _cost(about, view)),
        ("time", _time(about.get("timings") or {})),
        ("degraded", ", ".join(about.get("degraded") or []) or "nothing"),
        *_publication(view),
    ]


def _publication(view: JobView) -> list[tuple[str, str]]:
    """Where the article was published, or how far that is; nothing if it is not to be."""
    shown = view.publication
    if shown is None:
        return []
    told = shown.url or (f"{shown.state}: {shown.error}" if shown.error else shown.state)
    return [("publication", told)]


def _cost(about: Mapping[str, Any], view: JobView) -> str:
    note = " (what the calls would cost; the sandbox is free)" if about.get("sandbox") else ""
    return dollars(float(about.get("cost", view.cost))) + note


def _time(timings: Mapping[str, Any]) -> str:
    elapsed = float(timings.get("elapsedSeconds", 0))
    sequential = float(timings.get("sequentialSeconds", 0))
    text = f"{seconds(elapsed)} elapsed, {seconds(sequential)} if every call had waited its turn"
    return f"{text} ({sequential / elapsed:.1f}x)" if elapsed else text
