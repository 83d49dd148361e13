"""Reading logs: bytes at offsets, so that every reader resumes without loss or repetition.

A log is named by its path, or by a descriptor of it, which still reads it when it was deleted.
"""

import contextlib
import os
import re
import stat
from collections.abc import Iterator
from dataclasses import dataclass, replace

from sessions_app.masking import Mask, shown, within

#: The most that one read returns.
MAX_CHUNK = 1024 * 1024
_BLOCK = 64 * 1024
#: CSI and OSC sequences, other escapes, and control characters but tab and newline (ECMA-48).
_ESCAPES = re.compile(
    r"\x1b\[[0-?]*[ -/]*[@-~]"
    r"|\x1b[\]PX^_].*?(?:\x07|\x1b\\|$)"
    r"|\x1b[ -/]*[0-~]"
    r"|[\x00-\x08\x0b-\x1f\x7f-\x9f]"
)

#: A log by its path, or by a descriptor that outlives the path.
Log = str | int


@dataclass(frozen=True, slots=True)
class Chunk:
    """Bytes of a log: they stand at ``offset``; the log had ``size`` bytes when read."""

    offset: int
    data: bytes
    size: int

    @property
    def end(self) -> int:
        """The offset to go on from."""
        return self.offset + len(self.data)


@contextlib.contextmanager
def kept_open(path: str) -> Iterator[Log]:
    """The log for a block, also if it is deleted meanwhile; its path where there is none yet."""
    try:
        fd = _open(path)
    except OSError:
        yield path
        return
    try:
        yield fd
    finally:
        os.close(fd)


def _open(log: Log) -> int:
    if isinstance(log, int):
        return os.dup(log)
    fd = os.open(log, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    if not stat.S_ISREG(os.fstat(fd).st_mode):  # a pipe that was put there would hold us up
        os.close(fd)
        raise FileNotFoundError(log)
    return fd


def size(log: Log) -> int:
    """The log's size in bytes; 0 when it is missing."""
    try:
        return os.stat(log).st_size  # noqa: PTH116 - it may be a descriptor
    except OSError:
        return 0


def read(log: Log, offset: int, limit: int = MAX_CHUNK) -> Chunk:
    """Up to ``limit`` bytes from ``offset``; nothing when it lies beyond the end.

    A missing log reads as an empty one.
    """
    try:
        fd = _open(log)
    except OSError:
        return Chunk(offset, b"", 0)
    try:
        data = os.pread(fd, max(0, min(limit, MAX_CHUNK)), offset)
        return Chunk(offset, data, os.fstat(fd).st_size)
    finally:
        os.close(fd)


def read_on(log: Log, offset: int, limit: int = MAX_CHUNK) -> Chunk:
    """:func:`read`, for who follows a log: what its limit has removed from it is passed over.

    The chunk's ``offset`` then is where the log goes on, beyond the one that was asked for.
    """
    chunk = read(log, offset, limit)
    if b"\0" not in chunk.data:
        return chunk
    hole, beyond = _hole_after(log, offset)
    if hole == offset and beyond > offset:
        return read(log, beyond, limit)
    return replace(chunk, data=chunk.data[: max(0, hole - offset)]) if hole < chunk.end else chunk


def as_shown(log: Log, chunk: Chunk, mask: Mask, *, growing: bool = False) -> Chunk:
    """A chunk with known secrets covered, as people and programs see it.

    Args:
        log: what it was read from.
        chunk: as it stands there.
        mask: the secrets.
        growing: as for :func:`sessions_app.masking.shown`; the chunk may then end earlier.
    """
    if not chunk.data:
        return chunk
    try:
        fd = _open(log)
    except OSError:  # deleted since: better nothing than half a secret
        return replace(chunk, data=b"")
    try:
        return replace(chunk, data=shown(fd, chunk.offset, chunk.data, mask, growing=growing))
    finally:
        os.close(fd)


def opened(path: str) -> int | None:
    """A descriptor of the log for :func:`read_at_once`; None where there is none."""
    try:
        return _open(path)
    except OSError:
        return None


def read_at_once(
    fd: int, offset: int, limit: int, mask: Mask, buffer: bytearray | None = None
) -> Chunk | None:
    """What follows in a log that grows, as it may be seen, if it is there without waiting.

    For the event loop's own thread: what was written a moment ago is in the kernel's cache, and
    to hand such a reading to a thread takes ten times as long as it does.

    Args:
        fd: the log.
        offset, limit: as for :func:`read`.
        mask: what to cover; what may be the begin of a secret at the end is held back.
        buffer: to read into; by default a new one.

    Returns:
        None when it would take a disk, or cannot be read this way: there may be something that a
        limit has removed, or the file system does not offer it. Read it in a thread then.
    """
    begin = max(0, offset - mask.reach)
    first = offset - begin
    wanted = first + min(limit, MAX_CHUNK) + mask.reach
    if buffer is None or len(buffer) < wanted:
        buffer = bytearray(wanted)
    try:
        with memoryview(buffer) as view:
            got = os.preadv(fd, [view[:wanted]], begin, os.RWF_NOWAIT)
            around = bytes(view[:got])
        size = os.fstat(fd).st_size
    except OSError:
        return None
    if b"\0" in around:
        return None
    data = within(around, first, min(got, first + limit), mask, growing=True)
    return Chunk(offset, data, size)


def _hole_after(log: Log, offset: int) -> tuple[int, int]:
    """Where the next hole begins and ends (lseek(2)); far away where there is none."""
    far = 2**62
    try:
        fd = _open(log)
    except OSError:
        return far, far
    try:
        hole = os.lseek(fd, offset, os.SEEK_HOLE)
        return hole, os.lseek(fd, hole, os.SEEK_DATA)
    except OSError:  # ENXIO: no data behind it; EINVAL: no holes on this file system
        return far, far
    finally:
        os.close(fd)


def first_hole(log: Log) -> tuple[int, int]:
    """Where what a limit has removed begins and ends; far beyond the end where nothing was."""
    return _hole_after(log, 0)


def tail_offset(path: str, lines: int, max_bytes: int = MAX_CHUNK) -> int:
    """Where the last ``lines`` lines begin, looking back at most ``max_bytes``.

    Reads blocks from the end, so the size of the log does not matter. A line too long to look
    back over is entered in the middle.
    """
    end = size(path)
    if not lines:
        return end
    floor = max(0, end - max_bytes)
    position, wanted = end, lines
    while position > floor:
        begin = max(floor, position - _BLOCK)
        block = read(path, begin, position - begin).data
        if position == end and block.endswith(b"\n"):
            block = block[:-1]
        index = len(block)
        while wanted and (index := block.rfind(b"\n", 0, index)) >= 0:
            wanted -= 1
        if not wanted:
            return begin + index + 1
        position = begin
    return read_on(path, floor, 1).offset  # not in the middle of what was removed


def plain(data: bytes) -> str:
    """Log bytes as text without escape sequences; of a line drawn over with ``\\r`` the last."""
    text = data.decode("utf-8", "replace").replace("\r\n", "\n")
    lines = (_last_drawn(line) for line in text.split("\n"))
    return "\n".join(_ESCAPES.sub("", line) for line in lines)


def without_escapes(data: bytes) -> str:
    """Part of a line as text without escape sequences and control characters."""
    return _ESCAPES.sub("", data.decode("utf-8", "replace"))


def _last_drawn(line: str) -> str:
    return line.rstrip("\r").rpartition("\r")[2]
