"""Files that are replaced whole, directories opened without following links, and stamps of both."""

import contextlib
import errno
import os
import stat
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TypeAlias

#: Inode, size and time of change of a file.
Stamp: TypeAlias = tuple[int, int, int]
_NOFOLLOW_DIR = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
#: O_NONBLOCK: opening a pipe must not wait for its reader.
_APPEND = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_NOCTTY | os.O_CLOEXEC
_APPEND |= os.O_NONBLOCK


@contextlib.contextmanager
def open_directory(path: str | Path, dir_fd: int | None = None) -> Iterator[int]:
    """A descriptor of a directory that is not a link."""
    fd = os.open(path, _NOFOLLOW_DIR, dir_fd=dir_fd)
    try:
        yield fd
    finally:
        os.close(fd)


def open_for_appending(path: str) -> int:
    """A file's descriptor, made if missing. The caller closes it.

    Raises:
        OSError: it cannot be opened, or is no regular file.
    """
    try:
        fd = os.open(path, _APPEND, 0o640)
    except OSError as error:
        if error.errno == errno.ENXIO:  # a pipe that nobody reads, a socket
            raise _not_regular(path) from None
        raise
    if not stat.S_ISREG(os.fstat(fd).st_mode):
        os.close(fd)
        raise _not_regular(path)
    os.set_blocking(fd, True)  # as whoever writes to it expects
    return fd


def _not_regular(path: str) -> OSError:
    return OSError(errno.EINVAL, "this is no regular file", path)


def write_atomically(
    dir_fd: int, name: str, content: bytes | Iterable[bytes], gid: int | None = None
) -> Stamp:
    """Put a file in place whole or not at all; readers see the old one or the new one."""
    draft = f".{name}.{os.getpid()}.{time.monotonic_ns()}"
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    fd = os.open(draft, flags, 0o644 if gid is None else 0o640, dir_fd=dir_fd)
    try:
        with os.fdopen(fd, "wb") as file:
            if gid is not None:
                os.fchown(file.fileno(), -1, gid)
            file.writelines([content] if isinstance(content, bytes) else content)
            file.flush()
            written = os.fstat(file.fileno())
        os.replace(draft, name, src_dir_fd=dir_fd, dst_dir_fd=dir_fd)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(draft, dir_fd=dir_fd)
        raise
    return _stamp(written)


def stamp(path: str | Path) -> Stamp | None:
    """What tells a file from what it was: inode, size, time of change; None when it is missing."""
    try:
        return _stamp(os.lstat(path))
    except OSError:
        return None


def _stamp(info: os.stat_result) -> Stamp:
    return info.st_ino, info.st_size, info.st_mtime_ns
