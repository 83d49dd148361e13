"""Figures of a log that is fed piece by piece: lines, errors, the conversation, the swarm's id.

Whatever pieces it is fed, the figures after the same bytes are the same; no bytes make it raise.
"""

import json
import re
from collections.abc import Iterator, Sequence
from typing import Any

from sessions_app.masking import Mask
from sessions_app.telemetry.error_lines import (
    KEPT,
    LOOKED_AT,
    NEEDLES,
    Echoes,
    ErrorLines,
    has_needle,
    looks_like_one,
)
from sessions_app.telemetry.stream_json import Conversation
from sessions_app.telemetry.told import drawn, text_of, told

#: Lines from this size on are counted, and not looked at; but a result may be as long as that.
MAX_LINE, MAX_RESULT = 64 * 1024, 1024 * 1024 - 1
#: Bytes and characters of the last line.
_LAST_BYTES, _LAST = 4096, 300
#: So many lines without anything to see are looked through for the last one.
_BLANK = 100
_RESULT = (b'{"type":"result"', b'{"type": "result"')
_SKIPPED = (b'{"type":"stream_event"', b'{"type": "stream_event"')
_JSON = b'{"'
_SWARM = b"Swarm ID: "
_SWARM_LINE = re.compile(r"\W*Swarm ID: (swarm-[A-Za-z0-9_-]{1,90})")
#: Where a line that is passed over ends, or is drawn over.
_OVER = re.compile(rb"\n|\r(?=[^\r\n])")


class LogFigures:
    """What is known of a log up to :attr:`offset`.

    Args:
        echoes: the task and the arguments: what of them is printed is no error.
    """

    __slots__ = (
        "_before",
        "_known_echoes",
        "_last",
        "complete",
        "conversation",
        "echoes",
        "errors",
        "lines",
        "offset",
        "passing",
        "swarm_id",
    )

    def __init__(self, echoes: Sequence[str] = ()) -> None:
        #: All before this is counted: a line begins here, or one that is :attr:`passing` goes on.
        self.offset = 0
        #: Whole lines before it.
        self.lines = 0
        #: What is left of the present line is too long to be looked at, or has no begin.
        self.passing = False
        #: False when parts were not looked at: the counts are lower bounds then.
        self.complete = True
        self.errors = ErrorLines()
        self.conversation = Conversation()
        self.swarm_id = ""
        self._last = self._before = ""
        self.echoes = echoes
        self._known_echoes: Echoes | None = None

    def feed(self, data: bytes, mask: Mask, *, last: bool = False) -> int:
        """Take in what stands at :attr:`offset`, which moves on to the end of its last line.

        Args:
            data: the rest of it, from :attr:`offset`, must be given again with what follows.
            mask: the secrets.
            last: no more will follow.

        Returns:
            The bytes that were taken; the rest is a part of a line.
        """
        begin = self._passed(data) if self.passing else 0
        if self.passing:
            # What is drawn over ends with a \r that has something behind it: keep the last one.
            kept = data[-1:] == b"\r" and not last
            self.lines += last
            self.passing = not last
            self._move(len(data) - kept)
            return len(data) - kept
        end = len(data) if last else data.rfind(b"\n") + 1
        if end > begin:
            block = data[begin:end]
            self._move(begin)
            self._search(block, mask)
            self._note_last(block, mask)
            self.lines += block.count(b"\n") + (last and not block.endswith(b"\n"))
            self._move(len(block))
            begin = end
        else:
            self._move(begin)
        return begin + self._shorten(data[begin:], mask)

    def pass_over(self, data: bytes) -> None:
        """Only count what stands at :attr:`offset`."""
        if data:
            self.lines += data.count(b"\n")
            self._move(len(data))
            self.passing, self.complete = not data.endswith(b"\n"), False
            self._before = self._last

    def skip_to(self, offset: int) -> None:
        """Go on at another offset; what lies between cannot be read, or not in time."""
        self.offset = offset
        self.passing, self.complete = offset > 0, False
        self._before = self._last

    def emptied(self) -> None:
        """Somebody has emptied the log: lines and places count from its new begin."""
        self.skip_to(0)
        self.lines = 0
        self.errors.newest.clear()

    def last_line(self, rest: bytes, mask: Mask) -> str:
        """The newest line with anything to see, given the part of one that stands at the end."""
        return (not self.passing and self._seen(rest, mask)) or self._last

    def _move(self, count: int) -> None:
        self.offset += count

    def _passed(self, data: bytes) -> int:
        """Where what is passed over ends; :attr:`passing` goes on if it does not."""
        found = _OVER.search(data)
        if found is None:
            return 0
        self.passing = False
        if found[0] == b"\n":
            self.lines += 1
        else:
            self._last = self._before
        return found.end()

    def _shorten(self, rest: bytes, mask: Mask) -> int:
        """Take what is of no use any more of a line that has no end yet; how much that is."""
        if len(rest) < MAX_LINE:
            return 0
        over = rest.rstrip(b"\r").rfind(b"\r") + 1
        shown = rest[over:]
        if len(shown) >= MAX_LINE and not (len(shown) < MAX_RESULT and shown.startswith(_RESULT)):
            self._before, self._last = self._last, self._seen(shown, mask) or self._last
            self.passing = True
            over = len(rest.rstrip(b"\r"))
        self._move(over)
        return over

    def _search(self, block: bytes, mask: Mask) -> None:
        counted, lines = 0, self.lines
        for begin, end in self._candidates(block):
            raw = block[begin:end]
            line = drawn(raw)
            at = self.offset + begin + (raw.rstrip(b"\r").rfind(b"\r") + 1 if line != raw else 0)
            if len(line) >= MAX_LINE and not (len(line) < MAX_RESULT and line.startswith(_RESULT)):
                continue
            json_line = line.startswith(_JSON)
            error = self._json(line, at, mask) if json_line else self._text(line, mask)
            if error is not None:
                lines += block.count(b"\n", counted, begin)
                counted = begin
                self.errors.add(at, lines + 1, told(error, KEPT, mask))

    def _candidates(self, block: bytes) -> Iterator[tuple[int, int]]:
        """Where lines stand that may tell something."""
        low = block.lower()
        # One search for each needle: several times as fast as one pattern for all of them.
        hits = {needle: low.find(needle) for needle in NEEDLES}
        hits[_JSON] = low.find(_JSON)
        swarm = _SWARM.lower()
        if not self.swarm_id:
            hits[swarm] = low.find(swarm)
        position = 0
        while True:
            hit = min((at for at in hits.values() if at >= 0), default=-1)
            if hit < 0:
                return
            begin = block.rfind(b"\n", position, hit) + 1 or position
            end = block.find(b"\n", hit)
            end = len(block) if end < 0 else end
            yield begin, end
            position = end + 1
            for needle, at in hits.items():
                if 0 <= at < position:
                    hits[needle] = low.find(needle, position)

    def _json(self, line: bytes, offset: int, mask: Mask) -> str | None:
        if line.startswith(_SKIPPED):
            return None
        try:
            message = json.loads(line)
        except (ValueError, RecursionError):
            return None
        return self.conversation.take(message, offset, mask) if isinstance(message, dict) else None

    def _text(self, line: bytes, mask: Mask) -> str | None:
        if not self.swarm_id and _SWARM in line:
            self._note_swarm(told(text_of(line, LOOKED_AT), LOOKED_AT, mask))
        if not has_needle(line):
            return None
        text = told(text_of(line, LOOKED_AT * 4), LOOKED_AT, mask)
        if not looks_like_one(text):
            return None
        if self._known_echoes is None:
            self._known_echoes = Echoes(self.echoes)
        return None if text in self._known_echoes else text

    def _note_swarm(self, text: str) -> None:
        found = _SWARM_LINE.fullmatch(text)
        if found and not any(text in echo for echo in self.echoes):
            self.swarm_id = found[1]

    def _note_last(self, block: bytes, mask: Mask) -> None:
        end = len(block.rstrip(b"\r\n"))
        for _ in range(_BLANK):
            if end <= 0:
                return
            begin = block.rfind(b"\n", 0, end) + 1
            if text := self._seen(block[begin:end], mask):
                self._last = text
                return
            end = begin - 1

    @staticmethod
    def _seen(line: bytes, mask: Mask) -> str:
        return told(text_of(drawn(line), _LAST_BYTES), _LAST, mask)

    def as_json(self) -> dict[str, Any]:
        """What there is to tell of it, but for rates, times and the last line."""
        talk = self.conversation
        return {
            "lines": self.lines,
            "error_lines": self.errors.count,
            "errors": self.errors.as_json(),
            "turns": talk.turns,
            "tokens": talk.tokens,
            "cost_usd": talk.cost,
            "model": talk.model,
            "current": talk.current,
            "last_tool": talk.last_tool,
            "result": talk.result,
            "complete": self.complete,
        }

    def state(self) -> dict[str, Any]:
        """All that :meth:`restore` needs beside what :meth:`as_json` says, as JSON."""
        return {
            "offset": self.offset,
            "passing": self.passing,
            "swarm_id": self.swarm_id,
            "last": [self._last, self._before],
            "conversation": self.conversation.state(),
        }

    def restore(self, told_before: dict[str, Any], state: dict[str, Any]) -> None:
        """Go on from what :meth:`as_json` and :meth:`state` gave.

        Raises:
            KeyError, TypeError, ValueError: they are none of this version's.
        """
        self.conversation.restore(state["conversation"])
        self.errors.restore(told_before["error_lines"], told_before["errors"])
        self.offset, self.lines = int(state["offset"]), int(told_before["lines"])
        self.passing, self.complete = bool(state["passing"]), bool(told_before["complete"])
        self.swarm_id = str(state["swarm_id"])
        self._last, self._before = map(str, state["last"])
