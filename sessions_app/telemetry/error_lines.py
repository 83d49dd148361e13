"""Lines of a log that look like errors: what tells them, and the newest of them.

A guess for people who look for trouble, nothing that decides anything.
"""

import re
from collections import deque
from collections.abc import Iterable, Sequence
from typing import Any

#: Lines are searched for these first (in lower case): all that can tell an error.
NEEDLES = (
    b"error",
    b"fail",
    b"fatal",
    b"exception",
    b"traceback",
    b"panic",
    b"denied",
    b"err!",
    "✗".encode(),
    "❌".encode(),
)
#: So many of the newest are kept.
NEWEST = 20
#: Characters of a line that are looked at, and kept.
LOOKED_AT, KEPT = 1000, 300

#: ``0 errors``, ``no error``, ``without any failed tests``, ``failed: 0``: the opposite.
_NONE = re.compile(
    r"\b(?:0|no|zero|without|not an?)\s+(?:\w+\s+)?"
    r"(?:errors?|fail(?:ed|ures?|s)|exceptions?|panics?)\b"
    r"|\b(?:error|fail(?:ed|ures?)|exception)s?['\"]?\s*[:=]\s*"
    r"(?:0|none|null|nil|false|no|undefined)\s*(?=$|[,;.)}\]|'\"])",
    re.IGNORECASE,
)
_ERROR = re.compile(
    r"^\W*[✗❌]"
    # in capitals, as loggers and test runners have them
    r"|\b(?:ERROR|FATAL|PANIC|FAILED|FAILURE|EXCEPTION|DENIED)\b|\bERR!|(?i:\[(?:error|fatal|panic)\])"
    # TypeError: …   error[E0308]: …   fatal: …   Build failed: …
    r"|(?i:(?:\b|(?<=[a-z]))(?:error|exception|fatal|panic|failure|failed|denied)\b"
    r"(?:\[\w+\])?(?:\s?\([^)]{0,60}\))?:(?!:))"
    # at the line's begin: Error while …   Failed to …   Exception in thread …
    r"|^\W*(?i:(?:(?:fatal|uncaught|unhandled|unexpected|internal) )?"
    r"(?:error|exception|failure|panic)"
    r"(?:\s+(?:in|at|during|while|when|from|on|occurred|opening|reading|writing|loading|running"
    r"|executing|connecting|creating|parsing|code|calling)\b|[!.]?$))"
    r"|(?i:\bfailed(?:[,(!]|\s*$|\.$|\s+\(|\s+(?:to|with|after|because|at|in|on)\b))"
    r"|(?i:\berror (?:code )?-?[1-9]\d*\b)"
    r"|(?i:\b(?:permission|access|authorization|request)\s+(?:was |is )?denied\b)"
    r"|\bpanicked at\b|^Traceback \(most recent call last\)"
    r"|^[\w.$]*(?:Error|Exception)$"
)
#: What may stand before an echo of the task: ``Objective: ``.
_LABEL = re.compile(r"^\W*[\w -]{1,40}[:=]\W*$")


def looks_like_one(text: str) -> bool:
    """Whether a line, as a terminal shows it, looks like an error."""
    text = text[:LOOKED_AT]
    return _ERROR.search(_NONE.sub("", text)) is not None


def has_needle(line: bytes) -> bool:
    """Whether a line can look like an error at all."""
    low = line.lower()
    return any(needle in low for needle in NEEDLES)


class Echoes:
    """Lines of the task and the arguments that look like errors: printed, they are none."""

    __slots__ = ("_lines",)

    def __init__(self, texts: Iterable[str]) -> None:
        lines = {line.strip() for text in texts for line in text.splitlines()}
        self._lines = tuple(sorted(filter(looks_like_one, lines)))

    def __contains__(self, line: str) -> bool:
        return any(
            line == echo
            or (line.endswith(echo) and self._labelled(line.removesuffix(echo)))
            or (len(line) >= LOOKED_AT and echo.startswith(line))
            for echo in self._lines
        )

    @staticmethod
    def _labelled(before: str) -> bool:
        return _LABEL.match(before) is not None and not looks_like_one(before)


class ErrorLines:
    """How many there were, and the newest."""

    __slots__ = ("count", "newest")

    def __init__(self) -> None:
        self.count = 0
        #: (offset of what is shown, number of the line, text)
        self.newest: deque[tuple[int, int, str]] = deque(maxlen=NEWEST)

    def add(self, offset: int, line: int, text: str) -> None:
        """One more."""
        self.count += 1
        self.newest.append((offset, line, text))

    def as_json(self) -> list[dict[str, Any]]:
        """The newest, the newest last."""
        return [{"offset": o, "line": n, "text": text} for o, n, text in self.newest]

    def restore(self, count: int, newest: Sequence[dict[str, Any]]) -> None:
        """Go on from what :meth:`as_json` gave.

        Raises:
            KeyError, TypeError, ValueError: it is not that.
        """
        self.count = int(count)
        for known in newest:
            self.newest.append((int(known["offset"]), int(known["line"]), str(known["text"])))
