"""``sota backup`` and ``sota restore``: the journal's database, to a file and back."""

from __future__ import annotations

import shlex
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from orchestrator.cli.problems import CliError, settings_from_environment
from orchestrator.cli.record import claim, leftovers, running
from orchestrator.config import Settings

if TYPE_CHECKING:
    from sqlalchemy import URL

    from orchestrator.journal.backup import Contents

FileArgument = Annotated[Path, typer.Argument(metavar="FILE", help="The backup's file.")]


def backup(file: FileArgument) -> None:
    """Save the journal to a new file, also while the service runs (SQLite)."""
    # Heavy (SQLAlchemy, Alembic): it would add 0.3 s to the start of every command.
    from orchestrator.journal.backup import back_up  # noqa: PLC0415

    journal = journal_file(settings_from_environment(), lambda url: pg_dump(url, file))
    contents = back_up(journal, file)
    typer.echo(f"saved     {file} ({file.stat().st_size:,} bytes)")
    typer.echo(f"holds     {summary(contents)}")


def restore(file: FileArgument) -> None:
    """Put a backup in the place of the journal; the service must be stopped (SQLite).

    The journal that was there is kept beside it, under another name.
    """
    # Heavy, as above.
    from orchestrator.journal.backup import restore as put_back  # noqa: PLC0415

    settings = settings_from_environment()
    journal = journal_file(settings, lambda url: pg_restore(url, file))
    refuse_leftovers(settings.home)
    with claim(settings.home, "restore"):
        contents, kept = put_back(file, journal, datetime.now(UTC))
    typer.echo(f"restored  {journal}")
    typer.echo(f"holds     {summary(contents)}")
    if kept is not None:
        typer.echo(f"replaced  what was there is now {kept}")
    typer.echo("note      jobs accepted after the backup are gone; those unfinished in it go on")
    typer.echo("          from what it holds, and may repeat paid calls made since")


def summary(contents: Contents) -> str:
    """One line: the jobs by status, the newest change, the schema's revision."""
    by_status = ", ".join(f"{count} {status}" for status, count in sorted(contents.jobs.items()))
    number = sum(contents.jobs.values())
    jobs = f"{number} {'job' if number == 1 else 'jobs'}" + (f" ({by_status})" if number else "")
    if contents.last_change is None:
        return f"{jobs}; schema revision {contents.revision}"
    at = datetime.fromtimestamp(contents.last_change / 1000, UTC)
    return f"{jobs}; last change {at:%Y-%m-%d %H:%M:%S} UTC; schema revision {contents.revision}"


def refuse_leftovers(home: Path) -> None:
    """:raises CliError: what a killed ``sota up`` started still runs, and writes."""
    if not running(home) and (left := leftovers(home)):
        pids = ", ".join(str(process.pid) for process in left)
        raise CliError(
            f"what a killed `sota up` started still runs (pid {pids})",
            "run `sota up` and stop it with Ctrl-C, then restore",
        )


def journal_file(settings: Settings, instead: Callable[[URL], str]) -> Path:
    """The journal's SQLite file.

    :param instead: what to do when the journal is in PostgreSQL.
    :raises CliError: it is, or SOTA_DATABASE_URL is none of ours.
    """
    # Heavy, as above.
    from orchestrator.journal.engine import is_sqlite, parse_url  # noqa: PLC0415

    try:
        url = parse_url(settings.database)
    except ValueError as error:
        raise CliError(str(error), "mend SOTA_DATABASE_URL") from None
    if not is_sqlite(url):
        problem = "the journal is in PostgreSQL, which has its own tools for this"
        raise CliError(problem, f"{instead(url)}   # the password: PGPASSWORD or ~/.pgpass")
    return Path(url.database or "")


def pg_dump(url: URL, file: Path) -> str:
    """The command line that backs up a journal in PostgreSQL, without its password."""
    words = ["pg_dump", "--format=custom", f"--file={file}", *_where(url), url.database or ""]
    return f"run: {shlex.join(words)}"


def pg_restore(url: URL, file: Path) -> str:
    """The command line that restores it."""
    words = ["pg_restore", "--clean", "--if-exists", "--single-transaction", *_where(url)]
    words += [f"--dbname={url.database or ''}", str(file)]
    return f"stop the service, then run: {shlex.join(words)}"


def _where(url: URL) -> list[str]:
    options = {
        "host": url.host or url.query.get("host"),
        "port": url.port or url.query.get("port"),
        "username": url.username,
        "schema": url.query.get("search_path"),
    }
    return [f"--{name}={value}" for name, value in options.items() if value]
