"""Handing in jobs and looking at them: ``submit``, ``watch``, ``status``, ``list``, ``result``."""

from __future__ import annotations

import json
import time
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from orchestrator.cli import article
from orchestrator.cli.problems import CliError
from orchestrator.cli.service import LASTING, connected
from orchestrator.cli.show import job_panel, jobs_table, make_console, watcher
from orchestrator.cli.text import clean, job_id
from orchestrator.cli.timing import timing_table, timing_totals
from orchestrator.client import Job, SubmitFields
from orchestrator.jobs import JobStatus
from orchestrator.models import JobView, Wire

JobArgument = Annotated[str, typer.Argument(metavar="JOB", help="The job's id.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")]
ContentOption = Annotated[
    Path | None, typer.Option(help="A file with the article to refresh (HTML).")
]
PostOption = Annotated[int | None, typer.Option(min=1, help="The WordPress post to refresh.")]
PagesOption = Annotated[
    Path | None, typer.Option(help="A JSON list of pages to link to: [{title, slug, url}, ...].")
]


class Mode(StrEnum):
    """What is asked for."""

    GENERATE = "generate"
    REFRESH = "refresh"


def submit(
    ctx: typer.Context,
    keyword: Annotated[str, typer.Argument(help="What the article is about, 3-200 characters.")],
    watch_it: Annotated[
        bool, typer.Option("--watch", "-w", help="Stay until the job has ended.")
    ] = False,
    mode: Annotated[
        Mode | None, typer.Option(help="Refresh follows from --content or --post-id.")
    ] = None,
    content: ContentOption = None,
    post_id: PostOption = None,
    pages: PagesOption = None,
    model: Annotated[str | None, typer.Option(help="The language model.")] = None,
    god_mode: Annotated[bool, typer.Option("--god-mode", help="Stronger prose.")] = False,
    request_id: Annotated[
        str | None, typer.Option(help="Makes repeating this command safe.")
    ] = None,
    priority: Annotated[int, typer.Option(min=-100, max=100, help="Higher goes first.")] = 0,
    as_json: JsonOption = False,
) -> None:
    """Hand in a job."""
    if mode is None:
        mode = Mode.REFRESH if content or post_id else Mode.GENERATE
    if mode is Mode.REFRESH and not (content or post_id):
        raise typer.BadParameter("--mode refresh needs --content FILE or --post-id N")
    if mode is Mode.GENERATE and (content or post_id):
        raise typer.BadParameter(
            "--mode generate writes a new article; leave out --content and --post-id, "
            "or use --mode refresh"
        )
    if content and post_id:
        raise typer.BadParameter("--content and --post-id name two old pages; give one of them")
    fields = SubmitFields(
        mode=mode.value,
        post_id=post_id,
        existing_content=read_text(content) if content else None,
        existing_pages=read_pages(pages) if pages else [],
        model=model,
        use_god_mode=god_mode,
        request_id=request_id,
        priority=priority,
    )
    with connected(ctx.obj, LASTING if watch_it else None) as client:
        job = client.submit(keyword, **fields)
        for warning in job.warnings:
            typer.echo(f"warning: {clean(warning)}", err=True)
        if watch_it:
            _follow(job, as_json=as_json)
        elif as_json and job.accepted:
            _print_json(job.accepted)
        else:
            typer.echo(job.id)
            typer.echo(f"watch it with: sota watch {job.id}", err=True)


def watch(ctx: typer.Context, job: JobArgument, as_json: JsonOption = False) -> None:
    """Stay with a job until it has ended. Ctrl-C leaves it running."""
    with connected(ctx.obj, LASTING) as client:
        _follow(client.job(job_id(job)), as_json=as_json)


def status(ctx: typer.Context, job: JobArgument, as_json: JsonOption = False) -> None:
    """Show a job as it is now."""
    with connected(ctx.obj) as client:
        view = client.job(job_id(job)).status()
    if as_json:
        _print_json(view)
    else:
        make_console().print(job_panel(view, time.time() * 1000))


def list_jobs(
    ctx: typer.Context,
    status: Annotated[JobStatus | None, typer.Option(help="Only those that stand so.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=200, help="At most so many.")] = 20,
    cursor: Annotated[str | None, typer.Option(help="Go on where a list ended.")] = None,
    as_json: JsonOption = False,
) -> None:
    """List jobs, newest first."""
    with connected(ctx.obj) as client:
        page = client.list(status=status, limit=limit, cursor=cursor)
    if as_json:
        _print_json(page)
        return
    if page.jobs:
        make_console().print(jobs_table(page.jobs, time.time() * 1000))
    else:
        typer.echo('no jobs; hand one in with: sota submit "KEYWORD"', err=True)
    if page.next_cursor:
        typer.echo(f"more with: --cursor {clean(page.next_cursor)}", err=True)


def result(
    ctx: typer.Context,
    job: JobArgument,
    out: Annotated[
        Path | None,
        typer.Option("-o", "--out", help="FILE.html, FILE.json, or a directory for both."),
    ] = None,
) -> None:
    """Take a completed job's result: into files, or as JSON to the standard output."""
    with connected(ctx.obj) as client:
        view = client.job(job_id(job)).status()
    if out is None:
        typer.echo(json.dumps(article.completed_result(view), indent=2, ensure_ascii=False))
        return
    for path in article.write(view, out):
        typer.echo(path)


def show_summary(view: JobView) -> None:
    """Print what a completed job came to, and when each of its steps ran."""
    for label, value in article.summary(view):
        typer.echo(f"{label:>15}  {clean(value)}")
    timings = article.completed_result(view).get("metadata", {}).get("timings") or {}
    if timings.get("steps"):
        typer.echo("")
        make_console().print(timing_table(timings))
        typer.echo(f"\n{timing_totals(timings)}\n")


def read_text(path: Path) -> str:
    """A text file. :raises CliError: it cannot be read."""
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise CliError(
            f"cannot read {path}: {error.strerror}", "name a file that is there"
        ) from None
    except UnicodeDecodeError:
        raise CliError(f"{path} is not UTF-8 text", "convert it first") from None


def read_pages(path: Path) -> list[dict[str, Any]]:
    """A JSON list of pages. :raises CliError: it is something else."""
    try:
        pages = json.loads(read_text(path))
    except ValueError as error:
        raise CliError(f"{path} is not JSON: {error}", "write a list of objects") from None
    if not isinstance(pages, list) or not all(isinstance(page, dict) for page in pages):
        raise CliError(f"{path} is no list of pages", 'write [{"title": ..., "url": ...}, ...]')
    return pages


def _follow(job: Job, *, as_json: bool) -> None:
    """Show the job until it has ended; exit status 1 unless it completed."""
    if as_json:
        view = job.wait()
        _print_json(view)
    else:
        typer.echo(f"job {job.id}")
        with watcher() as show:
            view = job.wait(show)
        if view.status == JobStatus.COMPLETED:
            show_summary(view)
            typer.echo(f"take it with: sota result {view.id} -o out")
    if view.status != JobStatus.COMPLETED:
        raise typer.Exit(1)


def _print_json(value: Wire) -> None:
    typer.echo(value.model_dump_json(by_alias=True, exclude_none=True, indent=2))
