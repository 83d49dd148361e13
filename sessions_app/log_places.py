"""Places in a log: which byte a line begins at, which line a byte stands in, when it arrived."""

import contextlib
import os
import time
from bisect import bisect_right
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sessions_app import log_index, log_tail
from sessions_app.errors import Invalid
from sessions_app.log_index import Entry, Index
from sessions_app.models import AgentSession

#: Where the index ends, lines are counted for so long (s) a question at most.
COUNT_SECONDS = 2.0
#: A log without any times that was written within so many seconds needs none.
SHORT = 10.0
#: The begin of a line is looked for so far back.
LINE_BYTES = 1024 * 1024
#: Times are told of a part of at most so many bytes.
MAX_SPAN = 64 * 1024 * 1024
#: Of the times in a part of a log at most so many are told.
MAX_MARKS = 200
_PIECE = 256 * 1024


@dataclass(frozen=True, slots=True)
class Place:
    """The begin of a line, its number (the first is 1) and arrival (s); None for not known."""

    offset: int
    line: int | None
    at: float | None


class Places:
    """Answers about one log as it is now. Blocking.

    Args:
        log: the log.
        index: what is known of it.
        span: when it was begun and written last (s since 1970); None where nobody knows.
    """

    def __init__(
        self, log: log_tail.Log, index: Index, span: tuple[float, float] | None = None
    ) -> None:
        self._log, self._index = log, index
        self.size = log_tail.size(log)
        #: The last place that was counted up to: offset, line feeds.
        self._counted = (0, 0)
        self._deadline = time.monotonic() + COUNT_SECONDS
        offsets, times = index.times()
        self._offsets, self._times = list(offsets), list(times)
        if span is not None and (self._times or span[1] - span[0] <= SHORT):
            if not self._times:
                self._offsets, self._times = [0], [span[0]]
            if self.size > self._offsets[-1]:
                self._offsets.append(self.size)
                self._times.append(max(span[1], self._times[-1]))

    def by_offset(self, offset: int) -> Place:
        """The line that a byte stands in; of one beyond the end the last."""
        begin = self.line_begin(min(offset, self.size))
        return Place(begin, self.number(begin), self.arrived(begin))

    def by_line(self, line: int) -> Place:
        """A line by its number; beyond the last one the last.

        Raises:
            Invalid: there was no time to count so far.
        """
        if line <= 1:
            return Place(0, 1, self.arrived(0))
        total = self.total()  # the index then reaches to the end, or as far as there was time
        begin, feeds, until = self._index.around_line(line - 1)
        if until is None and total is None:
            raise Invalid("the log has no index that far; ask for an offset instead")
        end = self.size if until is None else until
        while begin < end:
            chunk = log_tail.read(self._log, begin, min(_PIECE, end - begin))
            if not chunk.data:
                break
            here = chunk.data.count(b"\n")
            if feeds + here >= line - 1:
                at = -1
                for _ in range(line - 1 - feeds):
                    at = chunk.data.index(b"\n", at + 1)
                offset = begin + at + 1
                if offset >= self.size:  # nothing stands behind the last line feed
                    return self.by_offset(self.size)
                return Place(offset, line, self.arrived(offset))
            feeds, begin = feeds + here, chunk.end
        if until is None:
            return self.by_offset(self.size)
        # A limit has removed it: where the log goes on.
        offset = log_tail.read_on(self._log, min(begin, self.size), 1).offset
        return Place(offset, None, self.arrived(offset))

    def by_time(self, at: float) -> Place:
        """The line that arrived then or next.

        Raises:
            Invalid: nobody noted times.
        """
        if not self._times:
            raise Invalid("nobody noted when this log was written; ask for a line or an offset")
        after = bisect_right(self._times, at)
        if after == 0:
            return Place(0, 1, self.arrived(0))
        if after == len(self._times):
            return self.by_offset(self.size)
        begin, end = self._offsets[after - 1], self._offsets[after]
        earlier, later = self._times[after - 1], self._times[after]
        part = (at - earlier) / (later - earlier) if later > earlier else 0.0
        return self.by_offset(begin + int((end - begin) * part))

    def line_begin(self, offset: int) -> int:
        """Where the line of a byte begins, looked for one MiB back at most."""
        if offset >= self.size and offset:
            offset = self.size
            if log_tail.read(self._log, offset - 1, 1).data == b"\n":
                offset -= 1  # the end belongs to the last line
        floor = max(0, offset - LINE_BYTES)
        end = offset
        while end > floor:
            begin = max(floor, end - 64 * 1024)
            found = log_tail.read(self._log, begin, end - begin).data.rfind(b"\n")
            if found >= 0:
                return log_tail.read_on(self._log, begin + found + 1, 1).offset
            end = begin
        beyond = log_tail.read_on(self._log, floor, 1).offset
        if floor == 0 or beyond > floor:  # the log's begin, or where it goes on
            return min(beyond, self.size)
        return offset

    def number(self, offset: int) -> int | None:
        """The number of the line that begins at a byte; None when it takes too long to count."""
        begin, feeds = self._index.before_offset(offset)
        if begin < self._counted[0] <= offset:
            begin, feeds = self._counted
        counted = self._feeds(begin, offset)
        if counted is None:
            return None
        self._counted = (offset, feeds + counted)
        return feeds + counted + 1

    def arrived(self, offset: int) -> float | None:
        """When a byte did, about: between two looks at the log, by its share of what came."""
        offsets, times = self._offsets, self._times
        after = bisect_right(offsets, offset)
        if not times or after == 0:
            return None
        if after == len(offsets):
            return times[-1] if offset <= self.size else None
        begin, end = offsets[after - 1], offsets[after]
        part = (offset - begin) / (end - begin)
        return times[after - 1] + (times[after] - times[after - 1]) * part

    def marks(self, begin: int, end: int) -> list[tuple[int, float]]:
        """Offsets and times in a part of the log, with those at its ends."""
        inner = [
            (offset, at)
            for offset, at in zip(self._offsets, self._times, strict=True)
            if begin < offset < end
        ]
        step = len(inner) // MAX_MARKS + 1
        ends = [(offset, self.arrived(offset)) for offset in (begin, min(end, self.size))]
        return sorted([*inner[::step], *((o, at) for o, at in ends if at is not None)])

    def total(self) -> int | None:
        """How many lines there are, the last one without its end, too; None as for number()."""
        begin, feeds = self._index.last
        counted = self._feeds(begin, self.size, note=True)
        if counted is None:
            return None
        ended = not self.size or log_tail.read(self._log, self.size - 1, 1).data == b"\n"
        return feeds + counted + (0 if ended else 1)

    def _feeds(self, begin: int, end: int, *, note: bool = False) -> int | None:
        """Line feeds between two bytes; ``note`` has the index know of them."""
        counted, noted = 0, self._index.last[1]
        while begin < end:
            chunk = log_tail.read_on(self._log, begin, min(_PIECE, end - begin))
            if not chunk.data or chunk.offset >= end:
                break
            counted += chunk.data[: end - chunk.offset].count(b"\n")
            begin = min(chunk.end, end)
            if note:
                self._index.add(Entry(begin, noted + counted, 0.0))
            if begin < end and time.monotonic() > self._deadline:
                return None
        return counted


def of(session: AgentSession, run_dir: Path) -> Places:
    """Places in a session's log. Where nobody indexed it, that is done now, and kept."""
    index = log_index.read(run_dir)
    if index.last[0] > log_tail.size(session.log_file):
        index = Index()
    missing = session.finished and log_tail.size(session.log_file) - index.last[0] > _PIECE
    places = Places(session.log_file, index, _span(session))
    if missing:
        places.total()  # as far as there is time; the next one goes on from there
        with contextlib.suppress(OSError):  # removed, or full: the next one counts again
            log_index.save(run_dir, index.entries(), index.level)
    return places


def _span(session: AgentSession) -> tuple[float, float] | None:
    try:
        written = os.stat(session.log_file).st_mtime  # noqa: PTH116 - as log_tail
    except OSError:
        return None
    began = session.started_at
    return (min(began.timestamp(), written), written) if began is not None else None


def removed(log: log_tail.Log) -> tuple[int, int] | None:
    """Where the log's limit has removed a part of it; None where it has not."""
    begin, end = log_tail.first_hole(log)
    return (begin, end) if end < log_tail.size(log) else None


def answer(
    session: AgentSession,
    run_dir: Path,
    *,
    line: int | None,
    at: float | None,
    offset: int | None,
    span: int,
) -> dict[str, Any]:
    """What the API says of a place; exactly one of line, at and offset is given."""
    places = of(session, run_dir)
    if line is not None:
        place = places.by_line(line)
    elif at is not None:
        place = places.by_time(at)
    else:
        place = places.by_offset(offset or 0)
    hole = removed(session.log_file)
    marks = places.marks(place.offset, place.offset + span) if span else []
    return {
        "offset": place.offset,
        "line": place.line,
        "time": _exact(place.at),
        "size": places.size,
        "lines": places.total(),
        "removed": None if hole is None else {"begin": hole[0], "end": hole[1]},
        "marks": [{"offset": where, "time": _exact(when)} for where, when in marks],
    }


def _exact(at: float | None) -> str | None:
    """A time with milliseconds, RFC 3339."""
    if at is None:
        return None
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds")
