"""The file ``samples`` in a session's run directory: what it used, over its whole life, bounded.

A head of fixed size, rewritten at each look: the present, the totals, the peaks, and what a
restarted spawner needs to go on. Behind it at most ``MAX_POINTS`` points of fixed size, appended
with one write each; when they are full, neighbours are merged and the step doubles. Head and
points carry a checksum, so that what is torn or foreign is known.
"""

import contextlib
import errno
import math
import os
import struct
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from operator import attrgetter
from pathlib import Path
from typing import Any, NamedTuple

NAME = "samples"
MAX_POINTS = 720
MAGIC, VERSION = b"hivesmpl", 1
#: What is not known, in whole numbers and in others.
UNKNOWN, NAN = -1, math.nan
_HEAD = struct.Struct("<8sHHI" + "5d" + "d2q2q" + "qB3i" + "5q" + "dq3iq")
_POINT = struct.Struct("<dd3qqqi")
_SUM = struct.Struct("<I")
HEAD_SIZE, POINT_SIZE = 256, _POINT.size + _SUM.size
#: A reader that comes upon a head half written looks again so many times.
TRIES = 3


class Point(NamedTuple):
    """One step of the series: totals at its end, the most of what goes up and down.

    Times in seconds since the epoch, sizes in bytes; ``UNKNOWN`` for what is not known.
    """

    at: float
    cpu: float
    read: int
    written: int
    log: int
    memory: int
    disk: int
    processes: int

    def merged(self, later: "Point") -> "Point":
        """This one and the next as one."""
        most = (max(one, two) for one, two in zip(self[5:], later[5:], strict=True))
        return Point(*later[:5], *most)


@dataclass(slots=True)
class Head:
    """What is known of a run at one moment; times in seconds, sizes in bytes.

    Attributes:
        step: between two points.
        begun, at: when it was launched and last looked at, since the epoch.
        cpu, cpu_lost, read, read_lost, written, written_lost: see
            :class:`sessions_app.launchers.base.Total`.
        cpu_percent: of one processor, since the look before; NAN: not known.
        memory, pss, processes, threads, files: now; ``pss``: whether shared memory counts in
            proportion.
        log_size: bytes that its log has got so far.
        working_dir, database, output, log: what they take of the disk.
        peak_...: the most so far. ``peak_disk`` is of all of it together.
    """

    step: float
    begun: float
    at: float = 0.0
    cpu: float = 0.0
    cpu_lost: float = 0.0
    cpu_percent: float = NAN
    read: int = UNKNOWN
    read_lost: int = 0
    written: int = UNKNOWN
    written_lost: int = 0
    memory: int = UNKNOWN
    pss: bool = False
    processes: int = UNKNOWN
    threads: int = UNKNOWN
    files: int = UNKNOWN
    log_size: int = UNKNOWN
    working_dir: int = UNKNOWN
    database: int = UNKNOWN
    output: int = UNKNOWN
    log: int = UNKNOWN
    peak_cpu_percent: float = NAN
    peak_memory: int = UNKNOWN
    peak_processes: int = UNKNOWN
    peak_threads: int = UNKNOWN
    peak_files: int = UNKNOWN
    peak_disk: int = UNKNOWN

    @property
    def disk(self) -> int:
        """All that it takes of the disk; the database lies in the working directory."""
        parts = [self.working_dir, self.output, self.log]
        return UNKNOWN if UNKNOWN in parts[:2] else sum(max(0, part) for part in parts)

    def point(self) -> Point:
        """The present as a point of the series."""
        return Point(
            self.at,
            self.cpu,
            self.read,
            self.written,
            self.log_size,
            self.memory,
            self.disk,
            self.processes,
        )

    def raise_peaks(self) -> None:
        """Take the present into the peaks."""
        if not self.cpu_percent <= self.peak_cpu_percent:  # either may be NAN
            self.peak_cpu_percent = (
                self.peak_cpu_percent if math.isnan(self.cpu_percent) else self.cpu_percent
            )
        self.peak_memory = max(self.peak_memory, self.memory)
        self.peak_processes = max(self.peak_processes, self.processes)
        self.peak_threads = max(self.peak_threads, self.threads)
        self.peak_files = max(self.peak_files, self.files)
        self.peak_disk = max(self.peak_disk, self.disk)

    def packed(self) -> bytes:
        """As it stands in the file."""
        body = _HEAD.pack(MAGIC, VERSION, POINT_SIZE, 0, *_values(self))
        body = body.ljust(HEAD_SIZE - _SUM.size, b"\0")
        return body + _SUM.pack(zlib.crc32(body))


_values: Callable[[Head], tuple[Any, ...]] = attrgetter(*(each.name for each in fields(Head)))


def _unpacked(data: bytes) -> Head | None:
    """A head; None for what is none of ours, or torn."""
    if len(data) < HEAD_SIZE or not data.startswith(MAGIC):
        return None
    body = data[: HEAD_SIZE - _SUM.size]
    if _SUM.pack(zlib.crc32(body)) != data[HEAD_SIZE - _SUM.size : HEAD_SIZE]:
        return None
    _, version, point_size, _, *values = _HEAD.unpack_from(body)
    if (version, point_size) != (VERSION, POINT_SIZE):
        return None
    head = Head(*values)
    head.pss = bool(head.pss)
    return head


def _packed_point(point: Point) -> bytes:
    body = _POINT.pack(*point)
    return body + _SUM.pack(zlib.crc32(body))


def _points(data: bytes) -> list[Point]:
    """The points that are whole."""
    found = []
    for begin in range(0, len(data) - POINT_SIZE + 1, POINT_SIZE):
        body = data[begin : begin + _POINT.size]
        end = begin + POINT_SIZE
        if _SUM.pack(zlib.crc32(body)) == data[begin + _POINT.size : end]:
            found.append(Point._make(_POINT.unpack(body)))
    return found


@dataclass(frozen=True, slots=True)
class Stored:
    """What the file holds."""

    head: Head
    points: list[Point]


def head(run_dir: Path) -> Head | None:
    """The head of a run's file; None when there is none, or none of ours."""
    found = _read(run_dir, HEAD_SIZE)
    return _unpacked(found) if found else None


def read(run_dir: Path) -> Stored | None:
    """A run's file, the present as its last point; None when there is none, or none of ours."""
    for _ in range(TRIES):
        data = _read(run_dir, HEAD_SIZE + MAX_POINTS * POINT_SIZE)
        if (found := _unpacked(data)) is not None:
            points = _points(data[HEAD_SIZE:])
            if found.at and (not points or points[-1].at != found.at):
                points.append(found.point())
            return Stored(found, points)
    return None


def _read(run_dir: Path, size: int) -> bytes:
    try:
        fd = os.open(run_dir / NAME, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return b""
    try:
        return os.pread(fd, size, 0)
    except OSError:  # a directory was put there, say
        return b""
    finally:
        os.close(fd)


class Series:
    """Writes one run's file. What is broken or foreign is begun anew.

    Args:
        run_dir: the session's run directory; it is never made here.
        step: seconds between two points, at first.
        begun: when the run was launched (seconds since the epoch).
    """

    def __init__(self, run_dir: Path, step: float, begun: float) -> None:
        self._path = run_dir / NAME
        stored = read(run_dir)
        known = stored is not None and abs(stored.head.begun - begun) < 1.0
        self.head = stored.head if stored is not None and known else Head(step, begun)
        self._anew = not known
        self._last = stored.points[-1].at if stored and known and stored.points else begun
        self._pending: Point | None = None

    def add(self, *, last: bool = False) -> None:
        """Write the head down as it is now, and a point when one is due.

        Args:
            last: no more will follow, so a point is due.

        Raises:
            OSError: it cannot be written; the point is then written with a later one. A file
                whose directory has gone is none.
        """
        point = self.head.point()
        self._pending = point if self._pending is None else self._pending.merged(point)
        flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
        flags |= os.O_TRUNC if self._anew else 0
        try:
            fd = os.open(self._path, flags, 0o600)
        except FileNotFoundError:
            return
        try:
            _write(fd, self.head.packed(), 0)
            self._anew = False
            # The clock may have been set back.
            if last or abs(point.at - self._last) >= self.head.step * 0.75:
                self._append(fd)
        finally:
            os.close(fd)

    def _append(self, fd: int) -> None:
        if self._pending is None:
            return
        count = max(0, os.fstat(fd).st_size - HEAD_SIZE) // POINT_SIZE
        if count >= MAX_POINTS:
            self._merge(fd)
        else:
            _write(fd, _packed_point(self._pending), HEAD_SIZE + count * POINT_SIZE)
        self._last, self._pending = self._pending.at, None

    def _merge(self, fd: int) -> None:
        """Make room: two neighbours become one, and the step twice as long."""
        data = os.pread(fd, MAX_POINTS * POINT_SIZE, HEAD_SIZE)
        points = [*_points(data), *([self._pending] if self._pending else ())]
        step, self.head.step = self.head.step, self.head.step * 2
        draft = self._path.with_name(f".{NAME}.{os.getpid()}")
        try:
            content = self.head.packed() + b"".join(map(_packed_point, halved(points)))
            new = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600)
            try:
                _write(new, content, 0)
            finally:
                os.close(new)
            draft.replace(self._path)
        except OSError:
            self.head.step = step
            with contextlib.suppress(OSError):
                draft.unlink()
            raise


def halved(points: Sequence[Point]) -> list[Point]:
    """Every two neighbours as one; the last one stays alone where there is no other."""
    pairs = zip(points[::2], points[1::2], strict=False)
    found = [one.merged(two) for one, two in pairs]
    return [*found, points[-1]] if len(points) % 2 else found


def _write(fd: int, data: bytes, offset: int) -> None:
    if os.pwrite(fd, data, offset) != len(data):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), NAME)
