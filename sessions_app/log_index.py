"""The sparse index beside a log: how many lines stand before which byte, and when it arrived.

A file of fixed-size records in the run's directory (docs/decisions/log-index.md). The spawner
writes it while the log grows; everybody else reads it, and does without where there is none.
"""

import os
import struct
from array import array
from bisect import bisect_left, bisect_right
from collections import deque
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from sessions_app import log_tail

#: The file in a run directory.
FILE = "log-index"
#: Entries are so far apart, in bytes and in seconds, each time twice that when there are too many.
GRAIN_BYTES, GRAIN_SECONDS = 64 * 1024, 1.0
#: With more entries than this, every other one goes.
MAX_ENTRIES = 16_384
#: One look counts the lines of so many bytes.
LOOK_BYTES = 16 * 1024 * 1024
_MAGIC = b"hivelog1"
#: Magic, how often every other entry went, nothing.
_HEAD = struct.Struct("<8sQQ")
#: Offset, line feeds before it, microseconds since 1970 (0: not known).
_ENTRY = struct.Struct("<QQQ")
_MAX_MARKS = 64


class Entry(NamedTuple):
    """The log had ``offset`` bytes with ``lines`` line feeds at ``at`` (s since 1970, or 0)."""

    offset: int
    lines: int
    at: float


class Index:
    """What an index says. ``level``: how often every other entry has gone."""

    def __init__(self, entries: Iterable[Entry] = (), level: int = 0) -> None:
        self.level = level
        self._offsets, self._lines, self._ats = array("Q"), array("Q"), array("d")
        self._timed_offsets, self._times = array("Q"), array("d")
        for entry in entries:
            self.add(entry)

    def __len__(self) -> int:
        return len(self._offsets)

    def add(self, entry: Entry) -> None:
        """One more, behind all others."""
        self._offsets.append(entry.offset)
        self._lines.append(entry.lines)
        self._ats.append(entry.at)
        if entry.at > 0:
            self._timed_offsets.append(entry.offset)
            self._times.append(entry.at)

    def entries(self) -> list[Entry]:
        """All of them."""
        return list(map(Entry, self._offsets, self._lines, self._ats))

    @property
    def last(self) -> tuple[int, int]:
        """Offset and line feeds of the last entry."""
        return (self._offsets[-1], self._lines[-1]) if self._offsets else (0, 0)

    def before_offset(self, offset: int) -> tuple[int, int]:
        """The last (offset, line feeds) that is not beyond a byte."""
        at = bisect_right(self._offsets, offset) - 1
        return (self._offsets[at], self._lines[at]) if at >= 0 else (0, 0)

    def around_line(self, feeds: int) -> tuple[int, int, int | None]:
        """Where to look for the byte behind a line feed (the first is 1).

        Returns:
            An offset before it, the line feeds before that, and the offset of the next entry.
        """
        at = bisect_left(self._lines, feeds)
        offset, lines = (self._offsets[at - 1], self._lines[at - 1]) if at else (0, 0)
        return offset, lines, self._offsets[at] if at < len(self._offsets) else None

    def times(self) -> tuple["array[int]", "array[float]"]:
        """Offsets and when the log had reached them, both ascending."""
        return self._timed_offsets, self._times


def read(run_dir: Path | str) -> Index:
    """The index in a run directory; an empty one where there is none."""
    data = _content(run_dir)
    return Index(_entries(data), _HEAD.unpack_from(data)[1] if data else 0)


def save(run_dir: Path | str, entries: list[Entry], level: int = 0) -> None:
    """Put an index in the place of what is there; of too many entries every other one goes.

    Raises:
        OSError: the directory is not there, or full.
    """
    while len(entries) > MAX_ENTRIES:
        entries, level = [*entries[:-1:2], entries[-1]], level + 1
    draft = f"{run_dir}/.{FILE}.{os.getpid()}"
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC
    with open(os.open(draft, flags, 0o600), "wb") as file:  # noqa: PTH123 - a descriptor
        file.write(_HEAD.pack(_MAGIC, level, 0) + b"".join(map(_packed, entries)))
    os.replace(draft, f"{run_dir}/{FILE}")  # noqa: PTH105 - beside os.open


def _packed(entry: Entry) -> bytes:
    return _ENTRY.pack(entry.offset, entry.lines, round(max(0.0, entry.at) * 1e6))


def _content(run_dir: Path | str) -> bytes:
    """A header and whole records, or nothing."""
    try:
        fd = os.open(f"{run_dir}/{FILE}", os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
        with open(fd, "rb") as file:  # noqa: PTH123 - a descriptor
            data = file.read(_HEAD.size + 2 * MAX_ENTRIES * _ENTRY.size)
    except OSError:
        return b""
    if len(data) < _HEAD.size or not data.startswith(_MAGIC):
        return b""
    return data[: len(data) - (len(data) - _HEAD.size) % _ENTRY.size]


def _entries(data: bytes) -> Iterator[Entry]:
    before = (0, 0)
    for offset, lines, at in _ENTRY.iter_unpack(data[_HEAD.size :]):
        if (offset, lines) < before or lines < before[1]:  # not ours: nothing behind it counts
            return
        before = (offset, lines)
        yield Entry(offset, lines, at / 1e6)


class Writer:
    """Keeps the index of one log that grows; goes on where an earlier one stopped.

    Args:
        run_dir: where the index is.
        log: the log's path.
        began: when the run did, in seconds since 1970.
    """

    __slots__ = (
        "_began",
        "_count",
        "_last",
        "_level",
        "_lines",
        "_log",
        "_marks",
        "_new",
        "_offset",
        "_quiet",
        "_run_dir",
        "_seen",
    )

    def __init__(self, run_dir: Path | str, log: str, began: float) -> None:
        self._run_dir, self._log, self._began = str(run_dir), log, began
        #: What the file ends with; None before it was looked at.
        self._last: Entry | None = None
        self._level = self._count = self._offset = self._lines = self._seen = 0
        #: The last look at which nothing had come.
        self._quiet = 0.0
        #: Entries that are to be written.
        self._new: list[Entry] = []
        #: (size, when the log had it), from before ``_offset`` on.
        self._marks: deque[tuple[int, float]] = deque()

    def look(self, now: float) -> bool:
        """Take in what the log has grown by. Blocking, for a few milliseconds.

        Args:
            now: seconds since 1970.

        Returns:
            Whether some of it is left for the next look.

        Raises:
            OSError: the index cannot be written; the next look tries again.
        """
        try:
            info = os.stat(self._log)  # noqa: PTH116 - once a second for each run
        except OSError:
            return False
        if self._last is None or info.st_size < self._offset:
            self._begin(info.st_size)
        caught_up = self._offset == self._seen
        if info.st_size == self._seen and caught_up:
            if self._offset > self._at_last.offset and self._due(now):
                self._note(self._marks[-1][1])
            self._quiet = now
        else:
            if caught_up and self._due(self._quiet):  # until then nothing came
                self._note(self._quiet)
                self._mark(self._seen, self._quiet)
            if info.st_size != self._seen:
                self._mark(info.st_size, min(now, info.st_mtime))
            self._count_on()
            if self._offset == self._seen and self._due(self._marks[-1][1]):
                self._note(self._marks[-1][1])
        self._write()
        return self._offset < self._seen

    @property
    def size(self) -> int:
        """Bytes that the log had at the last look."""
        return self._seen

    @property
    def _at_last(self) -> Entry:
        return self._last or Entry(0, 0, self._began)

    def _due(self, at: float) -> bool:
        return at - self._at_last.at >= GRAIN_SECONDS * (1 << self._level)

    def _begin(self, size: int) -> None:
        data = _content(self._run_dir)
        entries = list(_entries(data))
        self._level = _HEAD.unpack_from(data)[1] if data else 0
        if not entries or entries[-1].offset > size:  # none; or the log was emptied
            entries, self._level = [Entry(0, 0, self._began)], 0
            save(self._run_dir, entries)
        self._last, self._count = entries[-1], len(entries)
        self._offset, self._lines, _ = self._last
        self._seen, self._quiet = self._offset, 0.0
        self._new = []
        self._marks = deque([(self._offset, self._last.at)])

    def _mark(self, size: int, at: float) -> None:
        """The log has so many bytes since then."""
        self._marks.append((size, max(at, self._marks[-1][1])))
        self._seen = size
        if len(self._marks) > _MAX_MARKS:  # far behind: fewer will do
            self._marks = deque([*list(self._marks)[:-1:2], self._marks[-1]])

    def _count_on(self) -> None:
        grain, until = GRAIN_BYTES << self._level, self._offset + LOOK_BYTES
        while self._offset < min(self._seen, until):
            size = min(GRAIN_BYTES, self._seen - self._offset)
            chunk = log_tail.read(self._log, self._offset, size)
            if not chunk.data:
                return
            self._lines += chunk.data.count(b"\n")
            self._offset = chunk.end
            if self._offset - self._at_last.offset >= grain:
                self._note(self._arrived(self._offset))

    def _arrived(self, offset: int) -> float:
        """When a byte did, between the two looks around it."""
        marks = self._marks
        while len(marks) > 2 and marks[1][0] <= offset:
            marks.popleft()
        (begin, earlier), (end, later) = marks[0], marks[min(1, len(marks) - 1)]
        part = (offset - begin) / (end - begin) if end > begin else 1.0
        return earlier + (later - earlier) * min(1.0, max(0.0, part))

    def _note(self, at: float) -> None:
        self._last = Entry(self._offset, self._lines, max(at, self._at_last.at))
        self._new.append(self._last)

    def _write(self) -> None:
        new, self._new = self._new, []
        if not new:
            return
        try:
            if self._count + len(new) > MAX_ENTRIES:
                self._thin(new)
                return
            flags = os.O_WRONLY | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC
            fd = os.open(f"{self._run_dir}/{FILE}", flags)
            try:
                torn = (os.fstat(fd).st_size - _HEAD.size) % _ENTRY.size
                if torn:  # the disk was full in the middle of a record
                    os.ftruncate(fd, os.fstat(fd).st_size - torn)
                os.write(fd, b"".join(map(_packed, new)))
            finally:
                os.close(fd)
            self._count += len(new)
        except OSError:
            self._last = None  # go on from what the file has
            raise

    def _thin(self, new: list[Entry]) -> None:
        entries = [*_entries(_content(self._run_dir)), *new]
        while len(entries) > MAX_ENTRIES // 2:
            entries = [*entries[:-1:2], entries[-1]]
            self._level += 1
        save(self._run_dir, entries, self._level)
        self._count = len(entries)
