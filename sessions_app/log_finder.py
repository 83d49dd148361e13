"""Looking for a text in a log, as a small process of its own that bounds itself.

Standard library only. The wish comes as JSON on standard input, the log as a descriptor; what was
found goes to standard output (see :mod:`sessions_app.log_search`). What the mask covers is not
found: neither a secret nor a part of one can be guessed by searching.
"""

from __future__ import annotations

import json
import os
import resource
import sys
import time

from sessions_app.log_tail import without_escapes
from sessions_app.masking import Mask, shown

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

#: What ``python -I -S -c`` gets, before the project's directory and the log's descriptor.
BOOT = (
    "import sys; sys.path.insert(0, sys.argv[1]); from sessions_app.log_finder import main; main()"
)
#: Bytes that are read at a time.
BLOCK = 2 * 1024 * 1024
#: Bytes of a hit's line that are told before and after it.
BEFORE, AFTER = 120, 240
#: Hits are counted so far.
MAX_COUNT = 100_000
_MEMORY, _CPU_SECONDS = 256 * 1024 * 1024, 20
#: Of a block with more hits than this all is covered at once.
_SINGLY = 100


def main() -> None:
    """Search, and print what was found."""
    os.nice(10)
    resource.setrlimit(resource.RLIMIT_AS, (_MEMORY, _MEMORY))
    resource.setrlimit(resource.RLIMIT_CPU, (_CPU_SECONDS, _CPU_SECONDS))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    wish = json.loads(sys.stdin.buffer.read())
    mask = Mask(bytes.fromhex(needle) for needle in wish.pop("secrets"))
    found = search(int(sys.argv[2]), mask=mask, **wish)
    sys.stdout.write(json.dumps(found))


def spellings(text: str, ignore_case: bool) -> list[bytes]:
    """How a text may stand in a log: as it is, and as JSON has it."""
    words = {text, json.dumps(text)[1:-1], json.dumps(text, ensure_ascii=False)[1:-1]}
    found = [word.encode("utf-8", "surrogateescape") for word in words]
    return sorted({form.lower() if ignore_case else form for form in found})


def search(
    fd: int,
    *,
    text: str,
    begin: int | None,
    forward: bool,
    limit: int,
    ignore_case: bool,
    count: bool,
    seconds: float,
    mask: Mask,
) -> dict[str, Any]:
    """The first hits from a byte on, or the last ones before it.

    Args:
        fd: the log.
        text: what to look for, letter by letter.
        begin: hits begin here or later; backward: before this. None for the log's begin or end.
        forward: towards the end.
        limit: at most so many hits.
        ignore_case: for the letters A to Z.
        count: forward: count all others, too.
        seconds: how long it may take.
        mask: what is not to be found.

    Returns:
        ``hits``, ``next`` (where to go on; None where nothing is left), ``count`` (or None),
        ``complete`` (whether all was looked through) and ``size``.
    """
    deadline = time.monotonic() + seconds
    forms = spellings(text, ignore_case)
    size = os.fstat(fd).st_size
    start = (0 if forward else size) if begin is None else min(begin, size)
    spans = _spans(fd, start, size) if forward else _spans_back(fd, start)
    found = _Found(limit, count and forward)
    stopped: int | None = None
    for low, high, end in spans:
        if found.enough or time.monotonic() > deadline:
            stopped = low if forward else high
            break
        block = _Block(fd, low, high, end, forms, ignore_case, mask)
        for offset, length in block.hits(forward):
            if found.take():
                found.hits.append(_told(fd, offset, length, mask))
            if found.enough:
                break
    following = stopped
    if found.more or found.enough:
        last = found.hits[-1]["offset"] if found.hits else None
        following = start if last is None else last + 1 if forward else last
    return {
        "hits": found.hits,
        "next": following,
        "count": found.count if count and forward else None,
        "complete": stopped is None and not found.enough,
        "size": size,
    }


class _Found:
    """The first hits, and how many there are."""

    def __init__(self, limit: int, counting: bool) -> None:
        self.hits: list[dict[str, Any]] = []
        self.count = 0
        #: There are more than were asked for.
        self.more = False
        #: Nothing more is to be looked for.
        self.enough = False
        self._limit, self._counting = limit, counting

    def take(self) -> bool:
        """Count a hit; whether it is to be told of."""
        self.count += 1
        wanted = self.count <= self._limit
        self.more |= not wanted
        most = MAX_COUNT if self._counting else self._limit
        self.enough = self.count >= most
        return wanted


class _Block:
    """Hits that begin in [low, high) of a stretch of the log that goes up to ``end``."""

    def __init__(
        self,
        fd: int,
        low: int,
        high: int,
        end: int,
        forms: list[bytes],
        ignore_case: bool,
        mask: Mask,
    ) -> None:
        self._fd, self._low, self._high, self._mask = fd, low, high, mask
        self._forms = forms
        longest = max(map(len, forms))
        self._data = os.pread(fd, min(end, high + longest - 1) - low, low)
        self._searched = self._data.lower() if ignore_case else self._data
        self._shown: bytes | None = None
        self._asked = 0

    def hits(self, forward: bool) -> Iterator[tuple[int, int]]:
        """(offset, length) of what may be seen, in the search's order."""
        found = self._ascending()
        for at, length in found if forward else reversed(list(found)):
            if self._visible(at, length):
                yield self._low + at, length

    def _ascending(self) -> Iterator[tuple[int, int]]:
        data, last = self._searched, self._high - self._low
        at = [data.find(form) for form in self._forms]
        while True:
            places = [place for place in at if 0 <= place < last]
            if not places:
                return
            first = min(places)
            which = [i for i, place in enumerate(at) if place == first]
            yield first, max(len(self._forms[i]) for i in which)
            for i in which:
                at[i] = data.find(self._forms[i], first + 1)

    def _visible(self, at: int, length: int) -> bool:
        data = self._data[at : at + length]
        self._asked += 1
        if self._asked < _SINGLY:
            return shown(self._fd, self._low + at, data, self._mask) == data
        if self._shown is None:
            self._shown = shown(self._fd, self._low, self._data, self._mask)
        return self._shown[at : at + length] == data


def _data_parts(fd: int, begin: int, end: int) -> Iterator[tuple[int, int]]:
    """Stretches that were not removed from the log."""
    while begin < end:
        try:
            begin = os.lseek(fd, begin, os.SEEK_DATA)
            hole = os.lseek(fd, begin, os.SEEK_HOLE)
        except OSError:  # ENXIO: only a hole is left
            return
        if begin >= end:
            return
        yield begin, min(hole, end)
        begin = hole


def _spans(fd: int, begin: int, size: int) -> Iterator[tuple[int, int, int]]:
    """(low, high, end of the stretch): blocks in their order."""
    for first, end in _data_parts(fd, begin, size):
        for low in range(first, end, BLOCK):
            yield low, min(low + BLOCK, end), end


def _spans_back(fd: int, before: int) -> Iterator[tuple[int, int, int]]:
    """The same from the end: hits begin before ``before``, and may reach beyond it."""
    size = os.fstat(fd).st_size
    for first, end in reversed(list(_data_parts(fd, 0, size))):
        high = min(end, before)
        while high > first:
            low = max(first, high - BLOCK)
            yield low, high, end
            high = low


def _told(fd: int, offset: int, length: int, mask: Mask) -> dict[str, Any]:
    begin = max(0, offset - BEFORE)
    data = os.pread(fd, offset - begin + length + AFTER, begin)
    data = shown(fd, begin, data, mask)
    at = offset - begin
    before = data[:at].rpartition(b"\n")[2].rpartition(b"\0")[2]
    after = data[at + length :].partition(b"\n")[0].partition(b"\0")[0]
    return {
        "offset": offset,
        "length": length,
        "before": without_escapes(before),
        "match": without_escapes(data[at : at + length]),
        "after": without_escapes(after),
    }
