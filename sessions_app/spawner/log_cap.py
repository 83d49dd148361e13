"""Keeping a log within its limit: its middle is removed from the disk, offsets stay as they are.

The command appends to the file itself, so it can be neither rotated nor cut. A hole is punched
into it instead (fallocate(2)): what was there takes no space any more and reads as NUL bytes.
The log's beginning and its newest part stay; a line of ours before the hole says so.
"""

import ctypes
import os
from dataclasses import dataclass

from sessions_app import units

_KEEP_SIZE, _PUNCH_HOLE = 0x01, 0x02  # linux/falloc.h
_BLOCK = 4096
_libc = ctypes.CDLL(None, use_errno=True)
_libc.fallocate.argtypes = [ctypes.c_int, ctypes.c_int, ctypes.c_int64, ctypes.c_int64]


@dataclass(frozen=True, slots=True)
class Cut:
    """The bytes that were removed: from ``begin`` up to ``end``."""

    begin: int
    end: int


def marker(limit: int) -> bytes:
    """The line that stands right before the removed part, over what was there."""
    return (
        f"\nhiveweb: the log reached its limit of {units.size_words(limit)}; "
        "what followed here was removed\n"
    ).encode()


def cap(path: str, limit: int, read_up_to: int) -> Cut | None:
    """Bring a log within its limit; None when nothing had to be removed.

    A quarter of the limit stays at the beginning and half of it at the end, so that a cut lasts
    until another quarter has been written.

    Args:
        path: the log.
        limit: bytes of disk it may take.
        read_up_to: nothing from here on is removed: it has not been looked at yet.

    Raises:
        OSError: the log is gone, or its file system cannot remove parts of a file (EOPNOTSUPP).
    """
    fd = os.open(path, os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        info = os.fstat(fd)
        if info.st_blocks * 512 <= limit or info.st_size <= limit:
            return None
        begin = -(-(limit // 4) // _BLOCK) * _BLOCK
        end = min(info.st_size - limit // 2, read_up_to) // _BLOCK * _BLOCK
        if end <= begin:
            return None
        if _libc.fallocate(fd, _PUNCH_HOLE | _KEEP_SIZE, begin, end - begin) != 0:
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number), path)
        text = marker(limit)
        os.pwrite(fd, text, begin - len(text))
        return Cut(begin, end)
    finally:
        os.close(fd)
