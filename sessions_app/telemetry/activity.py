"""A session's activity: its log followed, the figures kept in its run directory, and read there."""

import contextlib
import json
import os
import stat
import time
from collections import deque
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sessions_app import log_tail
from sessions_app.clock import wire_time
from sessions_app.conf import current
from sessions_app.masking import Mask
from sessions_app.models import AgentSession
from sessions_app.telemetry.log_figures import LogFigures
from sessions_app.telemetry.stream_json import TOKENS
from sessions_app.telemetry.told import again

#: The file in a run directory.
FILE = "activity.json"
_VERSION = 1
#: One look reads on for so long (s), and so many bytes; the last one, at a run's end, longer.
LOOK_SECONDS, LOOK_BYTES = 0.02, 4 * 1024 * 1024
FINISH_SECONDS, FINISH_BYTES = 0.5, 64 * 1024 * 1024
#: A follower that is further behind (bytes) goes on near the log's end.
LAG, NEAR = 16 * 1024 * 1024, 256 * 1024
#: With less time than this (s) for the last look only the end is read, and at least so much of it.
HURRY, NEAREST = 0.005, 64 * 1024
#: Of what is passed over at most so much is read, to count its lines.
COUNTED = 64 * 1024 * 1024
_CHUNK = 256 * 1024
#: Lines and bytes a second are those of so many looks.
SMOOTHED = 6
#: Of a session that has ended, so much is kept in its row.
KEPT_ERRORS, KEPT_TEXT = 5, 500
#: What is known of nothing.
NOTHING: dict[str, Any] = {
    **dict.fromkeys(("lines", "bytes", "lines_per_second", "bytes_per_second")),
    **dict.fromkeys(("last_line", "last_output", "error_lines")),
    "errors": [],
    "turns": None,
    "tokens": dict.fromkeys(TOKENS),
    **dict.fromkeys(("cost_usd", "model", "current", "last_tool", "result")),
    "complete": True,
}


class Follower:
    """Follows one run's log, a look at a time; goes on where an earlier one stopped.

    Args:
        run_dir: the run's directory, where ``activity.json`` is kept.
        log: the run's log.
        echoes: the task and the arguments: what of them is printed is no error.
    """

    __slots__ = (
        "_begun",
        "_behind",
        "_figures",
        "_log",
        "_marks",
        "_rates",
        "_run_dir",
        "_shown",
        "_size",
        "_told",
        "_unsaved",
        "_written",
    )

    def __init__(self, run_dir: Path, log: log_tail.Log, echoes: Sequence[str] = ()) -> None:
        self._run_dir = str(run_dir)
        self._log = log
        self._figures = LogFigures(echoes)
        self._size = 0
        #: The log's last change (s since the epoch); 0: none.
        self._written = 0.0
        self._behind = True
        self._unsaved = True
        #: The last line, and up to where the log is told of.
        self._shown, self._told = "", 0
        #: (time, lines, bytes) at the last looks.
        self._marks: deque[tuple[float, int, int]] = deque(maxlen=SMOOTHED + 1)
        self._rates: tuple[float | None, float | None] = (None, None)
        self._begun = False

    @property
    def swarm_id(self) -> str:
        """The swarm that the output says it is; empty until it does."""
        return self._figures.swarm_id

    @property
    def offset(self) -> int:
        """All of the log before it has been taken in."""
        self._begin()
        return self._figures.offset

    def look(self, now: float) -> None:
        """Take in what is new, as much as one look may, and write it down if there is any.

        Blocking, for a few hundredths of a second at most. Raises nothing for what is wrong with
        the log or the directory.

        Args:
            now: seconds of any clock that runs on; the same one at each look.
        """
        self._begin()
        self._notice_growth()
        if self._behind:
            mask = current().secrets.mask()
            self._read_on(mask, LOOK_SECONDS, LOOK_BYTES)
            if self._size - self.offset > LAG:
                self._go_near_the_end(mask)
        self._rate(now)
        if self._unsaved:
            self._save()

    def finish(self, seconds: float = FINISH_SECONDS) -> dict[str, Any]:
        """Read to the log's end, which nothing follows, and write it down.

        Reading on may take ``seconds``; then it goes on near the end, which is always read.

        Returns:
            What is to be kept of the session's activity: as :func:`read` has it, shortened.
        """
        mask = current().secrets.mask()
        self._begin()
        self._notice_growth()
        # Also the last piece is smaller where there is little time.
        near = min(NEAR, max(NEAREST, int(NEAR * seconds / LOOK_SECONDS)))
        if seconds >= HURRY or self._size - self.offset <= near:
            self._read_on(mask, min(FINISH_SECONDS, seconds), FINISH_BYTES, near)
        if self._size - self.offset > near:
            self._go_near_the_end(mask, near)
        chunk = log_tail.read_on(self._log, self.offset)
        if chunk.offset == self.offset and chunk.end >= chunk.size:
            self._figures.feed(chunk.data, mask, last=True)
            self._shown = self._figures.last_line(b"", mask)
        self._rates = (None, None)
        self._save()
        return _shortened(self._activity())

    def _notice_growth(self) -> None:
        try:
            info = os.stat(self._log)  # noqa: PTH116 - it may be a descriptor
        except OSError:
            return
        if info.st_size == self._size or not stat.S_ISREG(info.st_mode):
            return
        if info.st_size < self.offset:
            self._figures.emptied()
        self._size, self._written = info.st_size, info.st_mtime
        self._behind = self._unsaved = True

    def _read_on(self, mask: Mask, seconds: float, most: int, piece: int = _CHUNK) -> None:
        figures, deadline = self._figures, time.monotonic() + seconds
        until, size = self.offset + most, piece
        while True:
            chunk = log_tail.read_on(self._log, figures.offset, size)
            if chunk.offset > figures.offset:  # a limit has removed it from the log
                figures.skip_to(chunk.offset)
            taken = figures.feed(chunk.data, mask)
            whole = len(chunk.data) < size
            if whole and chunk.end < chunk.size and not taken and chunk.data:  # up to a hole
                figures.pass_over(chunk.data)
                taken = len(chunk.data)
            rest = chunk.data[taken:] if whole else b""
            self._told = figures.offset + len(rest)
            self._behind = self._told < max(self._size, chunk.size)
            size = piece if taken else log_tail.MAX_CHUNK
            over = time.monotonic() > deadline or figures.offset > until
            if over or (whole and not (taken and self._behind)):
                break
        self._shown = figures.last_line(rest, mask)
        self._unsaved = True

    def _go_near_the_end(self, mask: Mask, near: int = NEAR) -> None:
        """Pass over what there is no time for: only its lines are counted."""
        figures, end = self._figures, self._size - near
        if end - figures.offset > COUNTED:
            figures.skip_to(end - COUNTED)
        while figures.offset < end:
            chunk = log_tail.read_on(self._log, figures.offset, min(_CHUNK, end - figures.offset))
            if chunk.offset > figures.offset:
                figures.skip_to(chunk.offset)
            if not chunk.data:
                break
            figures.pass_over(chunk.data)
        self._unsaved = True
        self._read_on(mask, LOOK_SECONDS, near, near)

    def _rate(self, now: float) -> None:
        marks = self._marks
        marks.append((now, self._figures.lines, self._told))
        then, lines, size = marks[0]
        passed = now - then
        if passed <= 0:
            return
        rates = (
            round(max(0, self._figures.lines - lines) / passed, 1),
            round(max(0, self._told - size) / passed, 1),
        )
        self._unsaved |= rates != self._rates
        self._rates = rates

    def _activity(self) -> dict[str, Any]:
        written = datetime.fromtimestamp(self._written, UTC) if self._written else None
        return {
            **NOTHING,
            **self._figures.as_json(),
            "bytes": self._size,
            "last_line": self._shown or None,
            "lines_per_second": self._rates[0],
            "bytes_per_second": self._rates[1],
            "last_output": wire_time(written),
        }

    def _save(self) -> None:
        activity = self._activity()
        state = {**self._figures.state(), "size": self._size, "written": self._written}
        content = {"version": _VERSION, "activity": activity, "state": state}
        draft = f"{self._run_dir}/.{FILE}"
        with contextlib.suppress(OSError):  # a full disk, or the session was removed: next time
            flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC
            with open(os.open(draft, flags, 0o600), "wb") as file:  # noqa: PTH123 - a descriptor
                file.write(json.dumps(content).encode())
            os.replace(draft, f"{self._run_dir}/{FILE}")  # noqa: PTH105 - one call a look
            self._unsaved = False

    def _begin(self) -> None:
        """Go on where an earlier follower stopped. At the first look: it reads a file."""
        if self._begun:
            return
        self._begun = True
        content = _content(self._run_dir)
        try:
            self._figures.restore(content["activity"], content["state"])
            self._size = int(content["state"]["size"])
            self._written = float(content["state"]["written"])
        except (KeyError, TypeError, ValueError, AttributeError):  # none, or another version's
            self._figures, self._size = LogFigures(self._figures.echoes), 0


def _content(run_dir: Path | str) -> dict[str, Any]:
    """What stands in a run directory's file; empty when that is nothing of ours."""
    try:
        fd = os.open(f"{run_dir}/{FILE}", os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
        with open(fd, "rb") as file:  # noqa: PTH123 - a descriptor
            content = json.loads(file.read())
    except (OSError, ValueError, RecursionError):
        return {}
    known = isinstance(content, dict) and content.get("version") == _VERSION
    return content if known and isinstance(content.get("activity"), dict) else {}


def read(run_dir: Path) -> dict[str, Any]:
    """A run's activity, as docs/telemetry.md describes it; empty when there is none (yet)."""
    return covered(_content(run_dir).get("activity", {}))


def last_known(run_dir: Path) -> dict[str, Any]:
    """What is to be kept of a run whose log was not read to the end; empty: not at all."""
    found = _content(run_dir).get("activity", {})
    return _shortened({**NOTHING, **found, "complete": False}) if found else {}


def _shortened(activity: dict[str, Any]) -> dict[str, Any]:
    result = activity["result"]
    if result is not None:
        result = {**result, "text": result["text"][:KEPT_TEXT]}
    errors = activity["errors"][-KEPT_ERRORS:]
    over = {"current": None, "lines_per_second": None, "bytes_per_second": None}
    return covered({**activity, **over, "result": result, "errors": errors})


def covered(activity: dict[str, Any]) -> dict[str, Any]:
    """It without the secrets that have become known since it was written."""
    covered = again(activity, current().secrets.mask())
    return covered if isinstance(covered, dict) else {}


def of(session: AgentSession) -> dict[str, Any]:
    """A session's activity, now or altogether; nothing but nulls where it is not known.

    Of one that has ended it is what its row keeps: nothing is done any more.
    """
    measured = session.measured if isinstance(session.measured, dict) else {}
    found = read(current().runs_dir / str(session.id))
    if session.finished:
        kept = measured.get("activity")
        # The run directory may still have the errors that the row has no room for.
        errors = {"errors": found["errors"]} if found.get("errors") else {}
        found = {**covered(kept), **errors} if isinstance(kept, dict) else found
        found |= {"current": None, "lines_per_second": None, "bytes_per_second": None}
    return {**NOTHING, **found}
