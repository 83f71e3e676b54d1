"""Copies of a SQLite journal: made while it is written, checked, and put back.

A copy is made with SQLite's online backup (https://sqlite.org/backup.html) in one step, which
reads one snapshot: writers go on meanwhile, and the copy holds every write answered before it
began. It is a single file, its owner's alone, and has its name only once it is whole and checked.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from orchestrator.errors import BackupRefused
from orchestrator.journal.migrate import known_revisions

BUSY_SECONDS = 30.0
_COMPANIONS = ("-wal", "-shm", "-journal")  # files that SQLite reads together with a database


@dataclass(frozen=True, slots=True)
class Contents:
    """What a journal's file holds.

    :param jobs: how many jobs there are by status.
    :param last_change: time of the newest event, in epoch milliseconds; None without jobs.
    """

    revision: str
    jobs: dict[str, int]
    last_change: int | None


def back_up(journal: Path, target: Path) -> Contents:
    """Copy the live *journal* to the new file *target*.

    :raises BackupRefused: there is no journal, *target* is taken, or the copy is not sound.
    """
    if not journal.is_file():
        raise BackupRefused(f"there is no journal at {journal}: set SOTA_HOME or SOTA_DATABASE_URL")
    if target.exists():
        raise BackupRefused(f"{target} exists: name a new file")
    # Writable, since only a writer can take up what a killed process left in the log.
    with _copy(journal, "rw", target.parent) as part:
        contents = examine(part, journal)
        part.rename(target)
    _flush(target.parent)
    return contents


def restore(backup: Path, journal: Path, now: datetime) -> tuple[Contents, Path | None]:
    """Put a copy of *backup* in the place of *journal*; nothing may have it open.

    :param now: names the file that keeps what was replaced.
    :returns: what is there now, and where the replaced journal is (None if there was none).
    :raises BackupRefused: *backup* is no sound journal of a revision known here, or another
        process has *journal* open. Nothing has changed then.
    """
    if not backup.is_file():
        raise BackupRefused(f"there is no file {backup}: name one that `sota backup` made")
    journal.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    with _copy(backup, "ro", journal.parent) as part:
        contents = examine(part, backup)
        aside = journal.with_name(f"{journal.name}.replaced-{now:%Y%m%dT%H%M%S}")
        kept = _set_aside(journal, aside)
        part.replace(journal)
    _flush(journal.parent)
    return contents, kept


def examine(path: Path, name: Path) -> Contents:
    """Check a journal's file whole and say what it holds.

    :param name: what to call it in errors.
    :raises BackupRefused: it is damaged, not a journal, or of a revision not known here.
    """
    with closing(_connect(path, "rw")) as connection:
        faults = [row[0] for row in connection.execute("PRAGMA integrity_check(3)")]
        faults = [] if faults == ["ok"] else faults
        faults += [f"{row[0]} {row[1]}" for row in connection.execute("PRAGMA foreign_key_check")]
        if faults:
            raise BackupRefused(f"{name} is damaged ({faults[0]}): use another backup")
        revision = _revision(connection, name)
        jobs = dict(connection.execute("SELECT status, count(*) FROM jobs GROUP BY status"))
        last = connection.execute("SELECT max(at) FROM events").fetchone()[0]
        return Contents(revision, jobs, last)


def _revision(connection: sqlite3.Connection, name: Path) -> str:
    try:
        found = connection.execute("SELECT version_num FROM alembic_version").fetchone()
        connection.execute("SELECT id FROM jobs LIMIT 1")
    except sqlite3.OperationalError:
        found = None
    if found is None:
        raise BackupRefused(f"{name} is a database, but not a journal: name one of ours")
    if found[0] not in known_revisions():
        raise BackupRefused(
            f"{name} has schema revision {found[0]}, which this version does not know: "
            "use the version that wrote it, or a newer one"
        )
    return str(found[0])


@contextlib.contextmanager
def _copy(source: Path, mode: str, folder: Path) -> Iterator[Path]:
    """A copy of *source* in *folder* under a name of its own, gone at the end unless renamed."""
    try:
        descriptor, name = tempfile.mkstemp(dir=folder, prefix=f".{source.name}.")  # mode 0600
    except OSError as error:
        raise BackupRefused(f"cannot write in {folder}: {error.strerror}") from None
    os.close(descriptor)
    part = Path(name)
    try:
        with closing(_connect(source, mode)) as old, closing(_connect(part, "rw")) as new:
            old.backup(new)  # all pages in one step: one snapshot
            new.execute("PRAGMA journal_mode=DELETE")  # one file, whole without companions
        _flush(part)
        yield part
    except sqlite3.Error as error:
        raise BackupRefused(f"{source} cannot be copied: {error}") from error
    finally:
        for suffix in ("", *_COMPANIONS):
            part.with_name(part.name + suffix).unlink(missing_ok=True)


def _set_aside(journal: Path, kept: Path) -> Path | None:
    """Keep what is there under another name; with what its log holds, as one file if it can be."""
    if kept.exists():
        raise BackupRefused(f"{kept} exists: restore again in a second")
    if not journal.exists():
        _move_companions(journal, kept)  # a lone log would be played into the restored file
        return None
    if _alone_and_folded(journal):
        with contextlib.suppress(OSError):  # so that at no time the journal's name is missing
            os.link(journal, kept)
            return kept
    journal.rename(kept)
    _move_companions(journal, kept)
    return kept


def _alone_and_folded(journal: Path) -> bool:
    """Fold the log into the file, which SQLite does only if nobody else has it open.

    :returns: False if the file is too damaged for it.
    :raises BackupRefused: somebody has it open.
    """
    try:
        with closing(_connect(journal, "rw", patience=0.0)) as connection:
            mode = connection.execute("PRAGMA journal_mode=DELETE").fetchone()[0]
    except sqlite3.OperationalError as error:
        if error.sqlite_errorcode & 0xFF not in {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}:
            return False
        mode = "in use"
    except sqlite3.DatabaseError:
        return False
    if mode != "delete":
        raise BackupRefused(f"another process has {journal} open: stop the service first")
    return True


def _move_companions(journal: Path, kept: Path) -> None:
    for suffix in _COMPANIONS:
        companion = journal.with_name(journal.name + suffix)
        if companion.exists():
            companion.rename(kept.with_name(kept.name + suffix))


def _connect(path: Path, mode: str, patience: float = BUSY_SECONDS) -> sqlite3.Connection:
    return sqlite3.connect(
        f"{path.absolute().as_uri()}?mode={mode}", uri=True, timeout=patience, isolation_level=None
    )


def _flush(path: Path) -> None:
    """Have the file, or the folder's list of names, on disk before going on."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
