"""A consistent copy of the database, made while others read and write it."""

import contextlib
import os
import shutil
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from django.db import connections

from sessions_app.errors import Conflict, HiveError, Invalid, Unavailable
from sessions_app.models import AgentSession

_TOOLS = {"postgresql": "pg_dump", "mysql": "mysqldump"}


@dataclass(frozen=True, slots=True)
class Backup:
    """A copy that was made: how many sessions are in it, and its size."""

    sessions: int
    bytes: int


class BackupError(HiveError):
    """The copy could not be made."""

    code = "backup_failed"


def write(target: Path, *, overwrite: bool = False) -> Backup:
    """Write a copy of the database to ``target``: there whole and checked, or not at all.

    It is as of one moment; who writes meanwhile does not wait. Readable by its owner only.

    Args:
        target: the file; its directory must be there.
        overwrite: replace a file that is there.

    Raises:
        Invalid: ``target`` is none that can be written: a directory, the database itself.
        Conflict: it is there already.
        Unavailable: there is no database yet, it is busy, or it is not SQLite.
        BackupError: no space, no permission, or the copy is damaged.
    """
    source = _source()
    try:
        target = target.absolute()
        _check(target, source, overwrite=overwrite)
        with _draft(target) as draft:
            sessions = _copy(source, draft)
            _sync(draft)
            size = draft.stat().st_size
            _put_in_place(draft, target, overwrite=overwrite)
            _sync(target.parent)
    except OSError as error:
        what = f"{error.strerror or error}: {error.filename or target}"
        raise BackupError(f"the copy cannot be written: {what}") from error
    return Backup(sessions, size)


def _source() -> Path:
    connection = connections["default"]
    if connection.vendor != "sqlite":
        tool = _TOOLS.get(connection.vendor, "its own tool")
        raise Unavailable(f"the database is {connection.display_name}: back it up with {tool}")
    path = Path(str(connection.settings_dict["NAME"]))
    if not path.exists():
        raise Unavailable(f"there is no database at {path} yet; run: hive init")
    return path


def _check(target: Path, source: Path, *, overwrite: bool) -> None:
    live = [source, *(source.with_name(source.name + end) for end in ("-wal", "-shm", "-journal"))]
    if target.resolve() in [path.resolve() for path in live]:
        raise Invalid(f"{target} is the database itself; name another file")
    if target.is_dir():
        raise Invalid(f"{target} is a directory; name a file in it")
    if os.path.lexists(target) and not overwrite:
        raise _there(target)


def _there(target: Path) -> Conflict:
    return Conflict(f"{target} is there already; name another file, or give --force")


@contextlib.contextmanager
def _draft(target: Path) -> Iterator[Path]:
    """An empty file beside the target, for us only; gone after the block."""
    draft = target.with_name(f".{target.name[:200]}.{os.getpid()}.part")
    os.close(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
    try:
        yield draft
    finally:
        for end in ("", "-journal", "-wal", "-shm"):
            draft.with_name(draft.name + end).unlink(missing_ok=True)


def _copy(source: Path, draft: Path) -> int:
    """Fill the draft from one snapshot, and check it; returns how many sessions are in it."""
    try:
        with contextlib.closing(sqlite3.connect(f"{source.as_uri()}?mode=rw", uri=True)) as live:
            live.execute("PRAGMA busy_timeout = 20000")
            live.execute("VACUUM INTO ?", [str(draft)])
        with contextlib.closing(sqlite3.connect(f"{draft.as_uri()}?mode=ro", uri=True)) as copy:
            faults = [str(row[0]) for row in copy.execute("PRAGMA quick_check(1)")]
            if faults != ["ok"]:
                raise BackupError(f"the copy is damaged, as the database may be: {faults[0]}")
            table = AgentSession._meta.db_table
            (count,) = copy.execute(f"SELECT count(*) FROM {table}").fetchone()  # noqa: S608 - ours
            return int(count)
    except sqlite3.Error as error:
        raise _said(error, draft) from error


def _said(error: sqlite3.Error, draft: Path) -> HiveError:
    text = str(error)
    if "locked" in text:
        return Unavailable("the database is busy; try again")
    if "no such table" in text:
        return Unavailable("the database has not been set up; run: manage.py migrate")
    if "full" in text or _free(draft) == 0:
        return BackupError(f"no space left for the copy in {draft.parent}")
    return BackupError(f"the copy cannot be made: {text}")


def _free(draft: Path) -> int:
    try:
        return shutil.disk_usage(draft.parent).free
    except OSError:
        return -1


def _sync(path: Path) -> None:
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def _put_in_place(draft: Path, target: Path, *, overwrite: bool) -> None:
    if not overwrite:
        try:
            os.link(draft, target)  # unlike a rename it never replaces what came meanwhile
        except FileExistsError:
            raise _there(target) from None
        except OSError:  # a file system without hard links
            pass
        else:
            return
    draft.replace(target)
