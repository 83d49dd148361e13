"""A session's output files: listed and opened component by component, links never followed.

The files are a stranger's: whatever a run makes of its directory, nothing outside is reached. A
hard link to somebody else's file counts as outside: docs/decisions/two-users.md.
"""

import contextlib
import io
import os
import stat
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import Enum

from sessions_app import trees
from sessions_app.errors import FileMissing, Forbidden
from sessions_app.files import open_directory

#: A listing has at most this many files.
MAX_FILES = 10_000
#: It looks at no more entries than this, and no deeper.
MAX_EXAMINED = 100_000
MAX_DEPTH = 64
_EARLIEST, _LATEST = datetime(1, 1, 1, tzinfo=UTC), datetime(9999, 12, 31, tzinfo=UTC)
#: O_NONBLOCK: opening a FIFO must not wait for its writer.
_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC


@dataclass(frozen=True, slots=True)
class OutputFile:
    """One regular file; ``path`` is relative, as ``os.fsdecode`` gives it."""

    path: str
    size: int
    modified: datetime


class Other(Enum):
    """What is no regular file."""

    DIRECTORY = "directory"
    SPECIAL = "link, socket, FIFO or device"


@dataclass(frozen=True, slots=True)
class Listing:
    """The regular files below an output directory by path.

    ``truncated`` when there are more; ``others`` counts links, sockets, FIFOs and devices.
    """

    files: list[OutputFile]
    truncated: bool
    others: int = 0


def listing(root: str, limit: int = MAX_FILES) -> Listing:
    """List the files below ``root``; a missing directory has none.

    Links, sockets, FIFOs and devices are not listed; what cannot be read is passed over.

    Raises:
        Forbidden: the directory itself may not be read.
    """
    files: list[OutputFile] = []
    truncated = False
    others = 0
    try:
        with open_directory(root) as root_fd:
            for examined, found in enumerate(_walk(root_fd)):
                if found is None or len(files) == limit or examined == MAX_EXAMINED:
                    truncated = True
                    break
                if isinstance(found, OutputFile):
                    files.append(found)
                else:
                    others += found is Other.SPECIAL
    except PermissionError:
        raise Forbidden("the output directory cannot be read by the server") from None
    except OSError:  # missing, or not a directory of ours
        pass
    return Listing(sorted(files, key=lambda file: file.path), truncated, others)


def _walk(root_fd: int) -> Iterator[OutputFile | Other | None]:
    """Every entry, nearest first: a file, what else it is, None for "too deep"."""
    owner = os.fstat(root_fd).st_uid
    waiting: deque[tuple[str, ...]] = deque([()])
    while waiting:
        parts = waiting.popleft()
        with contextlib.suppress(OSError), _directory(root_fd, parts) as fd, os.scandir(fd) as it:
            for entry in it:
                path = (*parts, entry.name)
                try:
                    info = entry.stat(follow_symlinks=False)
                except OSError:  # removed meanwhile
                    continue
                if stat.S_ISDIR(info.st_mode):
                    if len(path) >= MAX_DEPTH:
                        yield None
                    waiting.append(path)
                if stat.S_ISREG(info.st_mode) and not trees.linked_in(info, owner):
                    yield OutputFile("/".join(path), info.st_size, modified(info))
                else:
                    yield Other.DIRECTORY if stat.S_ISDIR(info.st_mode) else Other.SPECIAL


def modified(info: os.stat_result) -> datetime:
    """When a file was changed; the nearest moment that a datetime can be (a run may say any)."""
    try:
        return datetime.fromtimestamp(info.st_mtime, UTC)
    except (ValueError, OverflowError):
        return _LATEST if info.st_mtime > 0 else _EARLIEST


@contextlib.contextmanager
def _directory(root_fd: int, parts: tuple[str, ...]) -> Iterator[int]:
    """A descriptor of a directory below ``root_fd``, reached without following any link."""
    fd = os.dup(root_fd)
    try:
        for part in parts:
            with open_directory(part, dir_fd=fd) as inner:
                os.dup2(inner, fd, inheritable=False)
        yield fd
    finally:
        os.close(fd)


def open_file(root: str, path: str) -> io.FileIO:
    """Open one regular file below ``root`` for reading. The caller closes it.

    Args:
        root: the session's output directory.
        path: relative, components separated by single slashes.

    Raises:
        FileMissing: there is no such regular file, or the path is none of ours: absolute, with
            ``.`` or ``..``, leading through a link, or a hard link to another user's file.
        Forbidden: the file may not be read.
    """
    parts = tuple(path.split("/"))
    if "\0" in path or len(parts) > MAX_DEPTH or any(part in ("", ".", "..") for part in parts):
        raise FileMissing(f"the session has no output file {path!r}")
    try:
        with (
            open_directory(root) as root_fd,
            _directory(root_fd, parts[:-1]) as directory,
        ):
            fd = os.open(parts[-1], _FILE, dir_fd=directory)
            owner = os.fstat(root_fd).st_uid
    except PermissionError:
        raise Forbidden(f"the output file {path!r} cannot be read by the server") from None
    except OSError:  # missing, a link, a socket, a name too long
        raise FileMissing(f"the session has no output file {path!r}") from None
    info = os.fstat(fd)
    if not stat.S_ISREG(info.st_mode) or trees.linked_in(info, owner):
        os.close(fd)
        raise FileMissing(f"the session has no output file {path!r}")
    return io.FileIO(fd, "r")
