"""A stranger's SQLite database, read from a private copy of one moment while others write to it.

SQLite never opens the file in its place: that would make or write a ``-shm`` beside it, and take
locks that the run sees. The files are opened by descriptor without following links, copied, and
taken only if nothing has happened meanwhile that would mix two moments
(docs/decisions/swarm-databases.md says what that is).
"""

import contextlib
import errno
import os
import shutil
import sqlite3
import stat
import tempfile
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TypeAlias

from sessions_app import files, trees
from sessions_app.files import Stamp
from sessions_app.telemetry import untrusted

#: Database and write-ahead log together; more is not copied.
MAX_BYTES = 64 * 2**20
#: Pauses (s) between tries while somebody writes.
_PAUSES = (0.005, 0.012, 0.025, 0.05, 0.1)
#: A file changed less than this (s) ago may change again and look the same: the kernel stamps
#: files with the time of its last tick, and there are at least 100 a second.
GRAIN = 0.011
#: Copies that are made at the same time.
_copies = threading.BoundedSemaphore(2)
#: What a killed process left in the scratch directory goes after so long (s).
_STALE = 600.0

_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
_MAGIC = b"SQLite format 3\0"
#: https://www.sqlite.org/fileformat2.html, 4.1 and 3: how the two kinds of log begin.
_WAL_MAGIC = (b"\x37\x7f\x06\x82", b"\x37\x7f\x06\x83")
_WAL_HEADER = 32
_JOURNAL_MAGIC = b"\xd9\xd5\x05\xf9\x20\xa1\x63\xd7"

#: Names from the session's directory down to the database.
Place: TypeAlias = tuple[str, ...]
Stamps: TypeAlias = tuple[Stamp | None, Stamp | None, Stamp | None]


class State(StrEnum):
    """What there is to say of a database as a source."""

    OK = "ok"
    MISSING = "missing"
    BUSY = "busy"
    UNREADABLE = "unreadable"
    FOREIGN = "foreign"
    TOO_LARGE = "too_large"


class NotTaken(Exception):
    """There is no copy to read; ``state`` and ``detail`` say why."""

    def __init__(self, state: State, detail: str) -> None:
        super().__init__(detail)
        self.state = state
        self.detail = detail


@dataclass(frozen=True, slots=True)
class Look:
    """What the names of a database's files tell without opening them.

    Attributes:
        stamps: of the database, its write-ahead log and its rollback journal.
        modified: when one of the first two was changed last (s since the epoch).
        bytes: of both.
    """

    stamps: Stamps
    modified: float
    bytes: int


class _Mixed(Exception):
    """Somebody wrote meanwhile."""


@contextlib.contextmanager
def _directory(working_dir: str, place: Place) -> Iterator[int]:
    """The directory a database is in, reached without following a link below the session's."""
    with contextlib.ExitStack() as stack:
        fd = stack.enter_context(files.open_directory(working_dir))
        for name in place[:-1]:
            fd = stack.enter_context(files.open_directory(name, fd))
        yield fd


@contextlib.contextmanager
def _told() -> Iterator[None]:
    """What the file system says, in our words."""
    try:
        yield
    except FileNotFoundError:
        raise NotTaken(State.MISSING, "there is none") from None
    except OSError as error:
        if error.errno in (errno.ELOOP, errno.ENOTDIR, errno.ENXIO):
            raise NotTaken(State.FOREIGN, "it is a link, or no file") from None
        why = error.strerror or str(error)
        raise NotTaken(State.UNREADABLE, f"it cannot be read: {why}") from None


def look(working_dir: str, place: Place) -> Look:
    """Look at a database's files; a few system calls.

    Raises:
        NotTaken: there is none, or it is nothing that is read.
    """
    with _told(), _directory(working_dir, place) as directory:
        infos = [_stat(directory, place[-1] + ending) for ending in ("", "-wal", "-journal")]
    if infos[0] is None:
        raise NotTaken(State.MISSING, "there is none")
    stamps = [i and (i.st_ino, i.st_size, i.st_mtime_ns) for i in infos]
    data = [info for info in infos[:2] if info]
    return Look(
        (stamps[0], stamps[1], stamps[2]),
        max(info.st_mtime for info in data),
        sum(info.st_size for info in data),
    )


def _stat(directory: int, name: str) -> os.stat_result | None:
    with contextlib.suppress(FileNotFoundError):
        return os.stat(name, dir_fd=directory, follow_symlinks=False)
    return None


@contextlib.contextmanager
def opened(
    working_dir: str, place: Place, scratch: Path, owner: int
) -> Iterator[sqlite3.Connection]:
    """A connection to a copy of a database as it was at one moment. Nothing can be written by it.

    Args:
        working_dir: the session's directory.
        place: names from there down to the database.
        scratch: a directory of ours alone, for the copy; made if missing.
        owner: the user whose files are read, whatever names they have.

    Raises:
        NotTaken: there is none, it is busy, too large or nothing that is read.
        untrusted.ERRORS: as queries find what cannot be read.
    """
    with _copies, _told(), _scratch(scratch) as into:
        copy = into / "copy.db"
        with _directory(working_dir, place) as directory:
            _copy_of_one_moment(directory, place[-1], owner, copy)
        with contextlib.closing(untrusted.connect(copy)) as connection:
            yield connection


@contextlib.contextmanager
def _scratch(parent: Path) -> Iterator[Path]:
    try:
        parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with os.scandir(parent) as entries:
            for entry in entries:
                with contextlib.suppress(OSError):
                    if time.time() - entry.stat().st_mtime > _STALE:
                        shutil.rmtree(entry.path)
        made = tempfile.TemporaryDirectory(dir=parent, ignore_cleanup_errors=True)
    except OSError as error:
        raise NotTaken(State.UNREADABLE, f"no copy can be made: {error.strerror}") from None
    with made as path:
        yield Path(path)


def _copy_of_one_moment(directory: int, name: str, owner: int, copy: Path) -> None:
    for pause in (*_PAUSES, None):
        try:
            _try(directory, name, owner, copy)
        except _Mixed as mixed:
            if pause is None:
                raise NotTaken(State.BUSY, str(mixed)) from None
            time.sleep(pause)
        else:
            return


def _try(directory: int, name: str, owner: int, copy: Path) -> None:
    """Copy the files once.

    Raises:
        _Mixed: the copy may have parts of two moments.
    """
    copied_log = copy.with_name(f"{copy.name}-wal")
    copied_log.unlink(missing_ok=True)  # of the try before
    with contextlib.ExitStack() as stack:

        def opening(ending: str) -> int | None:
            fd = _open(directory, name + ending, owner)
            if fd is not None:
                stack.callback(os.close, fd)
            return fd

        database, log, journal = opening(""), opening("-wal"), opening("-journal")
        if database is None:
            raise NotTaken(State.MISSING, "there is none")
        before = os.fstat(database)
        begin = _log_begin(log)
        if not before.st_size:
            raise NotTaken(State.MISSING, "it is empty")
        if os.pread(database, len(_MAGIC), 0) != _MAGIC[: before.st_size]:
            raise NotTaken(State.FOREIGN, "it is no SQLite database")
        if not begin and 0 <= time.time() - before.st_mtime < GRAIN:
            raise _Mixed("it is being written to")
        if not begin and journal is not None and os.pread(journal, 8, 0) == _JOURNAL_MAGIC:
            # Copied beside the database it would be played back; one that a stranger has made up
            # has SQLite remove whatever file it names.
            raise _Mixed("a change is under way, or was interrupted: its rollback journal is there")
        # In this order: what a checkpoint moves into the database meanwhile is in the log then.
        taken = _copy(database, copy, MAX_BYTES)
        if log is not None and begin:
            _copy(log, copied_log, MAX_BYTES - taken)
            if _log_begin(log) != begin or not _is_named(directory, f"{name}-wal", log):
                raise _Mixed("its write-ahead log begins anew all the time")
        elif _changed(before, os.fstat(database)):
            raise _Mixed("it is written to all the time")
        if not _is_named(directory, name, database):
            raise _Mixed("it is replaced all the time")


def _open(directory: int, name: str, owner: int) -> int | None:
    """A descriptor of a regular file, or None when there is none."""
    try:
        fd = os.open(name, _FILE, dir_fd=directory)
    except FileNotFoundError:
        return None
    info = os.fstat(fd)
    if stat.S_ISREG(info.st_mode) and not trees.linked_in(info, owner):
        return fd
    os.close(fd)
    regular = stat.S_ISREG(info.st_mode)
    what = "another user's file under a second name" if regular else "no file"
    raise NotTaken(State.FOREIGN, f"{name} is {what}")


def _log_begin(log: int | None) -> bytes:
    """The header of a write-ahead log, whose salts change when it begins anew; empty if none."""
    header = b"" if log is None else os.pread(log, _WAL_HEADER, 0)
    return header if len(header) == _WAL_HEADER and header.startswith(_WAL_MAGIC) else b""


def _is_named(directory: int, name: str, fd: int) -> bool:
    there, ours = _stat(directory, name), os.fstat(fd)
    return there is not None and (there.st_dev, there.st_ino) == (ours.st_dev, ours.st_ino)


def _changed(before: os.stat_result, after: os.stat_result) -> bool:
    keys = ("st_size", "st_mtime_ns", "st_ctime_ns")
    return any(getattr(before, key) != getattr(after, key) for key in keys)


def _copy(source: int, target: Path, limit: int) -> int:
    """Copy a file to its end, in the kernel; returns its bytes.

    Raises:
        NotTaken: it has more than ``limit`` bytes.
    """
    fd = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    done = 0
    try:
        if os.fstat(source).st_size <= limit:
            while done <= limit and (sent := os.sendfile(fd, source, done, limit + 1 - done)):
                done += sent
            if done <= limit:
                return done
    finally:
        os.close(fd)
    raise NotTaken(State.TOO_LARGE, f"more than {MAX_BYTES // 2**20} MiB are not read")
